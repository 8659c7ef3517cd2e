"""An Odoo in this process, a client that never really waits, and answers that a test puts into an Odoo's mouth."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx2
import simplejson

from control_app.accounting.odoo.accounting import OdooAccounting
from control_app.accounting.odoo.client import OdooClient
from control_app.accounting.odoo.double.faults import Fault
from control_app.accounting.odoo.double.odoo import DATABASE, FakeOdoo
from control_app.accounting.port import Document, Draft, Kind, Line

NOW = datetime(2026, 12, 1, 4, tzinfo=UTC)
KEY = "key-that-nobody-may-see"
PRODUCT = "AI-INFERENCE"
D = Decimal


PARTNER = 1
"""The id of the first one that a test adds."""


def there(move: Document | None) -> Document:
    """One that must be."""
    assert move
    return move


class Naps:
    """Sleeps that last no time."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


class Clock:
    """Stands still until a test sets it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Mouth(httpx2.BaseTransport):
    """Gives its answers in turn, the last one for ever; an exception is raised. Remembers what it was asked."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)


def says(status: int = 200, body: str = "true", **headers: str) -> httpx2.Response:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, headers=told, content=body.encode())


def error(status: int, name: str, message: str) -> httpx2.Response:
    body: dict[str, Any] = {
        "name": f"odoo.exceptions.{name}",
        "message": message,
        "arguments": [],
        "context": {},
        "debug": "Traceback: secret",
    }
    return says(status, simplejson.dumps(body))


@contextlib.contextmanager
def asking(
    *answers: httpx2.Response | Exception, sleep: Callable[[float], object] | None = None
) -> Generator[tuple[OdooClient, Mouth, Naps]]:
    mouth, naps = Mouth(*answers), Naps()
    with OdooClient("http://odoo", "live", KEY, Clock(), transport=mouth, sleep=sleep or naps) as client:
        yield client, mouth, naps


def client_of(double: FakeOdoo, key: str | None = None) -> OdooClient:
    return OdooClient("http://odoo", DATABASE, key or double.credentials, Clock(), transport=double.transport(), sleep=Naps())


def accounting_of(double: FakeOdoo, **settings: Any) -> OdooAccounting:
    chosen: dict[str, Any] = {"company": 1, "currency": "USD", "product": PRODUCT, **settings}
    return OdooAccounting(client_of(double), **chosen)


def draft(
    partner: int,
    ref: str = "r/c1/2026-11-1",
    lines: Sequence[str] = ("10.00",),
    *,
    kind: Kind = "invoice",
    against: int | None = None,
    currency: str = "USD",
) -> Draft:
    """Lines are their amounts."""
    return Draft(
        ref=ref,
        kind=kind,
        partner=partner,
        currency=currency,
        invoice_date=date(2026, 12, 1),
        due_date=date(2026, 12, 16),
        delivery_date=date(2026, 11, 30),
        lines=[Line(f"line {number}", D(amount)) for number, amount in enumerate(lines)],
        against=against,
    )


def always(fault: Fault) -> Callable[[str, str, int], Fault | None]:
    """*fault* happens to every call."""

    def ask(_: str, __: str, ___: int) -> Fault | None:
        return fault

    return ask


def once(fault: Fault, model: str, method: str) -> Callable[[str, str, int], Fault | None]:
    """*fault* happens to the first call of that method."""
    happened: list[int] = []

    def ask(asked_model: str, asked_method: str, number: int) -> Fault | None:
        if happened or (asked_model, asked_method) != (model, method):
            return None
        happened.append(number)
        return fault

    return ask
