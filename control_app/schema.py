"""The database's tables, by migrations that are appended and never edited (sqlite-utils)."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from control_app.invoicing import tables as invoicing
from control_app.price_schema import STATEMENTS

migrations = Migrations("control")


@migrations()
def offers(db: Database) -> None:
    """Accepted offers, appended and never edited. `accepted_at` is UTC, ISO 8601."""
    db.conn.execute(
        "CREATE TABLE offers (id INTEGER PRIMARY KEY, model TEXT NOT NULL, accepted_at TEXT NOT NULL,"
        " document TEXT NOT NULL, features TEXT NOT NULL) STRICT"
    )
    db.conn.execute("CREATE INDEX offers_by_model ON offers (model, id)")


@migrations()
def prices(db: Database) -> None:
    """The price book, the audit, and how the gateway's sheet stands."""
    for statement in STATEMENTS:
        db.conn.execute(statement)


@migrations()
def ledger(db: Database) -> None:
    """The usage ledger. Times are microseconds since 1970 UTC, days are days since then, amounts are pico-units.

    `requests` has its primary key in order of time: with random ids inserts are six times slower.
    """
    for statement in LEDGER.split(";"):  # not executescript, which would commit
        db.conn.execute(statement)


@migrations()
def invoices(db: Database) -> None:
    """Invoices, runs, holds that were released."""
    for statement in invoicing.STATEMENTS:
        db.conn.execute(statement)


@migrations()
def marks(db: Database) -> None:
    """When something was last: `written` (see database.py), `restored` (see replica.py). Microseconds since 1970 UTC."""
    db.conn.execute("CREATE TABLE marks (name TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID")


COUNTS = """requests INTEGER NOT NULL, unused INTEGER NOT NULL, unrated INTEGER NOT NULL,
  prompt INTEGER NOT NULL, cached_read INTEGER NOT NULL, cached_write INTEGER NOT NULL, completion INTEGER NOT NULL,
  reasoning INTEGER NOT NULL, plain_prompt INTEGER NOT NULL, plain_completion INTEGER NOT NULL, amount INTEGER NOT NULL"""
LEDGER = f"""
CREATE TABLE customers (id INTEGER PRIMARY KEY, gateway_id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, deleted_at INTEGER) STRICT;
CREATE TABLE keys (
  id INTEGER PRIMARY KEY, gateway_id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, is_active INTEGER NOT NULL DEFAULT 1,
  lost_customer_at INTEGER, deleted_at INTEGER
) STRICT;
-- Who holds a key from when on, NULL for nobody.
CREATE TABLE holders (
  key INTEGER NOT NULL REFERENCES keys, since INTEGER NOT NULL, customer INTEGER REFERENCES customers, PRIMARY KEY (key, since)
) STRICT, WITHOUT ROWID;
-- Keys whose holders changed, until their rows follow.
CREATE TABLE uncorrected (key INTEGER PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE models (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

-- price NULL: none was in force. amount NULL: not rated, which holds the customer. used 0: without usage. succeeded 0: cancelled.
CREATE TABLE requests (
  at INTEGER NOT NULL, id TEXT NOT NULL, key INTEGER NOT NULL, customer INTEGER, model INTEGER NOT NULL,
  prompt INTEGER NOT NULL, cached_read INTEGER NOT NULL, cached_write INTEGER NOT NULL,
  completion INTEGER NOT NULL, reasoning INTEGER NOT NULL, used INTEGER NOT NULL,
  own_customer INTEGER, price INTEGER, amount INTEGER, billed_in INTEGER NOT NULL, gateway_cost TEXT, succeeded INTEGER NOT NULL,
  PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_unrated ON requests (model, at) WHERE amount IS NULL AND price IS NULL;

-- What the rows add up to, kept in the transaction that writes them. customer 0: nobody, price 0: none, month: see spans.py.
CREATE TABLE days (
  key INTEGER NOT NULL, day INTEGER NOT NULL, model INTEGER NOT NULL, customer INTEGER NOT NULL, price INTEGER NOT NULL,
  billed_in INTEGER NOT NULL, {COUNTS}, PRIMARY KEY (key, day, model, customer, price, billed_in)
) STRICT, WITHOUT ROWID;
CREATE TABLE months (
  month INTEGER NOT NULL, key INTEGER NOT NULL, model INTEGER NOT NULL, customer INTEGER NOT NULL, price INTEGER NOT NULL,
  billed_in INTEGER NOT NULL, {COUNTS}, PRIMARY KEY (month, key, model, customer, price, billed_in)
) STRICT, WITHOUT ROWID;
CREATE TABLE model_days (day INTEGER NOT NULL, model INTEGER NOT NULL, {COUNTS}, PRIMARY KEY (day, model)) STRICT, WITHOUT ROWID;

-- Successes that the gateway logged, and that its metric counted, by hours since 1970 UTC.
CREATE TABLE hours (
  key INTEGER NOT NULL, hour INTEGER NOT NULL, logged INTEGER NOT NULL, counted INTEGER NOT NULL, PRIMARY KEY (key, hour)
) STRICT, WITHOUT ROWID;
-- pauses: hours over which nobody read the counters, so that their counts stand in the last one. restarts: when the counters died,
-- what was counted between the last reading and then is not known.
-- The gateway's counters when they were read last, and log rows that it said it dropped.
CREATE TABLE counters (key INTEGER NOT NULL, model TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (key, model)) STRICT, WITHOUT ROWID;
CREATE TABLE readings (
  id INTEGER PRIMARY KEY CHECK (id = 1), first_at INTEGER NOT NULL, at INTEGER NOT NULL, started REAL, dropped INTEGER NOT NULL
) STRICT;
CREATE TABLE dropped (hour INTEGER PRIMARY KEY, requests INTEGER NOT NULL) STRICT;
CREATE TABLE pauses (first INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;
CREATE TABLE restarts (since INTEGER PRIMARY KEY, until INTEGER NOT NULL) STRICT;

-- Which keys have rows of which customer.
CREATE TABLE customer_keys (customer INTEGER NOT NULL, key INTEGER NOT NULL, PRIMARY KEY (customer, key)) STRICT, WITHOUT ROWID;

-- A row that was read again with other tokens: the first one counts.
CREATE TABLE differences (
  at INTEGER NOT NULL, id TEXT NOT NULL, seen_at INTEGER NOT NULL, first TEXT NOT NULL, later TEXT NOT NULL, PRIMARY KEY (at, id, later)
) STRICT, WITHOUT ROWID;
-- Periods that are closed for a customer, by their month (year * 12 + month - 1).
CREATE TABLE closed (
  customer INTEGER NOT NULL, month INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (customer, month)
) STRICT, WITHOUT ROWID;
-- How far a source was read: all rows before `until` are here, but for those that are written late.
CREATE TABLE progress (source TEXT PRIMARY KEY, until INTEGER NOT NULL, passed_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
