"""How gunicorn runs the control service: one process, as SQLite and the catalog want it, with threads."""

from __future__ import annotations

import contextlib
from typing import Any, cast

from control_app import logs
from control_app.catalog import SourceError
from control_app.settings import Settings
from control_app.web.context import Services

bind = Settings.from_environment().bind
workers = 1
threads = 8
worker_class = "gthread"
timeout = 60
graceful_timeout = 20
control_socket_disable = True  # nothing speaks to it
logconfig_dict = logs.logging_config()


def post_worker_init(worker: Any) -> None:
    """Once the worker is up it reads models and the gateway in the background, and tells Prometheus; requests never wait."""
    services = cast("Services", worker.wsgi.extensions["services"])
    with contextlib.suppress(SourceError):
        # The first turn of the jobs finds the models read; where they cannot be, the page and /readyz say why.
        services.catalog.current()
    services.catalog.start()
    services.metrics.serve(services.settings.metrics_bind)
    if services.settings.jobs == "here":
        services.jobs.start()
