"""What was used in a range of time: the one query behind `/usage`, tables, CSV, metrics and invoices, so that they agree."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from control_app.database import Db
from control_app.ledger_sql import BILLED_TOKENS, PLAIN_COMPLETION, PLAIN_PROMPT, TOKENS
from control_app.spans import DAY, Range, month_of, month_range

Dimension = Literal["day", "key", "model", "customer", "price", "billed_in"]


@dataclass(frozen=True)
class Usage:
    """Sums over rows.

    `requests`: billed ones; `unused`: successes without tokens, not billed; `unrated`: rows without a price, whose amount is
    not in `amount` (pico-units). `plain_…`: tokens at the plain rate, without cached and reasoning ones.
    """

    requests: int = 0
    unused: int = 0
    unrated: int = 0
    prompt: int = 0
    cached_read: int = 0
    cached_write: int = 0
    completion: int = 0
    reasoning: int = 0
    plain_prompt: int = 0
    plain_completion: int = 0
    amount: int = 0

    @property
    def tokens(self) -> int:
        """Prompt and completion; cached and reasoning tokens are parts of these."""
        return self.prompt + self.completion

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, name) + getattr(other, name) for name in SUMS))


SUMS = tuple(field.name for field in fields(Usage))


def total(parts: Iterable[Usage]) -> Usage:
    """Added in Python, whose integers do not overflow."""
    found = Usage()
    for part in parts:
        found += part
    return found


class UsageReader:
    """Reads the ledger in *db*."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def by(
        self, dimensions: Sequence[Dimension], within: Range, *, key: int | None = None, customer: int | None = None
    ) -> dict[tuple[Any, ...], Usage]:
        """Usage of the rows that started *within*, by *dimensions*; of one *key* or *customer*, else of all.

        Days count from 1970 UTC; customer 0 is nobody, price 0 is none. A sum above 9.2 million units of currency in one
        answer raises sqlite3.OperationalError: ask for all customers by key or by customer.
        """
        with self._db.snapshot() as db:
            pieces = list(_pieces(db, within, _tables(dimensions, of_all=key is None and customer is None)))
            query = _query(dimensions, pieces, key, customer)
            size, found = len(dimensions), db.execute(query, {"key": key, "customer": customer})
            return {tuple(row[:size]): Usage(*row[size:]) for row in found}

    def billed(self, month: int, customers: Range) -> Iterator[tuple[int, int, int, int, Usage]]:
        """What is billed in *month* to the *customers* of these numbers: customer, month of the usage, model, price, usage; by customer.

        The lines of invoices. Usage of earlier months is what came after they were closed.
        """
        found = self._db.connection.execute(_BILLED, {"month": month, "first": customers.start, "end": customers.end})
        return ((*row[:4], Usage(*row[4:])) for row in found)

    def billed_to(self, month: int) -> dict[int, int]:
        """Exact amounts (pico-units) of all customers to whom something is billed in *month*, by their numbers; 0 is nobody."""
        found: Counter[int] = Counter()
        # Added here: SQLite would sort the month by customer, in memory.
        for customer, amount in self._db.connection.execute(_BILLED_TO, {"month": month}):
            found[customer] += amount
        return dict(sorted(found.items()))


def _tables(dimensions: Sequence[Dimension], *, of_all: bool) -> Sequence[str]:
    """The sums that know the dimensions, the coarsest first."""
    if of_all and {"day", "model"}.issuperset(dimensions):
        return ["model_days"]
    return ["days"] if "day" in dimensions else ["months", "days"]


def _day(at: int) -> Range:
    return Range(at - at % DAY, at - at % DAY + DAY)


def _month(at: int) -> Range:
    return month_range(month_of(at))


# Which unit of time a table adds up, around a moment.
_UNITS: Mapping[str, Callable[[int], Range]] = {"months": _month, "days": _day, "model_days": _day}


