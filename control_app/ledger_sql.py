"""The statements of the ledger: stage, attribute, rate, store, roll up. The formula of money stands here and nowhere else."""

from __future__ import annotations

from control_app.spans import DAY, HOUR

MOST = 10**15
"""Pico-units of one request; above it a row is not rated: 1,000 USD are no request's price, and sums would overflow."""

TOKENS = "prompt, cached_read, cached_write, completion, reasoning"
COLUMNS = f"at, id, key, customer, model, {TOKENS}, used, own_customer, price, amount, billed_in, gateway_cost, succeeded"

# Tokens as they are billed (docs/billing-rules.md, Rating a row).
PLAIN_PROMPT = "max(0, prompt - cached_read - cached_write)"
PLAIN_COMPLETION = "max(0, completion - reasoning)"
_AMOUNT = f"""({PLAIN_PROMPT} * p.prompt_rate + cached_read * p.cache_read_rate + cached_write * p.cache_write_rate
  + {PLAIN_COMPLETION} * p.completion_rate + reasoning * p.reasoning_rate + p.request_rate)"""
# Past 2^63 SQLite goes on in floating point, which here becomes NULL: not rated.
_RATED = f"CASE WHEN used = 0 THEN 0 WHEN typeof({_AMOUNT}) = 'integer' AND {_AMOUNT} <= {MOST} THEN {_AMOUNT} END"
_HOLDER = "(SELECT h.customer FROM holders h WHERE h.key = r.key AND h.since <= r.at ORDER BY h.since DESC LIMIT 1)"
_PRICE = (
    "(SELECT v.id FROM price_versions v WHERE v.model = r.model_name AND v.effective_from <= r.at ORDER BY v.effective_from DESC LIMIT 1)"
)
# A row of a period that is closed for its customer goes on the next invoice.
_BILLED_IN = """CASE WHEN EXISTS (SELECT 1 FROM closed c WHERE c.customer = r.customer AND c.month = r.month)
  THEN (SELECT max(c.month) + 1 FROM closed c WHERE c.customer = r.customer) ELSE r.month END"""
# Rates by names that no column of a row has.
_RATES = """SELECT id, prompt AS prompt_rate, input_cache_read AS cache_read_rate, input_cache_write AS cache_write_rate,
  completion AS completion_rate, internal_reasoning AS reasoning_rate, request AS request_rate FROM price_versions"""

_CELL = "key, day, model, customer, price, billed_in"
_COUNTS = ("requests", "unused", "unrated", *TOKENS.split(", "), "plain_prompt", "plain_completion", "amount")
# What a row without usage says of cached tokens is not billed, so it does not count.
BILLED_TOKENS = tuple(f"used * {name}" for name in TOKENS.split(", "))
_SUMMED = ("used", "1 - used", "amount IS NULL", *BILLED_TOKENS, PLAIN_PROMPT, PLAIN_COMPLETION, "coalesce(amount, 0)")

STAGES = (
    """CREATE TEMP TABLE IF NOT EXISTS incoming (
      id TEXT, at INTEGER, key TEXT, key_name TEXT, customer TEXT, model TEXT, prompt INTEGER, cached_read INTEGER,
      cached_write INTEGER, completion INTEGER, reasoning INTEGER, cost TEXT, succeeded INTEGER)""",
    "CREATE TEMP TABLE IF NOT EXISTS calendar (day INTEGER PRIMARY KEY, month INTEGER)",
    # Rows on their way into the ledger, or out of one cell and into another.
    f"""CREATE TEMP TABLE IF NOT EXISTS moving (
      {COLUMNS}, PRIMARY KEY (at, id)) WITHOUT ROWID""",
    f"CREATE TEMP TABLE IF NOT EXISTS cells ({_CELL}, {', '.join(_COUNTS)})",
    "CREATE TEMP TABLE IF NOT EXISTS differing (at, id, first, later)",
    "DELETE FROM temp.incoming",
    "DELETE FROM temp.calendar",
    "DELETE FROM temp.moving",
    "DELETE FROM temp.differing",
)


_EMPTY = "key IN (SELECT key FROM temp.moving) AND requests = 0 AND unused = 0 AND unrated = 0"


def _attributed(source: str) -> str:
    """Rows of *source* with customer, price and amount: it has the row's columns, `month`, `model_name`."""
    owned = f"SELECT r.*, coalesce(r.own_customer, {_HOLDER}) AS customer, {_PRICE} AS price FROM ({source}) r"
    return f"""SELECT r.at, r.id, r.key, r.customer, r.model, {TOKENS}, used, own_customer, p.id, {_RATED}, {_BILLED_IN},
      gateway_cost, succeeded
      FROM ({owned}) r LEFT JOIN ({_RATES}) p ON p.id = r.price"""


_NEW = f"""SELECT i.at, i.id, k.id AS key, m.id AS model, i.model AS model_name, {", ".join(f"i.{name}" for name in TOKENS.split(", "))},
    i.prompt + i.completion > 0 AS used, c.id AS own_customer, i.cost AS gateway_cost, i.succeeded, d.month
  FROM temp.incoming i CROSS JOIN keys k ON k.gateway_id = i.key CROSS JOIN models m ON m.name = i.model
  CROSS JOIN temp.calendar d ON d.day = i.at / {DAY} LEFT JOIN customers c ON c.gateway_id = i.customer
  WHERE NOT EXISTS (SELECT 1 FROM requests q WHERE q.at = i.at AND q.id = i.id)"""


