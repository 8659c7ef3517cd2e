"""The ledger's columns by name, for every statement that writes or reads them: those of a row, of a cell, and of what rows add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from control_app.core.money import LIMB, joined
from control_app.core.time import DAY, HOUR
from control_app.gateway.port import UsageRow
from control_app.ledger.usage import Usage
from control_app.pricing.kinds import Measure

INCOMING = UsageRow._fields
"""A row as the gateway tells it, staged in memory."""
TOKENS = ("prompt", "cached_read", "cached_write", "completion", "reasoning")
ROW = (
    *("at", "id", "key", "customer", "model", *TOKENS, "used", "unused"),
    *("own_customer", "price", "amount", "billed_in", "gateway_cost", "succeeded", "logged"),
)
"""A row of the table `requests`."""
CELL = ("key", "day", "part", "model", "customer", "price", "billed_in")
"""What rows have in common that are added up; `days` by these, `months` by the month in place of the day and its part."""
PART = 2 * HOUR
"""Days are added up in parts of this length, microseconds: a range that begins or ends within one reads the rows of half a part at most."""
PART_OF_DAY = f"at % {DAY} / {PART}"
"""Which part of its day a row lies in, from 0, in SQL."""
# Tokens as they are billed (docs/billing-rules.md, Rating a row). Parts lie within their whole, but of rows that were taken before
# contradictions were resolved.
_PLAIN_PROMPT = "max(0, prompt - cached_read - cached_write)"
_PLAIN_COMPLETION = "max(0, completion - reasoning)"
MEASURED: Mapping[Measure, str] = {
    "plain_prompt": _PLAIN_PROMPT,
    "cached_read": "cached_read",
    "cached_write": "cached_write",
    "plain_completion": _PLAIN_COMPLETION,
    "reasoning": "reasoning",
    "requests": "1",
}
"""By what price kinds bill: how much of it a row with usage has, in SQL."""
COUNTED: Mapping[str, str] = {
    # Of a row without tokens a price a request may be billed.
    "requests": "used OR coalesce(amount, 0) > 0",
    "unused": "unused",
    "cancelled": "(1 - used) * (1 - succeeded)",
    "unrated": "amount IS NULL",
    # What a row without usage says of cached tokens is not billed, so it does not count.
    **{name: f"used * {name}" for name in TOKENS},
    "plain_prompt": _PLAIN_PROMPT,
    "plain_completion": _PLAIN_COMPLETION,
    "amount_high": f"coalesce(amount, 0) / {LIMB}",
    "amount": f"coalesce(amount, 0) % {LIMB}",
}
"""By column of a cell: what a row adds to it, in SQL. Of what is billed that is the same as MEASURED, or 0 without usage."""
KEPT = tuple(COUNTED)
"""What is kept of the sums of usage: these, and the amount in two limbs (core/money.py)."""
ANY = "requests + unused + cancelled + unrated > 0"
"""Whether a cell adds up any rows, in SQL: each counts in one of these at least."""

MONTH_OF_DAY = "strftime('%Y', day * 86400, 'unixepoch') * 12 + strftime('%m', day * 86400, 'unixepoch') - 1"
"""The month of a `day`, in SQL (core/time.py)."""


def usage_of(kept: Sequence[int]) -> Usage:
    """The usage whose sums are kept so."""
    *counts, high, low = kept
    sums: list[Any] = [*counts, joined(high, low)]
    return Usage(*sums)


def listed(names: Iterable[str], of: str = "") -> str:
    """*names* as SQL lists them; *of*: the alias of their table."""
    return ", ".join(f"{of}.{name}" if of else name for name in names)
