"""Looks at the accounting system now and then: whether invoices could be made, when our key ends, and whether the key before may go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from control_app.accounting.port import Accounting, AccountingError, Problem, Rotation
from control_app.core.time import DAY, microseconds
from control_app.storage.database import Db

WARNED_DAYS = (21, 7, 1)
"""Before the key ends (docs/alerts.md)."""


@dataclass(frozen=True)
class AccountingState:
    """How the accounting system answered last. `at`, `key_expires`: microseconds since 1970 UTC. `advice` is told only to who asked."""

    at: int
    version: str | None
    key_expires: int | None
    problems: Sequence[Problem]
    error: str | None
    advice: Sequence[Problem] = ()

    def days_left(self, now: int) -> int | None:
        """Whole days until the key ends; None where it does not, or that is not told."""
        return None if self.key_expires is None else (self.key_expires - now) // DAY


@dataclass(frozen=True)
class Watch:
    """Keeps the state in *db*. *rotation*: of our keys, where the system has such."""

    db: Db
    accounting: Accounting | None
    rotation: Rotation | None
    clock: Callable[[], int]

    def look(self) -> AccountingState | None:
        """Ask now, and keep what came of it; None where the location has no accounting system."""
        if self.accounting is None:
            return None
        try:
            found = self.accounting.preflight()
        except AccountingError as error:
            last = accounting_state(self.db)
            state = AccountingState(self.clock(), None, last.key_expires if last else None, (), str(error))
        else:
            expires = None if found.key_expires is None else microseconds(found.key_expires)
            state = AccountingState(self.clock(), found.version, expires, found.problems, None, tuple(found.advice))
            if self.rotation:
                self.rotation.end_previous()
        self._keep(state)
        return state

    def _keep(self, state: AccountingState) -> None:
        problems = msgspec.json.encode(state.problems).decode()
        row = [state.at, state.version, state.key_expires, problems, state.error]
        with self.db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO odoo_state (id, at, version, key_expires, problems, error) VALUES (1, ?, ?, ?, ?, ?)", row)


def accounting_state(db: Db) -> AccountingState | None:
    """How the accounting system answered last, to whichever process; None before the first look."""
    row = db.connection.execute("SELECT at, version, key_expires, problems, error FROM odoo_state").fetchone()
    if row is None:
        return None
    at, version, expires, problems, error = row
    return AccountingState(at, version, expires, msgspec.json.decode(problems, type=list[Problem]), error)
