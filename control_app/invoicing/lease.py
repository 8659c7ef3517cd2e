"""Who works on a period: one at a time, of all processes, also when one was killed or stood still."""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog

from control_app.core.numbers import Month
from control_app.invoicing.orders import NotNowError
from control_app.storage.database import Db

LASTS = timedelta(minutes=5)
"""Longer than any write to the accounting system may take, with all of its tries (accounting/odoo/client.py); it is renewed before each,
and every minute while a call or a queue takes longer."""
RENEWED_SEC = 60
log = structlog.stdlib.get_logger("control_app.invoicing")
_LASTS = LASTS // timedelta(microseconds=1)
_TAKE = """INSERT INTO leases (location, month, owner, fence, expires_at) VALUES (:location, :month, :owner, 1, :until)
  ON CONFLICT DO UPDATE SET owner = excluded.owner, fence = fence + 1, expires_at = excluded.expires_at
  WHERE owner IS NULL OR expires_at <= :now RETURNING fence"""


class BusyError(NotNowError):
    """Another run works on the period."""


class LostError(NotNowError):
    """The lease went to another, because this process stood still for longer than it lasts: nothing more may be done."""


@dataclass(frozen=True)
class Lease:
    """A period's, held by one run. `fence`: rises with each owner; a write carries it, so that an owner who lost it writes nothing."""

    location: str
    month: Month
    fence: int
    clock: Callable[[], int]

    def renew(self, db: sqlite3.Connection) -> None:
        """Prove, in the transaction of a write, that it is still ours, and make it last; raises LostError."""
        where = "location = ? AND month = ? AND fence = ? AND owner IS NOT NULL"
        row = [self.clock() + _LASTS, self.location, self.month, self.fence]
        if not db.execute(f"UPDATE leases SET expires_at = ? WHERE {where}", row).rowcount:
            raise LostError("another process works on this period: this one stood still for too long")

    def give_back(self, db: sqlite3.Connection) -> None:
        """Let others have it; nothing where it was lost."""
        statement = "UPDATE leases SET owner = NULL WHERE location = ? AND month = ? AND fence = ?"
        db.execute(statement, [self.location, self.month, self.fence])


@contextmanager
def kept(db: Db, lease: Lease, every_sec: float = RENEWED_SEC) -> Generator[None]:
    """In the block the lease is renewed time and again, however long the accounting system takes; not where it was lost."""
    is_over = threading.Event()

    def renew() -> None:
        try:
            while not is_over.wait(every_sec):
                _renew(db, lease)
        except LostError as lost:
            # Whoever writes next is told the same.
            log.warning("lease lost", month=lease.month, error=str(lost))
        finally:
            db.close()

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _renew(db: Db, lease: Lease) -> None:
    try:
        with db.transaction() as connection:
            lease.renew(connection)
    except sqlite3.OperationalError as busy:
        # It lasts longer than until the next time.
        log.warning("lease not renewed", month=lease.month, error=str(busy))


def take(db: Db, location: str, month: Month, clock: Callable[[], int]) -> Lease:
    """The lease of a period; raises BusyError where another has it."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    now = clock()
    row = {"location": location, "month": month, "owner": owner, "until": now + _LASTS, "now": now}
    with db.transaction() as connection:
        found: tuple[int] | None = connection.execute(_TAKE, row).fetchone()
    if found is None:
        raise BusyError("another run works on this period; wait until it ends, or for five minutes if it was killed")
    return Lease(location, month, found[0], clock)
