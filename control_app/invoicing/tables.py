"""The tables of invoicing, as a migration of service/tables.py makes them.

Times are microseconds since 1970 UTC, months as in core/time.py.
"""

from __future__ import annotations

# An invoice, or with `credit` its so-many-th credit note; a row is the intent, written before anything is asked of Odoo.
# state: how far it is; target: how far it may go. total: minor units, exact: pico-units. dates: days since 1970 UTC.
# checked: read back from Odoo, equal to ours, with the usage attached. attempt, attempted_at: a write to Odoo whose outcome is
# not known. not_before: when to go on. failed_mails: that a person has seen. rebill: the period is opened again once it is void.
INVOICES = """CREATE TABLE invoices (
  id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, customer INTEGER NOT NULL, month INTEGER NOT NULL, n INTEGER NOT NULL,
  credit INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('draft', 'created', 'posted', 'sent', 'skipped', 'void')),
  target TEXT NOT NULL CHECK (target IN ('created', 'sent', 'void')),
  currency TEXT NOT NULL, total INTEGER NOT NULL, exact INTEGER NOT NULL, invoice_day INTEGER NOT NULL, due_day INTEGER NOT NULL,
  partner INTEGER, body TEXT NOT NULL, odoo_id INTEGER, number TEXT, checked INTEGER NOT NULL DEFAULT 0,
  failed_mails INTEGER NOT NULL DEFAULT 0, rebill INTEGER NOT NULL DEFAULT 0,
  attempt TEXT, attempted_at INTEGER, not_before INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0, error TEXT,
  run TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  UNIQUE (customer, month, n, credit)
) STRICT"""
FIRST_PENDING = """CREATE INDEX invoices_pending ON invoices (month)
  WHERE (state NOT IN ('sent', 'skipped', 'void') OR (state = 'sent' AND target = 'void'))"""
# Why a customer's invoice may not go on, as found last. ref: of the invoice or credit note, empty before there is one.
# everybody: it holds all customers alike.
HOLDS = """CREATE TABLE invoice_holds (
  customer INTEGER NOT NULL, month INTEGER NOT NULL, ref TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
  since INTEGER NOT NULL, everybody INTEGER NOT NULL, PRIMARY KEY (customer, month, ref, code, message)
) STRICT, WITHOUT ROWID"""
# A hold that a person released, as it was seen; customer NULL: for everybody.
RELEASES = """CREATE TABLE releases (
  id INTEGER PRIMARY KEY, customer INTEGER, month INTEGER NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL
) STRICT"""
RUNS = """CREATE TABLE runs (
  id TEXT PRIMARY KEY, month INTEGER NOT NULL, trigger TEXT NOT NULL, target TEXT NOT NULL, by TEXT NOT NULL, started_at INTEGER NOT NULL,
  customers INTEGER NOT NULL DEFAULT 0, finished_at INTEGER, not_before INTEGER NOT NULL DEFAULT 0, error TEXT, told_at INTEGER
) STRICT, WITHOUT ROWID"""
# What a run came to for a customer. body: the invoice as it was told; holds: JSON.
RESULTS = """CREATE TABLE results (
  run TEXT NOT NULL REFERENCES runs, customer INTEGER NOT NULL, status TEXT NOT NULL, message TEXT, odoo_id INTEGER, total INTEGER NOT NULL,
  body TEXT NOT NULL, holds TEXT NOT NULL, PRIMARY KEY (run, customer)
) STRICT, WITHOUT ROWID"""
# Who works on a period: never two at once. fence: rises with each owner.
LEASES = """CREATE TABLE leases (
  location TEXT NOT NULL, month INTEGER NOT NULL, owner TEXT, fence INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  PRIMARY KEY (location, month)
) STRICT, WITHOUT ROWID"""
# Which partner of Odoo a person chose for a customer.
PARTNERS = "CREATE TABLE partners (customer INTEGER PRIMARY KEY, partner INTEGER NOT NULL) STRICT"
# While a row is here, nothing is made, posted or sent.
HALT = "CREATE TABLE halt (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL) STRICT"
# How Odoo answered last: problems as JSON.
ODOO_STATE = """CREATE TABLE odoo_state (
  id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL, version TEXT, key_expires INTEGER, problems TEXT NOT NULL, error TEXT
) STRICT"""
# What came after a month was closed: little, of any month.
LATE = "CREATE INDEX months_late ON months (billed_in) WHERE billed_in != month"

