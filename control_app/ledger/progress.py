"""How far the gateway was read."""

from __future__ import annotations

from control_app.core.time import DAY, SECOND
from control_app.storage.database import Db

SOURCE, THOROUGH = "rows", "thorough"
"""Names of the passes whose ends are kept: every one, and the one a day that reads three days again."""
LATEST = 15 * 60 * SECOND
"""Nearly every request has its row 15 minutes after it started: the gateway gives up one that is idle for so long
(docs/facts/bifrost.md, Rows)."""
# Where there is an accounting system, a mark counts to the end of the day on which its clock agreed last (clocks.py).
_COUNTS_TO = f"(SELECT coalesce((agreed_at / {DAY} + 1) * {DAY}, 0) FROM clocks WHERE name = 'odoo')"
_MARK = f"SELECT min(until, passed_at, coalesce({_COUNTS_TO}, until)) FROM progress WHERE source = ?"


OVERLAP = LATEST + 5 * 60 * SECOND
"""What is read again at each pass: a row is written under its request's start, once this has ended and the rows before it are
written. A full queue of the gateway takes 200 seconds and more (docs/facts/bifrost.md, Losing rows)."""


def complete_through(db: Db) -> int | None:
    """Requests that started before this time are in the ledger, but for those that took longer than LATEST.

    In microseconds since 1970 UTC; None before the first pass.
    """
    found = _mark(db, SOURCE)
    return found - LATEST if found else None


def thorough_through(db: Db) -> int:
    """Until when the gateway was read thoroughly: a month is billed after it was read once more as a whole (sync.py)."""
    return _mark(db, THOROUGH)


def _mark(db: Db, source: str) -> int:
    found: tuple[int] | None = db.connection.execute(_MARK, [source]).fetchone()
    return found[0] if found else 0
