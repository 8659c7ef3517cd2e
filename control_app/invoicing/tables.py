"""The tables of invoicing, as a migration of schema.py makes them. Times are microseconds since 1970 UTC, months as in spans.py."""

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
UNFINISHED = "(state NOT IN ('sent', 'skipped', 'void') OR (state = 'sent' AND target = 'void'))"
PENDING = f"CREATE INDEX invoices_pending ON invoices (month) WHERE {UNFINISHED}"
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

STATEMENTS = (INVOICES, PENDING, HOLDS, RELEASES, RUNS, RESULTS, LEASES, PARTNERS, HALT, ODOO_STATE, LATE)
