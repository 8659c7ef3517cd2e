"""What the gateway counted against what it logged; a lost row is in the verdict, with from when to when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from control_app.completeness import Completeness, Gap, KeyVerdict, tolerance
from control_app.counters import CounterBook
from control_app.gateway import GatewayError
from control_app.spans import Range
from tests.control_app.ledgers import OCTOBER, Books, row, small_world
from tests.control_app.recomputation import at

HOUR = 3_600_000_000
NAME = r'"a \"name\"} 7"'
"""Prometheus' text escapes quotes and leaves braces."""


class Gateway:
    """Its metrics, and who reads them."""

    def __init__(self, books: Books) -> None:
        self.books, self.counters = books, CounterBook(books.db)
        self.counts: dict[tuple[str, str, str], int] = {}
        self.started: float | None = 1000.0
        self.dropped = 0

    def answers(self, number: int, key: str = "k1", model: str = "llama", method: str = "chat_completion") -> None:
        series = (key, model, method)
        self.counts[series] = self.counts.get(series, 0) + number

    def is_restarted(self, started: float | None = 2000.0) -> None:
        self.counts, self.started, self.dropped = {}, started, 0

    def is_read(self, time: str) -> None:
        lines = ["# TYPE bifrost_success_requests_total counter"]
        for (key, model, method), value in self.counts.items():
            labels = f'provider="kubeai",model="{model}",method="{method}",virtual_key_id="{key}",virtual_key_name={NAME}'
            for retries, part in {0: value // 2, 1: value - value // 2}.items():
                lines.append(f'bifrost_success_requests_total{{{labels},number_of_retries="{retries}"}} {part}')
        if self.started:
            lines.append(f"process_start_time_seconds {self.started:e}")
        self.counters.keep("\n".join(lines), self.dropped, at(time))

    def logs(self, number: int, time: str, key: str = "k1") -> None:
        self.books.take(*(row(at(time) + step, key=key) for step in range(number)))

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
    assert (found.logged, found.counted, found.missing, found.is_complete) == (300, 300, 0, True)


def test_rows_that_were_lost_are_missing_with_their_hour(gateway: Gateway) -> None:
    gateway.answers(200)
    gateway.is_read("2026-10-05T12:01")
    found = gateway.verdict()
    noon = at("2026-10-05T12:00")
    assert (found.missing, found.gaps, found.is_complete) == (200, [Gap(noon, noon + HOUR, 200)], False)


def test_hours_that_follow_each_other_are_one_gap(gateway: Gateway) -> None:
    for hour in (12, 13, 14, 15):
        gateway.answers(0 if hour == 14 else 50)
        gateway.is_read(f"2026-10-05T{hour}:01")
    assert [(gap.end - gap.start) // HOUR for gap in gateway.verdict().gaps] == [2, 1]


@pytest.mark.parametrize(("requests", "most"), [(0, 20), (9_999, 20), (10_500, 21), (1_000_000, 2_000)])
def test_the_larger_of_20_requests_and_02_percent_is_tolerated(requests: int, most: int) -> None:
    assert tolerance(requests) == most


@pytest.mark.parametrize(("lost", "complete"), [(20, True), (21, False)])
def test_above_the_tolerance_a_key_is_not_complete(gateway: Gateway, *, lost: int, complete: bool) -> None:
    gateway.answers(lost)
    gateway.is_read("2026-10-05T12:01")
    assert gateway.verdict().is_complete is complete


def test_a_request_that_is_logged_in_one_hour_and_counted_in_the_next_is_not_missing(gateway: Gateway) -> None:
    gateway.logs(100, "2026-10-05T12:59:59")
    gateway.answers(100)
    gateway.is_read("2026-10-05T13:00:10")
    assert gateway.verdict().missing == 0


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


def test_questions_for_the_list_of_models_are_not_counted(gateway: Gateway) -> None:
    gateway.answers(100, method="list_models")
    gateway.is_read("2026-10-05T12:00")
    assert Completeness(gateway.books.db).verdict(OCTOBER).keys == []


def test_successes_without_usage_and_unpriced_rows_make_a_key_incomplete(gateway: Gateway) -> None:
    silent: dict[str, Any] = {"prompt": 0, "cached_read": 0, "completion": 0, "reasoning": 0}
    gateway.books.take(*(row(at("2026-10-05T12:00") + step, **silent) for step in range(21)))
    gateway.books.take(row(key="k2", model="unknown"))
    assert (gateway.verdict().unused, gateway.verdict().is_complete) == (21, False)
    assert (gateway.verdict("k2").unrated, gateway.verdict("k2").is_complete) == (1, False)


def test_a_range_is_read_when_a_pass_ended_late_enough_after_it(gateway: Gateway) -> None:
    whole = Completeness(gateway.books.db)
    assert whole.verdict(OCTOBER).is_read is False
    gateway.books.ledger.ingest((), at("2026-11-01T00:14"), "rows", at("2026-11-01T00:14"))
    assert whole.verdict(OCTOBER).is_read is False
    gateway.books.ledger.ingest((), at("2026-11-01T00:15"), "rows", at("2026-11-01T00:15"))
    assert whole.verdict(OCTOBER).is_read is True


@pytest.mark.parametrize("text", ["", "<html>Bifrost</html>"])
def test_a_gateway_that_counts_nothing_is_refused(gateway: Gateway, text: str) -> None:
    with pytest.raises(GatewayError, match="no metrics"):
        gateway.counters.keep(text, 0, 1)


def test_a_verdict_covers_its_range_and_no_more(gateway: Gateway) -> None:
    gateway.answers(100)
    gateway.is_read("2026-11-01T00:30")
    assert Completeness(gateway.books.db).verdict(OCTOBER).keys == []
    november = Range(OCTOBER.end, at("2026-12-01T00:00"))
    assert Completeness(gateway.books.db).verdict(november).missing == 100
