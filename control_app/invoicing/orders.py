"""What is asked of invoicing: which month, how far, by whom; and why it is refused."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from control_app.core.numbers import Month
from control_app.core.periods import PeriodError, parse_time, time_text
from control_app.core.time import DAY, SECOND, month_of, month_range, month_text, previous_month

DryRun = Literal["all", "validate", "none"]
Trigger = Literal["manual", "automatic"]
Progress = Callable[[int, int], None]
"""Told how many customers of how many are done."""
DRY_RUNS: tuple[DryRun, ...] = ("all", "validate", "none")


class NotNowError(Exception):
    """What was asked of invoicing cannot be done as things are; the message says why, and until when where that is known."""


class TooOldError(NotNowError):
    """The period is before the first one that is ever billed."""

    def __init__(self, month: Month, invoice_from: Month) -> None:
        super().__init__(before_first(month, invoice_from))


class ClockError(NotNowError):
    """It is not certain how late it is: two clocks are apart, or the gateway does not tell its own."""


class EarlyError(NotNowError):
    """The period may not be billed yet; `from_`: from when on, microseconds since 1970 UTC."""

    def __init__(self, month: Month) -> None:
        self.from_ = billable_from(month)
        super().__init__(f"{month_text(month)} can be billed from {time_text(self.from_)} on; late usage is read until then")


@dataclass(frozen=True)
class Order:
    """Bill *month*. `by`: who asked."""

    month: Month
    dry_run: DryRun
    trigger: Trigger
    by: str


def run_id() -> str:
    """A name for a new run."""
    return secrets.token_hex(8)


def billable_from(month: Month) -> int:
    """A day after the end of the period, when late rows are here (docs/billing-rules.md, Periods)."""
    return month_range(month).end + DAY


def month_before(date: str | None, now: int, invoice_from: Month | None) -> Month:
    """The period to bill at the time *date* (ISO 8601, default *now*): the calendar month before it, UTC.

    Raises PeriodError for what is no time, lies in the future, or has a period before *invoice_from*.
    """
    at = now if date is None else parse_time("date", date)
    if at > now:
        raise PeriodError({"date": f"{time_text(at)} is in the future; it is {time_text(now - now % SECOND)}"})
    month = previous_month(month_of(at))
    if month < month_of(0):
        raise PeriodError({"date": f"{time_text(at)}: the month before it is before 1970"})
    if invoice_from is not None and month < invoice_from:
        raise PeriodError({"date": before_first(month, invoice_from)})
    return month


def before_first(month: Month, invoice_from: Month) -> str:
    """Why *month* is never billed."""
    return f"{month_text(month)} is before {month_text(invoice_from)}, the first month that is ever billed"


def due(now: int, invoice_from: Month) -> list[Month]:
    """All months that may be billed *now*, the oldest first."""
    return [month for month in map(Month, range(invoice_from, month_of(now))) if billable_from(month) <= now]
