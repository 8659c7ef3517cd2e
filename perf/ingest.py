"""`python -m perf.ingest postgres|api <address> <database>`: one pass over a gateway; prints what it and reading alone took, as JSON."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from control_app.core import logs
from control_app.core.time import DAY, time_of
from control_app.gateway.port import Reader
from control_app.ledger.clocks import Clocks
from control_app.ledger.sync import Sync
from control_app.service.stored_times import PULL_BACK
from control_app.service.tables import open_database
from perf.month import price_all

ROUNDS = 5
"""Stretches of a pass that are measured, one after another."""
ALONE = 200_000
"""Rows of a round of reading alone."""


def main() -> None:
    """Take everything into a new ledger."""
    kind, address, database = sys.argv[1:]
    logs.configure()
    db = open_database(Path(database))
    price_all(db)
    gateway = _gateway(kind, address)
    alone = statistics.median([_read_alone(gateway) for _ in range(ROUNDS + 1)][1:])
    sync = Sync(gateway, db, Clocks(db, lambda: time_of(gateway.now()), gateway.now, None, PULL_BACK))
    pages = [(0, time.monotonic())]
    sync.run(lambda read, _: pages.append((read, time.monotonic())))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"rows_per_s": round(statistics.median(stretches(pages)[1:])), "read_alone_rows_per_s": round(alone)}
    print(json.dumps({**told, "rows": pages[-1][0], "seconds": round(pages[-1][1] - pages[0][1], 2), "peak_mib": round(peak, 1)}))


def stretches(pages: Sequence[tuple[int, float]]) -> Sequence[float]:
    """Rows a second of equal stretches of a pass, the first for warming up; *pages*: how many rows were read by when, in seconds.

    Raises ValueError where there are too few pages for so many stretches.
    """
    whole = pages[-1][0]
    if len(pages) <= ROUNDS + 1:
        raise ValueError(f"{whole:,} rows are {len(pages) - 1} pages, and {ROUNDS + 1} are needed at least: set PERF_ROWS to more")
    ends = [next(page for page in pages if page[0] * (ROUNDS + 1) >= whole * number) for number in range(ROUNDS + 2)]
    return [(read - before) / (at - since) for (before, since), (read, at) in pairwise(ends)]


def _read_alone(gateway: Reader) -> float:
    """Rows a second that the source gives, where nobody does anything with them."""
    first, read, began = gateway.first(), 0, time.monotonic()
    assert first is not None  # noqa: S101 (there are rows)
    for page in gateway.rows(first, first + 31 * DAY):
        read += len(page)
        if read >= ALONE:
            break
    return read / (time.monotonic() - began)


def _gateway(kind: str, address: str) -> Reader:
    if kind == "postgres":
        from control_app.gateway.bifrost.postgres import GatewayPostgres  # noqa: PLC0415 (a process has one of them in memory)

        return GatewayPostgres(address)
    from control_app.gateway.bifrost.api import GatewayApi  # noqa: PLC0415

    return GatewayApi(address, "admin", "admin")


if __name__ == "__main__":
    main()
