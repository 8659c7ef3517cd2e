"""A gateway's month: 10 million rows of 1,000 keys, the largest with a tenth of them, and 20 models; in a real PostgreSQL."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from control_app.database import Db
from control_app.directory import DirectoryKeeper
from control_app.gateway import Customer, Directory, Key, UsageRow
from control_app.ledger import Ledger
from control_app.spans import DAY, Range, microseconds
from tests.engines import postgres

KEYS, MODELS, CUSTOMERS = 1_000, 20, 500
ROWS = 10_000_000
MONTH = Range(microseconds(datetime(2026, 10, 1, tzinfo=UTC)), microseconds(datetime(2026, 11, 1, tzinfo=UTC)))
AFTER = datetime(2026, 11, 2, tzinfo=UTC)
LARGEST, TYPICAL = "key-0", "key-500"
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


def price_all(db: Db) -> None:
    """One price version a model, in force since 1970."""
    statement = """INSERT INTO price_versions (model, effective_from, prompt, input_cache_read, input_cache_write, completion,
      internal_reasoning, request) VALUES (?, 0, 1000000, 100000, 1000000, 2000000, 2000000, 0)"""
    db.connection.executemany(statement, ((f"model-{number}",) for number in range(MODELS)))


def build(path: Path, rows: int) -> None:
    """A ledger of the month at *path*, taken in without a gateway."""
    db = Db(path)
    price_all(db)
    customers = [Customer(f"customer-{number}", f"Customer {number}") for number in range(CUSTOMERS)]
    keys = [Key(f"key-{number}", f"key {number}", f"customer-{number % CUSTOMERS}", is_active=True, updated_at=0) for number in range(KEYS)]
    DirectoryKeeper(db).keep(Directory(customers, keys), MONTH.end)
    ledger, made = Ledger(db), usage_rows(rows)
    while batch := list(itertools.islice(made, 50_000)):
        ledger.ingest(batch, MONTH.end, "rows", batch[-1].at)
    ledger.ingest((), MONTH.end, "rows", MONTH.end + DAY)


def usage_rows(rows: int) -> Iterator[UsageRow]:
    """The month's, in order of time, as a gateway logs them."""
    dice = random.Random(1)  # noqa: S311 (a sample, no secret)
    step = (MONTH.end - MONTH.start) // rows
    for number in range(rows):
        key = 0 if dice.random() < 0.1 else int(KEYS * dice.random() ** 3) % KEYS
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
