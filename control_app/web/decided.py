"""What persons decided, as the audit log has it."""

from __future__ import annotations

import re
from typing import NamedTuple

from control_app.database import Db


class Decided(NamedTuple):
    """A line of the log. `at`: microseconds since 1970 UTC."""

    at: int
    who: str
    what: str
    subject: str
    reason: str


def decided(db: Db, about: str) -> list[Decided]:
    """Lines whose subject *about*, a regular expression, is found in; the newest first."""
    rows = db.connection.execute(f"SELECT {', '.join(Decided._fields)} FROM audit ORDER BY at DESC, id DESC")  # noqa: S608 (names)
    return [line for line in map(Decided._make, rows) if re.search(about, line.subject)]
