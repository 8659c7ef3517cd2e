"""The ledger's tables, as a migration of service/tables.py makes them. Times are microseconds since 1970 UTC.

A migration that was made is not edited, so columns are written out here; a test holds columns.py to them.
"""

from __future__ import annotations

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

-- What the rows add up to, kept in the transaction that writes them. customer 0: nobody, price 0: none, month: see core/time.py.
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
-- The gateway's counters when they were read last.
CREATE TABLE counters (key INTEGER NOT NULL, model TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (key, model)) STRICT, WITHOUT ROWID;
CREATE TABLE readings (
  id INTEGER PRIMARY KEY CHECK (id = 1), first_at INTEGER NOT NULL, at INTEGER NOT NULL, started REAL, dropped INTEGER NOT NULL
) STRICT;
-- Log rows that the gateway said it dropped, by hours since 1970 UTC.
CREATE TABLE dropped (hour INTEGER PRIMARY KEY, requests INTEGER NOT NULL) STRICT;
-- Hours over which nobody read the counters: what was counted in all of them stands in the last one.
CREATE TABLE pauses (first INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;
-- The gateway's process was another one at `until` than at `since`: what was counted in between is not known.
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
# What was billed in a month that came to too little for an invoice, and where it is billed now. Rows (`requests`) keep the month in
# which they were to be billed first; what they add up to stands where it is billed.
CARRIED = """CREATE TABLE carried (
  customer INTEGER NOT NULL, month INTEGER NOT NULL, billed_in INTEGER NOT NULL, PRIMARY KEY (customer, month)
) STRICT, WITHOUT ROWID"""
# How far our clock is ahead of another's, in microseconds, and when that was said (clocks.py).
CLOCKS = """CREATE TABLE clocks (
  name TEXT PRIMARY KEY, at INTEGER, ahead INTEGER, agreed_at INTEGER, apart_since INTEGER
) STRICT, WITHOUT ROWID"""
# Spans that there were twice, since a clock was set back.
SET_BACK = "CREATE TABLE set_back (since INTEGER PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID"
# A row that could not be read or that no request can have made; `at`: its start; when it was seen, where that is in no calendar
# or was still to come.
SET_ASIDE = """CREATE TABLE set_aside (
  id TEXT NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL, key INTEGER NOT NULL REFERENCES keys, seen_at INTEGER NOT NULL,
  reason TEXT NOT NULL, PRIMARY KEY (id, text)
) STRICT, WITHOUT ROWID"""
# A sum of amounts may pass 2^63 pico-units: `amount_high` tells how often it has 10^9, `amount` the rest (core/money.py).
TWO_LIMBS = tuple(
    statement
    for cells in ("days", "months", "model_days")
    for statement in (
        f"ALTER TABLE {cells} ADD COLUMN amount_high INTEGER NOT NULL DEFAULT 0",
        f"UPDATE {cells} SET amount_high = amount / 1000000000, amount = amount % 1000000000",
    )
)
# `unused` 1: without usage. `logged`: NULL but for a row that contradicts itself: the cause, and its counts as they came.
# `cancelled`: cancelled by the client before there were tokens; such rows were among the `unused` ones before.
_DAY = 86400000000
_MONTH = "strftime('%Y', day * 86400, 'unixepoch') * 12 + strftime('%m', day * 86400, 'unixepoch') - 1"
_CANCELLED = f"""SELECT key, at / {_DAY} AS day, model, coalesce(customer, 0) AS customer, coalesce(price, 0) AS price, billed_in,
  count(*) AS number FROM requests WHERE used = 0 AND succeeded = 0 GROUP BY 1, 2, 3, 4, 5, 6"""

_MONTHS = "key, model, customer, price, billed_in"


def _without_cancelled(cells: str, columns: str, source: str) -> str:
    names = columns.split(", ")
    same = " AND ".join(f"{cells}.{name} = c.{name}" for name in names)
    grouped = f"SELECT {columns}, sum(number) AS number FROM ({source}) GROUP BY {columns}"
    return f"UPDATE {cells} SET unused = unused - c.number, cancelled = c.number FROM ({grouped}) c WHERE {same}"


ENDS = (
    "ALTER TABLE requests ADD COLUMN unused INTEGER NOT NULL DEFAULT 0",
    "UPDATE requests SET unused = 1 WHERE used = 0 AND succeeded = 1",
    "ALTER TABLE requests ADD COLUMN logged TEXT",
    *(f"ALTER TABLE {cells} ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0" for cells in ("days", "months", "model_days")),
    _without_cancelled("days", "key, day, model, customer, price, billed_in", _CANCELLED),
    _without_cancelled("model_days", "day, model", _CANCELLED),
    _without_cancelled("months", f"month, {_MONTHS}", f"SELECT {_MONTHS}, number, {_MONTH} AS month FROM ({_CANCELLED})"),
    # A row without tokens may have a price to come as well.
    "CREATE INDEX requests_unpriced ON requests (model, at) WHERE price IS NULL",
    "DROP INDEX requests_unrated",
    # Rows without tokens whose model has a price a request get it; those that were billed stay.
    """INSERT INTO uncorrected (key, since) SELECT r.key, min(r.at) FROM requests r JOIN price_versions v ON v.id = r.price
      WHERE r.used = 0 AND r.succeeded = 1 AND v.request > 0 GROUP BY 1
      ON CONFLICT DO UPDATE SET since = min(since, excluded.since)""",
    """CREATE TABLE contradictions (
      key INTEGER NOT NULL, hour INTEGER NOT NULL, cause TEXT NOT NULL, requests INTEGER NOT NULL, PRIMARY KEY (key, hour, cause)
    ) STRICT, WITHOUT ROWID""",
    # Requests by how they ended: the gateway counts each outcome by itself.
    """CREATE TABLE ended (
      key INTEGER NOT NULL, hour INTEGER NOT NULL, outcome TEXT NOT NULL DEFAULT 'success', logged INTEGER NOT NULL,
      counted INTEGER NOT NULL, PRIMARY KEY (key, hour, outcome)
    ) STRICT, WITHOUT ROWID""",
    "INSERT INTO ended (key, hour, logged, counted) SELECT key, hour, logged, counted FROM hours",
    "DROP TABLE hours",
    "ALTER TABLE ended RENAME TO hours",
    """CREATE TABLE counted (
      key INTEGER NOT NULL, model TEXT NOT NULL, outcome TEXT NOT NULL DEFAULT 'success', value INTEGER NOT NULL,
      PRIMARY KEY (key, model, outcome)
    ) STRICT, WITHOUT ROWID""",
    "INSERT INTO counted (key, model, value) SELECT key, model, value FROM counters",
    "DROP TABLE counters",
    "ALTER TABLE counted RENAME TO counters",
)
"""What a row says of its end and its tokens, and what is counted by outcome."""
DIFFERENCES = """CREATE TABLE ordered (
  at INTEGER NOT NULL, id TEXT NOT NULL, later TEXT NOT NULL, seen_at INTEGER NOT NULL, first TEXT NOT NULL, PRIMARY KEY (at, id, later)
) STRICT, WITHOUT ROWID"""
# When a process of the gateway began, 0 where that was not kept, and what the ones before it had counted by then in the same hour.
PROCESSES = (
    "ALTER TABLE restarts ADD COLUMN began INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE counted_before (began INTEGER NOT NULL, key INTEGER NOT NULL, counted INTEGER NOT NULL, PRIMARY KEY (began, key))
      STRICT, WITHOUT ROWID""",
)
# What was logged as cancelled before outcomes were counted one by one.
CANCELLED_HOURS = """INSERT INTO hours (key, hour, outcome, logged, counted)
  SELECT key, at / 3600000000, 'cancelled', count(*), 0 FROM requests WHERE succeeded = 0 GROUP BY 1, 2
  ON CONFLICT DO UPDATE SET logged = excluded.logged"""
# What rows add up to, by twelve parts of a day: `part` 0 to 11. Rows in which a range begins or ends were to be read for up to two days.
_SUMS = (
    *("requests", "unused", "cancelled", "unrated", "prompt", "cached_read", "cached_write", "completion", "reasoning"),
    *("plain_prompt", "plain_completion", "amount_high", "amount"),
)
_SUM_COLUMNS = ", ".join(f"{name} INTEGER NOT NULL" for name in _SUMS)
_ADDED_UP = ", ".join(f"sum({name})" for name in _SUMS)
PARTS = (
    f"""CREATE TABLE parts (
      key INTEGER NOT NULL, day INTEGER NOT NULL, part INTEGER NOT NULL, model INTEGER NOT NULL, customer INTEGER NOT NULL,
      price INTEGER NOT NULL, billed_in INTEGER NOT NULL, {_SUM_COLUMNS}, PRIMARY KEY (key, day, part, model, customer, price, billed_in)
    ) STRICT, WITHOUT ROWID""",
    f"""CREATE TABLE model_parts (
      day INTEGER NOT NULL, part INTEGER NOT NULL, model INTEGER NOT NULL, {_SUM_COLUMNS}, PRIMARY KEY (day, part, model)
    ) STRICT, WITHOUT ROWID""",
)
DAYS_WITH_ROWS = f"""WITH RECURSIVE with_rows (day) AS (
    SELECT min(at) / {_DAY} FROM requests
    UNION ALL SELECT (SELECT min(at) / {_DAY} FROM requests WHERE at >= (day + 1) * {_DAY}) FROM with_rows WHERE day IS NOT NULL
  ) SELECT day FROM with_rows WHERE day IS NOT NULL"""
PARTS_OF_DAY = f"""INSERT INTO parts (key, day, part, model, customer, price, billed_in, {", ".join(_SUMS)})
  SELECT key, :day, at % {_DAY} / {_DAY // 12}, model, coalesce(customer, 0), coalesce(price, 0),
    coalesce((SELECT n.billed_in FROM carried n WHERE n.customer = r.customer AND n.month = r.billed_in), r.billed_in),
    sum(used OR coalesce(amount, 0) > 0), sum(unused), sum((1 - used) * (1 - succeeded)), sum(amount IS NULL), sum(used * prompt),
    sum(used * cached_read), sum(used * cached_write), sum(used * completion), sum(used * reasoning),
    sum(max(0, prompt - cached_read - cached_write)), sum(max(0, completion - reasoning)),
    sum(coalesce(amount, 0) / 1000000000), sum(coalesce(amount, 0) % 1000000000)
  FROM requests r WHERE at >= :day * {_DAY} AND at < (:day + 1) * {_DAY} GROUP BY 1, 2, 3, 4, 5, 6, 7"""
SUMS_OF_PARTS = (
    "DROP TABLE days",
    "ALTER TABLE parts RENAME TO days",
    f"INSERT INTO model_parts (day, part, model, {', '.join(_SUMS)}) SELECT day, part, model, {_ADDED_UP} FROM days GROUP BY 1, 2, 3",
    "DROP TABLE model_days",
    "ALTER TABLE model_parts RENAME TO model_days",
    "DELETE FROM months",
    f"""INSERT INTO months (month, {_MONTHS}, {", ".join(_SUMS)})
      SELECT {_MONTH}, {_MONTHS}, {_ADDED_UP} FROM days GROUP BY 1, 2, 3, 4, 5, 6""",
)
"""Every sum of `months` and `model_days` anew, too: amounts in limbs as rows add up to them, by which they are compared (recount.py)."""
# What the engines counted themselves, beside what was logged (engines.py).
ENGINES = (
    # By `Model`, its adapters with it, and by hours since 1970 UTC. `logged`: rows of successes. `counted`: NULL where nobody counted.
    # `dearest`: what the dearest of its rows cost. `parted`: of much nobody knows whether it was answered.
    """CREATE TABLE model_hours (
      hour INTEGER NOT NULL, model TEXT NOT NULL, logged INTEGER NOT NULL, counted INTEGER, dearest INTEGER NOT NULL,
      parted INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (hour, model)
    ) STRICT, WITHOUT ROWID""",
    """INSERT INTO model_hours (hour, model, logged, dearest)
      SELECT r.at / 3600000000, CASE instr(m.name, '_') WHEN 0 THEN m.name ELSE substr(m.name, 1, instr(m.name, '_') - 1) END,
        sum(r.succeeded), max(coalesce(r.amount, 0))
      FROM requests r JOIN models m ON m.id = r.model WHERE instr(m.name, '/') = 0 GROUP BY 1, 2""",
    # Each process that was read lately, or could not be. `absent_at`: the last reading before it appeared.
    """CREATE TABLE engines (
      address TEXT PRIMARY KEY, absent_at INTEGER, at INTEGER, started REAL, failing_since INTEGER, error TEXT
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE engine_counters (
      address TEXT NOT NULL, name TEXT NOT NULL, answered INTEGER NOT NULL, PRIMARY KEY (address, name)
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE engine_readings (id INTEGER PRIMARY KEY CHECK (id = 1), first_at INTEGER NOT NULL, at INTEGER NOT NULL) STRICT",
    # Hours over which nobody read an engine of the model: what was counted in all of them stands in the last one.
    """CREATE TABLE engine_pauses (
      model TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (model, first)
    ) STRICT, WITHOUT ROWID""",
)
# What may be rated yet: what is too dear, too (statements.py).
UNRATED = (
    "CREATE INDEX requests_unrated ON requests (model, at) WHERE (price IS NULL OR amount IS NULL)",
    "DROP INDEX requests_unpriced",
)
# `cancelled`: rows of requests that their clients cancelled. What begins with an underscore is no adapter of a model without a name.
_OF_HOUR = """SELECT r.at / 3600000000 AS hour,
    coalesce(nullif(substr(m.name, 1, instr(m.name, '_') - 1), ''), m.name) AS name, sum(r.succeeded) AS logged,
    sum(1 - r.succeeded) AS cancelled, max(coalesce(r.amount, 0)) AS dearest
  FROM requests r JOIN models m ON m.id = r.model WHERE instr(m.name, '/') = 0 GROUP BY 1, 2"""
ENGINES_AND_CANCELS = (
    "ALTER TABLE engine_readings DROP COLUMN first_at",
    "ALTER TABLE model_hours ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0",
    "DELETE FROM model_hours WHERE model = ''",
    f"""INSERT INTO model_hours (hour, model, logged, cancelled, dearest) SELECT hour, name, logged, cancelled, dearest FROM ({_OF_HOUR})
      WHERE true ON CONFLICT DO UPDATE SET cancelled = excluded.cancelled""",
)
