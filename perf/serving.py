"""How fast `/usage` and the price list are, under open-loop load, beside a bare Flask view of the same run."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

from control_app.database import Db
from control_app.usage import UsageReader
from perf import month
from perf.gunicorn import serving
from perf.ledger import ROWS
from perf.load import Answers, open_loop

SECONDS = 20.0
THREADS = 8
"""As the service itself runs."""
USAGE = "/usage?start_date=2026-10-01&end_date=2026-11-01"


def usage() -> Mapping[str, object]:
    """p99 of a month's usage at 100 requests a second, the worse of the largest key's and a typical one's."""
    database = month.ledger(ROWS)
    bare = _bare(100)
    told: dict[str, float] = {}
    for key in (month.LARGEST, month.TYPICAL):
        with _service(database) as address:
            headers = [f"Authorization: {key.replace('-', '_')}\r\n"]
            open_loop(address, [USAGE], 20, 2, headers)
            told[key] = _all_good(open_loop(address, [USAGE], 100, SECONDS, headers)).percentile(0.99)
    return _row("usage_p99_ms", max(told.values()), 25, bare, told)


def price_list() -> Mapping[str, object]:
    """p99 of the price list and the sheet, in turn, at 300 requests a second."""
    bare = _bare(300)
    database = month.ledger(10_000)
    with _service(database) as address:
        paths = ["/openrouter/models", "/bifrost/pricingSheet"]
        open_loop(address, paths, 20, 2)
        answers = _all_good(open_loop(address, paths, 300, SECONDS))
    return _row("price_list_p99_ms", answers.percentile(0.99), 10, bare, {"p50": answers.percentile(0.5)})


def usage_growth() -> Mapping[str, object]:
    """Time of a typical key's query with all rows, as a multiple of the time with a tenth of them."""
    seconds = {rows: _query_seconds(month.ledger(rows)) for rows in (ROWS // 10, ROWS)}
    ratio = seconds[ROWS] / seconds[ROWS // 10]
    milliseconds = {f"{rows}_rows_ms": round(1000 * taken, 3) for rows, taken in seconds.items()}
    return {"name": "usage_growth_ratio", "figure": round(ratio, 2), "unit": "x", "bar": 1.3, "ok": ratio <= 1.3, "control": milliseconds}


def _query_seconds(database: Path) -> float:
    db = Db(database)
    reader = UsageReader(db)
    number: int = db.connection.execute("SELECT id FROM keys WHERE gateway_id = ?", [month.TYPICAL]).fetchone()[0]
    taken: list[float] = []
    for _ in range(500):
        began = time.perf_counter()
        reader.by(("model",), month.MONTH, key=number)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _bare(rate: int) -> Answers:
    with serving("perf.served_control:bare()", {}, THREADS) as address:
        open_loop(address, ["/"], 20, 2)
        return open_loop(address, ["/"], rate, SECONDS)


def _service(database: Path) -> contextlib.AbstractContextManager[str]:
    return serving("perf.served_control:service()", {"PERF_DATABASE": str(database)}, THREADS)


def _row(name: str, figure: float, bar: float, bare: Answers, told: Mapping[str, float]) -> Mapping[str, object]:
    """Under the bar, or under three times what a bare view takes on this machine now."""
    control = bare.percentile(0.99)
    good = figure <= bar or figure <= 3 * control
    return {"name": name, "figure": figure, "unit": "ms", "bar": bar, "ok": good, "control": {"bare_view_p99_ms": control, **told}}


def _all_good(answers: Answers) -> Answers:
    if set(answers.statuses) != {200}:
        raise RuntimeError(f"answers were {answers.statuses}")
    return answers
