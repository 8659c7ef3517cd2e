"""What runs beside the web: reading the gateway, its counters, and keeping its price sheet. `schedule` only ticks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import schedule
import structlog

log = structlog.stdlib.get_logger("control_app.jobs")
TICK_SEC, MOMENT_SEC = 1.0, 5.0


@dataclass
class Job:
    """`every` so many seconds; `is_long`: it may take minutes, and holds no other up.

    `last_success`: UTC; `error`: of the last run, None where it succeeded.
    """

    name: str
    every: int
    run: Callable[[], object]
    is_long: bool = False
    last_success: datetime | None = None
    error: str | None = None
    failures: int = field(default=0)


class Jobs:
    """Runs each of *jobs* in its turn, in one thread, and the long ones in another; one that fails is tried again and stops no other."""

    def __init__(self, *jobs: Job, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self.stopping = threading.Event()
        self.all: Mapping[str, Job] = {job.name: job for job in jobs}
        self._short = threading.Thread(target=self._loop, args=[[job for job in jobs if not job.is_long]], name="jobs", daemon=True)
        self._long = threading.Thread(target=self._loop, args=[[job for job in jobs if job.is_long]], name="long-jobs", daemon=True)

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
        self._short.start()
        self._long.start()

    def stop(self) -> None:
        """Let no other job begin, and the one that runs end; a long one, which must bear to be cut off, for a moment."""
        self.stopping.set()
        self._short.join()
        self._long.join(MOMENT_SEC)

    def _loop(self, jobs: Sequence[Job]) -> None:
        scheduler = schedule.Scheduler()
        for job in jobs:
            scheduler.every(job.every).seconds.do(self.run, job.name)  # pyright: ignore[reportUnknownMemberType] # its own gap
            if not self.stopping.is_set():
                self.run(job.name)
        while not self.stopping.wait(TICK_SEC):
            scheduler.run_pending()
