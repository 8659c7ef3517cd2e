"""`python -m control_app`: check the settings, then serve."""

from __future__ import annotations

import argparse
import os
import socket
import sqlite3
import sys
from pathlib import Path

from control_app.settings import PREFIX, Settings, SettingsError
from control_app.store import Store


def main() -> None:
    """Replace this process by gunicorn; exit with 2 where settings are missing."""
    parser = argparse.ArgumentParser(
        prog="python -m control_app",
        description="Serve prices of a location's models. Settings are environment variables:",
        epilog="\n".join(_describe(name) for name in Settings.model_fields),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        print(f"control_app: {error}", file=sys.stderr)
        sys.exit(2)
    if problem := _cannot_listen(settings.bind) or _cannot_keep(settings.database):
        print(f"control_app: {problem}", file=sys.stderr)
        sys.exit(1)
    print(_addresses(settings.bind), file=sys.stderr)
    command = [sys.executable, "-m", "gunicorn", "--config", "python:control_app.gunicorn_config", "control_app:create_app()"]
    os.execv(sys.executable, command)


def _cannot_listen(bind: str) -> str | None:
    """Why nothing can listen there; gunicorn would try for seconds and then say less."""
    host, _, port = bind.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except (OSError, OverflowError) as error:
            return f"cannot listen on {bind} ({error}); choose another address with {PREFIX}BIND=127.0.0.1:8081"
    return None


def _cannot_keep(database: Path) -> str | None:
    """Why offers cannot be kept there; a worker of gunicorn would only fail to boot."""
    try:
        Store(database).check()
    except (OSError, sqlite3.Error) as error:
        return f"cannot use the database {database} ({error}); choose another file with {PREFIX}DATABASE"
    return None


def _addresses(bind: str) -> str:
    pages = {
        "/": "models and prices",
        "/openrouter/models": "the price list, ?schema_version=2.4 for OpenRouter's current format",
        "/bifrost/pricingSheet": "the sheet that the gateway reads",
        "/readyz": "whether it can serve",
    }
    lines = [f"  http://{bind}{path:<24} {what}" for path, what in pages.items()]
    return "\n".join(["The control service is at:", *lines, "Ctrl-C stops it."])


def _describe(name: str) -> str:
    field = Settings.model_fields[name]
    return f"  {PREFIX}{name.upper():<18} {field.description} (default: {field.default or 'none'})"


if __name__ == "__main__":
    main()
