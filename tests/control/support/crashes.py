"""Kills and faults at chosen points of invoicing: before or after each call to Odoo, before or after each commit."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sqlite3
from collections.abc import Callable, Generator
from pathlib import Path

import httpx2

from control_app.accounting.odoo.double.faults import Fault
from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.service.tables import SCHEMA
from control_app.storage.database import Db
from tests.control.support.world import World

Point = tuple[str, str]
"""What happens (`call <name> <digest>`, `commit <number> after <call>`), and `before` or `after`."""


class KilledError(BaseException):
    """SIGKILL: nothing that comes after runs, whatever it is."""


class Fate:
    """What happens at the points that a process passes. *decide*: whether it is killed at one."""

    def __init__(self, decide: Callable[[Point], bool] = lambda _: False) -> None:
        self.decide, self.is_dead = decide, False
        self.calls: list[str] = []
        self.commits: list[str] = []
        self._since_call = 0
        self.copies: list[bytes] = []
        self.keeps_copies = False

    def call(self, name: str) -> None:
        """One is made."""
        self.calls.append(name)
        self._since_call = 0

    def commit(self) -> str:
        """One is made; its name tells which, in whatever life."""
        self._since_call += 1
        self.commits.append(f"commit {self._since_call} after {self.calls[-1] if self.calls else 'the start'}")
        return self.commits[-1]

    def passes(self, what: str, when: str) -> None:
        if self.is_dead or self.decide((what, when)):
            self.is_dead = True
            raise KilledError


def kill_at(point: Point) -> Fate:
    """A process that dies when it passes the point first."""
    return Fate(lambda passed: passed == point)


class MortalDb(Db):
    """A database whose process may be killed around its commits."""

    def __init__(self, path: Path, fate: Fate) -> None:
        super().__init__(path, SCHEMA)
        self._fate = fate

    @contextlib.contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        fate = self._fate
        if fate.is_dead:
            raise KilledError
        with super().transaction() as connection:
            yield connection
            name = fate.commit()
            fate.passes(name, "before")
        if fate.keeps_copies:
            fate.copies.append(self.connection.serialize())
        fate.passes(name, "after")


class MortalTransport(httpx2.BaseTransport):
    """The way to Odoo of a process that may be killed around its calls. *fault*: what happens to a call on its way."""

    def __init__(self, odoo: FakeOdoo, fate: Fate, fault: Callable[[str], Fault | None] = lambda _: None) -> None:
        self._odoo, self._inner, self._fate, self._fault = odoo, odoo.transport(), fate, fault
        self._told = ""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.startswith("/json/2/"):  # the version, which is no call
            return self._inner.handle_request(request)
        path, body = request.url.path.removeprefix("/json/2/"), request.read()
        # A wizard is another one at each try; what it was made for, just before, is the same.
        self._told = self._told if path.endswith("action_send_and_print") else _digest(body)
        name = f"call {path} {self._told}"
        self._fate.passes(name, "before")
        self._fate.call(name)
        self._odoo.fault = lambda _model, _method, _number: self._fault(name)
        try:
            answer = self._inner.handle_request(request)
        finally:
            self._odoo.fault = None
            self._fate.passes(name, "after")
        return answer


def _digest(body: bytes) -> str:
    """What is asked, on whatever day."""
    return hashlib.sha256(re.sub(rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}"', b"", body)).hexdigest()[:8]


def lives(company: World, fate: Fate, fault: Callable[[str], Fault | None] = lambda _: None) -> None:
    """The company's service runs with that fate from now on."""
    company.transport = MortalTransport(company.odoo, fate, fault)
    company.open(lambda books: MortalDb(books.db.path, fate))


def is_done(company: World) -> bool:
    """Whether the month's run is through and every customer has the invoice."""
    runs = company.runs.history.all()
    entries = company.entries()
    return (
        bool(runs)
        and all(run.finished_at for run in runs)
        and len(entries) == len(company.customers)
        and all(entry.state == "sent" for entry in entries)
    )


def until_done(company: World, most: int = 200) -> int:
    """Turn after turn, the service started again when it was killed; how many lives it took."""
    lives_ = 1
    for _ in range(most):
        try:
            company.tick()
        except KilledError:
            lives_ += 1
            fate = Fate()
            lives(company, fate)
        company.odoo.do_late()
        if is_done(company):
            return lives_
    raise AssertionError(
        f"not done: {[(entry.ref, entry.state, entry.error) for entry in company.entries()][:3]}, {company.runs.history.all()}"
    )


def restore(company: World, copy: bytes) -> None:
    """The database is lost, and comes back from its replica as it was."""
    company.books.db.close()
    company.db.close()
    for name in company.folder.glob("control.sqlite3*"):
        name.unlink()
    (company.folder / "control.sqlite3").write_bytes(copy)
    company.transport = None
    company.open()
    with company.books.db.transaction() as db:
        db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", ["restored", company.clock()])
