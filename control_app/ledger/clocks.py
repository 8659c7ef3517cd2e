"""Whether the clocks agree: ours, the gateway's and the accounting system's. While they do not, nothing is marked as read or billed.

Who is right cannot be told of two clocks, so that a wrong one stops all: a mark or an invoice in the future is not noticed again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import structlog

from control_app.accounting.port import Accounting, AccountingError
from control_app.core.periods import time_text
from control_app.core.time import DAY, SECOND, microseconds
from control_app.ledger.hold import Hold, hold_for
from control_app.ledger.progress import SOURCE
from control_app.ledger.stored_times import MARKS
from control_app.storage.database import Db

APART = 120 * SECOND
"""Clocks that are so far apart do not agree: one of them is wrong. What is less is the networks' and the rounding of a `Date`."""
RECENT = 300 * SECOND
"""For so long after a look the clocks are known to agree; the counters' job compares them four times a minute."""
Whose = Literal["gateway", "odoo"]
NAMES: Mapping[Whose, str] = {"gateway": "the gateway", "odoo": "Odoo"}
# The same again is written down once a minute and a day, since each write goes to the replica. What a mark entered before stands.
_REACHED = f"(SELECT until FROM progress WHERE source = '{SOURCE}')"
_KEEP = f"""INSERT INTO clocks (name, at, ahead, agreed_at, apart_since)
    VALUES (:name, :at, :ahead, iif(:apart, {_REACHED}, :at), iif(:apart, :at, NULL))
  ON CONFLICT DO UPDATE SET at = :at, ahead = :ahead, agreed_at = iif(:apart, agreed_at, :at),
    apart_since = iif(:apart, coalesce(apart_since, :at), NULL)
  WHERE at IS NULL OR :apart != (apart_since IS NOT NULL) OR abs(:at - at) >= {60 * SECOND} OR :at / {DAY} != at / {DAY}"""
_AWAY = f"INSERT OR IGNORE INTO clocks (name, agreed_at) VALUES ('odoo', {_REACHED})"
log = structlog.stdlib.get_logger("control_app.clocks")


class ApartError(Exception):
    """Two clocks are APART or more; the message says whose, and by how much."""


class Compared(NamedTuple):
    """A row of `clocks`: how far our clock was `ahead` of another, in microseconds, when that said *at*; None before it ever answered.

    `agreed_at`: when, by the other one, they agreed last; `apart_since`: since when they do not, None where they do.
    """

    name: Whose
    at: int | None
    ahead: int | None
    agreed_at: int | None
    apart_since: int | None


@dataclass(frozen=True)
class Clocks:
    """Compares *ours* with the *gateway*'s and the *accounting* system's, and keeps in *db* how they stand.

    *pull_back*: the statements that move every stored time back which lies after `:present`, or after `:late`, which is APART
    later, where our clock wrote it.
    """

    db: Db
    ours: Callable[[], datetime]
    gateway: Callable[[], int] = field(repr=False)
    accounting: Accounting | None
    pull_back: Sequence[str] = field(repr=False)

    def present(self) -> int:
        """The gateway's present, in microseconds since 1970 UTC, after which no time is stored from now on.

        Raises ApartError where ours is another, and GatewayError.
        """
        theirs = self.gateway()
        ahead = microseconds(self.ours()) - theirs
        with self.db.transaction() as db:
            _note_set_back(db, theirs)
            _keep(db, "gateway", theirs, ahead)
            if abs(ahead) < APART:
                for statement in self.pull_back:
                    db.execute(statement, {"present": theirs, "late": theirs + APART})
        _refuse_apart("gateway", theirs, ahead)
        return theirs

    def enter_day(self, now: int) -> None:
        """Before a mark enters the day of *now*: the accounting system agrees. While it is away no mark counts from that day on.

        Raises ApartError.
        """
        if self.accounting is None:
            self.db.connection.execute("DELETE FROM clocks WHERE name = 'odoo'")
            return
        known = compared(self.db, "odoo")
        if known and known.apart_since is None and known.agreed_at and now // DAY <= known.agreed_at // DAY:
            return
        try:
            self.ask_accounting()
        except AccountingError as error:
            log.warning("usage is read, and no mark enters the day", error=str(error))
            self.db.connection.execute(_AWAY)

    def agree(self) -> int:
        """Before anything is billed: the gateway's present. One that is away is found so by whoever asks it next.

        Raises ApartError, and GatewayError.
        """
        now = self.present()
        if self.accounting:
            try:
                self.ask_accounting()
            except AccountingError as error:
                log.warning("the time of the accounting system is not known", error=str(error))
        return now

    def ask_accounting(self) -> None:
        """Before a write to the accounting system: that its clock agrees with ours. Raises ApartError, and AccountingError."""
        assert self.accounting  # noqa: S101 (it is written to)
        theirs, ahead = self._theirs(self.accounting, heard=True)
        if abs(ahead) >= APART:
            # What was heard a moment ago is old where the machine slept.
            theirs, ahead = self._theirs(self.accounting, heard=False)
        with self.db.transaction() as db:
            _keep(db, "odoo", theirs, ahead)
        _refuse_apart("odoo", theirs, ahead)

    def _theirs(self, accounting: Accounting, *, heard: bool) -> tuple[int, int]:
        theirs = microseconds(accounting.now(heard=heard))
        return theirs, microseconds(self.ours()) - theirs


def compared(db: Db, name: Whose) -> Compared | None:
    """How our clock and that one stood at the last look of any process; None before the first."""
    row = db.connection.execute(f"SELECT {', '.join(Compared._fields)} FROM clocks WHERE name = ?", [name]).fetchone()
    return Compared._make(row) if row else None


def is_certain(db: Db, now: int) -> bool:
    """Whether it is *now*: our clock agreed with the gateway's a moment ago. Before the first look there is nothing to doubt it."""
    known = compared(db, "gateway")
    return known is None or (known.apart_since is None and known.at is not None and abs(now - known.at) < RECENT)


def clock_holds(db: Db) -> Iterator[Hold]:
    """What holds everybody while clocks are apart."""
    for name in NAMES:
        known = compared(db, name)
        if known and known.apart_since is not None and known.ahead is not None:
            yield hold_for("clock", _apart(name, known.ahead), known.apart_since, None)


def _note_set_back(db: sqlite3.Connection, theirs: int) -> None:
    """Where a clock was set back behind what was read already, requests stand under times that there were twice."""
    (until,) = db.execute("SELECT max(until) FROM progress WHERE source = ?", [SOURCE]).fetchone()
    if until is not None and until - theirs >= APART:
        log.warning("a clock was set back", since=time_text(theirs), until=time_text(until))
        db.execute("INSERT INTO set_back (since, until) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET until = max(until, ?2)", [theirs, until])
        db.execute(MARKS, {"present": theirs})


def _keep(db: sqlite3.Connection, name: Whose, theirs: int, ahead: int) -> None:
    db.execute(_KEEP, {"name": name, "at": theirs, "ahead": ahead, "apart": abs(ahead) >= APART})


def _refuse_apart(name: Whose, theirs: int, ahead: int) -> None:
    if abs(ahead) >= APART:
        said = time_text(theirs - theirs % SECOND)
        raise ApartError(f"{_apart(name, ahead)}, which says {said}; nothing is read or billed until they agree")


def _apart(name: Whose, ahead: int) -> str:
    length = timedelta(minutes=round(abs(ahead) / (60 * SECOND)))
    return f"our clock is {length} {'ahead of' if ahead > 0 else 'behind'} that of {NAMES[name]}"
