"""Which offers are published: buyers are told of a model once a call proved that they can have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from control_app.pricing.offers import Offer

Proven: TypeAlias = Mapping[str, bool] | None
"""Models that a call proved, and whether they could be called the last time; None where nothing tries them."""


def published(offers: Iterable[Offer], proven: Proven) -> list[Offer]:
    """Those of *offers* that are proven; one that cannot be called now stays, and is told as not ready.

    Who left the list when its engine is down would be hidden by buyers for longer than that.
    """
    if proven is None:
        return list(offers)
    return [offer if proven[offer.model] else _not_ready(offer) for offer in offers if offer.model in proven]


def _not_ready(offer: Offer) -> Offer:
    return replace(offer, document={**offer.document, "is_ready": False})
