"""Clocks that are apart: nothing is read or marked, everybody is held and told why, and once they agree the ledger is the right one."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_app.core.time import DAY, HOUR, Range, microseconds
from control_app.gateway.port import GatewayError
from control_app.ledger.clocks import ApartError, is_certain
from control_app.ledger.completeness import Completeness
from control_app.ledger.counters import counting_since
from control_app.ledger.hold import may_be_released
from control_app.ledger.holds import Holds
from control_app.ledger.progress import LATEST, THOROUGH, complete_through, thorough_through
from tests.control.support import recomputation
from tests.control.support.ledgers import OCTOBER, RATES
from tests.control.support.recomputation import Price, World, at
from tests.control.support.times import NOTHING, Times

WORLD = World(prices={"llama": [Price(0, RATES)]}, holders={"k1": [(0, "acme")]})
MONTH_AHEAD, DAYS_AHEAD, BEHIND = timedelta(days=31), timedelta(days=4), timedelta(hours=-5)


NOVEMBER = Range(at("2026-11-01T00:00"), at("2026-12-01T00:00"))


@pytest.fixture
def times(tmp_path: Path) -> Times:
    return Times(tmp_path)


def holds(times: Times) -> list[tuple[str, str]]:
    """Code and message of what holds October's customers."""
    return [hold.words for hold in Holds(times.books.db).within(OCTOBER)]


def codes(times: Times) -> set[str]:
    return {code for code, _ in holds(times)}


@pytest.mark.parametrize("ahead", [MONTH_AHEAD, DAYS_AHEAD, timedelta(minutes=2), timedelta(minutes=-2), BEHIND])
def test_with_our_clock_apart_nothing_is_read_counted_or_taken_over(times: Times, ahead: timedelta) -> None:
    times.pass_()
    times.count()
    before = list(times.books.db.connection.iterdump())
    times.call()
    times.double.move_key("k1", None)
    with pytest.raises(ApartError, match=r"our clock is .* of the gateway, which says 2026-10-31T13:00:00Z"):
        times.pass_(1, ours=ahead)
    with pytest.raises(ApartError):
        times.count()
    after = list(times.books.db.connection.iterdump())
    assert [line for line in after if line not in before and not line.startswith(('INSERT INTO "clocks"', 'INSERT INTO "marks"'))] == []


def test_less_than_two_minutes_are_no_difference(times: Times) -> None:
    for ahead in (timedelta(seconds=119), timedelta(seconds=-119)):
        times.call()
        assert times.pass_(ours=ahead).new == 1
        assert times.mark() == times.now
    assert "clock" not in codes(times)


def test_everybody_is_held_while_clocks_are_apart_and_the_hold_ends_by_itself(times: Times) -> None:
    times.pass_()
    with pytest.raises(ApartError):
        times.pass_(1, ours=MONTH_AHEAD)
    assert ("clock", "our clock is 31 days, 0:00:00 ahead of that of the gateway") in holds(times)
    (hold,) = [hold for hold in Holds(times.books.db).within(OCTOBER) if hold.code == "clock"]
    assert (hold.customer, hold.since) == (None, at("2026-10-31T13:00"))
    assert not may_be_released("clock")
    with pytest.raises(ApartError):
        times.pass_(1, ours=BEHIND)
    assert [hold.since for hold in Holds(times.books.db).within(OCTOBER) if hold.code == "clock"] == [at("2026-10-31T13:00")]
    times.pass_(1, ours=NOTHING)
    assert "clock" not in codes(times)


def test_the_clock_is_certain_for_a_while_after_it_was_compared(times: Times) -> None:
    def certain(minutes: float = 0) -> bool:
        return is_certain(times.books.db, microseconds(times.our_clock() + timedelta(minutes=minutes)))

    assert certain(), "nothing was compared yet, and nothing doubts it"
    times.count()
    assert [certain(minutes) for minutes in (0, 4, -4, 6, -6, 31 * 24 * 60)] == [True, True, True, False, False, False]
    with pytest.raises(ApartError):
        times.later(ours=timedelta(minutes=2))
        times.count()
    assert not certain()
    times.later(ours=NOTHING)
    times.count()
    assert certain()


def test_a_pass_goes_by_the_gateways_clock_which_stamps_its_rows(times: Times) -> None:
    times.ours = timedelta(seconds=90)
    assert times.pass_().until == microseconds(times.now)
    times.count()
    assert counting_since(times.books.db) == microseconds(times.now)


def test_an_idle_weekend_is_no_fault(times: Times) -> None:
    times.call()
    times.pass_()
    times.pass_(63)
    assert times.mark() == times.now
    assert "clock" not in codes(times)


def test_a_first_start_on_an_empty_gateway_is_no_fault(times: Times) -> None:
    assert times.pass_().read == 0
    times.count()
    assert complete_through(times.books.db) == microseconds(times.now) - LATEST


