"""An Odoo for tests, benchmarks, the demo and a laptop. It keeps JSON-2's contract and Odoo's traps (docs/facts/odoo.md, The double)."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
from werkzeug.http import http_date

from control_app.accounting.odoo.double.e_factura import EFactura
from control_app.accounting.odoo.double.errors import Refusal, not_found
from control_app.accounting.odoo.double.faults import DONE, RAISES, STATUS, Answer, DoubleTransport, Fault, LostError
from control_app.accounting.odoo.double.keys import Keys
from control_app.accounting.odoo.double.mail import MailServer, Post, being_sent
from control_app.accounting.odoo.double.methods import Methods
from control_app.accounting.odoo.double.moves import Moves, Version
from control_app.accounting.odoo.double.orm import Orm
from control_app.accounting.odoo.double.peppol import Peppol
from control_app.accounting.odoo.double.seed import COMPANY, DENIED, USER, seed
from control_app.accounting.odoo.double.seed import country as country_of
from control_app.accounting.odoo.double.store import Record, Store
from control_app.accounting.odoo.double.workers import Workers
from control_app.core.clock import Clock

KEY = "double-of-odoo-key"
DATABASE = "double"
SEND = "action_send_and_print"


class FakeOdoo:
    """A WSGI application, a transport for a client in this process, and ways to make happen what happens at an Odoo.

    *path*: the file that it keeps itself in, which several processes may share; without one it is gone with the process. By *clock*
    its keys end, and its invoices have their dates. *database*: the one that it has.

    *fault*, set by a test, is asked of each call what happens to it: model, method, running number from 1. *latency*, in seconds,
    is slept by each call, and *printing* beside it by each that sends; calls overlap in that.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        version: Version = 19,
        clock: Clock,
        key: str = KEY,
        database: str = DATABASE,
    ) -> None:
        self.version, self.clock, self.credentials, self.database = version, clock, key, database
        self.latency, self.printing = 0.0, 0.0
        self.edition: Literal["", "+e"] = ""
        """Community, or Enterprise."""
        self.fault: Callable[[str, str, int], Fault | None] | None = None
        self.failing: set[str] = set()
        """Addresses that the mail server refuses."""
        self.mail_server = MailServer(self.failing)
        self.locked: set[int] = set()
        """Moves that somebody else is sending just now."""
        self.denied: set[tuple[str, str]] = set(DENIED)
        """Models and operations (`read`, `write`, `create`) that the user has no right to; of `res.users` groups that it is not in."""
        self.workers = Workers()
        self._store = Store(path)
        orm = Orm(self._store, self.denied, USER)
        self._moves = Moves(self._store, orm, version, clock)
        self._e_factura = EFactura(self._store, orm, self._moves)
        self.peppol = Peppol(self._store, orm, self._moves)
        self._post = Post(self._store, orm, self._moves, self._e_factura, self.peppol, self.mail_server, self.locked)
        self.keys = Keys(self._store, orm, clock, USER)
        self._methods = Methods(self._store, orm, self._moves, self._post, self.peppol, self.keys)
        self._late: list[Callable[[], object]] = []
        self._count, self._counting = 0, threading.Lock()
        with self._store.transaction():
            seed(self._store, version)
            self.keys.seed(key, "control")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = {name[5:].replace("_", "-").title(): str(value) for name, value in environ.items() if name.startswith("HTTP_")}
        headers["Content-Type"] = environ.get("CONTENT_TYPE", "")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            status, told, answer = self.answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], headers, body)
        except LostError:
            # No application can leave its client without an answer.
            status, told, answer = 504, {"Content-Type": "text/html"}, b""
        start_response(f"{status} {HTTPStatus(status).phrase}", [*told.items(), ("Content-Length", str(len(answer)))])
        return [answer]

    def transport(self) -> DoubleTransport:
        """A transport for a client in this process."""
        return DoubleTransport(self.answer)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to one request, with its `Date`; LostError where none comes."""
        status, told, content = self._respond(method, path, headers, body)
        return status, {**told, "Date": http_date(self.clock())}, content

    def _respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if (method, path) == ("GET", "/web/version"):
            told = [self.version, 0, 0, "final", 0, self.edition.removeprefix("+")]
            return _json(200, {"version": f"{self.version}.0{self.edition}", "version_info": told})
        if headers.get("X-Odoo-Database", "") != self.database:
            return _html(404, "no database is selected")
        parts = path.removeprefix("/json/2/").split("/")
        if method != "POST" or not path.startswith("/json/2/") or len(parts) != 2:  # noqa: PLR2004 (model and method)
            return _json(404, _error(not_found("Did you mean POST /json/2/<model>/<method>?")))
        if headers.get("Content-Type", "").partition(";")[0] != "application/json":
            return _html(415, "the content type is not JSON")
        model, name = parts
        with self.workers.at_work(is_printing=name == SEND) as starved:
            if lasts := self.latency + (self.printing if name == SEND else 0):
                time.sleep(lasts)
            if starved.is_set():
                raise LostError(Fault.KILLED_MIDWAY)
            return self._answer(model, name, headers, body)

    def _answer(self, model: str, name: str, headers: Mapping[str, str], body: bytes) -> Answer:
        fault = self._next_fault(model, name)
        if fault is Fault.LOCKED and name != SEND:
            fault = None
        if fault in DONE or fault is None:
            done = self._do(model, name, headers, body)
            return done if fault is None else self._failed(fault, done)
        if fault is Fault.LATE:
            self._late.append(lambda: self._do(model, name, headers, body))
        if fault is Fault.KILLED_MIDWAY:
            self._do_half(model, name, headers, body)
        return self._failed(fault, _json(500, {}))

    def do_late(self) -> None:
        """Do now what was asked by calls whose time ran out."""
        late, self._late = self._late, []
        for do in late:
            do()

    def add_partner(self, name: str, *, ref: str | None = None, email: str | None = "", country: str | None = "RO", **fields: Any) -> int:
        """A customer, by default with an address made of its name; its id. *fields*: more of it."""
        address = f"billing@{''.join(filter(str.isalnum, name.lower()))}.example" if email == "" else email
        values = {
            **dict.fromkeys(("vat", "street", "city", "state_id", "property_account_position_id"), False),
            "ref": ref or False,
            "email": address or False,
            "country_id": country_of(country) if country else False,
            "country_code": country or False,
            "company_id": False,
        }
        return self.add("res.partner", **{"name": name, "active": True, **values, **fields})

    def add_field(self, model: str, name: str) -> None:
        """A field that a person added to a model, such as `x_customer`."""
        self.add("ir.model.fields", model=model, name=name, ttype="char")

    def use_e_factura(self, *, has_token: bool = True) -> None:
        """Documents are handed in to Romania's tax office from now on; where the company has no token for it they are refused."""
        with self._store.transaction():
            self._e_factura.install(COMPANY, secrets.token_hex() if has_token else None)

    def use_peppol(self, registration: str = "sender") -> None:
        """Odoo has the module of Peppol from now on, at which the company is registered so."""
        with self._store.transaction():
            self.peppol.install(COMPANY, registration)

    def peppol_answers(self, move: int, state: str, said: str = "") -> None:
        """Odoo fetched what became of a document, and wrote it into its log."""
        with self._store.transaction():
            self.peppol.answer(move, state, said)

    @property
    def partners(self) -> Sequence[Record]:
        """All partners, archived ones too."""
        return self.records("res.partner")

    def moves(self) -> Sequence[Record]:
        """Invoices and credit notes, each with its `lines`."""
        with self._store.transaction():
            moves = list(self._store.all("account.move"))
            return [{**move, "lines": list(self._store.among("account.move.line", "move_id", [move["id"]]))} for move in moves]

    def pay(self, move: int, amount: float) -> None:
        """A customer pays *amount* of a move, or below 0 gets it back. In Enterprise money waits for the bank's statement."""
        with self._store.transaction():
            self._moves.pay(self._store.get("account.move", move), amount, "in_payment" if self.edition else "paid")

    def mails_sent(self) -> Sequence[tuple[int, str]]:
        """Moves and addresses of the e-mails that arrived, in their order."""
        with self._store.transaction():
            return self._post.sent()

    def hold_mails(self) -> None:
        """Let e-mails wait in the queue from now on."""
        self.mail_server.waits = True

    def deliver_mails(self) -> None:
        """Send what waits, and from now on at once."""
        self.mail_server.waits = False
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
        """Close the file that it keeps itself in."""
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
            return _json(422, _error(being_sent()))
        if fault is Fault.SERVER_ERROR:
            return _json(500, _error(Refusal(500, "psycopg2.OperationalError", "the connection to the database was lost")))
        more = {"Retry-After": "1"} if fault is Fault.TOO_MANY else {}
        return STATUS[fault], {"Content-Type": "text/html", **more}, b"<html>not now</html>"

    def _do(self, model: str, name: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One call, which is one transaction."""
        try:
            with self._store.transaction():
                self.keys.check(headers.get("Authorization", ""))
                return _json(200, self._methods.call(model, name, body))
        except Refusal as refusal:
            return _json(refusal.status, _error(refusal))
        except Exception as error:  # noqa: BLE001 (as Odoo does)
            return _json(500, _error(Refusal(500, f"builtins.{type(error).__name__}", str(error))))

    def _do_half(self, model: str, name: str, headers: Mapping[str, str], body: bytes) -> None:
        """One call that ends where it keeps something midway, or else undone."""

        def die() -> None:
            raise LostError(Fault.KILLED_MIDWAY)

        with contextlib.suppress(LostError), self._store.transaction():
            self._store.after_commit = die
            try:
                self.keys.check(headers.get("Authorization", ""))
                self._methods.call(model, name, body)
                die()
            finally:
                self._store.after_commit = lambda: None


def _html(status: int, said: str) -> Answer:
    return status, {"Content-Type": "text/html; charset=utf-8"}, f"<!doctype html>\n<title>{status}</title>\n<p>{said}".encode()


def _json(status: int, value: object) -> Answer:
    return status, {"Content-Type": "application/json; charset=utf-8"}, msgspec.json.encode(value)


def _error(refusal: Refusal) -> Mapping[str, object]:
    debug = "Traceback (most recent call last):\n  a secret of the server\n"
    return {"name": refusal.name, "message": refusal.message, "arguments": refusal.arguments, "context": {}, "debug": debug}
