"""The gateway's own database, read by a role that may only SELECT what billing needs (docs/facts/bifrost.md, Database)."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import args_row, class_row, scalar_row

from control_app.gateway.bifrost.log_rows import CANCELLED_STATUS, CANCELLED_TYPE, MOST_TEXT, NOTHING, is_billed, usage_of
from control_app.gateway.port import FREE, PROVIDER, Customer, Directory, GatewayError, Key, Row, Unreadable, UsageRow
from control_app.gateway.price_fields import FIELDS

PAGE = 10_000
CONNECT_SEC = 10
_MICROSECONDS = "(extract(epoch FROM {}) * 1000000)::bigint"
# Columns that not every version has, and what stands for them.
_YOUNG = {name: sql.SQL("NULL::text") for name in ("customer_id", "customer_name")}
# The usage is read here as the API's is: PostgreSQL would refuse all rows for one that is no JSON.
_ROWS = """
SELECT id, {at}, coalesce(virtual_key_id, ''), coalesce(virtual_key_name, ''), nullif({customer_id}, ''),
  CASE provider WHEN %(ours)s THEN model ELSE provider || '/' || model END, nullif(token_usage, ''), cost::text,
  nullif({customer_name}, ''), status, CASE status WHEN 'error' THEN error_details END
FROM logs
WHERE timestamp >= to_timestamp(%(start)s::numeric / 1000000) AND timestamp < to_timestamp(%(end)s::numeric / 1000000)
  AND (status IN ('success', 'cancelled') OR status = 'error' AND error_details ~ %(cancelled)s) AND object_type IS DISTINCT FROM %(free)s
ORDER BY timestamp, id
"""
# Most errors are none that a client made by hanging up, and stay where they are.
_CANCELLED = f"{CANCELLED_STATUS}|{CANCELLED_TYPE}"
_NEEDED = ("id", "timestamp", "virtual_key_id", "virtual_key_name", "provider", "model", "status", "token_usage", "cost", "error_details")
_KEYS = f"""
SELECT k.id, k.name, nullif(coalesce(nullif(k.customer_id, ''), t.customer_id), '') AS customer,
  coalesce(k.is_active, true) AS is_active, {_MICROSECONDS.format("k.updated_at")} AS updated_at
FROM governance_virtual_keys k LEFT JOIN governance_teams t ON t.id = k.team_id ORDER BY k.id
"""


class GatewayPostgres:
    """Reads the gateway's database at *dsn* (a libpq connection string or URL), which stays as it is."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def now(self) -> int:
        """The present by the clock of the database's server."""
        with self._connect("the time") as connection, connection.cursor(row_factory=scalar_row) as cursor:
            (found,) = cursor.execute(f"SELECT {_MICROSECONDS.format('now()')}").fetchall()
        return int(found)

    def rows(self, start: int, end: int) -> Iterator[Sequence[Row]]:
        """Pages of billed rows that started in `[start, end)`, all of one snapshot of the database, in order of time."""
        with self._connect("the rows of logs") as connection:
            columns = self._columns(connection, "logs")
            if missing := [name for name in _NEEDED if name not in columns]:
                raise GatewayError(
                    f"the gateway's database shows no {', '.join(missing)} of logs: is this its version, are the roles applied?"
                )
            young = {name: sql.Identifier(name) if name in columns else instead for name, instead in _YOUNG.items()}
            query = sql.SQL(_ROWS).format(at=sql.SQL(_MICROSECONDS.format("timestamp")), **young)
            with connection.cursor(name="rows", binary=True, row_factory=args_row(_Told)) as cursor:
                cursor.execute(query, {"start": start, "end": end, "cancelled": _CANCELLED, "free": FREE, "ours": PROVIDER})
                while page := cursor.fetchmany(PAGE):
                    yield [told.row() for told in page if is_billed(told.status, told.error_details or "")]

    def first(self) -> int | None:
        """Start of the oldest row."""
        with self._connect("the oldest row") as connection, connection.cursor(row_factory=scalar_row) as cursor:
            found: int | None = cursor.execute(f"SELECT {_MICROSECONDS.format('min(timestamp)')} FROM logs").fetchone()
        return found

    def directory(self) -> Directory:
        """Customers and keys, of one snapshot."""
        with self._connect("customers and keys") as connection:
            with connection.cursor(row_factory=class_row(Customer)) as cursor:
                customers = cursor.execute("SELECT id, name FROM governance_customers ORDER BY id").fetchall()
            with connection.cursor(row_factory=class_row(Key)) as cursor:
                keys = cursor.execute(_KEYS).fetchall()
        return Directory(customers, keys)

    def prices(self) -> Mapping[str, Sequence[Mapping[str, Decimal]]]:
        """The price table's rows of our provider, one a mode: those in force are these, once the gateway has read them."""
        with self._connect("the price table") as connection:
            columns = self._columns(connection, "governance_model_pricing")
            known = {kind: name for kind, name in FIELDS.items() if name in columns}
            # A double's shortest text is the number that was written.
            values = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in known.values())
            query = sql.SQL("SELECT model, {} FROM governance_model_pricing WHERE provider = %s ORDER BY model, mode").format(values)
            found: list[tuple[Any, ...]] = connection.execute(query, [PROVIDER]).fetchall()
        told: defaultdict[str, list[Mapping[str, Decimal]]] = defaultdict(list)
        for model, *texts in found:
            told[model].append({kind: Decimal(text) for kind, text in zip(known, texts, strict=True) if text is not None})
        return told

    @staticmethod
    def _columns(connection: psycopg.Connection[Any], table: str) -> set[str]:
        """The columns of *table* that our role may read."""
        query = """SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
          AND has_column_privilege(attrelid, attnum, 'SELECT')"""
        return {name for (name,) in connection.execute(query, [table])}

    @contextlib.contextmanager
    def _connect(self, what: str) -> Generator[psycopg.Connection[Any]]:
        try:
            with psycopg.connect(self._dsn, connect_timeout=CONNECT_SEC, application_name="control") as connection:
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                connection.read_only = True
                yield connection
        except psycopg.Error as error:
            # A message of libpq may repeat the connection string, but not its password.
            raise GatewayError(f"the gateway's database did not answer {what}: {type(error).__name__}: {str(error).strip()}") from error


class _Told(NamedTuple):
    """The columns of _ROWS."""

    id: str
    at: int
    key: str
    key_name: str
    customer: str | None
    model: str
    usage: str | None
    cost: str | None
    customer_name: str | None
    status: str
    error_details: str | None

    def row(self) -> Row:
        try:
            used = NOTHING if self.usage is None else usage_of(self.usage)
        except ValueError as error:
            text = (self.usage or "")[:MOST_TEXT]
            return Unreadable(self.id, self.at, self.key, self.key_name, f"token_usage: {error}", text)
        succeeded, total = self.status == "success", max(used.total_tokens, 0)
        return UsageRow(*self[:6], *used.counts(), self.cost, succeeded, total, self.customer_name)
