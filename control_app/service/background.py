"""What goes on beside the requests, as soon as the process that serves them is up."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from control_app.pricing.catalog import Catalog
from control_app.pricing.port import SourceError
from control_app.service.jobs import Jobs
from control_app.service.settings import Settings

log = structlog.stdlib.get_logger("control_app.web")


@dataclass(frozen=True)
class Background:
    """Reads models and the gateway so that no request waits for them. *serve_metrics* answers Prometheus, and probes, at an address.

    *read_usage* reads what most requests ask for.
    """

    settings: Settings
    catalog: Catalog
    jobs: Jobs
    serve_metrics: Callable[[str], object]
    read_usage: Callable[[], object]

    def start(self, in_every_thread: Callable[[Callable[[], None]], object]) -> None:
        """Begin, and return when the models were read for the first time, or could not be, and all threads are warm."""
        with contextlib.suppress(SourceError):
            # The first turn of the jobs finds the models read; where they cannot be, the page and /readyz say why.
            self.catalog.current()
        self.catalog.start()
        in_every_thread(self._warm)
        # From here on it is ready.
        self.serve_metrics(self.settings.access.metrics_bind)
        if self.settings.gateway.jobs == "here":
            self.jobs.start()

    def _warm(self) -> None:
        """Open this thread's connection and fill its cache: the first request of a thread would wait for that."""
        try:
            self.read_usage()
        except sqlite3.Error as error:
            # Prices are served all the same, and who asks for usage is told.
            log.warning("the ledger cannot be read", error=str(error))
