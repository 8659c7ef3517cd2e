"""What a person decides about invoices, with a reason, which stands in the audit log for good."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Unpack

from control_app.accounting.rates import keep_rate
from control_app.core.currency import minor_text, units
from control_app.core.exchange import Rate
from control_app.core.numbers import CustomerNo, Month
from control_app.core.time import DAY, month_text
from control_app.invoicing.book import InvoiceBook, keep_holds
from control_app.invoicing.credits import left_of, partial_credit, standing, to_be_credited
from control_app.invoicing.currencies import CODE, keep_currency
from control_app.invoicing.entry import WITHOUT_INVOICE, Changes, Entry
from control_app.invoicing.lease import Lease
from control_app.invoicing.order_numbers import keep_order_number
from control_app.invoicing.refs import credited
from control_app.invoicing.runs import Runs
from control_app.invoicing.steps import id_of, partner_of
from control_app.ledger.hold import may_be_released
from control_app.ledger.names import customer_number
from control_app.storage.audit import Act, record

LARGEST_RATE, RATE_DECIMALS = 10**8, 8
Keep = Callable[[sqlite3.Connection, CustomerNo, str | None], None]
"""Keeps what was chosen for a customer, in the transaction that runs; raises ValueError for what cannot be."""


class ActionError(Exception):
    """What a person asked cannot be; the message says why, and what can."""


@dataclass(frozen=True)
class Decision:
    """Who decides, and why."""

    who: str
    reason: str


@dataclass(frozen=True)
class Actions:
    """Every method raises ActionError, ValueError where who or why is missing, and BusyError while a run works on the period."""

    runs: Runs

    def release(self, decision: Decision, month: Month, code: str, customer_id: str | None) -> str:
        """Let a customer's invoice go out in spite of a hold, as it is now; without *customer_id* everybody's. Returns what it said."""
        customer = None if customer_id is None else self._customer(customer_id)
        if not may_be_released(code):
            raise ActionError(f"{code} cannot be released, only resolved")
        query = """SELECT DISTINCT CASE WHEN ?3 IS NULL AND everybody THEN NULL ELSE customer END, message FROM invoice_holds
          WHERE month = ?1 AND code = ?2 AND (?3 IS NULL OR customer = ?3)"""
        held = self.runs.book.db.connection.execute(query, [month, code, customer]).fetchall()
        found = sorted({message for _, message in held})
        if not found:
            raise ActionError(f"nothing is held for {code} in {month_text(month)}" + (f" of {customer_id}" if customer_id else ""))
        subject = f"{month_text(month)} {customer_id or 'everybody'} {code}: {'; '.join(found)}"
        with self.runs.book.db.transaction() as db:
            # Of those who are held now: another customer's hold of the same words is another hold.
            rows = ((who, month, code, message) for who, message in held)
            db.executemany("INSERT INTO releases (customer, month, code, message) VALUES (?, ?, ?, ?)", rows)
            record(db, self._now(), Act(decision.who, "release hold", subject, decision.reason))
        return "; ".join(found)

    def approve(self, decision: Decision, month: Month, refs: frozenset[str] | None = None) -> list[str]:
        """Let drafts be posted and sent: all of a month that are not held, or those of *refs*. Returns their names."""
        with self.runs.working(month) as lease:
            waiting = [entry for entry in self._book.entries(month) if entry.waits_for_approval]
            chosen = [entry for entry in waiting if refs is None or entry.ref in refs]
            if missing := (refs or frozenset()) - {entry.ref for entry in chosen}:
                raise ActionError(f"no draft waits for approval under {', '.join(sorted(missing))}")
            with self.runs.book.db.transaction() as db:
                for entry in chosen:
                    self._book.write(db, entry, target="sent", not_before=0)
                subject = f"{month_text(month)}: {', '.join(entry.ref for entry in chosen)}"
                record(db, self._now(), Act(decision.who, "approve invoices", subject, decision.reason))
                lease.renew(db)
        return [entry.ref for entry in chosen]

    def void(self, decision: Decision, ref: str, *, rebill: bool) -> None:
        """Take an invoice back: a draft is cancelled, a posted one gets a credit note. With *rebill* the next run bills the period anew."""
        with self.runs.working(self._entry(ref).month) as lease:
            entry = self._entry(ref)
            if entry.credit or entry.state in ("void", *WITHOUT_INVOICE):
                raise ActionError(f"{ref} is {'a credit note' if entry.credit else entry.state}; only an invoice can be voided")
            if entry.target == "void":
                raise ActionError(f"{ref} is being voided already{', and will be billed again' if entry.rebill else ''}")
            what = "void and bill again" if rebill else "void"
            self._change(lease, decision, what, entry, target="void", rebill=int(rebill), not_before=0)

    def credit(self, decision: Decision, ref: str, amount: Decimal) -> str:
        """Take exactly *amount* (without tax) of a posted invoice back by a credit note, on which the reason stands; its name."""
        with self.runs.working(self._entry(ref).month) as lease:
            entry = self._entry(ref)
            made = self._book.credits(entry)
            notes = standing(made)
            self._creditable(entry, notes, amount)
            intent = partial_credit(entry, notes, amount, decision.reason, len(made) + 1, self._now())
            self._audit(decision, "credit", f"{intent.ref}: {intent.total} minor units")
            self._book.open_credit(lease, entry, intent)
        return intent.ref

    def resend(self, decision: Decision, ref: str) -> None:
        """Send the e-mail of an invoice again, all earlier ones of which failed. Raises AccountingError."""
        with self.runs.working(self._entry(ref).month) as lease:
            entry = self._entry(ref)
            if entry.state != "posted" or entry.target == "void":
                raise ActionError(f"{ref} is {entry.state}; only one that is posted and not sent can be sent again")
            if not self._resend(lease, decision, entry):
                raise ActionError(f"an e-mail of {ref} was sent, or is on its way: a second one would be sent")

    def resend_failed(self, decision: Decision, month: Month) -> list[str]:
        """Send all e-mails of a month again that failed, as when the mail server was away; the invoices' names. Raises AccountingError.

        What was sent meanwhile, or is on its way, is not sent again.
        """
        query = "SELECT ref FROM invoice_holds WHERE month = ? AND code = 'mail-failed'"
        with self.runs.working(month) as lease:
            held = {ref for (ref,) in self.runs.book.db.connection.execute(query, [month])}
            failed = [
                entry for entry in self._book.entries(month) if entry.ref in held and entry.state == "posted" and entry.target == "sent"
            ]
            sent = [entry.ref for entry in failed if self._resend(lease, decision, entry)]
        if not sent:
            raise ActionError(f"no e-mail of {month_text(month)} has failed that could be sent again")
        return sent

    def choose_partner(self, decision: Decision, customer_id: str, partner: int) -> None:
        """Bill a customer as this partner of Odoo (its id)."""
        customer = self._customer(customer_id)
        with self.runs.book.db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO partners (customer, partner) VALUES (?, ?)", [customer, partner])
            record(db, self._now(), Act(decision.who, "choose partner", f"{customer_id}: {partner}", decision.reason))

    def choose_order_number(self, decision: Decision, customer_id: str, number: str | None) -> None:
        """Name *number*, a customer's own, on its invoices from now on, or none; ActionError for what is no number."""
        self._choose(decision, "choose order number", customer_id, number, keep_order_number)

    def choose_currency(self, decision: Decision, customer_id: str, currency: str | None) -> None:
        """Bill a customer in *currency* from the next run on, or None: in the price book's; ActionError for what is none."""
        self._choose(decision, "choose currency", customer_id, currency, keep_currency)

    def give_rate(self, decision: Decision, currency: str, day: date, value: Decimal) -> None:
        """Know *value* units of *currency* for one of the price book's, as published for *day*; it wins over one that is read."""
        base, number = self._book.currency, (day - date(1970, 1, 1)).days
        if not CODE.fullmatch(currency) or currency == base:
            raise ActionError(f"{currency!r} is no other currency than {base}: write a code like EUR")
        if not (value.is_finite() and 0 < value < LARGEST_RATE) or int(value.as_tuple().exponent) < -RATE_DECIMALS:
            raise ActionError(f"{value} is no rate: write units of {currency} for one {base}, with up to {RATE_DECIMALS} decimals")
        if number > self._now() // DAY:
            raise ActionError(f"{day} is in the future: a rate is published for its day")
        with self.runs.book.db.transaction() as db:
            keep_rate(db, currency, Rate(base, value, f"given by {decision.who}", number), is_given=True)
            record(db, self._now(), Act(decision.who, "give rate", f"{day}: 1 {base} = {value} {currency}", decision.reason))

    def halt(self, decision: Decision) -> None:
        """Stop all invoicing: what is under way stops before its next step."""
        with self.runs.book.db.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO halt (id, at, who, reason) VALUES (1, ?, ?, ?)", [self._now(), decision.who, decision.reason]
            )
            record(db, self._now(), Act(decision.who, "stop invoicing", "all", decision.reason))

    def go_on(self, decision: Decision) -> None:
        """Let invoicing go on."""
        with self.runs.book.db.transaction() as db:
            if not db.execute("DELETE FROM halt").rowcount:
                raise ActionError("invoicing is not stopped")
            record(db, self._now(), Act(decision.who, "let invoicing go on", "all", decision.reason))

    def note(self, decision: Decision, what: str, month: Month) -> None:
        """Write only the audit's line, for what is done elsewhere: a run."""
        self._audit(decision, what, month_text(month))

    def _choose(self, decision: Decision, what: str, customer_id: str, value: str | None, keep: Keep) -> None:
        """*keep* what a person chose for a customer, None for nothing."""
        customer = self._customer(customer_id)
        with self.runs.book.db.transaction() as db:
            try:
                keep(db, customer, value)
            except ValueError as error:
                raise ActionError(str(error)) from None
            record(db, self._now(), Act(decision.who, what, f"{customer_id}: {value or 'none'}", decision.reason))

    @property
    def _book(self) -> InvoiceBook:
        return self.runs.book

    def _creditable(self, entry: Entry, notes: Sequence[Entry], amount: Decimal) -> None:
        """Refuse an *amount* that cannot be taken back, beside what *notes* take back already."""
        if entry.credit or entry.state not in ("posted", "sent") or entry.target == "void":
            raise ActionError(f"{entry.ref} is {entry.state}; only a posted invoice can be credited")
        decimals, left = entry.tender.decimals, left_of(entry, notes)
        if not (amount.is_finite() and 0 < amount <= units(left, decimals)):
            raise ActionError(f"{amount} is not between 0 and {minor_text(left, decimals)} {entry.currency}, which is left of {entry.ref}")
        if not to_be_credited(entry, notes, amount):
            raise ActionError(f"{amount} {entry.currency} of {entry.ref} come to nothing after rounding, so that nothing is credited")

    def _resend(self, lease: Lease, decision: Decision, entry: Entry) -> bool:
        """Let the e-mail of a posted invoice be sent once more, where all earlier ones failed; whether they did."""
        mails = self.runs.planning.asked().deliveries(id_of(entry), partner_of(entry))
        if any(mail.status != "failed" for mail in mails):
            return False
        self._change(lease, decision, "resend", entry, failed_mails=len(mails), not_before=0)
        return True

    def _change(self, lease: Lease, decision: Decision, what: str, entry: Entry, **changed: Unpack[Changes]) -> None:
        """Change an entry; what held it is looked at again."""
        with self.runs.book.db.transaction() as db:
            lease.renew(db)
            self._book.write(db, entry, **changed)
            keep_holds(db, entry.customer, entry.month, entry.ref, ())
            if entry.credit:
                # A void that waits for its credit note is held by it.
                keep_holds(db, entry.customer, entry.month, credited(entry.ref), ())
            record(db, self._now(), Act(decision.who, what, entry.ref, decision.reason))

    def _audit(self, decision: Decision, what: str, subject: str) -> None:
        with self.runs.book.db.transaction() as db:
            record(db, self._now(), Act(decision.who, what, subject, decision.reason))

    def _entry(self, ref: str) -> Entry:
        entry: Entry | None = self._book.by_ref(ref)
        if entry is None:
            raise ActionError(f"there is no invoice {ref!r}")
        return entry

    def _customer(self, customer_id: str) -> CustomerNo:
        number = customer_number(self.runs.book.db, customer_id)
        if number is None:
            raise ActionError(f"the gateway has no customer {customer_id!r}")
        return number

    def _now(self) -> int:
        return self.runs.book.clock()
