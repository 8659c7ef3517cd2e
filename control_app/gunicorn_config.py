"""How gunicorn runs the control service: one process, as SQLite and the catalog want it, with threads."""

from __future__ import annotations

from control_app import logs
from control_app.settings import Settings

bind = Settings.from_environment().bind
workers = 1
threads = 8
worker_class = "gthread"
timeout = 60
graceful_timeout = 20
control_socket_disable = True  # nothing speaks to it
logconfig_dict = logs.logging_config()
