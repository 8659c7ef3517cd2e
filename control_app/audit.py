"""What persons decided, with their reasons: appended and never edited."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True)
class Act:
    """*who* did *what* to *subject*, and why."""

    who: str
    what: str
    subject: str
    reason: str


def record(connection: sqlite3.Connection, at: int, act: Act) -> None:
    """Append *act*, *at* in microseconds since 1970 UTC, in the transaction of what it did; ValueError where it lacks a word."""
    if not act.who.strip() or not act.reason.strip():
        raise ValueError(f"{act.what} {act.subject}: who does it, and why?")
    row = (at, act.who, act.what, act.subject, act.reason)
    connection.execute("INSERT INTO audit (at, who, what, subject, reason) VALUES (?, ?, ?, ?, ?)", row)
