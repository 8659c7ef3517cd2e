"""What was used in a range of time: the one query behind `/usage`, tables, CSV, metrics and invoices, so that they agree."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from control_app.core.money import joined
from control_app.core.numbers import CustomerNo, KeyNo, Month, Pico
from control_app.core.time import DAY, Range, month_of, month_range
from control_app.ledger.columns import ANY, COUNTED, KEPT, PART, listed, usage_of
from control_app.ledger.statements import BILLED_NOW
from control_app.ledger.usage import Usage
from control_app.storage.database import Db

Dimension = Literal["day", "key", "model", "customer", "price", "billed_in"]


class UsageReader:
    """Answers what was used in a range of time, from the ledger in *db*."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def by(
        self, dimensions: Sequence[Dimension], within: Range, *, key: KeyNo | None = None, customer: CustomerNo | None = None
    ) -> dict[tuple[Any, ...], Usage]:
        """Usage of the rows that started *within*, by *dimensions*; of one *key* or *customer*, else of all.

        Days count from 1970 UTC; customer 0 is nobody, price 0 is none.
        """
        with self._db.snapshot() as db:
            pieces = list(_pieces(db, within, _tables(dimensions, of_all=key is None and customer is None)))
            query = _query(dimensions, pieces, key, customer)
            size, found = len(dimensions), db.execute(query, {"key": key, "customer": customer})
            return {tuple(row[:size]): usage_of(row[size:]) for row in found}

    def billed(self, month: Month, customers: Range) -> Iterator[tuple[CustomerNo, Month, int, int, Usage]]:
        """What is billed in *month* to the *customers* of these numbers, one customer after another.

        Each is customer, month of the usage, model, price version, usage. Usage of earlier months came after those were closed.
        """
        found = self._db.connection.execute(_BILLED, {"month": month, "first": customers.start, "end": customers.end})
        return ((*row[:4], usage_of(row[4:])) for row in found)

    def billed_to(self, month: Month) -> dict[CustomerNo, Pico]:
        """Exact amounts (pico-units) of all customers to whom something is billed in *month*, by their numbers; 0 is nobody."""
        found: Counter[CustomerNo] = Counter()
        # Added here: SQLite would sort the month by customer, in memory.
        for customer, *amount in self._db.connection.execute(_BILLED_TO, {"month": month}):
            found[customer] += joined(*amount)
        return {customer: Pico(found[customer]) for customer in sorted(found)}


class _Piece(NamedTuple):
    """Of which table what of a range counts; *sign* -1: it is taken off."""

    table: str
    within: Range
    sign: int


def _tables(dimensions: Sequence[Dimension], *, of_all: bool) -> Sequence[str]:
    """The sums that know the dimensions, the coarsest first."""
    if of_all and {"day", "model"}.issuperset(dimensions):
        return ["model_days"]
    return ["days"] if "day" in dimensions else ["months", "days"]


def _part(at: int) -> Range:
    return Range(at - at % PART, at - at % PART + PART)


def _month(at: int) -> Range:
    return month_range(month_of(at))


# Which unit of time a table adds up, around a moment.
_UNITS: Mapping[str, Callable[[int], Range]] = {"months": _month, "days": _part, "model_days": _part}


def _pieces(db: sqlite3.Connection, within: Range, tables: Sequence[str], sign: int = 1) -> Iterator[_Piece]:
    """Whole units come from what rows add up to. What that lacks or has too much at a ragged end comes from finer sums, then from rows."""
    if within.start >= within.end:
        return
    if not tables:
        yield _Piece("requests", within, sign)
        return
    table, *finer = tables
    unit = _UNITS[table]
    start, end = (_end_of_rows(db, at, unit(at)) for at in within)
    whole = Range(_nearest(start, unit(start)), _nearest(end, unit(end)))
    if whole.start >= whole.end:
        yield from _pieces(db, Range(start, end), finer, sign)
        return
    yield _Piece(table, whole, sign)
    for at, border, before_border in ((start, whole.start, sign), (end, whole.end, -sign)):
        yield from _pieces(db, Range(min(at, border), max(at, border)), finer, before_border if at < border else -before_border)


