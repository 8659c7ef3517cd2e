"""What is asked of invoicing: which month, how far, by whom; and why it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from control_app.periods import PeriodError, parse_time, time_text
from control_app.spans import DAY, SECOND, month_of, month_range, month_text

DryRun = Literal["all", "validate", "none"]
Trigger = Literal["manual", "automatic"]
DRY_RUNS: tuple[DryRun, ...] = ("all", "validate", "none")


class EarlyError(Exception):
    """The period may not be billed yet; `from_`: from when on, microseconds since 1970 UTC."""

    def __init__(self, month: int) -> None:
        self.from_ = billable_from(month)
        super().__init__(f"{month_text(month)} is read to its end until {time_text(self.from_)}, and can be billed from then on")


@dataclass(frozen=True)
class Order:
    """Bill *month*. `by`: who asked."""

    month: int
    dry_run: DryRun
    trigger: Trigger
    by: str


def billable_from(month: int) -> int:
    """A day after the end of the period, when late rows are here (docs/billing-rules.md, Periods)."""
    return month_range(month).end + DAY


def month_before(date: str | None, now: int, invoice_from: int | None) -> int:
    """The period to bill at the time *date* (ISO 8601, default *now*): the calendar month before it, UTC.

    Raises PeriodError for what is no time, lies in the future, or has a period before *invoice_from*.
    """
    at = now if date is None else parse_time("date", date)
    if at > now:
        raise PeriodError({"date": f"{time_text(at)} is in the future; it is {time_text(now - now % SECOND)}"})
    month = month_of(at) - 1
    if month < month_of(0):
        raise PeriodError({"date": f"{time_text(at)}: the month before it is before 1970"})
    if invoice_from is not None and month < invoice_from:
        raise PeriodError({"date": before_first(month, invoice_from)})
    return month


def before_first(month: int, invoice_from: int) -> str:
    """Why *month* is never billed."""
    return f"{month_text(month)} is before {month_text(invoice_from)}, the first month that is ever billed"


def due(now: int, invoice_from: int) -> list[int]:
    """All months that may be billed *now*, the oldest first."""
    return [month for month in range(invoice_from, month_of(now)) if billable_from(month) <= now]
