"""The price sheet that Bifrost reads: `<provider>/<model>` to USD a unit, as JSON numbers.

One string among the prices, and Bifrost keeps old ones. It cuts off the prefix up to the first slash, and takes the provider
from the entry, and a price is of one mode of requests: a model has an entry for each, or what is asked in another would cost
nothing and count against no budget. A cache's rate that is left out is the prompt's (docs/facts/bifrost.md, Price sheet).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import simplejson

from control_app.gateway.port import PROVIDER
from control_app.gateway.price_fields import FIELDS
from control_app.pricing.offers import Offer

_MODES = {"TextEmbedding": "embedding", "Reranking": "rerank", "SpeechToText": "audio_transcription"}
_ALL_MODES = ("chat", "completion", *_MODES.values())


def sheet(offers: Iterable[Offer], withdrawn: Mapping[str, Sequence[str]] | None = None) -> dict[str, dict[str, Any]]:
    """The entries of each offer, prices are Decimals; explicit zeros for *withdrawn* models, given with their features.

    Bifrost never deletes a row: left out, a withdrawn price would stay.
    """
    entries: dict[str, dict[str, Any]] = {}
    for offer in offers:
        entries |= _entries(offer.model, offer.features, _told(offer))
    zeros: dict[str, Any] = dict.fromkeys(FIELDS.values(), Decimal(0))
    for model, features in (withdrawn or {}).items():
        entries |= _entries(model, features, zeros)
    return entries


def sheet_text(offers: Iterable[Offer], withdrawn: Mapping[str, Sequence[str]]) -> str:
    """The sheet as the gateway reads it."""
    return to_json(sheet(offers, withdrawn))


def to_json(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The sheet's text: numbers that are exactly the prices, never by way of a float."""
    return simplejson.dumps(entries, use_decimal=True, indent=2)


def _mode(features: Sequence[str]) -> str:
    if "TextGeneration" in features:
        return "chat"
    return next((_MODES[feature] for feature in features if feature in _MODES), "chat")


def _entries(model: str, features: Sequence[str], told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is *told* of a model, for every mode: that of its own work under its name, the others with a prefix that is cut off."""
    own = _mode(features)
    names = {own: f"{PROVIDER}/{model}"} | {mode: f"{PROVIDER}-{mode}/{model}" for mode in _ALL_MODES if mode != own}
    return {name: {"provider": PROVIDER, "mode": mode, **told} for mode, name in names.items()}


def _told(offer: Offer) -> dict[str, Any]:
    rates: dict[str, Any] = {FIELDS[kind]: price for kind, price in offer.prices.items()}
    return rates | {"context_length": offer.document["context_length"], "max_output_tokens": offer.document["max_output_length"]}
