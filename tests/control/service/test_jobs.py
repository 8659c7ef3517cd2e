"""Jobs run in their turn; one that fails stops no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import schedule

from control_app.core.time import microseconds
from control_app.service import jobs as jobs_module
from control_app.service.job_results import JobResult, JobResults
from control_app.service.jobs import Job, Jobs, pull_back
from control_app.service.tables import open_database
from control_app.storage.database import Db

NOW = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE = 60_000_000


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Db]:
    db = open_database(tmp_path / "control.sqlite3")
    yield db
    db.close()


@pytest.fixture
def results(db: Db) -> JobResults:
    return JobResults(db)


class Turns:
    """A job that fails where it is told so, a minute after each other."""

    def __init__(self, results: JobResults, *errors: str | None) -> None:
        self.now, self.answers = NOW, iter(errors)
        self.jobs = Jobs(results, Job("sync", 30, self.run), clock=lambda: self.now)

    def run(self) -> None:
        self.now += timedelta(minutes=1)
        if error := next(self.answers):
            raise RuntimeError(error)

    def after(self, minute: int) -> int:
        return microseconds(NOW) + minute * MINUTE

    def result(self) -> JobResult:
        """What is known after one more turn."""
        self.jobs.run("sync")
        return self.jobs.results()[0]


def test_a_job_that_never_ran_has_no_times(results: JobResults) -> None:
    assert Turns(results).jobs.results() == [JobResult("sync", None, None, None, 0, None)]


def test_a_job_that_fails_says_why_and_since_when_until_it_succeeds_again(results: JobResults) -> None:
    turns = Turns(results, None, "away", "still away", None, None)
    assert turns.result() == JobResult("sync", turns.after(1), None, None, 0, None)
    assert turns.result() == JobResult("sync", turns.after(1), turns.after(2), turns.after(2), 1, "RuntimeError: away")
    assert turns.result() == JobResult("sync", turns.after(1), turns.after(2), turns.after(3), 2, "RuntimeError: still away")
    for minute in (4, 5):
        assert turns.result() == JobResult("sync", turns.after(minute), None, turns.after(3), 2, "RuntimeError: still away")


def test_a_job_that_failed_at_first_was_never_successful(results: JobResults) -> None:
    turns = Turns(results, "away")
    assert turns.result() == JobResult("sync", None, turns.after(1), turns.after(1), 1, "RuntimeError: away")


def test_after_a_restart_what_became_of_the_jobs_is_known(results: JobResults, db: Db) -> None:
    before = Turns(results, None, "away")
    before.result()
    last = before.result()
    restarted = open_database(db.path)
    assert Turns(JobResults(restarted)).jobs.results() == [last]
    restarted.close()


def test_a_success_is_written_down_once_a_minute_so_that_the_replica_is_spared(results: JobResults, db: Db) -> None:
    for second in (0, 30, 59):
        results.succeeded("sync", second * 1_000_000)
        assert results.of(["sync"])[0].succeeded_at == 0
    mark = db.connection.execute("SELECT at FROM marks").fetchone()
    results.succeeded("sync", 59_000_000)
    assert db.connection.execute("SELECT at FROM marks").fetchone() == mark
    results.succeeded("sync", 60_000_000)
    assert results.of(["sync"])[0].succeeded_at == 60_000_000


def test_a_clock_that_was_set_back_is_followed(results: JobResults) -> None:
    results.succeeded("sync", 7_200_000_000)
    results.succeeded("sync", 0)
    assert results.of(["sync"])[0].succeeded_at == 0


def test_a_success_after_a_failure_is_known_at_once(results: JobResults) -> None:
    results.succeeded("sync", 0)
    results.failed("sync", 1_000_000, "away")
    results.succeeded("sync", 2_000_000)
    assert results.of(["sync"])[0][:3] == ("sync", 2_000_000, None)


def test_a_volume_that_takes_no_result_stops_no_job(db: Db, caplog: pytest.LogCaptureFixture) -> None:
    db.connection.execute("DROP TABLE jobs")
    runs: list[int] = []
    jobs = Jobs(JobResults(db), Job("sync", 30, lambda: runs.append(1)), clock=lambda: NOW)
    jobs.run("sync")
    jobs.run("sync")
    assert len(runs) == 2
    assert "what became of a job cannot be kept" in caplog.text


def test_every_job_runs_at_the_start_though_one_fails(results: JobResults) -> None:
    ran = threading.Event()

    def fail() -> None:
        raise OSError("no")

    jobs = Jobs(results, Job("first", 3600, fail), Job("second", 3600, ran.set), clock=lambda: NOW)
    jobs.start()
    assert ran.wait(10)
    jobs.stop()


def test_after_its_stop_no_job_begins(results: JobResults) -> None:
    begun, release = threading.Event(), threading.Event()
    runs: list[str] = []

    def slow() -> None:
        begun.set()
        release.wait(10)

    jobs = Jobs(results, Job("slow", 3600, slow), Job("next", 3600, lambda: runs.append("next")), clock=lambda: NOW)
    jobs.start()
    assert begun.wait(10)
    stopping = threading.Thread(target=jobs.stop)
    stopping.start()
    assert jobs.stopping.wait(10)
    release.set()
    stopping.join(10)
    assert runs == []


def test_a_job_comes_again_when_its_time_has_come(results: JobResults) -> None:
    twice = threading.Event()
    runs: list[int] = []

    def count() -> None:
        runs.append(1)
        if len(runs) == 2:
            twice.set()

    jobs = Jobs(results, Job("often", 1, count), clock=lambda: NOW)
    jobs.start()
    assert twice.wait(20)
    jobs.stop()


def test_a_long_job_holds_no_other_long_one_up(results: JobResults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "MOMENT_SEC", 0.01)
    release, ran = threading.Event(), threading.Event()
    slow = Job("slow", 3600, lambda: release.wait(10), is_long=True)
    jobs = Jobs(results, slow, Job("other", 3600, ran.set, is_long=True), clock=lambda: NOW)
    jobs.start()
    assert ran.wait(10)
    jobs.stop()
    release.set()


def test_a_turn_that_was_planned_by_a_clock_that_was_ahead_comes_in_its_time() -> None:
    scheduler = schedule.Scheduler()
    ahead, right = (scheduler.every(3600).seconds.do(print) for _ in range(2))  # pyright: ignore[reportUnknownMemberType] # its own gap
    assert ahead.next_run and right.next_run
    planned = right.next_run
    ahead.next_run += timedelta(days=31)
    pull_back(scheduler)
    assert ahead.next_run - planned < timedelta(minutes=1)
    assert right.next_run == planned


def test_a_long_job_holds_no_other_up_and_is_left_at_the_stop(results: JobResults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "MOMENT_SEC", 0.01)
    begun, release, ran = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        release.wait(10)

    jobs = Jobs(results, Job("slow", 3600, slow, is_long=True), Job("short", 3600, ran.set), clock=lambda: NOW)
    jobs.start()
    assert begun.wait(10)
    assert ran.wait(10)
    jobs.stop()
    assert not release.is_set()
    release.set()
