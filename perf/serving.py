"""How fast `/usage` and the price list are, under open-loop load, beside a bare Flask view in turn with them."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from control_app.core.numbers import KeyNo
from control_app.ledger.reader import UsageReader
from control_app.service.gunicorn_config import threads
from control_app.service.tables import open_database
from control_app.storage.database import Db
from perf import month
from perf.gunicorn import BARE, CONTROL, serving
from perf.ledger import ROWS
from perf.load import Answers, open_loop

SECONDS, ROUNDS = 5.0, 5
FIRST = 50
"""So many requests, the first that a service answers, are cold."""
AT_ONCE = 20 * threads
"""So many requests at once keep every thread busy: the first thread to be done does not answer them all."""
QUERIES = 100
USAGE = "/usage?start_date=2026-10-01&end_date=2026-11-01"
RAGGED = "/usage?start_date=2026-10-03T08:58:11Z&end_date=2026-10-29T19:01:53Z"
"""Both ends lie as far from the borders of a day's parts as can be."""
COLD_MS = 50
"""Bar of the slowest of the first requests that a service answers."""


class _Load(NamedTuple):
    """What a server is asked, *rate* times a second."""

    address: str
    paths: Sequence[str]
    rate: float
    headers: Sequence[str] = ()

    def answers(self, requests: float) -> Answers:
        return self._good(self.rate, requests / self.rate)

    def warm(self) -> None:
        """Have every thread answer."""
        self._good(AT_ONCE * 1000, 1 / 1000)

    def _good(self, rate: float, seconds: float) -> Answers:
        found = open_loop(self.address, self.paths, rate, seconds, self.headers)
        if set(found.statuses) != {200}:
            raise RuntimeError(f"answers were {found.statuses}")
        return found


def usage() -> Mapping[str, object]:
    """p99 of a month's usage at 100 requests a second, the worse of the largest key's and a typical one's; and its first requests."""
    keys = (month.LARGEST, month.TYPICAL)
    told = _by_key(USAGE, 100, keys)
    row = _row("usage_p99_ms", max(told[key] for key in keys), 10, told)
    return {**row, "ok": row["ok"] and told["cold"] <= COLD_MS}


def usage_ragged() -> Mapping[str, object]:
    """p99 of usage whose range begins and ends within a day, at 5 requests a second, for the largest key."""
    told = _by_key(RAGGED, 5, [month.LARGEST])
    return _row("usage_ragged_p99_ms", told[month.LARGEST], 40, told)


def price_list() -> Mapping[str, object]:
    """p99 of the price list and the sheet, in turn, at 300 requests a second."""
    with _service(month.ledger(10_000)) as address:
        asked = _Load(address, ["/openrouter/models", "/bifrost/pricingSheet"], 300)
        cold = asked.answers(FIRST).percentile(1)
        told = _medians({"lists": asked}, 300)
    return _row("price_list_p99_ms", told["lists"], 10, told | {"cold": cold})


def usage_growth() -> Mapping[str, object]:
    """Time of a typical key's query with all rows, as a multiple of the time with a tenth of them; medians of rounds in turn."""
    databases = {rows: open_database(month.ledger(rows)) for rows in (ROWS // 10, ROWS)}
    taken: dict[int, list[float]] = {rows: [] for rows in databases}
    for turn in range(ROUNDS + 1):
        for rows, db in databases.items():
            seconds = _query_seconds(db)
            if turn:
                taken[rows].append(seconds)
    tenth, whole = (statistics.median(taken[rows]) for rows in databases)
    milliseconds = {f"{rows}_rows_ms": round(1000 * statistics.median(taken[rows]), 3) for rows in databases}
    ratio = whole / tenth
    return {"name": "usage_growth_ratio", "figure": round(ratio, 2), "unit": "x", "bar": 1.3, "ok": ratio <= 1.3, "control": milliseconds}


def _query_seconds(db: Db) -> float:
    reader, taken = UsageReader(db), list[float]()
    key: KeyNo = db.connection.execute("SELECT id FROM keys WHERE gateway_id = ?", [month.TYPICAL]).fetchone()[0]
    for _ in range(QUERIES):
        began = time.perf_counter()
        reader.by(("model",), month.MONTH, key=key)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _by_key(path: str, rate: float, keys: Sequence[str]) -> dict[str, float]:
    """What each of *keys* waits for *path*, and the slowest of the first requests of all, which are the first one's."""
    with _service(month.ledger(ROWS)) as address:
        asked = {key: _Load(address, [path], rate, [f"Authorization: {key.replace('-', '_')}\r\n"]) for key in keys}
        cold = asked[keys[0]].answers(FIRST).percentile(1)
        return _medians(asked, rate) | {"cold": cold}


def _medians(asked: Mapping[str, _Load], rate: float) -> dict[str, float]:
    """Median of the rounds' p99 of each and of a bare view, whose rounds are in turn; every thread is warm."""
    with serving("perf.served_control:bare()", {}, *BARE) as address:
        loads = {"bare_view_p99_ms": _Load(address, ["/"], rate), **asked}
        for load in loads.values():
            load.warm()
        taken: dict[str, list[float]] = {name: [] for name in loads}
        for _ in range(ROUNDS):
            for name, load in loads.items():
                taken[name].append(load.answers(rate * SECONDS).percentile(0.99))
    return {name: statistics.median(found) for name, found in taken.items()}


def _service(database: Path) -> contextlib.AbstractContextManager[str]:
    return serving("perf.served_control:service()", {"PERF_DATABASE": str(database)}, CONTROL)


def _row(name: str, figure: float, bar: float, told: Mapping[str, float]) -> dict[str, object]:
    """Under the bar, or under twice what a bare view takes on this machine now."""
    good = figure <= bar or figure <= 2 * told["bare_view_p99_ms"]
    return {"name": name, "figure": figure, "unit": "ms", "bar": bar, "ok": good, "control": told}
