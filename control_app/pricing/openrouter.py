"""OpenRouter's provider format 2.4 from an offer (docs/facts/openrouter.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from control_app.pricing.kinds import KINDS, Side
from control_app.pricing.offers import Offer
from control_app.pricing.prices import plain

SCHEMA_VERSION = "2.4"

OTHERWISE = {"json_mode": "response_format"}
"""What OpenRouter calls a parameter now, by what the flat format calls it."""

_SAME = ("id", "hugging_face_id", "name", "created", "quantization", "description", "deprecation_date", "is_ready", "is_free")


def document(offer: Offer) -> dict[str, Any]:
    """The offer as a document of schema version 2.4: prices are plain decimal strings, USD for one unit."""
    flat = offer.document
    result: dict[str, Any] = {"schema_version": SCHEMA_VERSION}
    result |= {key: flat[key] for key in _SAME if flat.get(key) is not None}
    inputs = [_input(kind, offer) for kind in flat["input_modalities"]]
    outputs = [_output(kind, offer) for kind in flat["output_modalities"]]
    _main(inputs)["pricing"] = list(_prices(offer, "input"))
    if offer.writes_tokens:
        _main(outputs)["pricing"] = list(_prices(offer, "output"))
    result |= {"input_modalities": inputs, "output_modalities": outputs}
    if flat.get("openrouter"):
        result["openrouter"] = {"slug": flat["openrouter"]["slug"]}
    if flat.get("datacenters"):
        result["datacenters"] = [_datacenter(entry) for entry in flat["datacenters"]]
    if whole := list(_prices(offer, "whole")):
        result["pricing"] = whole
    return result


def _input(kind: str, offer: Offer) -> dict[str, Any]:
    modality: dict[str, Any] = {"type": kind}
    if kind == "text":
        modality["supported_inputs"] = {"max_context_length": _limit(offer.document["context_length"])}
    return modality


def _main(modalities: list[dict[str, Any]]) -> dict[str, Any]:
    """The modality that carries the prices a token: text where there is text."""
    return next((modality for modality in modalities if modality["type"] == "text"), modalities[0])


def _output(kind: str, offer: Offer) -> dict[str, Any]:
    flat = offer.document
    # The flat format says that a parameter is supported, not its range.
    said = [*flat["supported_sampling_parameters"], *flat["supported_features"]]
    names = dict.fromkeys(OTHERWISE.get(name, name) for name in said)
    modality: dict[str, Any] = {"type": kind, "supported_parameters": {name: {"type": "unknown"} for name in names}}
    if kind == "text":
        modality |= {"streaming": True, "max_length": _limit(flat["max_output_length"])}
    return modality


def _prices(offer: Offer, side: Side) -> Iterator[dict[str, str]]:
    """A price of 0 for the whole is left out: it is no price."""
    for kind in KINDS.values():
        price = offer.prices.get(kind.name)
        if kind.side == side and price is not None and (price or side != "whole"):
            yield {"type": kind.openrouter_type, "unit": kind.unit.name, "cost_usd": plain(price)}


def _limit(tokens: int) -> dict[str, Any]:
    return {"value": tokens, "unit": "token"}


def _datacenter(entry: Mapping[str, str]) -> dict[str, str]:
    return {key: entry[key] for key in ("country_code", "region") if key in entry}
