"""The invoices themselves: an intent is written before anything is asked of Odoo, and every step after it was taken."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from control_app.database import Db
from control_app.invoicing.findings import Finding
from control_app.invoicing.lease import Lease
from control_app.invoicing.tables import UNFINISHED
from control_app.spans import DAY, month_range, month_text

State = Literal["draft", "created", "posted", "sent", "skipped", "void"]
Target = Literal["created", "sent", "void"]
ENDED = ("sent", "skipped", "void")


class Entry(NamedTuple):
    """A row of `invoices` (tables.py)."""

    id: int
    ref: str
    customer: int
    month: int
    n: int
    credit: int
    state: State
    target: Target
    currency: str
    total: int
    exact: int
    invoice_day: int
    due_day: int
    partner: int | None
    body: str
    odoo_id: int | None
    number: str | None
    checked: int
    failed_mails: int
    rebill: int
    attempt: str | None
    attempted_at: int | None
    not_before: int
    tries: int
    error: str | None
    run: str
    created_at: int
    updated_at: int

    @property
    def is_where_it_may_be(self) -> bool:
        """Whether nothing is left to do before a person says so."""
        if self.target == "void":
            return self.state in ("skipped", "void")
        return self.state in ENDED or (self.target == "created" and bool(self.checked))

    @property
    def waits_for_approval(self) -> bool:
        """Whether it is a draft that goes on when a person approves it."""
        return (self.state, self.target, self.checked) == ("created", "created", 1)


_COLUMNS = ", ".join(Entry._fields)
_ALL = f"SELECT {_COLUMNS} FROM invoices"
_INSERT = f"INSERT INTO invoices ({_COLUMNS}) VALUES ({', '.join('?' * len(Entry._fields))})"


class HaltedError(Exception):
    """A person stopped invoicing; the message says who and why."""


@dataclass(frozen=True)
class Intent:
    """What is to become an invoice, or a credit note. `body`: as it is told."""

    ref: str
    customer: int
    month: int
    n: int
    total: int
    exact: int
    body: str
    partner: int | None
    credit: int = 0


@dataclass(frozen=True)
class InvoiceBook:
    """The invoices of a *location* in *db*, in *currency*, due after *payment_days*. *clock*: microseconds since 1970 UTC."""

    db: Db
    location: str
    currency: str
    payment_days: int
    clock: Callable[[], int] = field(repr=False)

    def entries(self, month: int) -> Iterator[Entry]:
        """A period's, with credit notes and what was voided, in the order in which they were made."""
        return map(Entry._make, self.db.connection.execute(f"{_ALL} WHERE month = ? ORDER BY id", [month]))

    def by_ref(self, ref: str) -> Entry | None:
        """The one of that name."""
        row = self.db.connection.execute(f"{_ALL} WHERE ref = ?", [ref]).fetchone()
        return Entry._make(row) if row else None

    def newest(self, customer: int, month: int) -> Entry:
        """The invoice of a customer for whom the period is closed, the last one if some were voided."""
        query = f"{_ALL} WHERE customer = ? AND month = ? AND credit = 0 ORDER BY n DESC LIMIT 1"
        row = self.db.connection.execute(query, [customer, month]).fetchone()
        assert row, f"customer {customer}: {month_text(month)} is closed without an invoice"  # noqa: S101 (both are written in one transaction)
        return Entry._make(row)

    def credits(self, entry: Entry) -> list[Entry]:
        """Credit notes against an invoice."""
        query = f"{_ALL} WHERE customer = ? AND month = ? AND n = ? AND credit > 0 ORDER BY credit"
        return [Entry._make(row) for row in self.db.connection.execute(query, [entry.customer, entry.month, entry.n])]

    def closed(self, month: int) -> set[int]:
        """Customers for whom the period is closed: they have their invoice, or had one."""
        return {row[0] for row in self.db.connection.execute("SELECT customer FROM closed WHERE month = ?", [month])}

    def pending(self, now: int) -> list[Entry]:
        """What goes on by itself *now*: not what is held, or waits for a person."""
        query = f"""{_ALL} i WHERE {UNFINISHED} AND not_before <= ? AND NOT (target = 'created' AND checked)
          AND NOT EXISTS (SELECT 1 FROM invoice_holds h WHERE h.customer = i.customer AND h.month = i.month AND h.ref = i.ref)
          AND NOT EXISTS (SELECT 1 FROM invoices v WHERE i.credit AND (v.customer, v.month, v.n, v.credit) = (i.customer, i.month, i.n, 0)
            AND v.target = 'void' AND v.state != 'void')
          ORDER BY month, customer, id"""
        return [Entry._make(row) for row in self.db.connection.execute(query, [now])]

    def unfinished(self, customer: int, month: int) -> list[Entry]:
        """What is left to do for a customer's period. The credit notes of an invoice that is being voided go with it."""
        rows = self.db.connection.execute(f"{_ALL} WHERE customer = ? AND month = ? ORDER BY id", [customer, month])
        entries = list(map(Entry._make, rows))
        voiding = {entry.n for entry in entries if entry.target == "void" and not entry.is_where_it_may_be}
        return [entry for entry in entries if not entry.is_where_it_may_be and not (entry.credit and entry.n in voiding)]

    def open(
        self, lease: Lease, run: str, target: Target, customer: int, write: Callable[[], Intent | Sequence[Finding]]
    ) -> Entry | Sequence[Finding]:
        """Write down what is intended for *customer*, and close the period: what comes later goes on the next invoice.

        *write* makes the intent inside the transaction, so that nothing comes in between, or says why not.
        """
        with self.db.transaction() as db:
            lease.renew(db)
            self._go_on(db)
            intent = write()
            if not isinstance(intent, Intent):
                return intent
            db.execute("INSERT INTO closed VALUES (?, ?, ?)", [customer, lease.month, self.clock()])
            entry = self._insert(db, intent, run, target)
            keep_holds(db, customer, lease.month, "", ())
            return entry

    def open_credit(self, lease: Lease, entry: Entry, intent: Intent) -> Entry:
        """Write down a credit note against *entry*."""
        with self.db.transaction() as db:
            lease.renew(db)
            return self._insert(db, intent, entry.run, "sent")

    def change(self, lease: Lease, entry: Entry, **changed: Any) -> Entry:
        """Take a step down: *changed* columns."""
        with self.db.transaction() as db:
            lease.renew(db)
            return self.write(db, entry, **changed)

    def void(self, lease: Lease, entry: Entry) -> Entry:
        """It counts no more; if it is to be billed again, the period is open again, and the customer's rows are attributed anew."""
        with self.db.transaction() as db:
            lease.renew(db)
            if entry.rebill:
                row = [entry.customer, entry.month]
                db.execute("DELETE FROM closed WHERE customer = ? AND month = ?", row)
                statement = """INSERT INTO uncorrected SELECT key, ? FROM customer_keys WHERE customer = ?
                  ON CONFLICT DO UPDATE SET since = min(since, excluded.since)"""
                db.execute(statement, [month_range(entry.month).start, entry.customer])
            return self.write(db, entry, state="void", number=entry.number, attempt=None, error=None)

    def attempt(self, lease: Lease, entry: Entry, what: str) -> Entry:
        """Write down that *what* is asked of Odoo now, before it is; raises HaltedError."""
        with self.db.transaction() as db:
            lease.renew(db)
            self._go_on(db)
            return self.write(db, entry, attempt=what, attempted_at=self.clock())

    def write(self, db: sqlite3.Connection, entry: Entry, **changed: Any) -> Entry:
        """Change a row in the transaction that runs."""
        changed["updated_at"] = self.clock()
        columns = ", ".join(f"{name} = ?" for name in changed)
        db.execute(f"UPDATE invoices SET {columns} WHERE id = ?", [*changed.values(), entry.id])
        return entry._replace(**changed)

    def hold(self, lease: Lease, customer: int, month: int, ref: str, findings: Collection[Finding]) -> None:
        """What holds a customer's period, or with *ref* an invoice, in place of what held it before."""
        with self.db.transaction() as db:
            lease.renew(db)
            keep_holds(db, customer, month, ref, findings)

    def let_go(self, lease: Lease, entry: Entry) -> None:
        """Nothing holds an invoice any more that got where it may be."""
        query = "SELECT 1 FROM invoice_holds WHERE customer = ? AND month = ? AND ref = ?"
        if self.db.connection.execute(query, [entry.customer, entry.month, entry.ref]).fetchone():
            self.hold(lease, entry.customer, entry.month, entry.ref, ())

    def halted(self) -> str | None:
        """Who stopped invoicing and why; None while it runs."""
        return _halted(self.db.connection)

    def _go_on(self, db: sqlite3.Connection) -> None:
        if said := _halted(db):
            raise HaltedError(said)

    def _insert(self, db: sqlite3.Connection, intent: Intent, run: str, target: Target) -> Entry:
        now = self.clock()
        today = now // DAY
        entry = Entry(
            id=db.execute("SELECT coalesce(max(id), 0) + 1 FROM invoices").fetchone()[0],
            ref=intent.ref,
            customer=intent.customer,
            month=intent.month,
            n=intent.n,
            credit=intent.credit,
            state="draft" if intent.total else "skipped",
            target=target,
            currency=self.currency,
            total=intent.total,
            exact=intent.exact,
            invoice_day=today,
            due_day=today + self.payment_days,
            partner=intent.partner,
            body=intent.body,
            odoo_id=None,
            number=None,
            checked=0,
            failed_mails=0,
            rebill=0,
            attempt=None,
            attempted_at=None,
            not_before=0,
            tries=0,
            error=None,
            run=run,
            created_at=now,
            updated_at=now,
        )
        db.execute(_INSERT, entry)
        return entry


