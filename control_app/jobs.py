"""What runs beside the web: reading the gateway, its counters, and keeping its price sheet. `schedule` only ticks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import schedule
import structlog

log = structlog.stdlib.get_logger("control_app.jobs")
TICK_SEC = 1.0


@dataclass
class Job:
    """`every` so many seconds. `last_success`: UTC; `error`: of the last run, None where it succeeded."""

    name: str
    every: int
    run: Callable[[], object]
    last_success: datetime | None = None
    error: str | None = None
    failures: int = field(default=0)


class Jobs:
    """Runs each of *jobs* in its turn, in one thread; one that fails is tried again at its next turn and stops no other."""

    def __init__(self, *jobs: Job, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._scheduler = schedule.Scheduler()
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)
        self.all: Mapping[str, Job] = {job.name: job for job in jobs}
        for job in jobs:
            self._scheduler.every(job.every).seconds.do(self.run, job.name)  # pyright: ignore[reportUnknownMemberType] # its own gap

    def run(self, name: str) -> None:
        """Run a job now; its failure is kept and logged."""
        job = self.all[name]
        try:
            job.run()
        except Exception as error:  # noqa: BLE001 # whatever it is, the next turn comes
            job.error, job.failures = f"{type(error).__name__}: {error}", job.failures + 1
            log.warning("job failed", job=name, error=job.error)
        else:
            job.last_success, job.error = self._clock(), None

    def start(self) -> None:
        """Run every job once, then each in its turn, until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Let the job that runs end, and no other begin."""
        self.stopping.set()
        self._thread.join()

    def _loop(self) -> None:
        for name in self.all:
            if not self.stopping.is_set():
                self.run(name)
        while not self.stopping.wait(TICK_SEC):
            self._scheduler.run_pending()
