"""An Odoo for tests, benchmarks, the demo and a laptop. It keeps JSON-2's contract and Odoo's traps (billing.md 3)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from control_app.odoo.double_errors import Refusal, not_found
from control_app.odoo.double_faults import DONE, RAISES, STATUS, DoubleTransport, Fault, LostError
from control_app.odoo.double_keys import Keys
from control_app.odoo.double_mail import Post
from control_app.odoo.double_methods import Methods
from control_app.odoo.double_moves import Moves, Version
from control_app.odoo.double_orm import Orm, known
from control_app.odoo.double_seed import COUNTRIES, USER, seed
from control_app.odoo.double_store import Record, Store

KEY = "double-of-odoo-key"
Answer = tuple[int, Mapping[str, str], bytes]


class FakeOdoo:
    """A WSGI application, a transport for a client in this process, and ways to make happen what happens at an Odoo.

    *path*: the file that it keeps itself in, which several processes may share; without one it is gone with the process.

    *fault*, set by a test, is asked of each call what happens to it: model, method, running number from 1. *latency*, in seconds,
    is slept by each call, and calls overlap in it.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        version: Version = 19,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        key: str = KEY,
    ) -> None:
        self.version, self.credentials, self.latency = version, key, 0.0
        self.fault: Callable[[str, str, int], Fault | None] | None = None
        self.failing: set[str] = set()
        """Addresses that no e-mail reaches."""
        self.denied: set[tuple[str, str]] = {("decimal.precision", "read")}
        """Models and operations (`read`, `write`, `create`) that the user has no right to; of `res.users` groups that it is not in."""
        self._store = Store(path)
        orm = Orm(self._store, self.denied)
        self._post = Post(self._store, orm, self.failing, clock)
        self.keys = Keys(self._store, clock, USER)
        self._methods = Methods(self._store, orm, Moves(self._store, orm, version, clock), self._post, self.keys)
        self._late: list[Callable[[], object]] = []
        self._count, self._counting = 0, threading.Lock()
        with self._store.transaction():
            seed(self._store, version)
            self.keys.seed(key, "control")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = {name[5:].replace("_", "-").title(): str(value) for name, value in environ.items() if name.startswith("HTTP_")}
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            status, told, answer = self.answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], headers, body)
        except LostError:
            # No application can leave its client without an answer.
            status, told, answer = 504, {"Content-Type": "text/html"}, b""
        start_response(f"{status} {HTTPStatus(status).phrase}", [*told.items(), ("Content-Length", str(len(answer)))])
        return [answer]

    def transport(self) -> DoubleTransport:
        """For a client in this process."""
        return DoubleTransport(self)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to one request; LostError where none comes."""
        if (method, path) == ("GET", "/web/version"):
            return _json(200, {"version": f"{self.version}.0", "version_info": [self.version, 0, 0, "final", 0, ""]})
        parts = path.removeprefix("/json/2/").split("/")
        if method != "POST" or not path.startswith("/json/2/") or len(parts) != 2:  # noqa: PLR2004 (model and method)
            return _json(404, _error(not_found("this is not POST /json/2/<model>/<method>")))
        model, name = parts
        if self.latency:
            time.sleep(self.latency)
        fault = self._next_fault(model, name)
        if fault in DONE or fault is None:
            done = self._do(model, name, headers, body)
            return done if fault is None else self._failed(fault, done)
        if fault is Fault.LATE:
            self._late.append(lambda: self._do(model, name, headers, body))
        return self._failed(fault, _json(500, {}))

    def do_late(self) -> None:
        """Do now what was asked by calls whose time ran out."""
        late, self._late = self._late, []
        for do in late:
            do()

    def add_partner(self, name: str, *, ref: str | None = None, email: str | None = "", country: str | None = "RO", **fields: Any) -> int:
        """A customer, by default with an address made of its name; its id. More *fields* are those that a person added: `x_...`."""
        known("res.partner", fields)
        address = f"billing@{''.join(filter(str.isalnum, name.lower()))}.example" if email == "" else email
        place = [sum(country.encode()), COUNTRIES.get(country, country)] if country else False
        values = {
            "ref": ref or False,
            "email": address or False,
            "country_id": place,
            "country_code": country or False,
            "company_id": False,
        }
        return self.add("res.partner", name=name, active=True, **values, **fields)

    @property
    def partners(self) -> Sequence[Record]:
        """All of them."""
        return self.records("res.partner")

    def moves(self) -> Sequence[Record]:
        """Invoices and credit notes, each with its `lines`."""
        with self._store.transaction():
            moves = list(self._store.all("account.move"))
            return [{**move, "lines": list(self._store.among("account.move.line", "move_id", [move["id"]]))} for move in moves]

    def mails_sent(self) -> Sequence[tuple[int, str]]:
        """Moves and addresses of the e-mails that arrived, in their order."""
        with self._store.transaction():
            return self._post.sent()

    def hold_mails(self) -> None:
        """Let e-mails wait in the queue from now on."""
        self._post.waits = True

    def deliver_mails(self) -> None:
        """Send what waits, and from now on at once."""
        self._post.waits = False
        with self._store.transaction():
            self._post.deliver()

    def set_precision(self, name: str, digits: int) -> None:
        """What a person sets at Settings > Technical > Decimal Accuracy."""
        with self._store.transaction():
            found = next((record for record in self._store.all("decimal.precision") if record["name"] == name), None)
            if found:
                self._store.put("decimal.precision", {**found, "digits": digits})
            else:
                self._store.add("decimal.precision", {"name": name, "digits": digits})

    def records(self, model: str) -> Sequence[Record]:
        """All records of a model."""
        with self._store.transaction():
            return list(self._store.all(model))

    def add(self, model: str, /, **values: Any) -> int:
        """A record that a person made; its id."""
        with self._store.transaction():
            return self._store.add(model, values)

    def change(self, model: str, id: int, /, **values: Any) -> None:
        """What a person changed."""
        with self._store.transaction():
            self._store.change(model, id, **values)

    def remove(self, model: str, id: int) -> None:
        """What a person deleted."""
        with self._store.transaction():
            self._store.delete(model, id)

    def close(self) -> None:
        """Close its file."""
        self._store.close()

    def _next_fault(self, model: str, name: str) -> Fault | None:
        with self._counting:
            self._count += 1
            number = self._count
        # Not while others wait: it may ask this Odoo something itself.
        return self.fault(model, name, number) if self.fault else None

    def _failed(self, fault: Fault, done: Answer) -> Answer:
        if fault in RAISES:
            raise LostError(fault)
        if fault is Fault.MALFORMED:
            status, headers, body = done
            return status, headers, body[: len(body) // 2]
        if fault is Fault.LOCKED:
            return _json(409, _error(Refusal(409, "odoo.exceptions.LockError", "somebody else is changing this record")))
        if fault is Fault.SERVER_ERROR:
            return _json(500, _error(Refusal(500, "psycopg2.OperationalError", "the connection to the database was lost")))
        more = {"Retry-After": "1"} if fault is Fault.TOO_MANY else {}
        return STATUS[fault], {"Content-Type": "text/html", **more}, b"<html>not now</html>"

    def _do(self, model: str, name: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One call, which is one transaction."""
        try:
            with self._store.transaction():
                scheme, _, key = headers.get("Authorization", "").partition(" ")
                self.keys.check(key if scheme.lower() == "bearer" else "")
                return _json(200, self._methods.call(model, name, body))
        except Refusal as refusal:
            return _json(refusal.status, _error(refusal))
        except Exception as error:  # noqa: BLE001 (as Odoo does)
            return _json(500, _error(Refusal(500, f"builtins.{type(error).__name__}", str(error))))


def _json(status: int, value: object) -> Answer:
    return status, {"Content-Type": "application/json"}, msgspec.json.encode(value)


def _error(refusal: Refusal) -> Mapping[str, object]:
    debug = "Traceback (most recent call last):\n  a secret of the server\n"
    return {"name": refusal.name, "message": refusal.message, "arguments": [refusal.message], "context": {}, "debug": debug}
