"""What the jobs tell Prometheus, whichever process runs them."""

from __future__ import annotations

from control_app.core.time import SECOND
from control_app.service.jobs import Jobs
from control_app.storage.collector import Collector, Samples


class JobMetrics:
    """The results of *jobs*; those of a job that this service no longer has are not told."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def register(self, collector: Collector) -> None:
        """Add the metrics to *collector*."""
        collector.counter("control_job_failures_total", "Turns of a job that failed.", self.failures, ("job",))
        at = "control_job_last_success_timestamp_seconds"
        collector.gauge(at, "When a job last succeeded, to the minute.", self.last_success, ("job",))

    def failures(self) -> Samples:
        """Failures by job, of all time; 0 for one that never failed, so that its first failure is a rise."""
        return {(result.name,): result.failures for result in self._jobs.results()}

    def last_success(self) -> Samples:
        """The last success by job, in seconds since 1970 UTC; nothing for one that never succeeded."""
        return {(result.name,): result.succeeded_at / SECOND for result in self._jobs.results() if result.succeeded_at is not None}
