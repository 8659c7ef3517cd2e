"""The invoices themselves: an intent is written before anything is asked of Odoo, and every step after it was taken."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Unpack

from control_app.core.exchange import Tender
from control_app.core.numbers import CustomerNo, Month, Pico
from control_app.core.time import DAY, month_range, month_text
from control_app.invoicing.entry import Changes, Entry, Intent, Target
from control_app.invoicing.lease import Lease
from control_app.invoicing.orders import NotNowError
from control_app.invoicing.tables import UNFINISHED
from control_app.ledger.hold import Hold
from control_app.ledger.ledger import carry
from control_app.storage.database import Db

_COLUMNS = ", ".join(Entry._fields)
_ALL = f"SELECT {_COLUMNS} FROM invoices"
_INSERT = f"INSERT INTO invoices ({_COLUMNS}) VALUES ({', '.join(f':{name}' for name in Entry._fields)})"


class HaltedError(NotNowError):
    """A person stopped invoicing; the message says who and why."""


@dataclass(frozen=True)
class InvoiceBook:
    """The invoices of a *location* in *db*, due after *payment_days*. *currency*: of the price book.

    *clock*: microseconds since 1970 UTC.
    """

    db: Db
    location: str
    currency: str
    payment_days: int
    clock: Callable[[], int] = field(repr=False)

    def entries(self, month: Month) -> Iterator[Entry]:
        """The invoices of a period, with credit notes and what was voided, in the order in which they were made."""
        return map(_entry, self.db.connection.execute(f"{_ALL} WHERE month = ? ORDER BY id", [month]))

    def by_ref(self, ref: str) -> Entry | None:
        """The invoice or credit note of that name; None where there is none."""
        row = self.db.connection.execute(f"{_ALL} WHERE ref = ?", [ref]).fetchone()
        return _entry(row) if row else None

    def newest(self, customer: CustomerNo, month: Month) -> Entry:
        """The invoice of a customer for whom the period is closed, the last one if some were voided."""
        query = f"{_ALL} WHERE customer = ? AND month = ? AND credit = 0 ORDER BY n DESC LIMIT 1"
        row = self.db.connection.execute(query, [customer, month]).fetchone()
        assert row, f"customer {customer}: {month_text(month)} is closed without an invoice"  # noqa: S101 (both are written in one transaction)
        return _entry(row)

    def tenders(self, month: Month) -> dict[CustomerNo, Tender]:
        """What the last invoice of each customer's period was paid in: one that is billed anew is paid in the same, at the same rate."""
        rows = self.db.connection.execute(f"{_ALL} WHERE month = ? AND credit = 0 ORDER BY n", [month])
        return {entry.customer: entry.tender for entry in map(_entry, rows)}

    def credits(self, entry: Entry) -> list[Entry]:
        """Credit notes against an invoice."""
        query = f"{_ALL} WHERE customer = ? AND month = ? AND n = ? AND credit > 0 ORDER BY credit"
        return [_entry(row) for row in self.db.connection.execute(query, [entry.customer, entry.month, entry.n])]

    def closed(self, month: Month) -> set[CustomerNo]:
        """Customers for whom the period is closed: they have their invoice, or had one."""
        return {row[0] for row in self.db.connection.execute("SELECT customer FROM closed WHERE month = ?", [month])}

    def pending(self, now: int) -> list[Entry]:
        """What goes on by itself *now*: not what is held, or waits for a person."""
        query = f"""{_ALL} i WHERE {UNFINISHED} AND not_before <= ? AND NOT (target = 'created' AND checked)
          AND NOT EXISTS (SELECT 1 FROM invoice_holds h WHERE h.customer = i.customer AND h.month = i.month AND h.ref = i.ref)
          AND NOT EXISTS (SELECT 1 FROM invoices v WHERE i.credit AND (v.customer, v.month, v.n, v.credit) = (i.customer, i.month, i.n, 0)
            AND v.target = 'void' AND v.state != 'void')
          ORDER BY month, customer, id"""
        return [_entry(row) for row in self.db.connection.execute(query, [now])]

    def handed_in(self, now: int, *, first_looks: bool, most: int = -1) -> list[Entry]:
        """Sent ones of which is to be looked at *now* what those made of them to whom they were handed on.

        *first_looks*: also those at which nobody has looked yet.
        """
        query = f"""{_ALL} i WHERE state = 'sent' AND target != 'void'
          AND (EXISTS (SELECT 1 FROM e_invoices e WHERE e.invoice = i.id AND e.look_at <= ?)
            OR (? AND NOT EXISTS (SELECT 1 FROM e_invoices e WHERE e.invoice = i.id)))
          ORDER BY id LIMIT ?"""
        return [_entry(row) for row in self.db.connection.execute(query, [now, first_looks, most])]

    def unfinished(self, customer: CustomerNo, month: Month) -> list[Entry]:
        """What is left to do for a customer's period. The credit notes of an invoice that is being voided go with it."""
        rows = self.db.connection.execute(f"{_ALL} WHERE customer = ? AND month = ? ORDER BY id", [customer, month])
        entries = list(map(_entry, rows))
        voiding = {entry.n for entry in entries if entry.target == "void" and not entry.is_where_it_may_be}
        return [entry for entry in entries if not entry.is_where_it_may_be and not (entry.credit and entry.n in voiding)]

    def open(
        self, lease: Lease, run: str, target: Target, customer: CustomerNo, write: Callable[[], Intent | Sequence[Hold]]
    ) -> Entry | Sequence[Hold]:
        """Write down what is intended for *customer*, and close the period: what comes later goes on the next invoice.

        *write* makes the intent inside the transaction, so that nothing comes in between, or says why not.
        """
        with self.db.transaction() as db:
            lease.renew(db)
            self._go_on(db)
            intent = write()
            if not isinstance(intent, Intent):
                return intent
            db.execute("INSERT INTO closed (customer, month, at) VALUES (?, ?, ?)", [customer, lease.month, self.clock()])
            entry = self._insert(db, intent, run, target)
            if entry.state == "carried":
                carry(db, customer, lease.month)
            keep_holds(db, customer, lease.month, "", ())
            return entry

    def open_credit(self, lease: Lease, entry: Entry, intent: Intent) -> Entry:
        """Write down a credit note against *entry*."""
        with self.db.transaction() as db:
            lease.renew(db)
            return self._insert(db, intent, entry.run, "sent")

    def change(self, lease: Lease, entry: Entry, **changed: Unpack[Changes]) -> Entry:
        """Take a step down: *changed* columns."""
        with self.db.transaction() as db:
            lease.renew(db)
            return self.write(db, entry, **changed)

    def void(self, lease: Lease, entry: Entry) -> Entry:
        """Void an invoice. If it is to be billed again, the period is open again, and all rows that it billed are attributed anew."""
        with self.db.transaction() as db:
            lease.renew(db)
            if entry.rebill:
                row = [entry.customer, entry.month]
                db.execute("DELETE FROM closed WHERE customer = ? AND month = ?", row)
                first = db.execute("SELECT min(month) FROM months WHERE customer = ? AND billed_in = ?", row).fetchone()[0]
                statement = """INSERT INTO uncorrected (key, since) SELECT key, ? FROM customer_keys WHERE customer = ?
                  ON CONFLICT DO UPDATE SET since = min(since, excluded.since)"""
                db.execute(statement, [month_range(first).start, entry.customer])
            return self.write(db, entry, state="void", number=entry.number, attempt=None, error=None)

    def attempt(self, lease: Lease, entry: Entry, what: str) -> Entry:
        """Write down that *what* is asked of Odoo now, before it is; raises HaltedError."""
        with self.db.transaction() as db:
            lease.renew(db)
            self._go_on(db)
            return self.write(db, entry, attempt=what, attempted_at=self.clock())

    def write(self, db: sqlite3.Connection, entry: Entry, **changed: Unpack[Changes]) -> Entry:
        """Change a row in the transaction that runs."""
        now = self.clock()
        columns = ", ".join(f"{name} = ?" for name in (*changed, "updated_at"))
        db.execute(f"UPDATE invoices SET {columns} WHERE id = ?", [*changed.values(), now, entry.id])
        return entry._replace(**changed, updated_at=now)

    def hold(self, lease: Lease, customer: CustomerNo, month: Month, ref: str, holds: Collection[Hold]) -> None:
        """What holds a customer's period, or with *ref* an invoice, in place of what held it before."""
        with self.db.transaction() as db:
            lease.renew(db)
            keep_holds(db, customer, month, ref, holds)

    def rest(self, lease: Lease, entry: Entry, until: int) -> None:
        """Look at *entry* again at *until*. It does not count as a change: since when the entry waits must stay known."""
        with self.db.transaction() as db:
            lease.renew(db)
            db.execute("UPDATE invoices SET not_before = ? WHERE id = ?", [until, entry.id])

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
        now, tender, rate = self.clock(), intent.tender, intent.tender.rate
        today = now // DAY
        entry = Entry(
            id=db.execute("SELECT coalesce(max(id), 0) + 1 FROM invoices").fetchone()[0],
            ref=intent.ref,
            customer=intent.customer,
            month=intent.month,
            n=intent.n,
            credit=intent.credit,
            state=intent.state,
            target=target,
            currency=tender.currency,
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
            unit=f"{tender.unit:f}",
            rate=f"{rate.value:f}" if rate else None,
            rate_base=rate.base if rate else None,
            rate_source=rate.source if rate else None,
            rate_day=rate.day if rate else None,
        )
        # An integer of SQLite ends at 9.2 million units of currency.
        db.execute(_INSERT, {**entry._asdict(), "exact": str(entry.exact)})
        return entry


