"""What the gateway counted against what it logged; a lost row is in the verdict, with from when to when."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from control_app.core.time import SECOND, Range
from control_app.gateway.port import Outcome, Reading
from control_app.ledger import completeness
from control_app.ledger.completeness import Completeness, KeyVerdict
from control_app.ledger.counters import CounterBook
from control_app.ledger.gaps import Gap, tolerance
from control_app.ledger.holds import Holds
from tests.control.support.ledgers import OCTOBER, Books, row, small_world
from tests.control.support.recomputation import at

HOUR = 3_600_000_000


class Gateway:
    """Its counters, and who reads them."""

    def __init__(self, books: Books) -> None:
        self.books, self.counters = books, CounterBook(books.db)
        self.counts: Counter[tuple[str, str, Outcome]] = Counter()
        self.started: float | None = 1000.0
        self.dropped = 0

    def answers(self, number: int, key: str = "k1", model: str = "llama") -> None:
        self.counts[key, model, "success"] += number

    def is_restarted(self, started: float | None = 2000.0) -> None:
        self.counts, self.started, self.dropped = Counter(), started, 0

    def is_read(self, time: str) -> None:
        self.counters.keep(Reading(dict(self.counts), self.started, self.dropped), at(time))

    def logs(self, number: int, time: str, key: str = "k1") -> None:
        self.books.take(*(row(at(time) + step, key=key) for step in range(number)))

    def held(self) -> set[str]:
        """Why customers are held by what is in the ledger, whatever was not read or counted yet."""
        return {hold.code for hold in Holds(self.books.db).within(OCTOBER)} - {"not-read", "not-counted"}

    def verdict(self, key: str = "k1") -> KeyVerdict:
        (found,) = [one for one in Completeness(self.books.db).verdict(OCTOBER).keys if one.key == self.books.key(key)]
        return found


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    gateway = Gateway(small_world(tmp_path))
    for time in ("2026-09-30T00:00", "2026-10-05T10:59", "2026-10-05T11:59"):
        gateway.is_read(time)
    return gateway


def test_what_is_counted_and_logged_is_complete(gateway: Gateway) -> None:
    gateway.answers(300)
    gateway.logs(300, "2026-10-05T12:00")
    gateway.is_read("2026-10-05T12:01")
    found = gateway.verdict()
    assert (found.logged, found.counted, found.missing, gateway.held()) == (300, 300, 0, set())


def test_where_nothing_was_counted_it_is_not_known_what_is_missing(gateway: Gateway) -> None:
    def is_counted() -> bool:
        return Completeness(gateway.books.db).verdict(OCTOBER).is_counted

    assert is_counted(), "nothing was logged either"
    gateway.logs(3, "2026-10-05T12:00")
    assert not is_counted()
    gateway.answers(3)
    gateway.is_read("2026-10-05T12:01")
    assert is_counted()


def test_rows_that_were_lost_are_missing_with_their_hour(gateway: Gateway) -> None:
    gateway.answers(200)
    gateway.is_read("2026-10-05T12:01")
    found = gateway.verdict()
    noon = at("2026-10-05T12:00")
    assert (found.missing, found.gaps, gateway.held()) == (200, [Gap(noon, noon + HOUR, 200)], {"missing-requests"})


def test_hours_that_follow_each_other_are_one_gap(gateway: Gateway) -> None:
    for hour in (12, 13, 14, 15):
        gateway.answers(0 if hour == 14 else 50)
        gateway.is_read(f"2026-10-05T{hour}:01")
    assert [(gap.end - gap.start) // HOUR for gap in gateway.verdict().gaps] == [2, 1]


@pytest.mark.parametrize(("requests", "most"), [(0, 20), (9_999, 20), (10_500, 21), (1_000_000, 2_000)])
def test_the_larger_of_20_requests_and_02_percent_is_tolerated(requests: int, most: int) -> None:
    assert tolerance(requests) == most


@pytest.mark.parametrize(("lost", "held"), [(20, set[str]()), (21, {"missing-requests"})])
def test_above_the_tolerance_what_a_key_lost_holds_its_customer(gateway: Gateway, lost: int, held: set[str]) -> None:
    gateway.answers(lost)
    gateway.is_read("2026-10-05T12:01")
    assert gateway.held() == held


@pytest.mark.parametrize(("lost", "held"), [((10, 10), set[str]()), ((10, 11), {"missing-requests"}), ((20, 20), {"missing-requests"})])
def test_what_each_key_may_lose_all_keys_of_a_customer_may_not(gateway: Gateway, lost: tuple[int, int], held: set[str]) -> None:
    gateway.books.holders({"k1": "acme", "k2": "acme"})
    for key, number in zip(("k1", "k2"), lost, strict=True):
        gateway.answers(number + 50, key)
        gateway.logs(50, "2026-10-05T12:00", key)
    gateway.is_read("2026-10-05T12:30")
    assert gateway.held() == held


def test_two_keys_that_had_one_name_one_after_another_are_two(gateway: Gateway) -> None:
    gateway.books.holders({"k1": "acme", "k2": "acme"})
    for key, lost in (("k1", 20), ("k2", 15)):
        gateway.answers(lost + 50, key)
        gateway.logs(50, "2026-10-05T12:00", key)
    gateway.is_read("2026-10-05T12:30")
    gateway.books.db.connection.execute("UPDATE keys SET name = 'prod'")
    assert gateway.held() == {"missing-requests"}


def test_a_request_that_is_logged_in_one_hour_and_counted_in_the_next_is_not_missing(gateway: Gateway) -> None:
    gateway.logs(100, "2026-10-05T12:59:59")
    gateway.answers(100)
    gateway.is_read("2026-10-05T13:00:10")
    assert gateway.verdict().missing == 0


def test_however_many_are_under_way_at_the_end_of_each_hour_none_of_them_is_missing(gateway: Gateway) -> None:
    before = 0
    for hour, under_way in ((12, 90), (13, 60), (14, 60), (15, 20), (16, 0)):
        gateway.answers(before + 200)
        gateway.logs(200, f"2026-10-05T{hour}:30")
        gateway.logs(under_way, f"2026-10-05T{hour}:59:58")
        gateway.is_read(f"2026-10-05T{hour}:59:59")
        before = under_way
    assert (gateway.verdict().missing, gateway.held()) == (0, set())


@pytest.mark.parametrize("lost", [0, 60])
def test_with_a_gateway_that_begins_again_only_what_was_lost_is_missing(gateway: Gateway, lost: int) -> None:
    for hour in range(12, 22):
        gateway.answers(25 if hour > 12 else 0)
        gateway.logs(75 - (lost if hour == 18 else 0), f"2026-10-05T{hour}:30")
        gateway.answers(75)
        gateway.is_read(f"2026-10-05T{hour}:35")
        if hour == 14:
            gateway.is_restarted(at("2026-10-05T14:40") / SECOND)
            gateway.is_read("2026-10-05T14:41")
        gateway.logs(25, f"2026-10-05T{hour}:55")
        gateway.is_read(f"2026-10-05T{hour}:59:59")
    gateway.answers(25)
    gateway.is_read("2026-10-05T22:10")
    assert gateway.verdict().missing == lost


def test_what_was_logged_before_anybody_counted_pays_for_no_later_loss(tmp_path: Path) -> None:
    gateway = Gateway(small_world(tmp_path))
    gateway.logs(500, "2026-10-05T11:10")
    gateway.logs(500, "2026-10-05T12:10")
    gateway.is_read("2026-10-05T12:40")
    for hour, lost in ((13, 0), (14, 0), (15, 70)):
        gateway.answers(100)
        gateway.logs(100 - lost, f"2026-10-05T{hour}:10")
        gateway.is_read(f"2026-10-05T{hour}:20")
    assert gateway.verdict().missing == 70


def test_neither_is_one_that_is_counted_in_the_next_month(tmp_path: Path) -> None:
    gateway = Gateway(small_world(tmp_path))
    gateway.is_read("2026-09-30T23:50")
    gateway.logs(100, "2026-09-30T23:59:59")
    gateway.answers(100)
    gateway.is_read("2026-10-01T00:00:10")
    assert gateway.verdict().missing == 0


def test_a_surplus_of_yesterday_hides_nothing_of_today(gateway: Gateway) -> None:
    gateway.logs(100, "2026-10-04T12:00")
    gateway.answers(100)
    gateway.is_read("2026-10-05T12:00")
    assert gateway.verdict().missing == 100


def test_a_loss_of_one_key_is_not_hidden_by_another(gateway: Gateway) -> None:
    gateway.answers(100, key="k2")
    gateway.logs(100, "2026-10-05T12:00", key="k1")
    gateway.is_read("2026-10-05T12:01")
    assert (gateway.verdict("k2").missing, gateway.verdict("k1").missing) == (100, 0)


@pytest.mark.parametrize("started", [2000.0, None])
def test_a_restart_is_noticed_and_what_came_after_it_is_counted(gateway: Gateway, started: float | None) -> None:
    gateway.started = None if started is None else gateway.started
    gateway.answers(100)
    gateway.is_read("2026-10-05T12:00")
    gateway.is_restarted(started)
    gateway.answers(30)
    gateway.is_read("2026-10-05T12:01")
    assert gateway.verdict().counted == 130
    assert (at("2026-10-05T12:00"), at("2026-10-05T12:01")) in Completeness(gateway.books.db).verdict(OCTOBER).uncounted


def test_a_restart_that_counted_more_than_before_is_noticed_by_its_start(gateway: Gateway) -> None:
    gateway.answers(10)
    gateway.is_read("2026-10-05T12:00")
    gateway.is_restarted()
    gateway.answers(50)
    gateway.is_read("2026-10-05T12:01")
    assert gateway.verdict().counted == 60


def test_what_one_process_logged_and_nobody_counted_pays_for_no_loss_of_the_next(gateway: Gateway) -> None:
    gateway.answers(600)
    gateway.logs(600, "2026-10-05T12:00")
    gateway.is_read("2026-10-05T12:09")
    # Killed with 150 that it had logged and nobody counted; the next one loses 100 of its 130.
    gateway.logs(150, "2026-10-05T12:09")
    gateway.is_restarted(at("2026-10-05T12:10") / 1_000_000)
    gateway.logs(30, "2026-10-05T12:20")
    gateway.answers(130)
    gateway.is_read("2026-10-05T12:30")
    found = gateway.verdict()
    assert (found.logged, found.counted, found.missing) == (780, 730, 100)
    assert gateway.held() == {"missing-requests"}


def test_a_loss_of_the_process_that_was_killed_is_its_own(gateway: Gateway) -> None:
    gateway.answers(600)
    gateway.logs(514, "2026-10-05T12:00")
    gateway.is_read("2026-10-05T12:09")
    gateway.is_restarted(at("2026-10-05T12:10") / 1_000_000)
    gateway.logs(90, "2026-10-05T12:20")
    gateway.is_read("2026-10-05T12:20")
    gateway.answers(50)
    gateway.is_read("2026-10-05T12:30")
    assert gateway.verdict().missing == 86


def test_what_was_counted_within_the_second_of_the_last_reading_is_not_missing(gateway: Gateway) -> None:
    gateway.logs(300, "2026-10-05T12:00")
    gateway.logs(100, "2026-10-05T12:01:00.5")
    gateway.logs(100, "2026-10-05T12:01:01.3")
    gateway.answers(500)
    gateway.is_read("2026-10-05T12:01")
    gateway.is_restarted(at("2026-10-05T12:01:03.5") / 1_000_000)
    gateway.is_read("2026-10-05T12:01:05")
    assert (gateway.verdict().missing, gateway.held()) == (0, set()), (
        "a time in whole seconds is told of its second, and for up to one more"
    )


def test_what_the_next_process_logged_within_that_second_pays_for_no_loss(gateway: Gateway) -> None:
    gateway.answers(100)
    gateway.is_read("2026-10-05T12:01")
    gateway.is_restarted(at("2026-10-05T12:01:00.4") / 1_000_000)
    gateway.logs(100, "2026-10-05T12:01:00.5")
    gateway.answers(100)
    gateway.is_read("2026-10-05T12:01:05")
    assert gateway.verdict().missing == 100


def test_processes_that_follow_each_other_in_an_hour_are_each_compared(gateway: Gateway) -> None:
    for minute, lost in ((10, 30), (20, 0), (30, 40)):
        gateway.is_restarted(at(f"2026-10-05T12:{minute}") / 1_000_000)
        gateway.answers(100)
        gateway.logs(100 - lost, f"2026-10-05T12:{minute + 1}")
        gateway.is_read(f"2026-10-05T12:{minute + 5}")
        gateway.logs(50, f"2026-10-05T12:{minute + 8}")
    gateway.answers(50)
    gateway.is_read("2026-10-05T12:40")
    assert gateway.verdict().missing == 70


def test_a_process_goes_on_into_the_next_hour_and_one_that_ended_does_not(gateway: Gateway) -> None:
    gateway.is_restarted(at("2026-10-05T12:50") / 1_000_000)
    gateway.is_read("2026-10-05T12:50")
    gateway.logs(40, "2026-10-05T12:59")
    gateway.answers(40)
    gateway.is_read("2026-10-05T13:01")
    assert gateway.verdict().missing == 0
    gateway.logs(500, "2026-10-05T13:05")
    gateway.is_restarted(at("2026-10-05T13:59") / 1_000_000)
    gateway.answers(60)
    gateway.is_read("2026-10-05T14:01")
    assert gateway.verdict().missing == 60


def test_a_process_that_began_before_the_hour_in_which_it_was_read_first_has_what_it_logged_there(gateway: Gateway) -> None:
    gateway.is_restarted(at("2026-10-05T12:55") / 1_000_000)
    gateway.answers(200)
    gateway.logs(150, "2026-10-05T12:58")
    gateway.is_read("2026-10-05T13:00")
    assert gateway.verdict().missing == 50


def test_what_a_kill_may_have_lost_unseen_is_told_by_the_rate_before(gateway: Gateway) -> None:
    gateway.is_read("2026-10-05T12:00")
    for minute in range(5):
        gateway.logs(60, f"2026-10-05T12:0{minute}")
    gateway.is_read("2026-10-05T12:05")
    gateway.logs(1, "2026-10-05T12:05:03")
    gateway.is_restarted(at("2026-10-05T12:05:10") / 1_000_000)
    gateway.is_read("2026-10-05T12:05:20")
    (death,) = Completeness(gateway.books.db).verdict(OCTOBER).deaths
    assert (death.since, death.until, death.unseen) == (at("2026-10-05T12:05"), at("2026-10-05T12:05:10"), 7)


def test_what_a_kill_may_have_lost_of_a_burst_is_told_by_the_rate_of_the_burst(gateway: Gateway) -> None:
    gateway.is_read("2026-10-05T12:05")
    for second in range(4):
        gateway.logs(400, f"2026-10-05T12:05:0{second}")
    gateway.is_restarted(at("2026-10-05T12:05:05") / 1_000_000)
    gateway.is_read("2026-10-05T12:05:10")
    (death,) = Completeness(gateway.books.db).verdict(OCTOBER).deaths
    assert death.unseen > 800, "533 a second were logged in three seconds, and none of the last two"


def test_a_time_after_the_last_reading_is_counted_by_nobody(gateway: Gateway) -> None:
    assert Completeness(gateway.books.db).verdict(OCTOBER).uncounted == [(at("2026-10-05T11:59"), OCTOBER.end)]


def test_what_was_counted_while_nobody_read_the_counters_is_held_against_all_those_hours(gateway: Gateway) -> None:
    gateway.answers(400)
    for hour in (12, 13, 14, 15):
        gateway.logs(95, f"2026-10-05T{hour}:30")
    gateway.is_read("2026-10-05T16:10")
    found = gateway.verdict()
    assert (found.counted, found.logged) == (400, 380)
    assert found.gaps == [Gap(at("2026-10-05T11:00"), at("2026-10-05T17:00"), 20)]
    gateway.logs(20, "2026-10-05T13:45")
    assert gateway.verdict().gaps == []


def test_two_pauses_in_a_row_are_one(gateway: Gateway) -> None:
    for hour in (14, 17):
        gateway.answers(100)
        gateway.is_read(f"2026-10-05T{hour}:10")
    assert [(gap.start, gap.end, gap.missing) for gap in gateway.verdict().gaps] == [(at("2026-10-05T11:00"), at("2026-10-05T18:00"), 200)]


def test_a_cancelled_request_hides_no_lost_one(gateway: Gateway) -> None:
    gateway.answers(50)
    gateway.books.take(*(row(at("2026-10-05T12:00") + step, succeeded=False) for step in range(50)))
    gateway.is_read("2026-10-05T12:01")
    found = gateway.verdict()
    assert (found.logged, found.counted, found.missing) == (0, 50, 50)


def cancel(gateway: Gateway, counted: int, logged: int, time: str = "2026-10-05T12:00") -> None:
    """So many requests of k1 were cancelled by its clients."""
    gateway.counts["k1", "llama", "cancelled"] += counted
    gateway.books.take(*(row(at(time) + step, succeeded=False) for step in range(logged)))


def test_cancelled_requests_that_are_counted_and_logged_are_complete(gateway: Gateway) -> None:
    cancel(gateway, 300, 300)
    gateway.is_read("2026-10-05T12:01")
    (found,) = Completeness(gateway.books.db).verdict(OCTOBER).cancelled
    assert (found.logged, found.counted, found.missing, gateway.held()) == (300, 300, 0, set())


@pytest.mark.parametrize(("lost", "held"), [(20, set[str]()), (21, {"missing-requests"})])
def test_cancelled_requests_that_were_lost_are_missing_and_hold_above_the_tolerance(gateway: Gateway, lost: int, held: set[str]) -> None:
    cancel(gateway, 30 + lost, 30)
    gateway.answers(500)
    gateway.logs(500, "2026-10-05T12:00")
    gateway.is_read("2026-10-05T12:01")
    (found,) = Completeness(gateway.books.db).verdict(OCTOBER).cancelled
    noon = at("2026-10-05T12:00")
    assert (found.gaps, gateway.verdict().missing, gateway.held()) == ([Gap(noon, noon + HOUR, lost)], 0, held)
    if held:
        (hold,) = [hold for hold in Holds(gateway.books.db).within(OCTOBER) if hold.code == "missing-requests"]
        assert hold.message.startswith(
            "21 requests that their clients cancelled with key 'k1' were counted but not logged: 2026-10-05 12:00"
        )


def test_what_each_key_may_lose_of_its_cancelled_requests_all_keys_of_a_customer_may_not(gateway: Gateway) -> None:
    gateway.books.holders({"k1": "acme", "k2": "acme"})
    for key in ("k1", "k2"):
        gateway.counts[key, "llama", "cancelled"] = 15
    gateway.is_read("2026-10-05T12:01")
    (hold,) = [hold for hold in Holds(gateway.books.db).within(OCTOBER) if hold.code == "missing-requests"]
    assert hold.message == "30 requests that their clients cancelled were counted but not logged, with keys 'k1' (15), 'k2' (15)"


def test_cancelled_requests_of_the_services_own_key_hold_nobody(gateway: Gateway) -> None:
    gateway.books.db.connection.execute("INSERT INTO own_keys (gateway_id) VALUES ('k1')")
    cancel(gateway, 500, 0)
    gateway.is_read("2026-10-05T12:01")
    assert gateway.held() == set()


def test_logged_successes_hide_no_lost_cancelled_request_and_the_other_way_round(gateway: Gateway) -> None:
    cancel(gateway, 50, 0)
    gateway.logs(50, "2026-10-05T12:00")
    gateway.is_read("2026-10-05T12:01")
    assert Completeness(gateway.books.db).verdict(OCTOBER).cancelled[0].missing == 50


def test_cancelled_requests_over_hours_that_nobody_read_are_compared_as_one(gateway: Gateway) -> None:
    cancel(gateway, 90, 60, "2026-10-05T13:00")
    gateway.is_read("2026-10-05T16:10")
    (found,) = Completeness(gateway.books.db).verdict(OCTOBER).cancelled
    assert found.gaps == [Gap(at("2026-10-05T11:00"), at("2026-10-05T17:00"), 30)]


def test_cancelled_requests_of_an_hour_in_which_a_process_began_are_compared_over_the_whole_hour(gateway: Gateway) -> None:
    gateway.is_restarted(at("2026-10-05T12:00") / 1_000_000)
    cancel(gateway, 90, 0)
    gateway.is_read("2026-10-05T12:30")
    verdict = Completeness(gateway.books.db).verdict(OCTOBER)
    assert (verdict.cancelled[0].missing, verdict.missing, gateway.held()) == (90, 90, {"missing-requests"})


def test_other_errors_are_counted_and_held_against_nothing_since_no_row_of_theirs_is_read(gateway: Gateway) -> None:
    gateway.counts["k1", "", "error"] = 500
    gateway.is_read("2026-10-05T12:30")
    verdict = Completeness(gateway.books.db).verdict(OCTOBER)
    assert (list(verdict.keys), list(verdict.cancelled), gateway.held()) == ([], [], set())


def test_a_reading_that_another_process_overtook_is_left_out(gateway: Gateway) -> None:
    gateway.answers(50)
    gateway.is_read("2026-10-05T12:01")
    gateway.counts.clear()
    gateway.is_read("2026-10-05T12:00")
    assert (gateway.verdict().counted, Completeness(gateway.books.db).verdict(OCTOBER).uncounted[0][0]) == (50, at("2026-10-05T12:01"))


def test_a_time_before_the_first_reading_was_counted_by_nobody(tmp_path: Path) -> None:
    gateway = Gateway(small_world(tmp_path))
    gateway.answers(500)
    gateway.is_read("2026-10-05T12:00")
    verdict = Completeness(gateway.books.db).verdict(OCTOBER)
    assert verdict.uncounted[0] == (OCTOBER.start, at("2026-10-05T12:00"))
    assert verdict.missing == 0


def test_a_range_that_nobody_counted_at_all_says_so(tmp_path: Path) -> None:
    assert Completeness(small_world(tmp_path).db).verdict(OCTOBER).uncounted == [tuple(OCTOBER)]


def test_dropped_log_rows_are_summed_over_restarts(gateway: Gateway) -> None:
    for dropped in (3, 5):
        gateway.dropped = dropped
        gateway.is_read("2026-10-05T12:00")
    gateway.is_restarted()
    gateway.dropped = 4
    gateway.is_read("2026-10-05T12:01")
    assert Completeness(gateway.books.db).verdict(OCTOBER).dropped == 9


def test_successes_without_usage_and_unpriced_rows_hold_whose_keys_they_are(gateway: Gateway) -> None:
    silent: dict[str, Any] = {"prompt": 0, "cached_read": 0, "completion": 0, "reasoning": 0}
    gateway.books.take(*(row(at("2026-10-05T12:00") + step, **silent) for step in range(21)))
    gateway.books.take(row(key="k2", model="unknown"))
    assert (gateway.verdict().unused, gateway.verdict("k2").unrated) == (21, 1)
    assert gateway.held() == {"without-usage", "unrated", "unmapped-key"}


def test_a_range_is_read_when_a_pass_ended_late_enough_after_it(gateway: Gateway) -> None:
    whole = Completeness(gateway.books.db)
    assert whole.verdict(OCTOBER).is_read is False
    gateway.books.ledger.ingest((), at("2026-11-01T00:14"), "rows", at("2026-11-01T00:14"))
    assert whole.verdict(OCTOBER).is_read is False
    gateway.books.ledger.ingest((), at("2026-11-01T00:15"), "rows", at("2026-11-01T00:15"))
    assert whole.verdict(OCTOBER).is_read is True


def test_a_verdict_covers_its_range_and_no_more(gateway: Gateway) -> None:
    gateway.answers(100)
    gateway.is_read("2026-11-01T00:30")
    assert Completeness(gateway.books.db).verdict(OCTOBER).keys == []
    november = Range(OCTOBER.end, at("2026-12-01T00:00"))
    assert Completeness(gateway.books.db).verdict(november).missing == 100


HOURS = range(-2, 2)
"""From the beginning of October; a verdict is told from hour 0 on."""
KEYS = list(itertools.product([(0, 0), (0, 1), (1, 0), (1, 1), (1, 3), (3, 1)], repeat=len(HOURS)))
"""What keys logged and counted in these hours, in every order."""
PAUSES = st.sets(st.sampled_from(HOURS), max_size=2).map(sorted)


@pytest.fixture
def used(gateway: Gateway) -> Gateway:
    """One with all of these keys, whose clients cancelled as many requests as succeeded."""
    first, connection = OCTOBER.start // HOUR, gateway.books.db.connection
    with gateway.books.db.transaction():
        connection.execute("DELETE FROM pauses")
        for number, counts in enumerate(KEYS, 100):
            connection.execute("INSERT INTO keys (id, gateway_id, name) VALUES (?1, ?1, ?1)", [number])
            rows = ((number, first + hour, *count) for hour, count in zip(HOURS, counts, strict=True) if any(count))
            connection.executemany("INSERT INTO hours (key, hour, logged, counted) VALUES (?, ?, ?, ?)", rows)
        copied = "SELECT key, hour, 'cancelled', logged, counted FROM hours"
        connection.execute(f"INSERT INTO hours (key, hour, outcome, logged, counted) {copied}")
    return gateway


@given(PAUSES, st.sets(st.sampled_from(HOURS), max_size=2), st.sampled_from(HOURS))
@example([-1, 0], set(), -2).via("a request that was under way before hours that nobody read, when counting began")
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_leaving_out_keys_that_can_lack_nothing_changes_no_verdict(used: Gateway, pause: list[int], begun: set[int], counting: int) -> None:
    first, connection = OCTOBER.start // HOUR, used.books.db.connection
    connection.execute("BEGIN")
    if pause:
        connection.execute("INSERT INTO pauses VALUES (?, ?)", [first + pause[0], first + pause[-1]])
    began = [((first + hour) * HOUR + 1, (first + hour) * HOUR + 2) for hour in begun]
    connection.executemany("INSERT INTO restarts (since, until, began) VALUES (?1, ?2, ?2)", began)
    connection.execute("UPDATE readings SET first_at = ?", [(first + counting) * HOUR])
    told = Completeness(used.books.db).verdict(Range(OCTOBER.start, (first + HOURS.stop) * HOUR))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(completeness, "SHORT", completeness.SHORT.replace(f"{completeness.AMONG} AND {completeness.MAY_LACK}", "?5 NOT NULL"))
        unfiltered = Completeness(used.books.db).verdict(told.within)
    connection.execute("ROLLBACK")
    assert unfiltered == told


def test_a_key_whose_requests_go_over_into_the_next_hour_is_not_read_hour_by_hour(gateway: Gateway) -> None:
    def read() -> int:
        query = f"SELECT count(*) FROM keys k WHERE {completeness.MAY_LACK}"  # noqa: S608
        bounds = [None, OCTOBER.end // HOUR, "success", OCTOBER.start // HOUR]
        return int(gateway.books.db.connection.execute(query, bounds).fetchone()[0])

    for hour in (12, 14):
        gateway.logs(100, f"2026-10-05T{hour}:59:59")
        gateway.is_read(f"2026-10-05T{hour}:59:59")
        gateway.answers(100)
        gateway.is_read(f"2026-10-05T{hour + 1}:00:10")
    assert read() == 0
    gateway.answers(101)
    gateway.is_read("2026-10-05T16:00")
    assert read() == 1
