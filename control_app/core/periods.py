"""Ranges of time as people and programs write them: ISO 8601 in, half open and in UTC out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated

import msgspec

from control_app.core.time import DAY, EPOCH, Range, microseconds, time_of

LONGEST = 366
_WRITE = 'write a date like "2026-10-01", or a time like "2026-10-01T12:00:00Z"; without a zone it is UTC'
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?")


UtcText = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z$", extra_json_schema={"format": "date-time"}
    ),
]
"""A time as answers have it: see `time_text`."""


class Period(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `start` on and before `end`, UTC."""

    start: UtcText
    end: UtcText


class PeriodError(ValueError):
    """A range that cannot be taken. `problems`: what is wrong, by the parameter at fault."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = problems


class MissingTimeError(PeriodError):
    """A parameter was not given."""


class MalformedTimeError(PeriodError):
    """A parameter is no date and no time."""


class TimeOutOfRangeError(PeriodError):
    """A time before 1970, or after the year 9999."""


class EmptyPeriodError(PeriodError):
    """The end is not after the start."""


class LongPeriodError(PeriodError):
    """More than LONGEST days."""


def parse_period(start_date: str | None, end_date: str | None) -> Range:
    """From *start_date* on and before *end_date*; raises PeriodError with every problem of the two."""
    times: dict[str, int] = {}
    errors: list[PeriodError] = []
    for name, text in (("start_date", start_date), ("end_date", end_date)):
        try:
            times[name] = parse_time(name, text)
        except PeriodError as error:
            errors.append(error)
    if len(errors) > 1:
        raise PeriodError({name: problem for error in errors for name, problem in error.problems.items()})
    if errors:
        raise errors[0]
    return _checked(Range(times["start_date"], times["end_date"]))


def parse_time(name: str, text: str | None) -> int:
    """The time that *text* means, in microseconds since 1970 UTC; *name* is the parameter that a PeriodError tells of."""
    if not text:
        raise MissingTimeError({name: f"missing; {_WRITE}"})
    time = _read(text)
    if time is None:
        plus = "; a + in an address is written %2B" if " " in text else ""
        raise MalformedTimeError({name: f"{text[:40]!r} is not a time; {_WRITE}{plus}"})
    try:
        time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except OverflowError:
        raise TimeOutOfRangeError({name: f"{text[:40]!r} is before 1970 or after the year 9999"}) from None
    if time < EPOCH:
        raise TimeOutOfRangeError({name: f"{text[:40]!r} is before 1970"})
    return microseconds(time)


def written_period(period: Range) -> Period:
    """*period* as answers have it."""
    return Period(time_text(period.start), time_text(period.end))


def time_text(at: int) -> str:
    """*at*, in microseconds since 1970 UTC, as `2026-10-01T00:00:00Z`; fractions of a second only where there are any."""
    return f"{time_of(at).replace(tzinfo=None).isoformat()}Z"


def day_text(day: int) -> str:
    """*day*, counted from 1970 UTC, as `2026-10-01`."""
    return date.fromordinal(EPOCH.toordinal() + day).isoformat()


def _read(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:  # the 31st of a shorter month
        return None


def _checked(period: Range) -> Range:
    if period.end <= period.start:
        said = f"{time_text(period.end)} is not after start_date, {time_text(period.start)}; the end is exclusive"
        raise EmptyPeriodError({"end_date": said})
    if period.end - period.start > LONGEST * DAY:
        raise LongPeriodError({"end_date": f"more than {LONGEST} days after start_date; ask for shorter ranges, which add up"})
    return period