def keep_holds(db: sqlite3.Connection, customer: CustomerNo, month: Month, ref: str, holds: Collection[Hold]) -> None:
    """Replace what holds a customer's period, or with *ref* an invoice; what was there before keeps its time."""
    found = {hold.words: hold for hold in holds}
    of_one = "customer = ? AND month = ? AND ref = ?"
    known = db.execute(f"SELECT code, message FROM invoice_holds WHERE {of_one}", [customer, month, ref]).fetchall()
    gone = [(customer, month, ref, *one) for one in known if one not in found]
    db.executemany(f"DELETE FROM invoice_holds WHERE {of_one} AND code = ? AND message = ?", gone)
    rows = ((customer, month, ref, one.code, one.message, one.since, one.customer is None) for one in found.values())
    db.executemany(
        "INSERT OR IGNORE INTO invoice_holds (customer, month, ref, code, message, since, everybody) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
    )


def forget_holds(db: sqlite3.Connection, month: Month, customers: Collection[CustomerNo]) -> None:
    """Forget what holds customers to whom nothing is billed any more, since their keys were another's; *customers*: who is billed."""
    held = db.execute("SELECT DISTINCT customer FROM invoice_holds WHERE month = ? AND ref = ''", [month]).fetchall()
    for customer in {row[0] for row in held} - set(customers):
        keep_holds(db, customer, month, "", ())


def _entry(row: Iterable[Any]) -> Entry:
    entry = Entry._make(row)
    return entry._replace(exact=Pico(int(entry.exact)))


def _halted(db: sqlite3.Connection) -> str | None:
    row: tuple[str, str] | None = db.execute("SELECT who, reason FROM halt").fetchone()
    return f"invoicing was stopped by {row[0]}: {row[1]}" if row else None
