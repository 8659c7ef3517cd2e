"""How fast the ledger takes in a month, from either source."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from perf import month
from perf.gunicorn import serving
from tests.engines import postgres

ROWS = int(os.environ.get("PERF_ROWS", month.ROWS))
API_ROWS = min(ROWS, 1_000_000)
"""The double holds its rows in memory."""


def ingest_postgres() -> Mapping[str, object]:
    """Rows a second from the gateway's database: read, de-duplicated, attributed, rated, stored, rolled up; the median of stretches."""
    with postgres.server() as server, tempfile.TemporaryDirectory() as folder:
        print(f"filling PostgreSQL with {ROWS:,} rows", file=sys.stderr)
        month.fill(server, ROWS)
        dsn = f"user=billing_reader dbname=bifrost password='for \\'billing\\'' host={server.folder}"
        taken = _ingest("postgres", dsn, Path(folder) / "control.sqlite3")
    return _row("ingest_postgres_rows_per_s", taken, 40_000)


def ingest_api() -> Mapping[str, object]:
    """Rows a second from the management API: the double's, which another process serves."""
    with serving("perf.served_double:double()", {"PERF_ROWS": str(API_ROWS)}) as address, tempfile.TemporaryDirectory() as folder:
        taken = _ingest("api", address, Path(folder) / "control.sqlite3")
    return _row("ingest_api_rows_per_s", taken, 8_000)


def _ingest(kind: str, address: str, database: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "perf.ingest", kind, address, str(database)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    taken: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return taken


def _row(name: str, taken: Mapping[str, float], bar: int) -> Mapping[str, object]:
    figure = taken["rows_per_s"]
    return {
        "name": name,
        "figure": figure,
        "unit": "rows/s",
        "bar": bar,
        "ok": figure >= bar and taken["peak_mib"] < 200,
        "control": {**taken, "memory_bar_mib": 200},
    }
