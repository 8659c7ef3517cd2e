"""`python -m perf.ingest postgres|api <address> <database>`: one pass over a gateway; prints what it took as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from control_app import logs
from control_app.database import Db
from control_app.gateway import Gateway
from control_app.sync import Sync
from perf.month import AFTER, price_all


def main() -> None:
    """Take everything into a new ledger, then look again: the second pass finds nothing new."""
    kind, address, database = sys.argv[1:]
    logs.configure()
    db = Db(Path(database))
    price_all(db)
    sync = Sync(_gateway(kind, address), db, clock=lambda: AFTER)
    began = time.monotonic()
    done = sync.run()
    seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": done.new, "seconds": round(seconds, 2), "peak_mib": round(peak, 1)}))


def _gateway(kind: str, address: str) -> Gateway:
    if kind == "postgres":
        from control_app.gateway_postgres import GatewayPostgres  # noqa: PLC0415 (a process has one of them in memory)

        return GatewayPostgres(address)
    from control_app.gateway_api import GatewayApi  # noqa: PLC0415

    return GatewayApi(address, "admin", "admin")


if __name__ == "__main__":
    main()