def test_a_gateway_that_does_not_answer_is_not_read_and_no_clock_is_wrong(times: Times) -> None:
    times.pass_()
    times.gateway_is_away = True
    with pytest.raises(GatewayError):
        times.pass_(48)
    assert "clock" not in codes(times)


def test_the_accounting_system_is_asked_once_a_day(times: Times) -> None:
    for _ in range(5):
        times.pass_(1)
    assert times.asked_odoo == 1
    times.pass_(12)
    assert times.asked_odoo == 2


def test_a_mark_enters_no_new_day_where_the_accounting_systems_clock_is_another(times: Times) -> None:
    # The gateway and we are on one machine, say, whose clock is a month ahead.
    times.pass_()
    times.call()
    with pytest.raises(ApartError, match="of Odoo, which says 2026-10-31T13:00:00Z"):
        times.pass_(1, ours=MONTH_AHEAD, gateways=MONTH_AHEAD)
    assert times.mark() == datetime(2026, 10, 31, 12, tzinfo=UTC)
    assert times.books.used().requests == 0
    assert ("clock", "our clock is 31 days, 0:00:00 ahead of that of Odoo") in holds(times)
    times.pass_(ours=NOTHING, gateways=NOTHING)
    assert "clock" not in codes(times)


def test_while_the_accounting_system_is_away_usage_is_read_and_no_mark_counts_from_the_next_day_on(times: Times) -> None:
    times.pass_()
    times.odoo_is_away = True
    times.call()
    assert times.pass_(1).new == 1
    times.call()
    assert times.pass_(24).new == 1
    assert complete_through(times.books.db) == at("2026-11-01T00:00") - LATEST
    assert thorough_through(times.books.db) == at("2026-11-01T00:00")
    assert codes(times) >= {"not-read"}
    assert "clock" not in codes(times)
    times.odoo_is_away = False
    times.pass_(1)
    assert complete_through(times.books.db) == microseconds(times.now) - LATEST
    assert thorough_through(times.books.db) == at("2026-11-01T13:00")


def test_no_mark_counts_before_the_accounting_system_told_its_time_once(times: Times) -> None:
    times.odoo_is_away = True
    times.call()
    assert times.pass_().new == 1
    assert complete_through(times.books.db) is None
    assert thorough_through(times.books.db) == 0


def test_a_location_without_accounting_system_asks_none_and_one_that_lost_it_forgets_its_clock(tmp_path: Path) -> None:
    times = Times(tmp_path, odoo=False)
    times.pass_()
    times.books.db.connection.execute("INSERT INTO clocks VALUES ('odoo', NULL, NULL, 0, NULL)")
    times.pass_(24)
    assert complete_through(times.books.db) == microseconds(times.now) - LATEST
    assert times.clocks.agree() == microseconds(times.now)


def test_marks_of_an_earlier_wrong_clock_are_pulled_back_and_read_again(times: Times) -> None:
    times.call()
    times.pass_(1)
    ahead = microseconds(times.now + MONTH_AHEAD)
    times.books.db.connection.execute("UPDATE progress SET until = ?1, passed_at = ?1", [ahead])
    for _ in range(5):
        times.call()
        times.later(24)
    assert times.pass_().new == 5
    assert times.mark() == times.mark(THOROUGH) == times.now


def test_a_mark_of_a_wrong_clock_over_no_rows_at_all_is_forgotten(times: Times) -> None:
    times.pass_()
    ahead = microseconds(times.now + MONTH_AHEAD)
    times.books.db.connection.execute("UPDATE progress SET until = ?1, passed_at = ?1", [ahead])
    times.call()
    assert times.pass_(30).new == 1


def test_a_gateway_whose_clock_is_set_back_is_read_again_from_there_and_holds_everybody_of_that_time(times: Times) -> None:
    for _ in range(12):
        times.call()
        times.pass_(1)
    # From here on it is eight hours behind, for an hour.
    with pytest.raises(ApartError):
        times.pass_(1, gateways=timedelta(hours=-8))
    times.call()
    with pytest.raises(ApartError):
        times.pass_(0.5)
    assert times.pass_(0.5, gateways=NOTHING).new == 1
    assert times.books.used().requests == 13
    assert ("clock-set-back", "a clock was set back from 2026-11-01 00:00 to 2026-10-31 17:00") in holds(times)
    assert may_be_released("clock-set-back")


def test_a_clock_that_is_set_back_over_a_time_without_requests_holds_nobody(times: Times) -> None:
    times.pass_()
    with pytest.raises(ApartError):
        times.pass_(gateways=BEHIND)
    times.pass_(1, gateways=NOTHING)
    assert "clock-set-back" not in codes(times)


