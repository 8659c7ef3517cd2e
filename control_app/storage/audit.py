"""What persons decided, with their reasons: appended and never edited."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True)
class Act:
    """What a person did: `who` did `what` to `subject`, for that `reason`."""

    who: str
    what: str
    subject: str
    reason: str


def record(connection: sqlite3.Connection, at: int, act: Act) -> None:
    """Append *act*, in the transaction of what was done. *at*: microseconds since 1970 UTC. ValueError without a name or a reason."""
    if not act.who.strip() or not act.reason.strip():
        raise ValueError(f"{act.what} {act.subject}: who does it, and why?")
    row = (at, act.who, act.what, act.subject, act.reason)
    connection.execute("INSERT INTO audit (at, who, what, subject, reason) VALUES (?, ?, ?, ?, ?)", row)