def _roll_up(sign: int) -> tuple[str, ...]:
    """Add the moving rows to what rows add up to, or with *sign* -1 take them out."""
    sums = ", ".join(f"{sign} * sum({what})" for what in _SUMMED)
    summed = ", ".join(f"sum({name})" for name in _COUNTS)
    return (
        "DELETE FROM temp.cells",
        f"""INSERT INTO temp.cells SELECT key, at / {DAY}, model, coalesce(customer, 0), coalesce(price, 0), billed_in, {sums}
          FROM temp.moving GROUP BY 1, 2, 3, 4, 5, 6""",
        f"INSERT INTO days SELECT * FROM temp.cells WHERE true ON CONFLICT DO UPDATE SET {_added(_COUNTS)}",
        f"""INSERT INTO months SELECT d.month, key, model, customer, price, billed_in, {summed}
          FROM temp.cells c JOIN temp.calendar d ON d.day = c.day WHERE true GROUP BY 1, 2, 3, 4, 5, 6
          ON CONFLICT DO UPDATE SET {_added(_COUNTS)}""",
        f"""INSERT INTO model_days SELECT day, model, {summed} FROM temp.cells WHERE true GROUP BY 1, 2
          ON CONFLICT DO UPDATE SET {_added(_COUNTS)}""",
        "INSERT OR IGNORE INTO customer_keys SELECT DISTINCT customer, key FROM temp.cells",
    )


def _added(columns: tuple[str, ...]) -> str:
    return ", ".join(f"{column} = {column} + excluded.{column}" for column in columns)


_CALENDAR = f"""INSERT OR IGNORE INTO temp.calendar
  SELECT day, strftime('%Y', day * 86400, 'unixepoch') * 12 + strftime('%m', day * 86400, 'unixepoch') - 1
  FROM (SELECT DISTINCT at / {DAY} AS day FROM {{rows}})"""
_SAID = "json_array({0}.prompt, {0}.cached_read, {0}.cached_write, {0}.completion, {0}.reasoning)"
INGEST = (
    _CALENDAR.format(rows="temp.incoming"),
    "INSERT OR IGNORE INTO models (name) SELECT DISTINCT model FROM temp.incoming",
    "INSERT OR IGNORE INTO keys (gateway_id, name) SELECT DISTINCT key, key_name FROM temp.incoming",
    "INSERT OR IGNORE INTO customers (gateway_id, name) SELECT DISTINCT customer, customer FROM temp.incoming WHERE customer IS NOT NULL",
    f"INSERT OR IGNORE INTO temp.moving {_attributed(_NEW)}",
    f"INSERT INTO requests SELECT {COLUMNS} FROM temp.moving",
    *_roll_up(1),
    f"""INSERT INTO hours SELECT key, at / {HOUR}, sum(succeeded), 0 FROM temp.moving WHERE true GROUP BY 1, 2
      ON CONFLICT DO UPDATE SET {_added(("logged",))}""",
    f"""INSERT INTO temp.differing SELECT i.at, i.id, {_SAID.format("q")}, {_SAID.format("i")}
      FROM temp.incoming i JOIN requests q ON q.at = i.at AND q.id = i.id
      WHERE (SELECT count(*) FROM temp.incoming) > (SELECT count(*) FROM temp.moving)
        AND (i.prompt, i.cached_read, i.cached_write, i.completion, i.reasoning)
          IS NOT (q.prompt, q.cached_read, q.cached_write, q.completion, q.reasoning)""",
    "INSERT OR IGNORE INTO differences SELECT at, id, :seen_at, first, later FROM temp.differing",
)
"""Takes what is staged in `incoming`; parameter `seen_at`."""

_STORED = f"""SELECT s.at, s.id, s.key, s.model, m.name AS model_name, {", ".join(f"s.{name}" for name in TOKENS.split(", "))}, s.used,
    s.own_customer, s.gateway_cost, s.succeeded, d.month
  FROM temp.moving s JOIN models m ON m.id = s.model JOIN temp.calendar d ON d.day = s.at / {DAY}"""


def correct(which: str) -> tuple[str, ...]:
    """Attributes and rates anew the rows for which the condition *which* holds, but for those that were billed."""
    return (
        f"""INSERT INTO temp.moving SELECT {COLUMNS} FROM requests r WHERE {which}
          AND NOT EXISTS (SELECT 1 FROM closed c WHERE c.customer = r.customer AND c.month = r.billed_in)""",
        _CALENDAR.format(rows="temp.moving"),
        *_roll_up(-1),
        f"INSERT OR REPLACE INTO temp.moving {_attributed(_STORED)}",
        """UPDATE requests SET customer = m.customer, price = m.price, amount = m.amount, billed_in = m.billed_in
          FROM temp.moving m WHERE requests.at = m.at AND requests.id = m.id""",
        *_roll_up(1),
        *(f"DELETE FROM {cells} WHERE {_EMPTY}" for cells in ("days", "months")),
    )
