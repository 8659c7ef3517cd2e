"""The price book's tables, as a migration of service/tables.py makes them. Times are microseconds since 1970 UTC."""

from __future__ import annotations

from control_app.storage.chain import append_only

# Rates by price kind (kinds.py), in pico-units, with the fallbacks applied; all NULL: the price was withdrawn, usage after it has none.
PRICE_VERSIONS = """CREATE TABLE price_versions (
  id INTEGER PRIMARY KEY, model TEXT NOT NULL, effective_from INTEGER NOT NULL,
  prompt INTEGER, input_cache_read INTEGER, input_cache_write INTEGER, completion INTEGER, internal_reasoning INTEGER, request INTEGER,
  UNIQUE (model, effective_from)
) STRICT"""
# Changes that wait for a person, while the price in force stays.
PENDING_PRICES = """CREATE TABLE pending_prices (
  model TEXT PRIMARY KEY, document TEXT NOT NULL, features TEXT NOT NULL, seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID"""
# What persons decided, and what happened to prices without them.
AUDIT = """CREATE TABLE audit (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT NOT NULL
) STRICT"""
# How the gateway's sheet stands, for the processes that do not keep it. `differences`: JSON.
SHEET_STATE = """CREATE TABLE sheet_state (
  id INTEGER PRIMARY KEY CHECK (id = 1), checked_at INTEGER NOT NULL, in_sync INTEGER NOT NULL, out_since INTEGER, written_at INTEGER,
  differences TEXT NOT NULL, error TEXT
) STRICT"""

STATEMENTS = (
    *(PRICE_VERSIONS, PENDING_PRICES, AUDIT, SHEET_STATE),
    *append_only("price_versions"),
    *append_only("audit"),
)

# `by_person`: 1 where a person put the price in force, or ended the sale. Of a price that waits: the `Model`'s creation, why it waits,
# and who changed the annotation. `lapses`: since when a model is sold whose annotation is broken or gone, and when that was seen last.
JUDGED_PRICES = (
    "ALTER TABLE price_versions ADD COLUMN by_person INTEGER NOT NULL DEFAULT 0 CHECK (by_person IN (0, 1))",
    "ALTER TABLE pending_prices ADD COLUMN created INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE pending_prices ADD COLUMN why TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE pending_prices ADD COLUMN changed TEXT NOT NULL DEFAULT ''",
    "CREATE TABLE lapses (model TEXT PRIMARY KEY, since INTEGER NOT NULL, seen INTEGER NOT NULL) STRICT, WITHOUT ROWID",
)
# The currency of all prices and amounts here; NULL until the service first said. `largest_row`: pico-units, above which a row of usage
# is not rated.
PRICE_BOOK = (
    "CREATE TABLE price_book (id INTEGER PRIMARY KEY CHECK (id = 1), currency TEXT, largest_row INTEGER NOT NULL) STRICT",
    f"INSERT INTO price_book (id, largest_row) VALUES (1, {10**15})",
)
