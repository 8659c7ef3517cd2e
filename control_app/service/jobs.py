"""What runs beside the web: reading the gateway, keeping its price sheet, invoicing, the database's upkeep."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import schedule
import structlog

from control_app.core.clock import Clock
from control_app.core.failures import words_of
from control_app.core.time import microseconds
from control_app.service.job_results import JobResult, JobResults

log = structlog.stdlib.get_logger("control_app.jobs")
TICK_SEC, MOMENT_SEC = 1.0, 5.0


@dataclass(frozen=True)
class Job:
    """A job that runs `every` so many seconds. `is_long`: it may take minutes, and holds no other up."""

    name: str
    every: int
    run: Callable[[], object]
    is_long: bool = False


class Jobs:
    """Runs each of *jobs* in its turn, in one thread, and each long one in a thread of its own.

    One that fails is tried again and stops no other.

    What became of each is in *results*.
    """

    def __init__(self, results: JobResults, *jobs: Job, clock: Clock) -> None:
        self._results, self._clock = results, clock
        self.stopping = threading.Event()
        self.all: Mapping[str, Job] = {job.name: job for job in jobs}
        self._short = threading.Thread(target=self._loop, args=[[job for job in jobs if not job.is_long]], name="jobs", daemon=True)
        self._long = [threading.Thread(target=self._loop, args=[[job]], name=f"job-{job.name}", daemon=True) for job in jobs if job.is_long]

    def results(self) -> list[JobResult]:
        """How each of the jobs ran last, in this process or in another."""
        return self._results.of(self.all)

    def run(self, name: str) -> None:
        """Run a job now; what became of it is kept, and a failure is logged."""
        failure: str | None = None
        try:
            self.all[name].run()
        except Exception as error:  # noqa: BLE001 # whatever it is, the next turn comes
            failure = words_of(error)
            log.warning("job failed", job=name, error=failure)
        try:
            self._keep(name, failure)
        except sqlite3.Error as error:
            # On a full or damaged volume. That no success is added is seen all the same.
            log.warning("what became of a job cannot be kept", job=name, error=words_of(error))

    def start(self) -> None:
        """Run every job once, then each in its turn, until `stop`."""
        for thread in (self._short, *self._long):
            thread.start()

    def stop(self) -> None:
        """Let no other job begin, and the one that runs end; a long one, which must bear to be cut off, for a moment."""
        self.stopping.set()
        self._short.join()
        for thread in self._long:
            thread.join(MOMENT_SEC)

    def _keep(self, name: str, failure: str | None) -> None:
        at = microseconds(self._clock())
        if failure is None:
            self._results.succeeded(name, at)
        else:
            self._results.failed(name, at, failure)

    def _loop(self, jobs: Sequence[Job]) -> None:
        scheduler = schedule.Scheduler()
        for job in jobs:
            scheduler.every(job.every).seconds.do(self.run, job.name)  # pyright: ignore[reportUnknownMemberType] # its own gap
            if not self.stopping.is_set():
                self.run(job.name)
        while not self.stopping.wait(TICK_SEC):
            pull_back(scheduler)
            scheduler.run_pending()


def pull_back(scheduler: schedule.Scheduler) -> None:
    """Let no turn be later than its job's interval from now.

    The library plans by the machine's clock: what is due in half a minute would not come for a month where that was a month ahead.
    """
    now = datetime.now()  # noqa: DTZ005 # as the library counts
    for job in scheduler.jobs:
        if job.next_run is not None:
            job.next_run = min(job.next_run, now + timedelta(seconds=job.interval))
