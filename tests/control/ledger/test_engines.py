"""The third count: what the engines answered against what the gateway logged, by model, whoever of them was killed."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_app.core.money import from_pico
from control_app.core.time import HOUR, SECOND, Range, microseconds
from control_app.gateway.engines import EngineReading, EnginesRead
from control_app.ledger.by_model import ModelVerdict
from control_app.ledger.completeness import Completeness
from control_app.ledger.engines import EngineBook, Unread, unread
from control_app.ledger.gaps import Gap
from control_app.ledger.hold import may_be_released
from control_app.ledger.holds import Holds
from tests.control.support.ledgers import OCTOBER, Books, row, small_world
from tests.control.support.recomputation import at

LOADING = "2026-10-05T11:00"
"""Before it nothing was read."""


class Pod:
    """A process of an engine, which began then."""

    def __init__(self, began: str | None) -> None:
        self.answered: Counter[str] = Counter()
        self.started = None if began is None else at(began) / SECOND

    def answers(self, number: int, name: str = "llama") -> None:
        self.answered[name] += number


class Location:
    """Its pods by address, a gateway that logs, and who reads both."""

    def __init__(self, books: Books) -> None:
        self.books, self.book = books, EngineBook(books.db)
        self.pods: dict[str, Pod] = {}
        self.silent: dict[str, str] = {}

    def runs(self, address: str, began: str | None = "2026-10-05T11:30") -> Pod:
        self.pods[address] = Pod(began)
        return self.pods[address]

    def is_read(self, time: str | int) -> None:
        told = {address: EngineReading(dict(pod.answered), pod.started) for address, pod in self.pods.items() if address not in self.silent}
        self.book.keep(EnginesRead(told, self.silent), time if isinstance(time, int) else at(time))

    def logs(self, number: int, time: str | int, model: str = "llama", *, succeeded: bool = True) -> None:
        start = time if isinstance(time, int) else at(time)
        self.books.take(*(row(start + step, model=model, succeeded=succeeded) for step in range(number)))

    def verdicts(self, within: Range = OCTOBER) -> dict[str, ModelVerdict]:
        return {one.model: one for one in Completeness(self.books.db).verdict(within).models}

    def llama(self, within: Range = OCTOBER) -> ModelVerdict:
        return self.verdicts(within)["llama"]

    def held(self) -> list[str]:
        return [hold.message for hold in Holds(self.books.db).within(OCTOBER) if hold.code == "missing-by-model"]


@pytest.fixture
def location(tmp_path: Path) -> Location:
    """Engines were read before, and none ran."""
    location = Location(small_world(tmp_path))
    location.is_read(LOADING)
    return location


@pytest.fixture
def pod(location: Location) -> Pod:
    """One that runs, and was read before it answered."""
    pod = location.runs("10.0.0.1")
    location.is_read("2026-10-05T12:00")
    return pod


def test_what_is_answered_and_logged_is_complete(location: Location, pod: Pod) -> None:
    pod.answers(300)
    location.logs(300, "2026-10-05T12:00")
    location.is_read("2026-10-05T12:01")
    found = location.llama()
    assert (found.logged, found.counted, found.missing, found.bound, location.held()) == (300, 300, 0, 0, [])


def test_what_a_killed_gateway_answered_and_did_not_log_is_told_with_its_hour_and_its_bound_in_money(location: Location, pod: Pod) -> None:
    pod.answers(600)
    location.logs(600, "2026-10-05T12:00")
    location.is_read("2026-10-05T12:05")
    pod.answers(200)
    location.is_read("2026-10-05T12:10")
    found, noon = location.llama(), at("2026-10-05T12:00")
    assert (found.missing, found.gaps) == (200, [Gap(noon, noon + HOUR, 200)])
    assert found.bound is not None
    # 60 prompt tokens, 40 cached, 20 completion: 0.00006 + 0.000004 + 0.00004, 200 times.
    assert from_pico(found.bound) == Decimal("0.0208")
    assert location.held() == ["200 of 800 requests that engines of 'llama' answered are not in the log, at most 0.0208"]


def test_the_bound_goes_by_the_dearest_request_that_was_logged(location: Location, pod: Pod) -> None:
    location.books.take(row("2026-10-09", prompt=10**6, cached_read=0), row("2026-09-09", prompt=10**7, cached_read=0))
    pod.answers(3)
    location.is_read("2026-10-05T12:01")
    bound = location.llama().bound
    assert bound is not None
    assert from_pico(bound) == 3 * Decimal("1.00004")


def test_a_request_that_gets_its_price_later_bounds_what_was_lost_from_then_on(location: Location) -> None:
    location.logs(1, "2026-10-05T12:00", "mistral")
    assert location.verdicts()["mistral"].dearest == 0
    location.books.price("mistral", 0, {"prompt": Decimal("0.00001"), "completion": Decimal(0)})
    location.books.ledger.correct(model=location.books.model("mistral"))
    found = location.verdicts()["mistral"]
    assert (from_pico(found.dearest), found.logged) == (Decimal("0.001"), 1)


def test_where_nothing_was_logged_nobody_knows_what_was_lost(location: Location, pod: Pod) -> None:
    pod.answers(7)
    location.is_read("2026-10-05T12:01")
    assert location.llama().bound is None
    (message,) = location.held()
    assert message == "7 of 7 requests that engines of 'llama' answered are not in the log, of unknown cost, since none was logged"


@pytest.mark.parametrize(("lost", "held"), [(1, False), (2, False), (3, True)])
def test_above_02_percent_of_the_models_month_a_person_looks(location: Location, pod: Pod, lost: int, *, held: bool) -> None:
    pod.answers(1000)
    location.logs(1000 - lost, "2026-10-05T12:00")
    location.is_read("2026-10-05T12:01")
    assert (location.llama().missing, bool(location.held())) == (lost, held)


def test_it_is_one_hold_of_everybody_which_a_person_may_release(location: Location, pod: Pod) -> None:
    other = location.runs("10.0.0.2", "2026-10-05T12:30")
    pod.answers(5)
    other.answers(6, "qwen")
    location.is_read("2026-10-05T14:01")
    (hold,) = [hold for hold in Holds(location.books.db).within(OCTOBER) if hold.code == "missing-by-model"]
    assert (hold.customer, hold.since, may_be_released(hold.code)) == (None, at("2026-10-05T12:00"), True)
    assert "5 of 5 requests that engines of 'llama'" in hold.message
    assert "6 of 6 requests that engines of 'qwen'" in hold.message


def test_what_was_answered_before_anybody_read_it_is_not_held_against_the_log(tmp_path: Path) -> None:
    location = Location(small_world(tmp_path))
    location.runs("10.0.0.1").answers(500)
    location.is_read("2026-10-05T12:00")
    location.pods["10.0.0.1"].answers(3)
    location.is_read("2026-10-05T12:01")
    assert location.llama().counted == 3


@pytest.mark.parametrize(("began", "counted"), [("2026-10-05T11:30", 40), ("2026-10-05T10:59", 0), (None, 0)])
def test_a_process_that_began_since_the_last_reading_is_counted_from_0(location: Location, began: str | None, counted: int) -> None:
    location.runs("10.0.0.1", began).answers(40)
    location.is_read("2026-10-05T12:00")
    assert location.llama().counted == counted


def test_a_process_that_loads_for_long_is_counted_from_0_since_it_was_seen_before(location: Location) -> None:
    location.silent = {"10.0.0.1": "ConnectError: refused"}
    location.is_read("2026-10-05T11:31")
    location.is_read("2026-10-05T11:45")
    location.silent = {}
    location.runs("10.0.0.1", "2026-10-05T11:30").answers(40)
    location.is_read("2026-10-05T11:50")
    assert location.llama().counted == 40


@pytest.mark.parametrize(("first", "second"), [("2026-10-05T11:30", "2026-10-05T12:02"), (None, None)])
@pytest.mark.parametrize("after", [30, 99])
def test_a_restart_is_counted_from_0(location: Location, first: str | None, second: str | None, after: int) -> None:
    location.runs("10.0.0.1", first)
    location.is_read("2026-10-05T12:00")
    location.pods["10.0.0.1"].answers(100)
    location.is_read("2026-10-05T12:01")
    location.runs("10.0.0.1", second).answers(after)
    location.is_read("2026-10-05T12:03")
    assert location.llama().counted == 100 + after


def test_a_process_whose_count_falls_answered_nothing_new(location: Location, pod: Pod) -> None:
    pod.answers(10)
    location.is_read("2026-10-05T12:01")
    pod.answered["llama"] = 8
    location.is_read("2026-10-05T12:02")
    assert location.llama().counted == 10


def test_all_processes_of_a_model_are_counted_together_and_those_of_other_models_apart(location: Location, pod: Pod) -> None:
    second, other = location.runs("10.0.0.2", "2026-10-05T12:00:30"), location.runs("10.0.0.3", "2026-10-05T12:00:30")
    pod.answers(30)
    second.answers(12)
    other.answers(5, "qwen")
    location.logs(42, "2026-10-05T12:00")
    location.is_read("2026-10-05T12:01")
    assert {model: (one.counted, one.missing) for model, one in location.verdicts().items()} == {"llama": (42, 0), "qwen": (5, 5)}


@pytest.mark.parametrize("told", ["llama", "llama_colorist"])
def test_an_adapters_requests_are_its_models_under_whichever_name_the_engine_counts_them(location: Location, pod: Pod, told: str) -> None:
    pod.answers(20, told)
    location.logs(20, "2026-10-05T12:00", "llama_colorist")
    location.is_read("2026-10-05T12:01")
    found = location.llama()
    assert (found.logged, found.counted, found.missing) == (20, 20, 0)
    assert found.dearest == 104_000_000


def test_a_model_that_its_engine_does_not_count_is_not_one_that_answered_nothing(location: Location, pod: Pod) -> None:
    location.logs(5, "2026-10-05T12:00", "whisper")
    pod.answers(0)
    location.is_read("2026-10-05T12:01")
    assert {model: one.counted for model, one in location.verdicts().items()} == {"llama": 0, "whisper": None}
    assert location.held() == []


def test_models_of_other_providers_have_no_engine_of_ours(location: Location) -> None:
    location.logs(5, "2026-10-05T12:00", "openai/gpt_9")
    assert location.verdicts() == {}


@pytest.mark.parametrize(("cancelled", "missing"), [(0, 5), (3, 2), (5, 0), (9, 0)])
def test_a_request_that_was_answered_and_cancelled_is_not_missing(location: Location, pod: Pod, cancelled: int, missing: int) -> None:
    pod.answers(25)
    location.logs(20, "2026-10-05T12:00")
    location.logs(cancelled, "2026-10-05T12:00", succeeded=False)
    location.is_read("2026-10-05T12:01")
    assert location.llama().missing == missing


def test_neither_is_one_that_was_cancelled_at_the_end_of_an_hour_and_counted_in_the_next(location: Location, pod: Pod) -> None:
    location.is_read("2026-10-05T12:59:55")
    location.logs(5, "2026-10-05T12:59:58", "llama_colorist", succeeded=False)
    pod.answers(5)
    location.is_read("2026-10-05T13:00:01")
    assert location.llama().missing == 0


def test_a_cancelled_request_is_one_and_hides_no_second_one_and_none_of_later_hours(location: Location, pod: Pod) -> None:
    location.logs(5, "2026-10-05T12:10", succeeded=False)
    for hour, missing in ((12, 0), (13, 3), (14, 7)):
        location.is_read(f"2026-10-05T{hour}:00:01")
        pod.answers(4)
        location.is_read(f"2026-10-05T{hour}:20")
        assert location.llama().missing == missing


def test_a_cancelled_request_that_was_not_answered_pays_for_no_later_loss(location: Location, pod: Pod) -> None:
    location.logs(50, "2026-10-05T12:10", succeeded=False)
    for hour in (13, 14):
        location.is_read(f"2026-10-05T{hour}:00:01")
    pod.answers(50)
    location.is_read("2026-10-05T14:20")
    assert location.llama().missing == 50


@pytest.mark.parametrize("is_followed", [False, True])
def test_what_an_engine_that_ended_answered_unread_pays_for_no_later_hour(location: Location, pod: Pod, *, is_followed: bool) -> None:
    other = location.runs("10.0.0.2")
    pod.answers(100)
    location.logs(100 + 60, "2026-10-05T12:10")
    location.is_read("2026-10-05T12:20")
    if is_followed:
        location.runs("10.0.0.1", "2026-10-05T12:20:03")
    else:
        location.pods.pop("10.0.0.1")
    location.is_read("2026-10-05T12:20:05")
    for hour, lost in ((13, 0), (14, 0), (15, 60)):
        location.is_read(f"2026-10-05T{hour}:00:01")
        other.answers(100)
        location.logs(100 - lost, f"2026-10-05T{hour}:10")
        location.is_read(f"2026-10-05T{hour}:20")
    assert location.llama().missing == 60


@pytest.mark.parametrize("is_new", [False, True])
def test_an_hour_of_engines_that_lived_on_and_of_new_ones_is_told_whole(location: Location, pod: Pod, *, is_new: bool) -> None:
    if is_new:
        location.runs("10.0.0.2", "2026-10-05T12:20").answers(3)
    pod.answers(3)
    location.is_read("2026-10-05T12:20:05")
    location.is_read("2026-10-05T12:20:10")
    assert location.books.db.connection.execute("SELECT count(*) FROM model_hours WHERE parted").fetchone() == (0,)


def test_a_request_that_is_logged_in_one_hour_and_counted_in_the_next_is_not_missing(location: Location, pod: Pod) -> None:
    location.is_read("2026-10-05T12:59:58")
    location.logs(100, "2026-10-05T12:59:59")
    pod.answers(100)
    location.is_read("2026-10-05T13:00:10")
    assert location.llama().missing == 0


def test_neither_is_one_that_is_counted_in_the_next_month(tmp_path: Path) -> None:
    location = Location(small_world(tmp_path))
    pod = location.runs("10.0.0.1")
    location.is_read("2026-09-30T23:59:58")
    location.logs(100, "2026-09-30T23:59:59")
    pod.answers(103)
    location.is_read("2026-10-01T00:00:10")
    assert location.llama().missing == 3


def test_a_surplus_of_yesterday_hides_nothing_of_today(location: Location, pod: Pod) -> None:
    location.logs(100, "2026-10-04T12:00")
    location.logs(100, "2026-10-05T10:00")
    pod.answers(100)
    location.is_read("2026-10-05T12:01")
    assert location.llama().missing == 100


def test_however_many_are_under_way_at_the_end_of_each_hour_none_of_them_is_missing(location: Location, pod: Pod) -> None:
    before = 0
    for hour, under_way in ((12, 9), (13, 6), (14, 6), (15, 2), (16, 0)):
        location.is_read(f"2026-10-05T{hour}:00:01")
        pod.answers(before + 20)
        location.logs(20, f"2026-10-05T{hour}:30")
        location.is_read(f"2026-10-05T{hour}:40")
        location.logs(under_way, f"2026-10-05T{hour}:59:58")
        location.is_read(f"2026-10-05T{hour}:59:59")
        before = under_way
    assert location.llama().missing == 0


@pytest.mark.parametrize("ended", [False, True])
def test_what_was_never_counted_since_a_process_began_or_ended_pays_for_no_later_hour(location: Location, *, ended: bool) -> None:
    location.logs(80, "2026-10-05T12:10")
    if ended:
        location.runs("10.0.0.9", "2026-10-05T12:05").answers(0)
        location.is_read("2026-10-05T12:06")
        location.pods.clear()
    location.is_read("2026-10-05T12:55")
    pod = location.runs("10.0.0.1", "2026-10-05T12:55:30")
    for hour in (13, 14):
        location.is_read(f"2026-10-05T{hour}:00")
        pod.answers(100)
        location.logs(100, f"2026-10-05T{hour}:10")
        location.is_read(f"2026-10-05T{hour}:20")
    location.is_read("2026-10-05T15:00")
    pod.answers(70)
    location.is_read("2026-10-05T15:20")
    assert location.llama().missing == 70
    parted = location.books.db.connection.execute("SELECT hour FROM model_hours WHERE parted").fetchall()
    assert parted == [(at("2026-10-05T12:00") // HOUR,)] * ended


def test_hours_that_follow_each_other_are_one_gap(location: Location, pod: Pod) -> None:
    for hour in (12, 13, 14, 15):
        location.is_read(f"2026-10-05T{hour}:00:01")
        pod.answers(0 if hour == 14 else 50)
        location.is_read(f"2026-10-05T{hour}:01")
    assert [(gap.end - gap.start) // HOUR for gap in location.llama().gaps] == [2, 1]


def test_what_was_answered_while_nobody_read_is_held_against_all_those_hours(location: Location, pod: Pod) -> None:
    second = location.runs("10.0.0.2")
    location.is_read("2026-10-05T12:10")
    pod.answers(300)
    second.answers(100)
    for hour in (13, 14, 15):
        location.logs(130, f"2026-10-05T{hour}:30")
    location.logs(9, "2026-10-05T16:59:59")
    location.is_read("2026-10-05T16:10")
    assert location.llama().gaps == [Gap(at("2026-10-05T12:00"), at("2026-10-05T17:00"), 1)]
    # What the span has too much of is counted in the hour behind it.
    location.logs(6, "2026-10-05T16:30")
    location.is_read("2026-10-05T16:59:50")
    pod.answers(5)
    location.is_read("2026-10-05T17:00:05")
    assert location.llama().missing == 0


def test_spans_in_which_several_were_not_read_are_one(location: Location, pod: Pod) -> None:
    location.runs("10.0.0.2")
    location.is_read("2026-10-05T12:10")
    location.silent = {"10.0.0.1": "ReadTimeout: timed out"}
    pod.answers(10)
    location.is_read("2026-10-05T13:10")
    location.silent = {"10.0.0.2": "ReadTimeout: timed out"}
    location.pods["10.0.0.2"].answers(10)
    location.is_read("2026-10-05T15:10")
    location.silent = {}
    location.is_read("2026-10-05T17:10")
    assert location.llama().gaps == [Gap(at("2026-10-05T12:00"), at("2026-10-05T18:00"), 20)]


def test_a_span_belongs_to_the_month_in_which_it_was_read_again(location: Location, pod: Pod) -> None:
    pod.answers(20)
    location.is_read("2026-11-01T03:10")
    november = Range(OCTOBER.end, at("2026-12-01T00:00"))
    assert location.verdicts() == {}
    assert location.llama(november).gaps == [Gap(OCTOBER.end, at("2026-11-01T04:00"), 20)]


def test_what_was_lost_in_the_last_hour_of_a_month_is_not_lost_in_the_next_one_too(location: Location, pod: Pod) -> None:
    for time, lost in (("2026-10-31T23:30", 5), ("2026-11-01T00:30", 3)):
        location.is_read(f"{time[:13]}:00:01")
        pod.answers(lost)
        location.is_read(time)
    november = Range(OCTOBER.end, at("2026-12-01T00:00"))
    assert (location.llama().missing, location.llama(november).missing) == (5, 3)


def test_a_process_that_was_not_ready_for_a_while_goes_on_where_it_was(location: Location, pod: Pod) -> None:
    pod.answers(10)
    location.is_read("2026-10-05T12:00")
    location.pods.clear()
    location.is_read("2026-10-05T12:30")
    location.pods["10.0.0.1"] = pod
    pod.answers(5)
    location.is_read("2026-10-06T11:00")
    assert location.llama().counted == 15


def test_what_was_gone_for_more_than_a_day_is_forgotten(location: Location, pod: Pod) -> None:
    location.pods.clear()
    location.is_read("2026-10-06T12:01")
    assert location.books.db.connection.execute("SELECT count(*) FROM engines").fetchone() == (0,)
    location.pods["10.0.0.1"] = pod
    pod.answers(5)
    location.is_read("2026-10-06T12:02")
    assert location.llama().counted == 0


def test_an_engine_that_cannot_be_read_is_told_since_when_until_it_can_or_is_gone(location: Location, pod: Pod) -> None:
    location.silent = {"10.0.0.1": "ReadTimeout: timed out", "10.0.0.9": "ConnectError: refused"}
    location.is_read("2026-10-05T12:00")
    location.silent["10.0.0.1"] = "HTTPStatusError: 503"
    location.is_read("2026-10-05T12:05")
    noon = at("2026-10-05T12:00")
    expected = [Unread("10.0.0.1", noon, "HTTPStatusError: 503"), Unread("10.0.0.9", noon, "ConnectError: refused")]
    assert list(unread(location.books.db)) == expected
    location.silent = {}
    pod.answers(7)
    location.is_read("2026-10-05T12:06")
    assert (list(unread(location.books.db)), location.llama().counted) == ([], 7)


def test_an_engine_that_could_not_be_read_and_is_gone_is_told_no_more(location: Location, pod: Pod) -> None:
    location.silent = {"10.0.0.1": f"after {pod.answered}"}
    location.is_read("2026-10-05T12:00")
    location.pods.clear()
    location.silent = {}
    location.is_read("2026-10-05T12:01")
    assert list(unread(location.books.db)) == []


def test_a_reading_that_another_process_overtook_is_left_out(location: Location, pod: Pod) -> None:
    pod.answers(50)
    location.is_read("2026-10-05T12:01")
    pod.answers(50)
    location.is_read("2026-10-05T12:00")
    assert location.llama().counted == 50


WORLD = st.lists(
    st.tuples(
        st.sampled_from(["answer", "restart", "scale", "silence", "pause"]), st.sampled_from(["10.0.0.1", "10.0.0.2"]), st.integers(1, 9)
    ),
    max_size=25,
)


def lived(steps: list[tuple[str, str, int]], lost: set[int]) -> Location:
    """A location in which that happened, a step every 20 minutes: of what the step of a number in *lost* answered nothing is logged."""
    location = Location(small_world(Path(tempfile.mkdtemp())))
    now = datetime(2026, 10, 5, 12, tzinfo=UTC)
    location.is_read(microseconds(now))
    for number, (what, address, count) in enumerate(steps):
        now += timedelta(minutes=20)
        time = now.isoformat()
        if address not in location.pods or what == "restart":
            location.runs(address, time)
        if what == "scale":
            location.pods.pop(address)
        elif what == "silence":
            location.silent = {address: "ReadTimeout: timed out"}
        else:
            location.pods[address].answers(count)
            if number not in lost:
                location.logs(count, microseconds(now))
        if what != "pause":
            location.is_read(microseconds(now + timedelta(seconds=5)))
            location.silent = {}
    location.is_read(microseconds(now + timedelta(minutes=1)))
    return location


@given(WORLD)
@settings(max_examples=15, deadline=None)
def test_where_all_that_was_answered_is_logged_nothing_is_missing_whichever_process_begins_again(steps: list[tuple[str, str, int]]) -> None:
    location = lived(steps, set())
    assert [one.missing for one in location.verdicts().values() if one.missing] == []
    assert location.held() == []


@given(st.lists(st.integers(1, 9), min_size=1, max_size=25), st.data())
@settings(max_examples=15, deadline=None)
def test_where_engines_live_on_all_that_was_not_logged_is_told(counts: list[int], data: st.DataObject) -> None:
    lost = data.draw(st.sets(st.integers(0, len(counts) - 1)))
    location = lived([("answer", "10.0.0.1", count) for count in counts], lost)
    assert location.llama().missing == sum(counts[number] for number in lost)
