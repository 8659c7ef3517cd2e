"""Ranges of time, and the calendar's months, in microseconds since 1970 UTC. No other zone is known here."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from control_app.core.numbers import Month

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MONTH = 1970 * 12


class Range(NamedTuple):
    """Half open: from `start` on and before `end`."""

    start: int
    end: int


def microseconds(time: datetime) -> int:
    """*time*, which has a zone, as everything here counts it: microseconds since 1970 UTC."""
    since = time.astimezone(UTC) - EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds


def duration(length: timedelta) -> int:
    """A *length* of time in microseconds."""
    return length // timedelta(microseconds=1)


def time_of(at: int) -> datetime:
    """The time, UTC, that is *at* microseconds since 1970."""
    return EPOCH + timedelta(microseconds=at)


def month_of(at: int) -> Month:
    """The month in which *at* lies, by its number: year * 12 + month - 1, so that the next month is one more."""
    found = time_of(at)
    return Month(found.year * 12 + found.month - 1)


def next_month(month: Month) -> Month:
    """The one after *month*."""
    return Month(month + 1)


def previous_month(month: Month) -> Month:
    """The one before *month*."""
    return Month(month - 1)


def month_range(month: Month) -> Range:
    """The month of that number."""
    first = _first_day(month)
    start = (first.toordinal() - EPOCH.toordinal()) * DAY
    return Range(start, start + monthrange(first.year, first.month)[1] * DAY)


def month_text(month: Month) -> str:
    """The month of that number as `2026-10`."""
    return f"{_first_day(month):%Y-%m}"


def parse_month(text: str) -> Month | None:
    """The number of the month that is written as `2026-10`; None where *text* is no month since 1970."""
    found = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", text)
    number = int(found[1]) * 12 + int(found[2]) - 1 if found else 0
    return Month(number) if number >= _FIRST_MONTH else None


def _first_day(month: Month) -> date:
    return date(month // 12, month % 12 + 1, 1)
