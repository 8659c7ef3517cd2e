"""What a usage row is rated by: one rate for each price kind, with the fallbacks applied, and which changes wait for a person."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from control_app.money import from_pico, to_pico


class Rates(NamedTuple):
    """Pico-units for one token, or one request."""

    prompt: int
    input_cache_read: int
    input_cache_write: int
    completion: int
    internal_reasoning: int
    request: int

    def decimals(self) -> dict[str, Decimal]:
        """Units of the currency, by price kind."""
        return {kind: from_pico(rate) for kind, rate in self._asdict().items()}


FREE = Rates(0, 0, 0, 0, 0, 0)


def resolve(prices: Mapping[str, Decimal]) -> Rates:
    """*prices* with the fallbacks: absent cache rates are the prompt's, an absent reasoning rate the completion's, no request fee."""
    prompt, completion = prices["prompt"], prices["completion"]
    return Rates(
        prompt=to_pico(prompt),
        input_cache_read=to_pico(prices.get("input_cache_read", prompt)),
        input_cache_write=to_pico(prices.get("input_cache_write", prompt)),
        completion=to_pico(completion),
        internal_reasoning=to_pico(prices.get("internal_reasoning", completion)),
        request=to_pico(prices.get("request", Decimal(0))),
    )


def waits_for_a_person(old: Rates, new: Rates) -> bool:
    """Whether a rate changes by more than half, to 0 or from 0: slips of a digit look like this."""
    return any(
        before != after and (not before or not after or 2 * abs(after - before) > before) for before, after in zip(old, new, strict=True)
    )
