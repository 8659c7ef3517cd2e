"""What of each posted invoice is paid, as the accounting system says: many are read at once, a few times a day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from control_app.accounting.port import Accounting, Payment, PaymentState
from control_app.core.numbers import Month
from control_app.core.time import DAY, HOUR
from control_app.invoicing.book import InvoiceBook
from control_app.invoicing.entry import Entry
from control_app.invoicing.orders import ClockError
from control_app.storage.database import Db

LOOK_AGAIN = 6 * HOUR
UNDONE_WITHIN = 60
"""Days after it was due, and after it was settled, in which it is looked at once a day: a direct debit can be returned for eight weeks."""
AT_ONCE = 500
"""Invoices of which is kept what was read, before the next are."""
_TO_BE_PAID: Sequence[PaymentState] = ("open", "partly paid")
_DUE = """SELECT i.id, i.odoo_id, i.due_day, p.state, p.settled_at FROM invoices i LEFT JOIN payments p ON p.invoice = i.id
  WHERE i.number IS NOT NULL AND (p.invoice IS NULL OR p.look_at <= ?) ORDER BY i.id"""
_KEEP = """INSERT OR REPLACE INTO payments (invoice, state, tax, total, unpaid, read_at, look_at, settled_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_READ = "SELECT p.invoice, p.state, p.tax, p.total, p.unpaid, p.read_at FROM payments p JOIN invoices i ON i.id = p.invoice"


class Reading(NamedTuple):
    """What of an invoice was paid `at` a time, microseconds since 1970 UTC.

    `payment`: None where it was not posted any more, since somebody cancelled it in Odoo, put it back to draft or deleted it.
    """

    payment: Payment | None
    at: int

    def days_overdue(self, entry: Entry) -> int:
        """For how many days *entry*, if it is no credit note, should have been paid by then; 0 where nothing is owed."""
        is_owed = self.payment and self.payment.state in _TO_BE_PAID and not entry.credit
        return max(0, self.at // DAY - entry.due_day) if is_owed else 0


class _Due(NamedTuple):
    """A posted invoice that is to be looked at, and what was read of it last."""

    id: int
    odoo_id: int
    due_day: int
    state: PaymentState | None
    settled_at: int | None

    def settled(self, payment: Payment | None, now: int) -> int | None:
        """Since when nothing of it is to be paid, in the way in which that is so now; None while something is, or is on its way."""
        if payment and payment.state in (*_TO_BE_PAID, "in payment"):
            return None
        is_as_before = self.settled_at is not None and self.state == (payment and payment.state)
        return self.settled_at if is_as_before else now


@dataclass(frozen=True)
class Payments:
    """Of the invoices and credit notes in *book*. *accounting*: None where the location has none; *agree* raises ClockError."""

    book: InvoiceBook
    accounting: Accounting | None
    agree: Callable[[], None]

    def follow(self) -> None:
        """Look at those whose time has come, while the clocks agree. Raises AccountingError."""
        book, accounting = self.book, self.accounting
        if accounting is None or not (due := self._due()):
            return
        try:
            self.agree()
        except ClockError:
            return  # a hold of its own tells it; what was read stays, with its time
        for start in range(0, len(due), AT_ONCE):
            part = due[start : start + AT_ONCE]
            found = accounting.payments([one.odoo_id for one in part])
            now = book.clock()
            with book.db.transaction() as db:
                db.executemany(_KEEP, [_row(one, found.get(one.odoo_id), now) for one in part])

    def _due(self) -> list[_Due]:
        return [_Due._make(row) for row in self.book.db.connection.execute(_DUE, [self.book.clock()])]


def readings(db: Db, month: Month) -> Mapping[int, Reading]:
    """What was read last of a period's invoices and credit notes, by our numbers of them; without those that were never read."""
    return _readings(db, "i.month", month)


def reading_of(db: Db, entry: Entry) -> Reading | None:
    """What was read last of *entry*; None where it never was."""
    return _readings(db, "i.id", entry.id).get(entry.id)


def payment_state(entry: Entry, reading: Reading | None) -> str:
    """What of an invoice is paid, in a word or two."""
    if entry.number is None:
        return "not posted"
    if reading and not reading.payment:
        return "not posted in Odoo any more"
    return (reading and reading.payment and reading.payment.state) or "not known"


def payment_text(entry: Entry, reading: Reading | None) -> str:
    """The same with what is unpaid of what was paid in part, and for how long it should have been paid."""
    words = payment_state(entry, reading)
    if reading and reading.payment and reading.payment.state == "partly paid":
        words += f", {told(reading.payment.unpaid, entry)} {entry.currency} open"
    late = reading.days_overdue(entry) if reading else 0
    return f"{words}, overdue for {late} day{'' if late == 1 else 's'}" if late else words


def told(amount: Decimal, entry: Entry) -> str:
    """An amount that Odoo tells of *entry*, with all decimals of what it is paid in: `-23.84`, below 0 for a credit note."""
    return f"{-amount + 0 if entry.credit else amount:.{entry.tender.decimals}f}"


def _row(due: _Due, payment: Payment | None, now: int) -> tuple[object, ...]:
    paid = (payment.state, *(f"{amount:f}" for amount in (payment.tax, payment.total, payment.unpaid))) if payment else (None,) * 4
    settled_at = due.settled(payment, now)
    return (due.id, *paid, now, _look_at(due.due_day, settled_at, now), settled_at)


def _look_at(due_day: int, settled_at: int | None, now: int) -> int | None:
    """When to look again; None: never."""
    if settled_at is None:
        return now + LOOK_AGAIN
    return now + DAY if now // DAY < max(due_day, settled_at // DAY) + UNDONE_WITHIN else None


def _readings(db: Db, column: Literal["i.month", "i.id"], value: int) -> dict[int, Reading]:
    rows = db.connection.execute(f"{_READ} WHERE {column} = ?", [value])
    return {
        invoice: Reading(Payment(state, Decimal(tax), Decimal(total), Decimal(unpaid)) if total else None, at)
        for invoice, state, tax, total, unpaid, at in rows
    }
