"""Ranges as people write them: taken or refused by name, and told in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_app.core.periods import (
    EmptyPeriodError,
    LongPeriodError,
    MalformedTimeError,
    MissingTimeError,
    PeriodError,
    TimeOutOfRangeError,
    day_text,
    parse_period,
    parse_time,
    time_text,
)
from control_app.core.time import microseconds
from tests.control.support.recomputation import at

ANY_TIME = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31, 23, 59, 59, 999999), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2026-10-01", "2026-10-01T00:00"),
        ("2026-10-01T12:30", "2026-10-01T12:30"),
        ("2026-10-01T12:30:15", "2026-10-01T12:30:15"),
        ("2026-10-01T12:30:15Z", "2026-10-01T12:30:15"),
        ("2026-10-01T12:30:15.5Z", "2026-10-01T12:30:15.5"),
        ("2026-10-01T12:30:15,000001", "2026-10-01T12:30:15.000001"),
        ("2026-10-01T00:30:00+02:00", "2026-09-30T22:30:00"),
        ("2026-10-01T00:30:00-0330", "2026-10-01T04:00:00"),
        ("2026-10-01T00:30+02", "2026-09-30T22:30:00"),
        ("2028-02-29", "2028-02-29T00:00"),
        ("1970-01-01", "1970-01-01T00:00"),
        ("9999-12-31", "9999-12-31T00:00"),
    ],
)
def test_a_date_is_its_midnight_and_a_time_without_a_zone_is_utc(text: str, means: str) -> None:
    assert parse_time("start_date", text) == at(means)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-02-29", "2026-13-01", "2026-10-32", "2026-10-01T24:00", "2026-10-01T12:60", "2026-10-01T23:59:60Z"),
        *("now", "1790000000", "2026", "2026-10", "20261001", "2026-W40-1", "01.10.2026", "10/01/2026", "2026-10-1"),
        *("2026-10-01 12:00", "2026-10-01T", "2026-10-01Z", "2026-10-01T12:00:00.1234567", "2026-10-01T12:00 UTC", "+2026-10-01"),
        *(" 2026-10-01", "2026-10-01\n", "2026-10-01T12:00:00+25:00", "-001-10-01", "２０２６-10-01", "2026-10-01\x00", "0000-01-01"),  # noqa: RUF001
    ],
)
def test_what_is_no_time_is_refused_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(MalformedTimeError, match=r'^end_date: .* is not a time; write a date like "2026-10-01"'):
        parse_time("end_date", text)


def test_a_plus_that_an_address_turned_into_a_space_is_explained() -> None:
    with pytest.raises(MalformedTimeError, match="a \\+ in an address is written %2B"):
        parse_time("end_date", "2026-10-01T00:00:00 02:00")


@pytest.mark.parametrize("text", [None, ""])
def test_a_missing_time_is_named(text: str | None) -> None:
    with pytest.raises(MissingTimeError, match=r"^start_date: missing"):
        parse_time("start_date", text)


@pytest.mark.parametrize(
    "text", ["1969-12-31", "1969-12-31T23:59:59.999999Z", "1970-01-01T01:00+02:00", "0001-01-01T00:00+14:00", "9999-12-31T23:00-02:00"]
)
def test_a_time_before_1970_or_after_9999_is_refused(text: str) -> None:
    with pytest.raises(TimeOutOfRangeError, match=r"^start_date: .* before 1970"):
        parse_time("start_date", text)


def test_a_range_is_from_its_start_on_and_before_its_end() -> None:
    assert parse_period("2026-10-01", "2026-11-01") == (at("2026-10-01T00:00"), at("2026-11-01T00:00"))


@pytest.mark.parametrize(
    ("start", "end"),
    [("2026-10-02", "2026-10-01"), ("2026-10-01", "2026-10-01"), ("2026-10-01", "2026-10-01T02:00+02:00"), ("9999-12-31", "1970-01-01")],
)
def test_an_end_that_is_not_after_the_start_is_refused(start: str, end: str) -> None:
    with pytest.raises(EmptyPeriodError, match=r"^end_date: .* is not after start_date"):
        parse_period(start, end)


def test_366_days_are_taken_and_not_a_microsecond_more() -> None:
    parse_period("2027-10-01", "2028-10-01")
    with pytest.raises(LongPeriodError, match=r"^end_date: more than 366 days"):
        parse_period("2027-10-01", "2028-10-01T00:00:00.000001")


def test_the_problems_of_both_parameters_come_together() -> None:
    with pytest.raises(PeriodError, match=r"start_date: missing.*end_date: 'x' is not a time") as refused:
        parse_period(None, "x")
    assert list(refused.value.problems) == ["start_date", "end_date"]


@given(ANY_TIME)
def test_what_is_told_of_a_time_is_read_as_the_same_time(time: datetime) -> None:
    text = time_text(microseconds(time))
    assert parse_time("start_date", text) == microseconds(time)
    assert len(text) == len("2026-10-01T00:00:00Z") or time.microsecond


@given(ANY_TIME, st.integers(min_value=-14 * 60, max_value=14 * 60))
def test_a_time_is_the_same_in_every_zone(time: datetime, minutes: int) -> None:
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    try:
        there = (time + timedelta(minutes=minutes)).replace(tzinfo=None).isoformat()
    except OverflowError:  # it has no name there
        return
    assert parse_time("start_date", f"{there}{sign}{hours:02}:{rest:02}") == microseconds(time)


@given(st.text(max_size=40))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        parse_time("start_date", text)
    except PeriodError as error:
        assert list(error.problems) == ["start_date"]


def test_a_day_is_told_as_its_date() -> None:
    assert day_text(0) == "1970-01-01"
    assert day_text(at("2026-10-05T23:59") // 86_400_000_000) == "2026-10-05"
