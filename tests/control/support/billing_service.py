"""A service whose October can be billed, and an Odoo that knows its customers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from control_app.accounting.odoo.double.odoo import FakeOdoo
from tests.control.support.ledgers import Books
from tests.control.support.recomputation import at
from tests.control.support.usage_service import BOOKKEEPER, Service, used

LATER = "2026-11-03T00:00"
GENERATE = "/invoicing/generate"


class Billing:
    """The service with two customers, whose October can be billed."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        rows = [used(prompt=1_000_000, cached_read=0), used("2026-10-06T00:00", key="other", prompt=3_000_000, cached_read=0)]
        self.service = Service(folder, *rows, **settings)
        now = at(LATER)
        books: Books = self.service.books
        for source in ("rows", "thorough"):
            books.ledger.ingest((), now, source, now)
        books.db.connection.execute("INSERT OR REPLACE INTO readings VALUES (1, ?, ?, 0, 0)", [at("2026-09-01T00:00"), now])
        books.db.connection.execute("UPDATE hours SET counted = logged")
        self.parts = self.service.app.extensions["services"].invoicing
        assert self.parts.double
        self.odoo: FakeOdoo = self.parts.double
        for partner in self.odoo.partners:
            self.odoo.change("res.partner", partner["id"], active=False)
        for customer in ("acme", "umbra"):
            self.odoo.add_partner(customer.title(), ref=customer, email=f"billing@{customer}.example")

    def ask(self, path: str = GENERATE, key: str | None = BOOKKEEPER, method: str = "GET", **query: str) -> TestResponse:
        headers = {} if key is None else {"Authorization": key}
        asked = {"date": LATER, **query} if path == GENERATE else query
        return self.service.client.open(path, method=method, query_string=asked, headers=headers)

    def post(self, path: str, body: Any, key: str = BOOKKEEPER) -> TestResponse:
        return self.service.client.post(f"/invoicing/{path}", json=body, headers={"Authorization": key})

    def audit(self) -> list[tuple[str, str]]:
        return self.service.books.db.connection.execute("SELECT who, what FROM audit ORDER BY id").fetchall()
