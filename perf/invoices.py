"""How fast a month is billed: dry runs through the service, as a caller has them, and a real run into an Odoo that takes its time."""

from __future__ import annotations

import contextlib
import re
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from http.client import HTTPResponse
from pathlib import Path
from typing import NamedTuple

from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.core.time import Range, month_of
from control_app.gateway.double.gateway import GatewayDouble
from control_app.invoicing import results
from control_app.invoicing.orders import Order
from control_app.ledger.reader import UsageReader
from control_app.service.assembly import assemble
from control_app.service.doubles import Doubles
from control_app.service.invoicing import AT_ONCE
from control_app.service.settings import Settings
from control_app.service.tables import open_database
from perf import month
from perf.gunicorn import CONTROL, Served, served, serving
from perf.ledger import ROWS
from perf.month import Shape
from perf.served_control import ADMIN_KEY
from perf.served_double import CALLS

ASKED = "/invoicing/generate?dry_run=all&date=2026-11-02"
PART = 64 * 1024
ROUNDS = 5
EVERYBODY = Range(0, 1 << 62)
"""All customers, by their numbers."""
MOST_CALLS = 10
MOST_MB = 150
INVOICES = max(10, min(200, ROWS // 50_000))
"""Of the real run, which takes long; fewer where there are fewer rows."""
LATENCY_SEC, PRINTING_SEC = 0.05, 1.4
"""Of a call, and of a send beside it: an invoice takes Odoo 1.9 s in 10 calls, as recorded (docs/facts/odoo.md, Calls)."""
LEAST_A_MINUTE = 25
STATUS = re.compile(rb'"sync_result":\{"status":"([a-z_]+)"')
LONGEST_STATUS = 80
Row = Mapping[str, object]


class Answer(NamedTuple):
    """One that was read to its end. `waited`: how often it was asked for again after a 202."""

    seconds: float
    size: int
    statuses: Counter[str]
    waited: int


def dry_run() -> Row:
    """A dry run for 500 customers with 1,000 keys."""
    with _billing(month.USUAL) as place:
        cold, calls = ask(place).seconds, place.calls()
        answers, control = _in_turn(place)
        calls = place.calls() - calls
    seconds = statistics.median(answer.seconds for answer in answers)
    control |= {"cold_s": round(cold, 3), "gateway_calls": calls}
    return _row("invoice_dry_run_s", seconds, "s", 0.5, place, answers, control, is_good=calls <= MOST_CALLS)


def month_seconds() -> Row:
    """A dry run for 10,000 customers: how long it takes."""
    with _billing(month.MANY) as place:
        cold = ask(place).seconds
        answers, control = _in_turn(place)
    seconds = statistics.median(answer.seconds for answer in answers)
    return _row("invoice_month_s", seconds, "s", 8, place, answers, control | {"cold_s": round(cold, 3)})


def month_memory() -> Row:
    """The same: what the process that serves it has in memory at most, the service itself with it."""
    with _billing(month.MANY) as place:
        before = _peak_mb(place.service.process)
        Path(f"/proc/{place.service.process}/clear_refs").write_text("5")
        answers = [ask(place) for _ in range(2)]
        peak = _peak_mb(place.service.process)
    return _row("invoice_month_mb", peak, "MB", MOST_MB, place, answers, {"started_mb": round(before, 1)})


def invoices_per_minute() -> Row:
    """A real run: created, checked, posted, sent, and the e-mail seen; Odoo takes its time, most of it for sending."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shape = Shape(INVOICES, INVOICES, month.MANY.rate)
        month.build(folder / "control.sqlite3", 100 * INVOICES, shape)
        settings = Settings.of(database=folder / "control.sqlite3")
        odoo, calls = FakeOdoo(folder / "odoo.sqlite3", clock=lambda: month.AFTER), Counter[str]()
        db = open_database(settings.storage.database)
        month.settle(db)
        doubles = Doubles(GatewayDouble(lambda: month.AFTER), odoo)
        invoicing = assemble(settings, lambda: month.AFTER, doubles, db).invoicing
        for number in range(INVOICES):
            odoo.add_partner(f"Customer {number}", ref=f"customer-{number}")

        def note(model: str, method: str, _: int) -> None:
            calls[f"{model}/{method}"] += 1

        odoo.latency, odoo.printing, odoo.fault = LATENCY_SEC, PRINTING_SEC, note
        run, lease = invoicing.runs.start(Order(month_of(month.MONTH.start), "none", "manual", "perf"), "sent")
        began = time.perf_counter()
        invoicing.runs.carry_out(run, lease)
        seconds = time.perf_counter() - began
        mailed = len({move for move, _ in odoo.mails_sent()})
        statuses = results.statuses(db, run.id)
        odoo.close()
        db.close()
    figure = 60 * INVOICES / seconds
    return {
        "name": "invoices_per_minute",
        "figure": round(figure, 1),
        "unit": "invoices/min",
        "bar": LEAST_A_MINUTE,
        "ok": figure >= LEAST_A_MINUTE and statuses == {"success": INVOICES} and mailed == INVOICES,
        "control": {
            "invoices": INVOICES,
            "statuses": statuses,
            "mailed": mailed,
            "seconds": round(seconds, 2),
            "calls_per_invoice": round(calls.total() / INVOICES, 2),
            "call_sec": LATENCY_SEC,
            "printing_sec": PRINTING_SEC,
            "at_once": AT_ONCE,
        },
    }


class _Place(NamedTuple):
    """A service with a gateway, over a *database*. `customers`: who has used anything."""

    database: Path
    service: Served
    gateway: str
    customers: int

    def calls(self) -> int:
        """How often the gateway was asked."""
        with _open(self.gateway + CALLS) as answer:
            return int(answer.read())


@contextlib.contextmanager
def _billing(shape: Shape) -> Generator[_Place]:
    """The service over a month that is read and counted to its end; it asks a gateway that counts."""
    database = month.ledger(ROWS, shape)
    db = open_database(database)
    month.settle(db)
    customers: int = db.connection.execute("SELECT count(DISTINCT customer) FROM customer_keys").fetchone()[0]
    db.close()
    with (
        serving("perf.served_double:counting()", {}) as gateway,
        served("perf.served_control:billing()", {"PERF_DATABASE": str(database), "PERF_GATEWAY": gateway}, CONTROL) as service,
    ):
        place = _Place(database, service, gateway, customers)
        # It is this gateway that it would ask.
        with contextlib.suppress(urllib.error.HTTPError), _open(f"{service.address}/usage", "Bearer sk-bf-of-nobody"):
            pass
        if not place.calls():
            raise RuntimeError("the service asks another gateway")
        yield place


def _in_turn(place: _Place) -> tuple[list[Answer], dict[str, object]]:
    """Rounds of dry runs, and in turn with them of only reading what they bill, which tells how fast the machine is now."""
    answers: list[Answer] = []
    alone: list[float] = []
    reader = UsageReader(open_database(place.database))
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in reader.billed(month_of(month.MONTH.start), EVERYBODY):
            pass
        alone.append(time.perf_counter() - began)
        answers.append(ask(place))
    return answers, {"read_alone_s": round(statistics.median(alone), 3)}


def ask(place: _Place) -> Answer:
    """Have a dry run, and read its answer in parts, whose invoices are counted."""
    began, waited = time.perf_counter(), 0
    answer = _open(place.service.address + ASKED, ADMIN_KEY)
    while answer.status == 202:
        waited += 1
        where, pause = answer.headers["Location"], float(answer.headers["Retry-After"])
        answer.close()
        time.sleep(pause)
        answer = _open(place.service.address + where, ADMIN_KEY)
    with answer:
        size, statuses = tally(iter(lambda: answer.read(PART), b""))
    taken = Answer(time.perf_counter() - began, size, statuses, waited)
    print(f"{taken.seconds:.2f} s, {size:,} bytes, {dict(statuses)}", file=sys.stderr)
    return taken


def tally(parts: Iterable[bytes]) -> tuple[int, Counter[str]]:
    """Bytes of an answer, and how many invoices came to what; no more of it is in memory than a part and what is left of the last."""
    size, statuses, kept = 0, Counter[str](), b""
    for part in parts:
        size += len(part)
        kept += part
        end = 0
        for found in STATUS.finditer(kept):
            statuses[found[1].decode()] += 1
            end = found.end()
        kept = kept[max(end, len(kept) - LONGEST_STATUS) :]
    return size, statuses


def _open(url: str, key: str = "") -> HTTPResponse:
    answer: HTTPResponse = urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": key} if key else {}), timeout=120)  # noqa: S310
    return answer


def _peak_mb(process: int) -> float:
    """The most that was in memory since the last reset."""
    found = re.search(r"VmHWM:\s+([0-9]+) kB", Path(f"/proc/{process}/status").read_text())
    assert found  # noqa: S101 (Linux tells it)
    return int(found[1]) * 1024 / 1e6


def _row(  # noqa: PLR0913, PLR0917 (what a row says)
    name: str,
    figure: float,
    unit: str,
    bar: float,
    place: _Place,
    answers: list[Answer],
    control: Mapping[str, object],
    *,
    is_good: bool = True,
) -> Row:
    last = answers[-1]
    all_there = all(answer.statuses.total() == place.customers and not answer.statuses["held"] for answer in answers)
    return {
        "name": name,
        "figure": round(figure, 3),
        "unit": unit,
        "bar": bar,
        "ok": figure <= bar and all_there and is_good,
        "control": {
            "invoices": last.statuses.total(),
            "customers": place.customers,
            "statuses": last.statuses,
            "bytes": last.size,
            "waits_after_202": last.waited,
            "seconds": [round(answer.seconds, 3) for answer in answers],
            **control,
        },
    }
