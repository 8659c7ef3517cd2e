"""Jobs run in their turn; one that fails stops no other."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from control_app import jobs as jobs_module
from control_app.jobs import Job, Jobs

NOW = datetime(2026, 11, 2, tzinfo=UTC)


def test_a_job_that_fails_says_why_and_is_tried_again() -> None:
    answers = iter([RuntimeError("away"), None])

    def run() -> None:
        if error := next(answers):
            raise error

    jobs = Jobs(Job("sync", 30, run), clock=lambda: NOW)
    jobs.run("sync")
    assert (jobs.all["sync"].error, jobs.all["sync"].last_success) == ("RuntimeError: away", None)
    jobs.run("sync")
    assert (jobs.all["sync"].error, jobs.all["sync"].last_success, jobs.all["sync"].failures) == (None, NOW, 1)


def test_every_job_runs_at_the_start_though_one_fails() -> None:
    ran = threading.Event()

    def fail() -> None:
        raise OSError("no")

    jobs = Jobs(Job("first", 3600, fail), Job("second", 3600, ran.set))
    jobs.start()
    assert ran.wait(10)
    jobs.stop()


def test_after_its_stop_no_job_begins() -> None:
    begun, release = threading.Event(), threading.Event()
    runs: list[str] = []

    def slow() -> None:
        begun.set()
        release.wait(10)

    jobs = Jobs(Job("slow", 3600, slow), Job("next", 3600, lambda: runs.append("next")))
    jobs.start()
    assert begun.wait(10)
    stopping = threading.Thread(target=jobs.stop)
    stopping.start()
    assert jobs.stopping.wait(10)
    release.set()
    stopping.join(10)
    assert runs == []


def test_a_job_comes_again_when_its_time_has_come() -> None:
    twice = threading.Event()
    runs: list[int] = []

    def count() -> None:
        runs.append(1)
        if len(runs) == 2:
            twice.set()

    jobs = Jobs(Job("often", 1, count))
    jobs.start()
    assert twice.wait(20)
    jobs.stop()


def test_a_long_job_holds_no_other_up_and_is_left_at_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "MOMENT_SEC", 0.01)
    begun, release, ran = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        release.wait(10)

    jobs = Jobs(Job("slow", 3600, slow, is_long=True), Job("short", 3600, ran.set))
    jobs.start()
    assert begun.wait(10)
    assert ran.wait(10)
    jobs.stop()
    assert not release.is_set()
    release.set()
