"""The gateway's own database, read by a role that may only SELECT what billing needs (bifrost.md 8.4)."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import args_row, class_row, scalar_row

from control_app.gateway import BILLED, FREE, PROVIDER, Customer, Directory, GatewayError, Key, UsageRow

PAGE = 10_000
CONNECT_SEC = 10
_MICROSECONDS = "(extract(epoch FROM {}) * 1000000)::bigint"
# Columns that not every version has, and what stands for them.
_YOUNG = {
    "customer_id": sql.SQL("NULL::text"),
    "cached_read_tokens": sql.SQL("(u #>> '{prompt_tokens_details,cached_read_tokens}')::bigint"),
}
# The text of an upstream without usage is empty. Only token_usage knows cached writes and reasoning.
_ROWS = """
SELECT id, {at}, coalesce(virtual_key_id, ''), coalesce(virtual_key_name, ''), nullif({customer_id}, ''),
  CASE provider WHEN %(ours)s THEN model ELSE provider || '/' || model END,
  greatest(coalesce(prompt_tokens, 0), 0), greatest(coalesce({cached_read_tokens}, 0), {cached_tokens}, 0),
  greatest(coalesce((u #>> '{{prompt_tokens_details,cached_write_tokens}}')::bigint, 0), 0),
  greatest(coalesce(completion_tokens, 0), 0),
  greatest(coalesce((u #>> '{{completion_tokens_details,reasoning_tokens}}')::bigint, 0), 0), cost::text, status = 'success'
FROM (SELECT *, nullif(token_usage, '')::jsonb AS u FROM (SELECT {columns} FROM logs
  WHERE timestamp >= to_timestamp(%(start)s::numeric / 1000000) AND timestamp < to_timestamp(%(end)s::numeric / 1000000)
    AND status = ANY (%(billed)s) AND object_type IS DISTINCT FROM %(free)s) picked) parsed
ORDER BY timestamp, id
"""
# Some versions count writes into it (maximhq/bifrost#4816): it stands in only where neither is told apart.
_CACHED_TOKENS = sql.SQL(
    "coalesce(CASE WHEN NOT coalesce(u -> 'prompt_tokens_details', '{}') ?| ARRAY['cached_read_tokens', 'cached_write_tokens']"
    " THEN (u #>> '{prompt_tokens_details,cached_tokens}')::bigint END, 0)"
)
_NEEDED = (
    "id",
    "timestamp",
    "virtual_key_id",
    "virtual_key_name",
    "provider",
    "model",
    "prompt_tokens",
    "completion_tokens",
    "status",
    "token_usage",
    "cost",
)
_KEYS = f"""
SELECT k.id, k.name, nullif(coalesce(nullif(k.customer_id, ''), t.customer_id), '') AS customer,
  coalesce(k.is_active, true) AS is_active, {_MICROSECONDS.format("k.updated_at")} AS updated_at
FROM governance_virtual_keys k LEFT JOIN governance_teams t ON t.id = k.team_id ORDER BY k.id
"""
_PRICES = {
    "prompt": "input_cost_per_token",
    "completion": "output_cost_per_token",
    "input_cache_read": "cache_read_input_token_cost",
    "input_cache_write": "cache_creation_input_token_cost",
    "internal_reasoning": "output_cost_per_reasoning_token",
    "request": "cost_per_request",
}


class GatewayPostgres:
    """Reads the gateway's database at *dsn* (a libpq connection string or URL), which stays as it is."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def rows(self, start: int, end: int) -> Iterator[Sequence[UsageRow]]:
        """Pages of billed rows that started in `[start, end)`, all of one snapshot of the database, in order of time."""
        with self._connect("the rows of logs") as connection:
            columns = self._columns(connection, "logs")
            if missing := [name for name in _NEEDED if name not in columns]:
                raise GatewayError(
                    f"the gateway's database shows no {', '.join(missing)} of logs: is this its version, are the roles applied?"
                )
            young = {name: sql.Identifier(name) if name in columns else instead for name, instead in _YOUNG.items()}
            picked = [name for name in (*_NEEDED, *_YOUNG) if name in columns]
            query = sql.SQL(_ROWS).format(
                at=sql.SQL(_MICROSECONDS.format("timestamp")),
                columns=sql.SQL(", ").join(map(sql.Identifier, picked)),
                cached_tokens=_CACHED_TOKENS,
                **young,
            )
            with connection.cursor(name="rows", binary=True, row_factory=args_row(UsageRow)) as cursor:
                cursor.execute(query, {"start": start, "end": end, "billed": list(BILLED), "free": FREE, "ours": PROVIDER})
                while page := cursor.fetchmany(PAGE):
                    yield page

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

    def prices(self) -> Mapping[str, Mapping[str, Decimal]]:
        """The price table's rows of our provider: those in force are these, once the gateway has read them."""
        with self._connect("the price table") as connection:
            columns = self._columns(connection, "governance_model_pricing")
            known = {kind: name for kind, name in _PRICES.items() if name in columns}
            # A double's shortest text is the number that was written.
            values = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in known.values())
            query = sql.SQL("SELECT model, {} FROM governance_model_pricing WHERE provider = %s").format(values)
            found: list[tuple[Any, ...]] = connection.execute(query, [PROVIDER]).fetchall()
        return {row[0]: {kind: Decimal(text) for kind, text in zip(known, row[1:], strict=True) if text is not None} for row in found}

    @staticmethod
    def _columns(connection: psycopg.Connection[Any], table: str) -> set[str]:
        """Those that we may read."""
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
