"""All sums anew from the rows, and each amount anew from its tokens and its price: what is kept must be equal.

A flipped bit in a number leaves a good database of wrong amounts, which only this tells.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from control_app.core.time import DAY, HOUR
from control_app.ledger.columns import ANY, CELL, COUNTED, KEPT, MONTH_OF_DAY, PART_OF_DAY, listed
from control_app.ledger.statements import AMOUNT, BILLED, BILLED_NOW, OF_OURS, RATES, WITH_ADAPTERS


class RecountError(Exception):
    """What the ledger keeps is not what its rows come to; the message says where."""


_SUMMED = listed(f"sum({name})" for name in KEPT)
# By table what its rows begin with, and what they ought to be.
_SUMS = {
    "days": (
        CELL,
        f"""SELECT r.key, r.at / {DAY}, r.{PART_OF_DAY}, r.model, coalesce(r.customer, 0), coalesce(r.price, 0), {BILLED_NOW},
          {listed(f"sum({COUNTED[name]})" for name in KEPT)} FROM requests r GROUP BY 1, 2, 3, 4, 5, 6, 7""",
    ),
    "months": (
        ("key", "month", "model", "customer", "price", "billed_in"),
        f"SELECT key, {MONTH_OF_DAY}, model, customer, price, billed_in, {_SUMMED} FROM days WHERE {ANY} GROUP BY 1, 2, 3, 4, 5, 6",
    ),
    "model_days": (("model", "day", "part"), f"SELECT model, day, part, {_SUMMED} FROM days WHERE {ANY} GROUP BY 1, 2, 3"),
}
_HOURS = f"""SELECT key, at / {HOUR}, CASE WHEN succeeded THEN 'success' ELSE 'cancelled' END, count(*) FROM requests GROUP BY 1, 2, 3"""
_MODEL_HOURS = f"""SELECT r.at / {HOUR}, {WITH_ADAPTERS}, sum(r.succeeded), sum(1 - r.succeeded) FROM requests r JOIN models m
  ON m.id = r.model WHERE {OF_OURS} GROUP BY 1, 2"""
# What was billed stays as it was rated then; what waits for its correction is not right yet.
_WRONG = f"""SELECT r.at, r.id, r.amount, {AMOUNT} FROM requests r LEFT JOIN ({RATES}) p ON p.id = r.price
  WHERE r.amount IS NOT NULL AND r.amount IS NOT {AMOUNT} AND NOT EXISTS (SELECT 1 FROM uncorrected u WHERE u.key = r.key)
  AND NOT {BILLED} LIMIT 1"""


def recount(connection: sqlite3.Connection) -> None:
    """Raises RecountError with the first thing that does not add up. Ten million rows take about a minute."""
    for found in _wrong(connection):
        raise RecountError(f"{found}; stop the service, and restore the database: control replica restore --replace")


def _wrong(connection: sqlite3.Connection) -> Iterator[str]:
    if row := connection.execute(_WRONG).fetchone():
        yield "the row {1} of {0} is kept at {2} pico-units, and its tokens and price come to {3}".format(*row)
    for table, (columns, anew) in _SUMS.items():
        kept = f"SELECT {listed((*columns, *KEPT))} FROM {table} WHERE {ANY}"
        yield from _differing(connection, table, columns, kept, anew)
    yield from _differing(
        connection, "hours", ("key", "hour", "outcome"), "SELECT key, hour, outcome, logged FROM hours WHERE logged", _HOURS
    )
    kept = "SELECT hour, model, logged, cancelled FROM model_hours WHERE logged OR cancelled"
    yield from _differing(connection, "model_hours", ("hour", "model"), kept, _MODEL_HOURS)


def _differing(connection: sqlite3.Connection, table: str, columns: Sequence[str], kept: str, anew: str) -> Iterator[str]:
    for one, other, what in ((kept, anew, "is not what the rows come to"), (anew, kept, "lacks what the rows come to")):
        if row := connection.execute(f"{one} EXCEPT {other} LIMIT 1").fetchone():
            yield f"{table} at {dict(zip(columns, row, strict=False))} {what}"