STATEMENTS = (INVOICES, FIRST_PENDING, HOLDS, RELEASES, RUNS, RESULTS, LEASES, PARTNERS, HALT, ODOO_STATE, LATE)

# What a later migration changes of INVOICES: its name until it takes the old one's place, a state, and the type of exact amounts.
CARRIED = (
    ("CREATE TABLE invoices", "CREATE TABLE invoices_new"),
    ("'skipped', 'void')", "'skipped', 'carried', 'void')"),
    ("exact INTEGER NOT NULL", "exact TEXT NOT NULL"),
)
UNFINISHED = "(state NOT IN ('sent', 'skipped', 'carried', 'void') OR (state = 'sent' AND target = 'void'))"
PENDING = f"CREATE INDEX invoices_pending ON invoices (month) WHERE {UNFINISHED}"
# What those made of an invoice to whom it was handed on, a tax office or Peppol, as it was looked at last: of the one that is the least
# far, NULL where it has none. look_at: when to look again.
E_INVOICES = """CREATE TABLE e_invoices (
  invoice INTEGER PRIMARY KEY, state TEXT CHECK (state IN ('sent', 'accepted', 'refused')), look_at INTEGER NOT NULL
) STRICT"""
# Later: what each of those made of it, as it was told last, NULL where it has not got it, and why it was refused, as told then; and
# with `look_at` NULL what is looked at no more.
E_INVOICES_BY_CHANNEL = (
    """CREATE TABLE e_invoice_states (
    invoice INTEGER NOT NULL, channel TEXT NOT NULL CHECK (channel IN ('tax office', 'Peppol')),
    state TEXT CHECK (state IN ('sent', 'accepted', 'refused')), why TEXT NOT NULL, PRIMARY KEY (invoice, channel)
  ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE e_invoices_new (invoice INTEGER PRIMARY KEY, look_at INTEGER) STRICT",
    "INSERT INTO e_invoices_new SELECT invoice, CASE WHEN state = 'accepted' THEN NULL ELSE look_at END FROM e_invoices",
    "DROP TABLE e_invoices",
    "ALTER TABLE e_invoices_new RENAME TO e_invoices",
)
# What of a posted invoice is paid, as the accounting system said at read_at: amounts in the invoice's currency, NULL where it was not
# posted any more. state: NULL where it did not tell. look_at: when to look again, NULL: never.
PAYMENTS = """CREATE TABLE payments (
  invoice INTEGER PRIMARY KEY, state TEXT CHECK (state IN ('open', 'partly paid', 'in payment', 'paid', 'credited')),
  tax TEXT, total TEXT, unpaid TEXT, read_at INTEGER NOT NULL, look_at INTEGER
) STRICT"""
# settled_at: since when nothing is to be paid, as far as was seen, NULL while something is. What was given up before that was kept is
# looked at once more.
SETTLED = (
    "ALTER TABLE payments ADD COLUMN settled_at INTEGER",
    """UPDATE payments SET settled_at = read_at, look_at = coalesce(look_at, read_at)
    WHERE state IS NULL OR state NOT IN ('open', 'partly paid', 'in payment')""",
)
# What a customer calls its order with us, which is named on its invoices.
ORDER_NUMBERS = "CREATE TABLE order_numbers (customer INTEGER PRIMARY KEY, number TEXT NOT NULL) STRICT"
# In which currency a customer is billed, where a person said so.
CURRENCIES = "CREATE TABLE customer_currencies (customer INTEGER PRIMARY KEY, currency TEXT NOT NULL) STRICT"
# In what an invoice is paid. unit: the smallest amount of its currency, of which total's minor units are told; rate: units of it for
# one of rate_base, the price book's currency, NULL where it is that; rate_source, rate_day: who published or gave it, for which day.
TENDERS = (
    "ALTER TABLE invoices ADD COLUMN unit TEXT NOT NULL DEFAULT '0.01'",
    "ALTER TABLE invoices ADD COLUMN rate TEXT",
    "ALTER TABLE invoices ADD COLUMN rate_base TEXT",
    "ALTER TABLE invoices ADD COLUMN rate_source TEXT",
    "ALTER TABLE invoices ADD COLUMN rate_day INTEGER",
)
