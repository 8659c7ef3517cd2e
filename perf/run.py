"""Run benchmarks and print one JSON object a row: name, figure, unit, bar, ok, and a control where one ran beside it."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable, Mapping

from perf.cpu import adopt_orphans, cpu_seconds
from perf.first_apply import first_apply
from perf.invoices import dry_run, invoices_per_minute, month_memory, month_seconds
from perf.ledger import ingest_api, ingest_postgres
from perf.serving import price_list, usage, usage_growth, usage_ragged

ROUNDS = 5
Row = Mapping[str, object]


def synth_ratio() -> Row:
    """CPU time of synthesising all locations, as a multiple of only importing the same providers (medians of pairs)."""
    adopt_orphans()
    programs = {"main.py": [sys.executable, "main.py"], "bare imports": [sys.executable, "perf/bare_imports.py"]}
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(ROUNDS + 1):
        for name, command in programs.items():
            taken = cpu_seconds(command)
            print(f"{name}, round {turn}: {taken:.2f} s{' (warm-up, not counted)' if turn == 0 else ''}", file=sys.stderr)
            if turn:
                seconds[name].append(taken)
    ours, bare = (statistics.median(taken) for taken in seconds.values())
    return {
        "name": "synth_ratio",
        "figure": round(ours / bare, 3),
        "unit": "x CPU time of bare imports",
        "bar": 1.3,
        "ok": ours / bare <= 1.3,
        "control": {"bare_cpu_seconds": round(bare, 2), "synth_cpu_seconds": round(ours, 2), "rounds": ROUNDS},
    }


ROWS: Mapping[str, Callable[[], Row]] = {
    "synth_ratio": synth_ratio,
    "first_apply": first_apply,
    "ingest_postgres_rows_per_s": ingest_postgres,
    "ingest_api_rows_per_s": ingest_api,
    "usage_p99_ms": usage,
    "usage_ragged_p99_ms": usage_ragged,
    "usage_growth_ratio": usage_growth,
    "price_list_p99_ms": price_list,
    "invoice_dry_run_s": dry_run,
    "invoice_month_s": month_seconds,
    "invoice_month_mb": month_memory,
    "invoices_per_minute": invoices_per_minute,
}


def _beside_load(row: Callable[[], Row]) -> Row:
    """With the machine's load of the minute before, which is near 0 where it is idle."""
    load, _, _ = os.getloadavg()
    return {**row(), "load_before": round(load, 2)}


def main() -> None:
    """Exit with 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("row", nargs="*", choices=[*ROWS, []], help="rows to run (default: all)")
    names: list[str] = parser.parse_args().row or list(ROWS)
    results = [_beside_load(ROWS[name]) for name in names]
    for result in results:
        print(json.dumps(result))
    sys.exit(not all(result["ok"] for result in results))


if __name__ == "__main__":
    main()