def keep_holds(db: sqlite3.Connection, customer: int, month: int, ref: str, findings: Collection[Finding]) -> None:
    """Replace what holds a customer's period, or with *ref* an invoice; what was there before keeps its time."""
    found = {(finding.code, finding.message): finding for finding in findings}
    of_one = "customer = ? AND month = ? AND ref = ?"
    known = db.execute(f"SELECT code, message FROM invoice_holds WHERE {of_one}", [customer, month, ref]).fetchall()
    gone = [(customer, month, ref, *one) for one in known if one not in found]
    db.executemany(f"DELETE FROM invoice_holds WHERE {of_one} AND code = ? AND message = ?", gone)
    rows = ((customer, month, ref, one.code, one.message, one.since, one.everybody) for one in found.values())
    db.executemany("INSERT OR IGNORE INTO invoice_holds VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def forget_holds(db: sqlite3.Connection, month: int, customers: Collection[int]) -> None:
    """Of a period's customers to whom nothing is billed any more, since their keys were another's; *customers*: who is billed."""
    held = db.execute("SELECT DISTINCT customer FROM invoice_holds WHERE month = ? AND ref = ''", [month]).fetchall()
    for customer in {row[0] for row in held} - set(customers):
        keep_holds(db, customer, month, "", ())


def _halted(db: sqlite3.Connection) -> str | None:
    row: tuple[str, str] | None = db.execute("SELECT who, reason FROM halt").fetchone()
    return f"invoicing was stopped by {row[0]}: {row[1]}" if row else None
