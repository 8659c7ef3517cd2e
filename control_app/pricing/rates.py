"""What a usage row is rated by: one rate for each price kind, with the fallbacks applied."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from control_app.core.money import from_pico, to_pico
from control_app.core.numbers import Pico
from control_app.pricing.kinds import KINDS, PriceKind


class Rates(NamedTuple):
    """Pico-units for one token, or one request: the price kinds of KINDS, in its order."""

    prompt: Pico
    input_cache_read: Pico
    input_cache_write: Pico
    completion: Pico
    internal_reasoning: Pico
    request: Pico

    def decimals(self) -> dict[str, Decimal]:
        """Units of the currency, by price kind."""
        return {kind: from_pico(rate) for kind, rate in self._asdict().items()}


FREE = Rates._make(0 for _ in Rates._fields)


def resolve(prices: Mapping[str, Decimal]) -> Rates:
    """*prices* with the fallbacks: absent cache rates are the prompt's, an absent reasoning rate the completion's, no request fee.

    Raises KeyError where a required kind is absent, which `parse_prices` lets nobody leave out.
    """
    return Rates(**{kind.name: to_pico(_price(kind, prices)) for kind in KINDS.values()})


def _price(kind: PriceKind, prices: Mapping[str, Decimal]) -> Decimal:
    if kind.name in prices or kind.is_required:
        return prices[kind.name]
    return prices[kind.fallback] if kind.fallback else Decimal(0)