def test_what_the_gateway_wrote_while_its_clock_was_ahead_is_named_holds_its_key_and_stops_nothing(times: Times) -> None:
    times.call()
    times.pass_(1)
    with pytest.raises(ApartError):
        times.pass_(gateways=MONTH_AHEAD)
    times.call()
    times.later(1, gateways=NOTHING)
    times.call()
    assert times.pass_(24).aside == 1
    assert times.books.used().requests == 2
    acme = times.books.customer("acme")
    found = [hold for hold in Holds(times.books.db).within(NOVEMBER) if hold.code == "set-aside"]
    assert [hold.customer for hold in found] == [acme]
    assert "1 rows with key 'k1' were set aside" in found[0].message
    assert "its time was still to come by the clock of the gateway" in found[0].message
    # When its time has come it is another row's still.
    times.pass_(31 * 24)
    times.call()
    times.pass_(24)
    assert times.books.used().requests == 3
    assert times.books.db.connection.execute("SELECT count(*) FROM set_aside").fetchone() == (1,)


def test_a_row_of_a_moment_to_come_is_a_row(times: Times) -> None:
    times.pass_()
    times.later(gateways=timedelta(seconds=100))
    times.call()
    assert times.pass_(gateways=NOTHING).new == 1
    assert times.mark() == times.now


def test_a_pass_can_be_told_to_read_again_whatever_the_marks_say(times: Times) -> None:
    times.pass_()
    times.now -= timedelta(days=20)
    times.call()
    times.now += timedelta(days=20)
    assert times.pass_(1).new == 0
    assert times.sync.run(since=at("2026-10-12T00:00")).new == 0
    assert times.sync.run(since=at("2026-10-11T00:00")).new == 1
    # From a later time on than a pass begins by itself: nothing is left out.
    times.call()
    assert times.sync.run(since=microseconds(times.now) + DAY).new == 1


def test_a_first_pass_can_be_told_where_to_begin(times: Times) -> None:
    assert times.sync.run(since=at("2026-10-11T00:00")).new == 0
    assert times.mark() == times.now


def test_what_was_counted_under_a_wrong_clock_stands_in_the_hour_that_runs(times: Times) -> None:
    times.pass_()
    times.count()
    db, hour = times.books.db.connection, microseconds(times.now) // HOUR
    db.execute("UPDATE readings SET at = at + ?", [31 * DAY])
    ahead = "INSERT INTO hours (key, hour, outcome, logged, counted) VALUES (?, ?, ?, 0, ?)"
    for outcome, counted in (("success", 7), ("cancelled", 5)):
        db.execute(ahead, [times.books.key("k1"), hour + 31 * 24, outcome, counted])
    db.execute("INSERT INTO dropped VALUES (?, 3)", [hour + 31 * 24])
    times.call()
    times.count()
    found = db.execute("SELECT hour, outcome, counted FROM hours WHERE counted > 0 ORDER BY outcome").fetchall()
    assert found == [(hour, "cancelled", 5), (hour, "success", 8)]
    assert db.execute("SELECT hour, requests FROM dropped").fetchall() == [(hour, 3)]
    times.pass_()
    (verdict,) = Completeness(times.books.db).verdict(OCTOBER).keys
    assert (verdict.counted, verdict.logged) == (8, 1)


def test_a_key_that_changed_hands_under_a_wrong_clock_is_its_new_holders_from_now_on(times: Times) -> None:
    times.pass_()
    later = microseconds(times.now + MONTH_AHEAD)
    globex = times.books.customer("globex")
    times.books.db.connection.execute("INSERT INTO holders VALUES (?, ?, ?)", [times.books.key("k1"), later, globex])
    times.double.add_customer("Globex", id="globex")
    times.now += timedelta(hours=1)
    times.double.move_key("k1", "globex")
    times.call()
    times.pass_()
    assert times.books.used(customer=globex).requests == 1


jumps = st.sampled_from([NOTHING, NOTHING, timedelta(seconds=100), timedelta(minutes=-10), BEHIND, DAYS_AHEAD, MONTH_AHEAD, -MONTH_AHEAD])
turns = st.lists(st.tuples(st.sampled_from([0.01, 0.4, 7, 30]), jumps, st.integers(0, 2), st.booleans()), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(turns)
def test_after_any_jumps_of_our_clock_the_ledger_is_what_a_right_clock_would_have_made(
    turns: list[tuple[float, timedelta, int, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        times = Times(Path(folder), datetime(2026, 10, 28, tzinfo=UTC))
        times.count()
        for hours, ours, calls, is_away in turns:
            times.later(hours, ours=ours)
            times.odoo_is_away = is_away
            for _ in range(calls):
                times.call()
            for act in (times.count, times.sync.run):
                try:
                    act()
                except ApartError:
                    assert abs(ours) >= timedelta(minutes=2)
        times.later(1, ours=NOTHING)
        times.odoo_is_away = False
        times.count()
        times.sync.run()
        assert times.books.costs() == dict(recomputation.ledger(times.called, WORLD))
        assert times.books.used().requests == len(times.called)
        assert complete_through(times.books.db) == microseconds(times.now) - LATEST
        assert codes(times) <= {"not-read", "not-counted"}
        times.books.db.close()
