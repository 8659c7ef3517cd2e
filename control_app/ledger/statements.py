"""The statements of the ledger: stage, attribute, rate, store, roll up. What inserts names its columns (columns.py)."""

from __future__ import annotations

from collections.abc import Iterable

from control_app.core.time import DAY, HOUR
from control_app.ledger.absurd import ASIDE, SET_ASIDE, TAKEN_AFTER_ALL
from control_app.ledger.columns import ANY, CELL, COUNTED, INCOMING, KEPT, MEASURED, MONTH_OF_DAY, PART_OF_DAY, ROW, TOKENS, listed
from control_app.ledger.contradictions import COUNT, RESOLVE
from control_app.pricing.kinds import KINDS

# The formula of money: what each price kind measures, at its rate. An invoice multiplies the sums by the same table.
_AMOUNT = f"({' + '.join(f'{MEASURED[kind.measure]} * p.{kind.name}_rate' for kind in KINDS.values())})"
# Of a success without tokens the price of a request is billed; it is without usage all the same where tokens have a price.
_OF_REQUEST = f"coalesce({' + '.join(f'p.{kind.name}_rate' for kind in KINDS.values() if kind.measure == 'requests')}, 0) * r.succeeded"
_TOKENS_COST = " OR ".join(f"p.{kind.name}_rate > 0" for kind in KINDS.values() if kind.measure != "requests")
_UNUSED = f"used = 0 AND r.succeeded AND ({_OF_REQUEST} = 0 OR {_TOKENS_COST})"
# No request costs more than the price book's largest row. Past 2^63 SQLite goes on in floating point, which here becomes NULL: not rated.
_MOST = "(SELECT largest_row FROM price_book)"
RATED = f"CASE WHEN used = 0 THEN {_OF_REQUEST} WHEN typeof({_AMOUNT}) = 'integer' AND {_AMOUNT} <= {_MOST} THEN {_AMOUNT} END"
"""What a row `r` is rated at by its price `p`, of RATES, in pico-units, in SQL; NULL: it is not."""
UNRATED = "(price IS NULL OR amount IS NULL)"
"""Whether a row may be rated yet, in SQL: its price comes, also that of a request where it has no tokens, or the largest row rises."""
AMOUNT = f"CASE WHEN used = 0 THEN {_OF_REQUEST} ELSE {_AMOUNT} END"
"""The same, however much it is."""
_HOLDER = "(SELECT h.customer FROM holders h WHERE h.key = r.key AND h.since <= r.at ORDER BY h.since DESC LIMIT 1)"


def base_of(name: str) -> str:
    """Of `<model>_<adapter>` the model, in SQL, "" of any other *name*: no Kubernetes name has an underscore."""
    return f"substr({name}, 1, instr({name}, '_') - 1)"


WITH_ADAPTERS = f"coalesce(nullif({base_of('m.name')}, ''), m.name)"
"""The `Model` of a row of the table `models` `m`, also where that is an adapter of it, in SQL."""
OF_OURS = "instr(m.name, '/') = 0"
"""Whether such a row is of our provider, in SQL."""


def _in_force(model: str, what: str = "v.id") -> str:
    return f"""(SELECT {what} FROM price_versions v
      WHERE v.model = {model} AND v.effective_from <= r.at ORDER BY v.effective_from DESC LIMIT 1)"""


# An adapter is rated by its own price where it has one, else by its model's.
_PRICE = f"""CASE instr(r.model_name, '_') WHEN 0 THEN {_in_force("r.model_name")} ELSE coalesce(
  {_in_force("r.model_name", "CASE WHEN v.prompt IS NOT NULL THEN v.id END")},
  {_in_force(base_of("r.model_name"))}, {_in_force("r.model_name")}) END"""