def _end_of_rows(db: sqlite3.Connection, at: int, unit: Range) -> int:
    """*at*, or an end of its *unit* where no row lies in between: the usual question is "until now"."""
    return next((end for end in unit if not _any(db, Range(min(at, end), max(at, end)))), at)


def _nearest(at: int, unit: Range) -> int:
    return min(unit, key=lambda end: abs(end - at))


def _any(db: sqlite3.Connection, within: Range) -> bool:
    return bool(db.execute("SELECT EXISTS (SELECT 1 FROM requests WHERE at >= ? AND at < ?)", within).fetchone()[0])


def _query(dimensions: Sequence[Dimension], pieces: list[_Piece], key: KeyNo | None, customer: CustomerNo | None) -> str:
    names = listed(dimensions)
    # Nothing lies in an empty range.
    sources = [_source(piece, dimensions) + _condition(piece.table, key, customer) for piece in pieces or [_Piece("days", Range(0, 0), 1)]]
    wanted = listed((*dimensions, *(f"sum({name}) AS {name}" for name in KEPT)))
    grouped = f"SELECT {wanted} FROM ({' UNION ALL '.join(sources)}) {f'GROUP BY {names}' if names else ''}"
    # What was taken off to nothing was not used.
    return f"SELECT {listed((*dimensions, *KEPT))} FROM ({grouped}) WHERE {ANY}"


def _condition(table: str, key: KeyNo | None, customer: CustomerNo | None) -> str:
    if key is not None:
        return " AND key = :key"
    if customer is not None:
        return " AND key IN (SELECT ck.key FROM customer_keys ck WHERE ck.customer = :customer) AND coalesce(customer, 0) = :customer"
    # Key by key, or all days that there ever were would be read.
    return " AND key IN (SELECT k.id FROM keys k)" if table == "days" else ""


def _source(piece: _Piece, dimensions: Sequence[Dimension]) -> str:
    table, (start, end), sign = piece
    columns = listed((*dimensions, *(KEPT if sign > 0 else (f"-{name}" for name in KEPT))))
    if table == "requests":
        return f"SELECT {columns} FROM ({_ROWS}) WHERE at >= {start} AND at < {end}"
    if table == "months":
        # Each by its number, so that a key is looked up within its month.
        numbers = range(month_of(start), month_of(end - 1) + 1)
        return f"SELECT {columns} FROM months WHERE month IN ({', '.join(map(str, numbers))})"
    return f"SELECT {columns} FROM {table} WHERE (day, part) >= {_part_of(start)} AND (day, part) < {_part_of(end)}"


def _part_of(at: int) -> str:
    return f"({at // DAY}, {at % DAY // PART})"


_SUMMED = listed(f"sum(m.{name})" for name in KEPT)
_BILLED_COLUMNS = listed(("customer", "month", "model", "price", *KEPT), "m")
# Key by key of a few customers; what came late has an index of its own, since it is little and may be of any month.
_BILLED = f"""SELECT m.customer, m.month, m.model, m.price, {_SUMMED} FROM (
    SELECT {_BILLED_COLUMNS} FROM customer_keys ck CROSS JOIN months m
      ON m.month = :month AND m.key = ck.key AND m.customer = ck.customer AND m.billed_in = :month
      WHERE ck.customer >= :first AND ck.customer < :end
    UNION ALL SELECT {_BILLED_COLUMNS} FROM months m INDEXED BY months_late
      WHERE m.billed_in = :month AND m.billed_in != m.month AND m.customer >= :first AND m.customer < :end) m
  GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""
_BILLED_TO = """SELECT customer, amount_high, amount FROM months WHERE month = :month AND billed_in = :month AND requests + unrated > 0
  UNION ALL SELECT customer, amount_high, amount FROM months INDEXED BY months_late
    WHERE billed_in = :month AND billed_in != month AND requests + unrated > 0"""
_ROWS = f"""SELECT at, key, at / {DAY} AS day, model, coalesce(customer, 0) AS customer, coalesce(price, 0) AS price,
  {BILLED_NOW} AS billed_in,
  {listed(f"{counted} AS {name}" for name, counted in COUNTED.items())} FROM requests r"""
