"""The price sheet that Bifrost reads: `<provider>/<model>` to USD a unit, as JSON numbers.

Facts: one string among the prices, and Bifrost keeps all its old ones; the prefix up to the first slash is cut off and
the provider is taken from the entry; a rate left out falls back to the prompt's (maximhq/bifrost,
framework/modelcatalog/datasheet).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import simplejson

from control_app.offers import Offer

PROVIDER = "kubeai"
_RATES = {
    "prompt": "input_cost_per_token",
    "completion": "output_cost_per_token",
    "input_cache_read": "cache_read_input_token_cost",
    "input_cache_write": "cache_creation_input_token_cost",
    "internal_reasoning": "output_cost_per_reasoning_token",
    "request": "cost_per_request",
}
_MODES = {"TextEmbedding": "embedding", "Reranking": "rerank", "SpeechToText": "audio_transcription"}


def sheet(offers: Iterable[Offer], withdrawn: Mapping[str, Sequence[str]] | None = None) -> dict[str, dict[str, Any]]:
    """One entry for each offer, prices are Decimals; explicit zeros for *withdrawn* models, given with their features.

    Bifrost never deletes a row: left out, a withdrawn price would stay.
    """
    entries = {f"{PROVIDER}/{offer.model}": _entry(offer) for offer in offers}
    zeros = dict.fromkeys(_RATES.values(), Decimal(0))
    for model, features in (withdrawn or {}).items():
        entries[f"{PROVIDER}/{model}"] = {"provider": PROVIDER, "mode": _mode(features), **zeros}
    return entries


def to_json(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The sheet's text: numbers that are exactly the prices, never by way of a float."""
    return simplejson.dumps(entries, use_decimal=True, indent=2)


def _mode(features: Sequence[str]) -> str:
    if "TextGeneration" in features:
        return "chat"
    return next((_MODES[feature] for feature in features if feature in _MODES), "chat")


def _entry(offer: Offer) -> dict[str, Any]:
    rates: dict[str, Decimal] = {_RATES[kind]: price for kind, price in offer.prices.items()}
    return {
        "provider": PROVIDER,
        "mode": _mode(offer.features),
        **rates,
        "context_length": offer.document["context_length"],
        "max_output_tokens": offer.document["max_output_length"],
    }