# A row of a period that is closed for its customer goes on the next invoice, or stays on the one on which it is to be already.
_BILLED_IN = """CASE WHEN NOT EXISTS (SELECT 1 FROM closed c WHERE c.customer = r.customer AND c.month = r.month) THEN r.month
  WHEN r.customer = r.held_by THEN r.stays_in ELSE (SELECT max(c.month) + 1 FROM closed c WHERE c.customer = r.customer) END"""
# Where a stored row is billed: what came to too little for an invoice was carried into a later one.
BILLED_NOW = """coalesce((SELECT n.billed_in FROM carried n WHERE n.customer = r.customer AND n.month = r.billed_in), r.billed_in)"""
BILLED = f"EXISTS (SELECT 1 FROM closed c WHERE c.customer = r.customer AND c.month = {BILLED_NOW})"
"""Whether a stored row stays as it was billed, in SQL."""
RATES = f"SELECT id, {listed(f'{kind} AS {kind}_rate' for kind in KINDS)} FROM price_versions"
"""Rates by names that no column of a row has."""

STAGES = (
    """CREATE TEMP TABLE IF NOT EXISTS incoming (
      id TEXT, at INTEGER, key TEXT, key_name TEXT, customer TEXT, model TEXT, prompt INTEGER, cached_read INTEGER,
      cached_write INTEGER, completion INTEGER, reasoning INTEGER, cost TEXT, succeeded INTEGER,
      total INTEGER, customer_name TEXT, logged TEXT)""",
    ASIDE,
    "CREATE TEMP TABLE IF NOT EXISTS calendar (day INTEGER PRIMARY KEY, month INTEGER)",
    # Rows on their way into the ledger, or out of one cell and into another.
    f"CREATE TEMP TABLE IF NOT EXISTS moving ({listed(ROW)}, PRIMARY KEY (at, id)) WITHOUT ROWID",
    f"CREATE TEMP TABLE IF NOT EXISTS cells ({listed((*CELL, *KEPT))})",
    "CREATE TEMP TABLE IF NOT EXISTS differing (at, id, first, later)",
    "DELETE FROM temp.incoming",
    "DELETE FROM temp.aside",
    "DELETE FROM temp.calendar",
    "DELETE FROM temp.moving",
    "DELETE FROM temp.differing",
)
STAGE = f"INSERT INTO temp.incoming ({listed(INCOMING)}) VALUES ({listed('?' for _ in INCOMING)})"
"""Stages one row; takes a UsageRow."""


_EMPTY = f"key IN (SELECT key FROM temp.cells) AND NOT {ANY}"


def _attributed(source: str) -> str:
    """Rows of *source* with customer, price and amount, as ROW: it has the row's other columns, `month`, `model_name`."""
    owned = f"SELECT r.*, coalesce(r.own_customer, {_HOLDER}) AS customer, {_PRICE} AS price FROM ({source}) r"
    found = {name: f"r.{name}" for name in ROW} | {"price": "p.id", "amount": RATED, "unused": _UNUSED, "billed_in": _BILLED_IN}
    return f"SELECT {listed(found.values())} FROM ({owned}) r LEFT JOIN ({RATES}) p ON p.id = r.price"


_NEW = f"""SELECT i.at, i.id, k.id AS key, m.id AS model, i.model AS model_name, {listed(TOKENS, "i")},
    i.prompt + i.completion > 0 AS used, c.id AS own_customer, i.cost AS gateway_cost, i.succeeded, i.logged, d.month,
    NULL AS held_by, NULL AS stays_in
  FROM temp.incoming i CROSS JOIN keys k ON k.gateway_id = i.key CROSS JOIN models m ON m.name = i.model
  CROSS JOIN temp.calendar d ON d.day = i.at / {DAY} LEFT JOIN customers c ON c.gateway_id = i.customer
  WHERE NOT EXISTS (SELECT 1 FROM requests q WHERE q.at = i.at AND q.id = i.id)"""