def _pieces(db: sqlite3.Connection, within: Range, tables: Sequence[str]) -> Iterator[tuple[str, Range]]:
    """Whole months and days come from what rows add up to, ragged ends from the rows."""
    if within.start >= within.end:
        return
    if not tables:
        yield "requests", within
        return
    table, *finer = tables
    unit = _UNITS[table]
    start, end = within
    # An end behind which the unit has no more rows is not ragged: the usual question is "until now".
    first, last = unit(start), unit(end)
    if start > first.start and not _any(db, Range(first.start, start)):
        start = first.start
    if end > last.start and not _any(db, Range(end, last.end)):
        end = last.end
    whole = Range(start if start == first.start else first.end, end if end == last.end else last.start)
    if whole.start >= whole.end:
        yield from _pieces(db, Range(start, end), finer)
        return
    yield table, whole
    yield from _pieces(db, Range(start, whole.start), finer)
    yield from _pieces(db, Range(whole.end, end), finer)


def _any(db: sqlite3.Connection, within: Range) -> bool:
    return bool(db.execute("SELECT EXISTS (SELECT 1 FROM requests WHERE at >= ? AND at < ?)", within).fetchone()[0])


def _query(dimensions: Sequence[Dimension], pieces: list[tuple[str, Range]], key: int | None, customer: int | None) -> str:
    names = ", ".join(dimensions)
    condition = _condition(key, customer)
    # Nothing lies in an empty range, and GROUP BY over nothing gives no row.
    sources = [_source(table, piece, names) + condition for table, piece in pieces] or [_source("days", Range(0, 0), names)]
    sums = ", ".join(f"sum({name})" for name in SUMS)
    comma = ", " if names else ""
    return f"SELECT {names}{comma}{sums} FROM ({' UNION ALL '.join(sources)}) {f'GROUP BY {names}' if names else 'HAVING count(*)'}"


def _condition(key: int | None, customer: int | None) -> str:
    if key is not None:
        return " AND key = :key"
    if customer is not None:
        return " AND key IN (SELECT ck.key FROM customer_keys ck WHERE ck.customer = :customer) AND coalesce(customer, 0) = :customer"
    return ""


def _source(table: str, piece: Range, names: str) -> str:
    columns = f"{names}{', ' if names else ''}{', '.join(SUMS)}"
    if table == "requests":
        return f"SELECT {columns} FROM ({_ROWS}) WHERE at >= {piece.start} AND at < {piece.end}"
    if table == "months":
        # Each by its number, so that a key is looked up within its month.
        numbers = range(month_of(piece.start), month_of(piece.end - 1) + 1)
        return f"SELECT {columns} FROM months WHERE month IN ({', '.join(map(str, numbers))})"
    return f"SELECT {columns} FROM {table} WHERE day >= {piece.start // DAY} AND day < {piece.end // DAY}"


_SUMMED = ", ".join(f"sum(m.{name})" for name in SUMS)
# Key by key of a few customers; what came late has an index of its own, since it is little and may be of any month.
_BILLED = f"""SELECT m.customer, m.month, m.model, m.price, {_SUMMED} FROM (
    SELECT ck.customer AS owner, m.* FROM customer_keys ck CROSS JOIN months m
      ON m.month = :month AND m.key = ck.key AND m.customer = ck.customer AND m.billed_in = :month
      WHERE ck.customer >= :first AND ck.customer < :end
    UNION ALL SELECT m.customer, m.* FROM months m INDEXED BY months_late
      WHERE m.billed_in = :month AND m.billed_in != m.month AND m.customer >= :first AND m.customer < :end) m
  GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""
_BILLED_TO = """SELECT customer, amount FROM months WHERE month = :month AND billed_in = :month AND requests + unrated > 0
  UNION ALL SELECT customer, amount FROM months INDEXED BY months_late
    WHERE billed_in = :month AND billed_in != month AND requests + unrated > 0"""
_TOKENS = ", ".join(f"{billed} AS {name}" for billed, name in zip(BILLED_TOKENS, TOKENS.split(", "), strict=True))
_ROWS = f"""SELECT at, key, at / {DAY} AS day, model, coalesce(customer, 0) AS customer, coalesce(price, 0) AS price, billed_in,
  used AS requests, 1 - used AS unused, amount IS NULL AS unrated, {_TOKENS}, {PLAIN_PROMPT} AS plain_prompt,
  {PLAIN_COMPLETION} AS plain_completion, coalesce(amount, 0) AS amount FROM requests"""
