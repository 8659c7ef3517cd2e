"""Whether a string tells libpq where the gateway's database is. What is wrong with one is said without any part of it."""

from __future__ import annotations

import re

import psycopg
from psycopg.conninfo import conninfo_to_dict

_PORTS = re.compile(r"[0-9]*(,[0-9]*)*")
_WRONG = (
    "no libpq string (it is not shown, since it may hold the password); in an address like postgresql://user:password@host/database"
    " special characters of the password are percent-encoded, and in key=value pairs values with blanks stand in quotes"
)


def dsn_problem(dsn: str) -> str | None:
    """Why *dsn* is of no use; None where it is.

    A password with an unencoded `@` or `/` becomes part of the host or the port, which libpq's messages then show.
    """
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return _WRONG
    is_torn = "@" in str(parts.get("host", "")) or not _PORTS.fullmatch(str(parts.get("port", "")))
    return _WRONG if is_torn else None
