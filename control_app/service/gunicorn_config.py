"""How gunicorn runs the control service: one process, as SQLite and the catalog want it, with threads."""

from __future__ import annotations

from typing import Any, cast

from control_app.core import logs
from control_app.service.background import Background
from control_app.service.settings import Settings

bind = Settings.from_environment().access.bind
workers = 1
threads = 8
worker_class = "control_app.service.worker.Worker"
timeout = 60
graceful_timeout = 20
control_socket_disable = True  # nothing speaks to it
logconfig_dict = logs.logging_config()


def post_worker_init(worker: Any) -> None:
    """Begin what goes on beside the requests."""
    cast("Background", worker.wsgi.extensions["background"]).start(worker.in_every_thread)
