"""The price book's tables, as a migration of schema.py makes them. Times are microseconds since 1970 UTC."""

from __future__ import annotations

# Rates are pico-units with the fallbacks applied; all NULL: the price was withdrawn, usage after it has none.
PRICE_VERSIONS = """CREATE TABLE price_versions (
  id INTEGER PRIMARY KEY, model TEXT NOT NULL, effective_from INTEGER NOT NULL,
  prompt INTEGER, input_cache_read INTEGER, input_cache_write INTEGER, completion INTEGER, internal_reasoning INTEGER, request INTEGER,
  UNIQUE (model, effective_from)
) STRICT"""
# Changes that wait for a person, while the price in force stays.
PENDING_PRICES = """CREATE TABLE pending_prices (
  model TEXT PRIMARY KEY, document TEXT NOT NULL, features TEXT NOT NULL, seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID"""
# What persons decided.
AUDIT = """CREATE TABLE audit (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT NOT NULL
) STRICT"""
# How the gateway's sheet stands, for the processes that do not keep it. `differences`: JSON.
SHEET_STATE = """CREATE TABLE sheet_state (
  id INTEGER PRIMARY KEY CHECK (id = 1), checked_at INTEGER NOT NULL, in_sync INTEGER NOT NULL, out_since INTEGER, written_at INTEGER,
  differences TEXT NOT NULL, error TEXT
) STRICT"""


def _append_only(table: str) -> list[str]:
    refusal = f"BEGIN SELECT RAISE(ABORT, '{table} is appended, never edited'); END"
    return [f"CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table} {refusal}" for verb in ("update", "delete")]


STATEMENTS = (
    *(PRICE_VERSIONS, PENDING_PRICES, AUDIT, SHEET_STATE),
    *_append_only("price_versions"),
    *_append_only("audit"),
)
