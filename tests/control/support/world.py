"""The one world that the service is tried in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

import httpx2

from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.accounting.port import AccountingError
from control_app.core.numbers import Month
from control_app.core.time import microseconds, month_of, next_month
from control_app.gateway.double.gateway import GatewayDouble
from control_app.gateway.port import Customer, Key, UsageRow
from control_app.invoicing.actions import Decision
from control_app.invoicing.automation import Automatic
from control_app.invoicing.checks import Brakes
from control_app.invoicing.dry_runs import dry_run
from control_app.invoicing.entry import Entry
from control_app.invoicing.history import Run
from control_app.invoicing.orders import DryRun, Order
from control_app.service.assembly import assemble
from control_app.service.doubles import Doubles
from control_app.service.settings import Settings
from control_app.storage.database import Db
from tests.control.support.ledgers import RATES, Books
from tests.control.support.recomputation import at

OCTOBER = month_of(at("2026-10-01T00:00"))
NOVEMBER = next_month(OCTOBER)
SECOND_OF_NOVEMBER = datetime.fromisoformat("2026-11-02T00:00:00+00:00")
BECAUSE = Decision("ana@example.com", "looked at it")


class World:
    """The service in *folder* as `assemble` makes it, with doubles of the gateway and of Odoo, and a clock that a test sets.

    It is `now`, the 2nd of November 2026 until that is another, by the clocks of the gateway and of Odoo; the service's own is *ahead*
    by as much as a test says. *customers*: by the gateway's ids, each with one key.
    *settings*: others, by their names.
    """

    def __init__(
        self,
        folder: Path,
        customers: Iterable[str] = ("acme",),
        *,
        brakes: Brakes = Brakes(),  # noqa: B008 (frozen)
        automatic: Automatic = "send",
        at_once: int = 1,
        odoo: FakeOdoo | None = None,
        version: Any = 19,
        **settings: Any,
    ) -> None:
        self.now, self.ahead = SECOND_OF_NOVEMBER, timedelta()
        self.folder, self.customers, self.at_once = folder, list(customers), at_once
        self.settings = Settings.of(
            database=folder / "control.sqlite3",
            sheet_file=folder / "sheet.json",
            location="stalpeni",
            invoice_from="2026-10",
            automatic=automatic,
            brake_invoice=brakes.invoice,
            brake_run=brakes.run,
            brake_change=brakes.change,
            **settings,
        )
        self.gateway = GatewayDouble(lambda: self.now)
        self.odoo = odoo or FakeOdoo(version=version, clock=lambda: self.now)
        if odoo is None:
            for name in self.customers:
                self.odoo.add_partner(f"Customer {name}", ref=name, email=f"billing@{name}.example")
        self.slept: list[float] = []
        self.told: list[Run] = []
        self.transport: httpx2.BaseTransport | None = None
        self.open()

    def open(self, db_of: Callable[[Books], Db] = lambda books: books.db) -> None:
        """Start the service, as after a restart."""
        self.books = Books(self.folder)
        self.db = db_of(self.books)
        if not self.books.db.connection.execute("SELECT 1 FROM price_versions").fetchone():
            self.books.price("llama", 0, RATES)
            self.books.name("llama", "Llama 3")
        doubles = Doubles(self.gateway, self.odoo, self.slept.append)
        with patch.object(self.odoo, "transport", return_value=self.transport or self.odoo.transport()):
            parts = assemble(self.settings, self.time, doubles, self.db)
        self.clocks, invoicing = parts.clocks, parts.invoicing
        self.planning, self.runs = invoicing.planning, invoicing.runs
        self.actions, self.automation = invoicing.actions, invoicing.automation
        object.__setattr__(self.runs, "at_once", self.at_once)
        object.__setattr__(self.automation, "tell", self.told.append)

    def time(self) -> datetime:
        """What our clock says."""
        return self.now + self.ahead

    def clock(self) -> int:
        """The same in microseconds since 1970 UTC."""
        return microseconds(self.time())

    def hold_keys(self) -> None:
        """The gateway says which customer holds which key."""
        customers = [Customer(name, f"Customer {name}") for name in self.customers]
        keys = [Key(f"k-{name}", f"k-{name}", name, is_active=True, updated_at=0) for name in self.customers]
        self.books.directory(customers, keys, at("2026-09-01T00:00"))

    def use(self, *rows: UsageRow) -> None:
        """Usage comes in; everything was read and counted up to now."""
        self.hold_keys()
        self.books.take(*rows)
        self.read()

    def read(self) -> None:
        """The gateway was read, and counted as much as it logged."""
        now = microseconds(self.now)
        self.clocks.enter_day(now)
        for source in ("rows", "thorough"):
            self.books.ledger.ingest((), now, source, now)
        db = self.books.db.connection
        db.execute("INSERT OR REPLACE INTO readings VALUES (1, ?, ?, 0, 0)", [at("2026-09-01T00:00"), now])
        db.execute("UPDATE hours SET counted = logged")

    def dry(self, dry_run_: DryRun = "all", month: Month = OCTOBER) -> dict[str, Any]:
        """A dry run's answer."""
        return _read(dry_run(self.planning, Order(month, dry_run_, "manual", "ana")))

    def run(self, month: Month = OCTOBER, target: Any = "sent") -> dict[str, Any]:
        """A manual run's answer."""
        run, lease = self.runs.start(Order(month, "none", "manual", "ana"), target)
        self.runs.carry_out(run, lease)
        return _read(self.runs.answer(run))

    def tick(self, times: int = 1, pause: timedelta = timedelta(minutes=6)) -> None:
        """So many turns of the automation, with a pause after each; Odoo may be away."""
        for _ in range(times):
            try:
                self.automation.tick()
            except* AccountingError:
                pass
            self.now += pause

    def entries(self, month: Month = OCTOBER) -> list[Entry]:
        """All invoices and credit notes."""
        return list(self.planning.book.entries(month))

    def moves(self) -> list[Any]:
        """What Odoo has."""
        return list(self.odoo.moves())

    def untaxed(self) -> Decimal:
        """What Odoo has posted, without tax; credit notes taken off."""
        total = Decimal(0)
        for move in self.moves():
            if move["state"] == "posted":
                total += Decimal(str(move["amount_untaxed"])) * (-1 if move["move_type"] == "out_refund" else 1)
        return total


def _read(answer: IO[bytes]) -> dict[str, Any]:
    with answer:
        found: dict[str, Any] = json.load(answer)
    return found


class Overheard(httpx2.BaseTransport):
    """What is asked of Odoo, as it is sent."""

    def __init__(self, world: World) -> None:
        self._inner = world.odoo.transport()
        self.asked: list[bytes] = []
        world.transport = self
        world.open()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.read())
        return self._inner.handle_request(request)


def statuses(answer: dict[str, Any]) -> dict[str, str]:
    """What became of each customer."""
    return {detail["invoice"]["customer_id"]: detail["sync_result"]["status"] for detail in answer["details"]}


def holds(answer: dict[str, Any], customer: str = "acme") -> list[str]:
    """Codes that hold a customer."""
    (detail,) = [detail for detail in answer["details"] if detail["invoice"]["customer_id"] == customer]
    return [hold["code"] for hold in detail["sync_result"].get("holds", ())]
