"""A gateway's month: 10 million rows of 1,000 keys, the largest with a tenth of them, and 20 models; in a real PostgreSQL."""

from __future__ import annotations

import hashlib
import itertools
import random
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from control_app.core.time import DAY, Range, microseconds
from control_app.gateway.port import Customer, Directory, Key, UsageRow
from control_app.ledger.columns import PART
from control_app.ledger.directory import DirectoryKeeper
from control_app.ledger.ledger import Ledger
from control_app.service.tables import open_database
from control_app.storage.database import Db
from tests.engines import postgres

KEYS, MODELS, CUSTOMERS = 1_000, 20, 500
ROWS = 10_000_000
MONTH = Range(microseconds(datetime(2026, 10, 1, tzinfo=UTC)), microseconds(datetime(2026, 11, 1, tzinfo=UTC)))
AFTER = datetime(2026, 11, 2, tzinfo=UTC)
LARGEST, TYPICAL = "key-0", "key-500"
RATE = 10**6
"""Pico-units for a prompt token."""
LAID_OUT = ("requests", "days", "months", "model_days", "hours")
CACHE = Path.home() / ".cache" / "inference-platform" / "perf"


class Shape(NamedTuple):
    """How many keys and customers a month has, and what a prompt token costs: few rows a customer have to come to some cents."""

    keys: int
    customers: int
    rate: int


USUAL = Shape(KEYS, CUSTOMERS, RATE)
MANY = Shape(10_000, 10_000, 1000 * RATE)
DIRECTORY = """
INSERT INTO governance_customers SELECT 'customer-' || k, 'Customer ' || k, now(), now() FROM generate_series(0, {customers} - 1) k;
INSERT INTO governance_virtual_keys SELECT 'key-' || k, 'key ' || k, 'secret', true, NULL, 'customer-' || k % {customers}, '2026-09-01',
  '2026-09-01' FROM generate_series(0, {keys} - 1) k;
"""
# A tenth of the rows is the largest key's; the others' shares fall with the cube root of a random number.
LOGS = """
INSERT INTO logs (id, "timestamp", created_at, object_type, provider, model, virtual_key_id, virtual_key_name, latency, token_usage,
  cost, status, prompt_tokens, completion_tokens, total_tokens, cached_read_tokens)
SELECT gen_random_uuid(), t, t, 'chat_completion', 'kubeai', 'model-' || i % {models}, 'key-' || k, 'key ' || k, 41,
  format('{{"prompt_tokens":%s,"prompt_tokens_details":{{"cached_read_tokens":40,"cached_tokens":40}},"completion_tokens":20,'
    '"completion_tokens_details":{{"reasoning_tokens":5}},"total_tokens":%s}}', 100 + i % 50, 120 + i % 50),
  0.000104, 'success', 100 + i % 50, 20, 120 + i % 50, 40
FROM (SELECT i, '2026-10-01'::timestamptz + i * (interval '31 days' / {rows}) AS t,
  CASE WHEN random() < 0.1 THEN 0 ELSE ({keys} * power(random(), 3))::int % {keys} END AS k FROM generate_series(0, {rows} - 1) i) drawn;
ANALYZE;
"""


def fill(server: postgres.Server, rows: int) -> None:
    """The gateway's tables, with a month of *rows* rows."""
    server.apply_roles()
    server.bifrost(postgres.TABLES)
    server.bifrost(DIRECTORY.format(keys=KEYS, customers=CUSTOMERS))
    server.bifrost(LOGS.format(rows=rows, keys=KEYS, models=MODELS))


def price_all(db: Db, rate: int = RATE) -> None:
    """One price version a model, in force since 1970; *rate*: of a prompt token."""
    statement = """INSERT INTO price_versions (model, effective_from, prompt, input_cache_read, input_cache_write, completion,
      internal_reasoning, request) VALUES (?, 0, ?, ?, ?, ?, ?, 0)"""
    rates = [rate, rate // 10, rate, 2 * rate, 2 * rate]
    db.connection.executemany(statement, ((f"model-{number}", *rates) for number in range(MODELS)))


def ledger(rows: int, shape: Shape = USUAL) -> Path:
    """A month's ledger, kept for the next run while the tables that hold it are the same; other tables come with opening it."""
    keys, customers, _ = shape
    path = CACHE / f"month-{rows}-{keys}-{customers}-{_layout()}.sqlite3"
    if not path.exists():
        print(f"building a ledger of {rows:,} rows, {keys:,} keys, {customers:,} customers", file=sys.stderr)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        build(fresh, rows, shape)
        fresh.rename(path)
    return path


def _layout() -> str:
    """Another name for each layout of the rows and of what they add up to."""
    with tempfile.TemporaryDirectory() as folder:
        db = open_database(Path(folder) / "empty.sqlite3")
        statement = f"SELECT sql FROM sqlite_master WHERE tbl_name IN ({', '.join('?' for _ in LAID_OUT)}) AND sql NOT NULL ORDER BY name"  # noqa: S608
        made = db.connection.execute(statement, LAID_OUT).fetchall()
        db.close()
    return hashlib.sha256("".join((str(PART), *(sql for (sql,) in made))).encode()).hexdigest()[:8]


def build(path: Path, rows: int, shape: Shape = USUAL) -> None:
    """A ledger of the month at *path*, taken in without a gateway."""
    db = open_database(path)
    price_all(db, shape.rate)
    customers = [Customer(f"customer-{number}", f"Customer {number}") for number in range(shape.customers)]
    keys = [
        Key(f"key-{number}", f"key {number}", f"customer-{number % shape.customers}", is_active=True, updated_at=0)
        for number in range(shape.keys)
    ]
    DirectoryKeeper(db).keep(Directory(customers, keys), MONTH.end)
    taking, made = Ledger(db), usage_rows(rows, shape.keys)
    while batch := list(itertools.islice(made, 50_000)):
        taking.ingest(batch, MONTH.end, "rows", batch[-1].at)
    taking.ingest((), MONTH.end, "rows", MONTH.end + DAY)
    db.close()


_READ_THROUGH = "INSERT OR REPLACE INTO readings (id, first_at, at, started, dropped) VALUES (1, ?, ?, 0, 0)"


def settle(db: Db) -> None:
    """The month is over and was read and counted to its end, so that nothing of it is held."""
    after = MONTH.end + DAY
    Ledger(db).ingest((), after, "rows", after)
    with db.transaction() as connection:
        connection.execute(_READ_THROUGH, [MONTH.start, after])
        connection.execute("UPDATE hours SET counted = logged WHERE counted != logged")


def usage_rows(rows: int, keys: int = KEYS) -> Iterator[UsageRow]:
    """The month's, in order of time, as a gateway logs them."""
    dice = random.Random(1)  # noqa: S311 (a sample, no secret)
    step = (MONTH.end - MONTH.start) // rows
    for number in range(rows):
        key = 0 if dice.random() < 0.1 else int(keys * dice.random() ** 3) % keys
        model = f"model-{number % MODELS}"
        yield UsageRow(
            f"{number:032x}",
            MONTH.start + number * step,
            f"key-{key}",
            f"key {key}",
            None,
            model,
            100 + number % 50,
            40,
            0,
            20,
            5,
            "0.000104",
        )
