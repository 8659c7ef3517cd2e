"""Looks at Odoo now and then: whether invoices could be made, when our key ends, and whether the key before may go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from control_app.database import Db
from control_app.invoicing.accounting import Accounting, AccountingError, Problem, RefusedError
from control_app.odoo.client import OdooClient
from control_app.odoo.keys import revoke
from control_app.spans import DAY, microseconds

WARNED_DAYS = (21, 7, 1)
"""Before the key ends (docs/alerts.md)."""
log = structlog.stdlib.get_logger("control_app.invoicing")


@dataclass(frozen=True)
class OdooState:
    """How Odoo answered last. `at`, `key_expires`: microseconds since 1970 UTC."""

    at: int
    version: str | None
    key_expires: int | None
    problems: Sequence[Problem]
    error: str | None

    def days_left(self, now: int) -> int | None:
        """Whole days until the key ends; None where it does not, or Odoo does not tell."""
        return None if self.key_expires is None else (self.key_expires - now) // DAY


@dataclass(frozen=True)
class OdooWatch:
    """Keeps the state in *db*. *previous_key*: is revoked once the new one was used; empty where there is none."""

    db: Db
    accounting: Accounting | None
    client: OdooClient | None
    previous_key: str
    clock: Callable[[], int]

    def look(self) -> OdooState | None:
        """Ask now, and keep what came of it; None where there is no Odoo."""
        if self.accounting is None:
            return None
        try:
            found = self.accounting.preflight()
        except AccountingError as error:
            last = odoo_state(self.db)
            state = OdooState(self.clock(), None, last.key_expires if last else None, (), str(error))
        else:
            expires = None if found.key_expires is None else microseconds(found.key_expires)
            state = OdooState(self.clock(), found.version, expires, found.problems, None)
            self._revoke()
        self._keep(state)
        return state

    def _revoke(self) -> None:
        """The key before: the new one has just been used."""
        if not self.previous_key or self.client is None or self.previous_key == self.client.key:
            return
        try:
            if not self._works(self.previous_key):
                return  # it is gone already
            revoke(self.client, self.previous_key)
        except AccountingError as error:
            log.warning("the previous key to Odoo is not revoked yet", error=str(error))
            return
        log.info("the previous key to Odoo was revoked; remove odoo_previous_key from the settings")

    def _works(self, key: str) -> bool:
        assert self.client  # noqa: S101 (who asks has one)
        try:
            self.client.with_key(key).read("res.users", "context_get")
        except RefusedError:
            return False
        return True

    def _keep(self, state: OdooState) -> None:
        problems = msgspec.json.encode(state.problems).decode()
        row = [state.at, state.version, state.key_expires, problems, state.error]
        with self.db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO odoo_state VALUES (1, ?, ?, ?, ?, ?)", row)


def odoo_state(db: Db) -> OdooState | None:
    """How Odoo answered last, of whichever process; None before the first look."""
    row = db.connection.execute("SELECT at, version, key_expires, problems, error FROM odoo_state").fetchone()
    if row is None:
        return None
    at, version, expires, problems, error = row
    return OdooState(at, version, expires, msgspec.json.decode(problems, type=list[Problem]), error)