def _roll_up(sign: int) -> tuple[str, ...]:
    """Add the moving rows to what rows add up to, or with *sign* -1 take them out."""
    counted = listed(f"{sign} * sum({COUNTED[name]})" for name in KEPT)
    return (
        "DELETE FROM temp.cells",
        f"""INSERT INTO temp.cells ({listed(CELL)}, {listed(KEPT)})
          SELECT key, at / {DAY}, {PART_OF_DAY}, model, coalesce(customer, 0), coalesce(price, 0), billed_in, {counted}
          FROM temp.moving GROUP BY 1, 2, 3, 4, 5, 6, 7""",
        *_add_cells(),
        "INSERT OR IGNORE INTO customer_keys (customer, key) SELECT DISTINCT customer, key FROM temp.cells",
    )


def _add_cells() -> tuple[str, ...]:
    """Add the staged cells to those that there are."""
    sums, month, day = listed(KEPT), ("month", "key", *CELL[3:]), ("day", "part", "model")
    summed = listed(f"sum({name})" for name in KEPT)
    return (
        f"""INSERT INTO days ({listed(CELL)}, {sums}) SELECT {listed(CELL)}, {sums} FROM temp.cells WHERE true
          ON CONFLICT DO UPDATE SET {_added(KEPT)}""",
        f"""INSERT INTO months ({listed(month)}, {sums}) SELECT {listed(month)}, {summed}
          FROM temp.cells c JOIN temp.calendar d ON d.day = c.day WHERE true GROUP BY 1, 2, 3, 4, 5, 6
          ON CONFLICT DO UPDATE SET {_added(KEPT)}""",
        f"""INSERT INTO model_days ({listed(day)}, {sums}) SELECT {listed(day)}, {summed} FROM temp.cells WHERE true GROUP BY 1, 2, 3
          ON CONFLICT DO UPDATE SET {_added(KEPT)}""",
    )


def _added(columns: Iterable[str]) -> str:
    return listed(f"{column} = {column} + excluded.{column}" for column in columns)


def _came(row: str) -> str:
    """The counts of a *row* as they came, also where they contradict each other: without the cause and the total."""
    return f"coalesce(json_remove({row}.logged, '$[6]', '$[0]'), json_array({listed(TOKENS, row)}))"


def _by_model(logged: str, cancelled: str) -> str:
    """Add the moving rows to what is held against the engines' own count, with their adapters; models of others have no engine of ours."""
    return f"""INSERT INTO model_hours (hour, model, logged, cancelled, dearest)
      SELECT r.at / {HOUR}, {WITH_ADAPTERS}, {logged}, {cancelled}, max(coalesce(r.amount, 0))
      FROM temp.moving r JOIN models m ON m.id = r.model WHERE {OF_OURS} GROUP BY 1, 2
      ON CONFLICT DO UPDATE SET {_added(("logged", "cancelled"))}, dearest = max(dearest, excluded.dearest)"""


_CALENDAR = f"""INSERT OR IGNORE INTO temp.calendar (day, month)
  SELECT day, {MONTH_OF_DAY}
  FROM (SELECT DISTINCT at / {DAY} AS day FROM {{rows}})"""
