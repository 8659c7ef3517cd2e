"""The service as the person who bills uses it: October of two customers, of whom Odoo knows one, and pages with forms."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from control_app.accounting.odoo.double.faults import Fault
from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.core.time import month_of
from control_app.gateway.port import UsageRow
from control_app.invoicing.entry import Entry
from control_app.ledger.progress import THOROUGH
from control_app.web.context import Services
from tests.control.support.ledgers import NOW, OCTOBER
from tests.control.support.usage_service import Service, used

MONTH = month_of(OCTOBER.start)
PAGE = {"Accept": "text/html"}
OURS = {**PAGE, "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
"""What a browser sends with a form of one of our pages."""
ACME, UMBRA = "embedded/acme/2026-10-1", "embedded/umbra/2026-10-1"


class Office:
    """In *folder*. Acme used 1.234651 and is partner 1; Umbra used 0.50 and is nobody in Odoo."""

    def __init__(self, folder: Path, *rows: UsageRow, **settings: Any) -> None:
        rows = rows or (
            used(prompt=1_234_567, cached_read=0, completion=42, reasoning=0),
            used(key="other", prompt=500_000, cached_read=0, completion=0, reasoning=0),
        )
        self.service = Service(folder, *rows, odoo_file=folder / "odoo.sqlite3", **settings)
        self.books, self.client = self.service.books, self.service.client
        self.books.ledger.ingest((), NOW, THOROUGH, NOW)
        self.books.db.connection.execute("INSERT INTO readings VALUES (1, 0, ?, 0, 0)", [OCTOBER.end])
        self.books.db.connection.execute("UPDATE hours SET counted = logged")
        self.services: Services = self.service.app.extensions["services"]
        self.invoicing, self.planning = self.services.invoicing, self.services.invoicing.planning

    @property
    def odoo(self) -> FakeOdoo:
        """The double."""
        double: FakeOdoo | None = self.invoicing.double
        assert double
        return double

    def close(self) -> None:
        self.books.db.close()
        self.services.db.close()
        if self.invoicing.double:
            self.odoo.close()

    def page(self, path: str = "/invoices/2026-10", status: int = 200, **asked: Any) -> str:
        """A page's words."""
        answer = self.client.get(path, headers=PAGE, **asked)
        assert answer.status_code == status, answer.text
        return words(answer)

    def send(self, path: str, headers: Mapping[str, str] = OURS, **form: Any) -> TestResponse:
        """A form, with a reason if none is said."""
        return self.client.post(f"/invoices/{path}", data={"reason": "looked at it", **form}, headers=headers)

    def refused(self, path: str, status: int, **form: Any) -> str:
        """The words of the page that says why not."""
        answer = self.send(path, **form)
        assert answer.status_code == status, answer.text
        return words(answer)

    def sent(self, path: str, **form: Any) -> str:
        """The words of the page to which a form led."""
        answer = self.send(path, **form)
        assert answer.status_code == 303, words(answer)
        assert answer.location
        self.wait(answer)
        return self.page(answer.location)

    def wait(self, answer: TestResponse) -> None:
        """Until the run ended that *answer* leads to."""
        ticket = self.services.desk.find((answer.location or "").rpartition("/")[2])
        assert ticket is None or ticket.done.wait(30)

    def bill(self, month: str = "2026-10") -> str:
        """Bill it; the words of the run's page."""
        return self.sent(f"{month}/bill", period=month)

    def entry(self, ref: str = ACME) -> Entry:
        entry: Entry | None = self.planning.book.by_ref(ref)
        assert entry
        return entry

    def moves(self) -> list[tuple[str, str, str]]:
        """Odoo's: name, kind and state."""
        return [(move["ref"], move["move_type"], move["state"]) for move in self.odoo.moves()]

    def audit(self) -> list[tuple[str, str, str, str]]:
        """Its lines: who, what, about what and why."""
        return self.books.db.connection.execute("SELECT who, what, subject, reason FROM audit ORDER BY id").fetchall()

    def hold_codes(self) -> set[tuple[int, str]]:
        return set(self.books.db.connection.execute("SELECT customer, code FROM invoice_holds").fetchall())

    def odoo_is_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is asked again at once, and never answers."""

        def away(_model: str, _method: str, _number: int) -> Fault:
            return Fault.CANNOT_CONNECT

        def at_once(_seconds: float) -> None:
            pass

        monkeypatch.setattr(self.invoicing.client, "_sleep", at_once)
        self.odoo.fault = away

    def odoo_waits(self) -> threading.Event:
        """Odoo answers when that is set."""
        gate = threading.Event()

        def wait(_model: str, _method: str, _number: int) -> None:
            assert gate.wait(30)

        self.odoo.fault = wait
        return gate

    def odoo_said(self, key_expires: int | None = None, problems: str = "[]", error: str | None = None) -> None:
        """When it was asked last, in 1970."""
        row = [1, 0, "19.0", key_expires, problems, error]
        self.books.db.connection.execute("INSERT OR REPLACE INTO odoo_state VALUES (?, ?, ?, ?, ?, ?)", row)


def words(answer: TestResponse) -> str:
    """The page's text as it is read."""
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", answer.text)).split())
