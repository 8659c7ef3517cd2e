"""The price kinds: what each of them bills, what holds where it is absent, and what it is called wherever prices are told.

A new kind stands here first, and most follows from it. What cannot follow (the columns of the price book, what a gateway
calls it) tests/control/pricing/test_kinds.py names, and docs/decisions/0016-one-table-of-price-kinds.md lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Measure = Literal["plain_prompt", "cached_read", "cached_write", "plain_completion", "reasoning", "requests"]
"""Sums of usage that are billed; `plain_…` are the tokens without cached and reasoning ones (see ledger/usage.py)."""
Side = Literal["input", "output", "whole"]
"""Where OpenRouter's schema has a price: at what goes in, at what comes out, or at the model as a whole."""


@dataclass(frozen=True)
class Unit:
    """What a price is for, in OpenRouter's word. `in_millions`: people read and write it for a million of them."""

    name: str
    in_millions: bool

    @property
    def per(self) -> int:
        """For how many a price is told to people."""
        return 1_000_000 if self.in_millions else 1

    @property
    def price_words(self) -> str:
        """The same in words, after the price."""
        return "a million" if self.in_millions else "each"


TOKEN = Unit("token", in_millions=True)
REQUEST = Unit("request", in_millions=False)


@dataclass(frozen=True, kw_only=True)
class PriceKind:
    """One kind of price. `name`: in annotations, JSON and CSV, and its column of `price_versions`.

    `fallback`: the kind whose price holds where an annotation leaves this one out; without one it costs nothing then, and
    where it `is_required` the annotation is broken. `gift_waits`: a person is asked before it is first given away, "0" beside a
    fallback that costs something. `heading`: on the page of models; `line_word`: on the page of an invoice; `invoice_text`: of its
    quantity, on the invoice itself.
    """

    name: str
    measure: Measure
    unit: Unit
    fallback: str | None = None
    is_required: bool = False
    gift_waits: bool = False
    heading: str
    line_word: str
    invoice_text: str
    openrouter_type: str
    side: Side

    def is_given_away(self, prices: Mapping[str, Decimal]) -> bool:
        """Whether *prices* say that it is free, while the kind that it falls back to is not."""
        return self.fallback is not None and prices.get(self.name) == 0 != prices[self.fallback]

    @property
    def things(self) -> str:
        """What it bills, in words."""
        return self.invoice_text.partition(",")[0]

    @property
    def absent(self) -> str:
        """What the page of models shows where an annotation leaves it out."""
        return f"as {KINDS[self.fallback].heading.lower()}" if self.fallback else "—"


KINDS: Mapping[str, PriceKind] = {
    kind.name: kind
    for kind in (
        PriceKind(
            name="prompt",
            measure="plain_prompt",
            unit=TOKEN,
            is_required=True,
            heading="Prompt",
            line_word="Prompt",
            invoice_text="prompt tokens",
            openrouter_type="prompt",
            side="input",
        ),
        PriceKind(
            name="input_cache_read",
            measure="cached_read",
            unit=TOKEN,
            fallback="prompt",
            heading="Cache read",
            line_word="Cache read",
            invoice_text="cached prompt tokens, read",
            openrouter_type="cached_prompt",
            side="input",
        ),
        PriceKind(
            name="input_cache_write",
            measure="cached_write",
            unit=TOKEN,
            fallback="prompt",
            heading="Cache write",
            line_word="Cache write",
            invoice_text="cached prompt tokens, written",
            openrouter_type="cache_write",
            side="input",
        ),
        PriceKind(
            name="completion",
            measure="plain_completion",
            unit=TOKEN,
            is_required=True,
            heading="Completion",
            line_word="Completion",
            invoice_text="completion tokens",
            openrouter_type="completion",
            side="output",
        ),
        PriceKind(
            name="internal_reasoning",
            measure="reasoning",
            unit=TOKEN,
            fallback="completion",
            gift_waits=True,
            heading="Reasoning",
            line_word="Reasoning",
            invoice_text="reasoning tokens",
            openrouter_type="internal_reasoning",
            side="output",
        ),
        PriceKind(
            name="request",
            measure="requests",
            unit=REQUEST,
            heading="Request",
            line_word="Requests",
            invoice_text="requests",
            openrouter_type="request",
            side="whole",
        ),
    )
}
"""By name, in the order in which people see them. Usage rows measure these; what is not rated is not published (billing-rules)."""
REQUIRED = tuple(kind.name for kind in KINDS.values() if kind.is_required)
"""An annotation without one of them is broken."""
UNMEASURED = ("image", "image_token", "image_output", "web_search", "audio", "audio_output", "input_audio_cache")
"""Kinds that OpenRouter has and no usage row measures: an annotation may say that they cost nothing, and no more."""