INGEST = (
    *SET_ASIDE,
    *RESOLVE,
    _CALENDAR.format(rows="temp.incoming"),
    "INSERT OR IGNORE INTO models (name) SELECT DISTINCT model FROM temp.incoming",
    "INSERT OR IGNORE INTO keys (gateway_id, name) SELECT DISTINCT key, key_name FROM temp.incoming",
    # A customer that was deleted before anybody looked is called by the name that its rows tell.
    """INSERT INTO customers (gateway_id, name)
      SELECT customer, coalesce(max(customer_name), customer) FROM temp.incoming WHERE customer IS NOT NULL GROUP BY 1
      ON CONFLICT (gateway_id) DO UPDATE SET name = excluded.name WHERE customers.name = customers.gateway_id""",
    f"INSERT OR IGNORE INTO temp.moving ({listed(ROW)}) {_attributed(_NEW)}",
    f"INSERT INTO requests ({listed(ROW)}) SELECT {listed(ROW)} FROM temp.moving",
    *_roll_up(1),
    f"""INSERT INTO hours (key, hour, outcome, logged, counted)
      SELECT key, at / {HOUR}, CASE WHEN succeeded THEN 'success' ELSE 'cancelled' END, count(*), 0
      FROM temp.moving WHERE true GROUP BY 1, 2, 3
      ON CONFLICT DO UPDATE SET {_added(("logged",))}""",
    _by_model("sum(r.succeeded)", "sum(1 - r.succeeded)"),
    COUNT,
    f"""INSERT INTO temp.differing (at, id, first, later)
      SELECT i.at, i.id, {_came("q")}, {_came("i")}
      FROM temp.incoming i JOIN requests q ON q.at = i.at AND q.id = i.id
      WHERE (SELECT count(*) FROM temp.incoming) > (SELECT count(*) FROM temp.moving)
        AND ({listed(TOKENS, "i")}) IS NOT ({listed(TOKENS, "q")})""",
    """INSERT OR IGNORE INTO differences (at, id, seen_at, first, later)
      SELECT at, id, :seen_at, first, later FROM temp.differing""",
    TAKEN_AFTER_ALL,
)
"""Takes what is staged in `incoming` and `aside`; parameter `seen_at`."""

_STORED = f"""SELECT s.at, s.id, s.key, s.model, m.name AS model_name, {listed(TOKENS, "s")}, s.used,
    s.own_customer, s.gateway_cost, s.succeeded, s.logged, d.month, s.customer AS held_by, s.billed_in AS stays_in
  FROM temp.moving s JOIN models m ON m.id = s.model JOIN temp.calendar d ON d.day = s.at / {DAY}"""


def correct(which: str) -> tuple[str, ...]:
    """Attributes and rates anew the rows for which the condition *which* holds, but for those that were billed."""
    row = listed(BILLED_NOW if name == "billed_in" else name for name in ROW)
    return (
        f"""INSERT INTO temp.moving ({listed(ROW)}) SELECT {row} FROM requests r WHERE {which}
          AND NOT {BILLED}""",
        _CALENDAR.format(rows="temp.moving"),
        *_roll_up(-1),
        f"INSERT OR REPLACE INTO temp.moving ({listed(ROW)}) {_attributed(_STORED)}",
        """UPDATE requests SET customer = m.customer, price = m.price, amount = m.amount, unused = m.unused, billed_in = m.billed_in
          FROM temp.moving m WHERE requests.at = m.at AND requests.id = m.id""",
        *_roll_up(1),
        _by_model("0", "0"),
        *_WITHOUT_EMPTY,
    )


_WITHOUT_EMPTY = tuple(f"DELETE FROM {cells} WHERE {_EMPTY}" for cells in ("days", "months"))
CARRY = (
    "DELETE FROM temp.cells",
    f"""INSERT INTO temp.cells ({listed(CELL)}, {listed(KEPT)})
      SELECT d.key, d.day, d.part, d.model, d.customer, d.price, s.billed_in, {listed(f"s.sign * d.{name}" for name in KEPT)}
      FROM customer_keys k CROSS JOIN days d ON d.key = k.key
        CROSS JOIN (SELECT -1 AS sign, :month AS billed_in UNION ALL SELECT 1, :into) s
      WHERE k.customer = :customer AND d.customer = :customer AND d.billed_in = :month""",
    _CALENDAR.format(rows=f"(SELECT day * {DAY} AS at FROM temp.cells)"),
    *_add_cells(),
    *_WITHOUT_EMPTY,
    "UPDATE carried SET billed_in = :into WHERE customer = :customer AND billed_in = :month",
    "INSERT INTO carried (customer, month, billed_in) VALUES (:customer, :month, :into)",
)
"""Bills what is billed to `customer` in `month` in the month `into`; months of usage and prices stay."""
