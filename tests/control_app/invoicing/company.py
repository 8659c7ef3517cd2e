"""A location with a ledger, an Odoo, and a clock: what invoicing is tried on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import httpx2

from control_app.gateway import Customer, Key, UsageRow
from control_app.invoicing.accounting import AccountingError
from control_app.invoicing.actions import Actions, Decision
from control_app.invoicing.automation import Automatic, Automation
from control_app.invoicing.bills import Bills
from control_app.invoicing.bodies import Bodies
from control_app.invoicing.book import Entry, InvoiceBook
from control_app.invoicing.dry_runs import dry_run
from control_app.invoicing.judge import Brakes
from control_app.invoicing.orders import DryRun, Order
from control_app.invoicing.planning import Planning
from control_app.invoicing.runs import Run, Runs
from control_app.odoo.accounting import OdooAccounting
from control_app.odoo.client import OdooClient
from control_app.odoo.double import FakeOdoo
from control_app.spans import microseconds, month_of
from tests.control_app.ledgers import RATES, Books
from tests.control_app.recomputation import at

OCTOBER = month_of(at("2026-10-01T00:00"))
NOVEMBER = OCTOBER + 1
SECOND_OF_NOVEMBER = datetime.fromisoformat("2026-11-02T00:00:00+00:00")
BECAUSE = Decision("ana@example.com", "looked at it")


class Company:
    """In *folder*. The clock stands at the 2nd of November 2026 until `later`. *customers*: by the gateway's ids, each with one key."""

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
    ) -> None:
        self.now = SECOND_OF_NOVEMBER
        self.folder, self.customers = folder, list(customers)
        self.brakes, self.at_once = brakes, at_once
        self.automatic: Automatic = automatic
        self.odoo = odoo or FakeOdoo(version=version, clock=lambda: self.now)
        if odoo is None:
            for name in self.customers:
                self.odoo.add_partner(f"Customer {name}", ref=name, email=f"billing@{name}.example")
        self.slept: list[float] = []
        self.told: list[Run] = []
        self.transport: httpx2.BaseTransport | None = None
        self.open()

    def open(self, db_of: Callable[[Books], Any] = lambda books: books.db) -> None:
        """Start the service, as after a restart."""
        self.books = Books(self.folder)
        self.db = db_of(self.books)
        if not self.books.db.connection.execute("SELECT 1 FROM price_versions").fetchone():
            self.books.price("llama", 0, RATES)
        transport = self.transport or self.odoo.transport()
        client = OdooClient("http://odoo", "db", self.odoo.credentials, transport=transport, sleep=self.slept.append)
        accounting = OdooAccounting(client, company=1, currency="USD", product="AI-INFERENCE")
        book = InvoiceBook(self.db, "stalpeni", "USD", 15, self.clock)
        bodies = Bodies("stalpeni", "USD", lambda: {"llama": "Llama 3"})
        self.planning = Planning(self.db, book, Bills(self.db, "USD"), bodies, accounting, self.brakes, self.clock)
        self.runs = Runs(self.planning, self.at_once)
        self.actions = Actions(self.runs)
        self.automation = Automation(self.runs, self.automatic, OCTOBER, self.told.append)

    def clock(self) -> int:
        """Microseconds since 1970 UTC."""
        return microseconds(self.now)

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
        now = self.clock()
        for source in ("rows", "thorough"):
            self.books.ledger.ingest((), now, source, now)
        db = self.books.db.connection
        db.execute("INSERT OR REPLACE INTO readings VALUES (1, ?, ?, 0, 0)", [at("2026-09-01T00:00"), now])
        db.execute("UPDATE hours SET counted = logged")

    def dry(self, dry_run_: DryRun = "all", month: int = OCTOBER) -> dict[str, Any]:
        """A dry run's answer."""
        return _read(dry_run(self.planning, Order(month, dry_run_, "manual", "ana")))

    def run(self, month: int = OCTOBER, target: Any = "sent") -> dict[str, Any]:
        """A manual run's answer."""
        run, lease = self.runs.start(Order(month, "none", "manual", "ana"), target)
        self.runs.carry_out(run, lease)
        return _read(self.runs.answer(run))

    def tick(self, times: int = 1, pause: timedelta = timedelta(minutes=6)) -> None:
        """So many turns of the automation, with a pause after each; Odoo may be away."""
        for _ in range(times):
            with contextlib.suppress(AccountingError):
                self.automation.tick()
            self.now += pause

    def entries(self, month: int = OCTOBER) -> list[Entry]:
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

    def __init__(self, company: Company) -> None:
        self._inner = company.odoo.transport()
        self.asked: list[bytes] = []
        company.transport = self
        company.open()

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
