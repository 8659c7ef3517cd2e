"""What a person decides about invoices, with a reason, which stands in the audit log for good."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from control_app.audit import Act, record
from control_app.directory import customer_number
from control_app.invoicing.book import Entry, InvoiceBook, keep_holds
from control_app.invoicing.credits import partial_credit
from control_app.invoicing.currency import decimals_of, minor_of, minor_text
from control_app.invoicing.findings import may_be_released
from control_app.invoicing.lease import Lease
from control_app.invoicing.refs import credited
from control_app.invoicing.runs import Runs
from control_app.spans import month_text


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

    def release(self, decision: Decision, month: int, code: str, customer_id: str | None) -> str:
        """Let a customer's invoice go out in spite of a hold, as it is now; without *customer_id* everybody's. What it said."""
        customer = None if customer_id is None else self._customer(customer_id)
        if not may_be_released(code):
            raise ActionError(f"{code} cannot be released, only resolved")
        query = """SELECT DISTINCT CASE WHEN ?3 IS NULL AND everybody THEN NULL ELSE customer END, message FROM invoice_holds
          WHERE month = ?1 AND code = ?2 AND (?3 IS NULL OR customer = ?3)"""
        held = self.runs.planning.db.connection.execute(query, [month, code, customer]).fetchall()
        found = sorted({message for _, message in held})
        if not found:
            raise ActionError(f"nothing is held for {code} in {month_text(month)}" + (f" of {customer_id}" if customer_id else ""))
        subject = f"{month_text(month)} {customer_id or 'everybody'} {code}: {'; '.join(found)}"
        with self.runs.planning.db.transaction() as db:
            # Of those who are held now: another customer's hold of the same words is another hold.
            rows = ((who, month, code, message) for who, message in held)
            db.executemany("INSERT INTO releases (customer, month, code, message) VALUES (?, ?, ?, ?)", rows)
            record(db, self._now(), Act(decision.who, "release hold", subject, decision.reason))
        return "; ".join(found)

    def approve(self, decision: Decision, month: int, refs: frozenset[str] | None = None) -> list[str]:
        """Let drafts be posted and sent: all of a month that are not held, or those of *refs*. Which they are."""
        with self.runs.working(month) as lease:
            waiting = [entry for entry in self._book.entries(month) if entry.waits_for_approval]
            chosen = [entry for entry in waiting if refs is None or entry.ref in refs]
            if missing := (refs or frozenset()) - {entry.ref for entry in chosen}:
                raise ActionError(f"no draft waits for approval under {', '.join(sorted(missing))}")
            with self.runs.planning.db.transaction() as db:
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
            if entry.credit or entry.state in ("void", "skipped"):
                raise ActionError(f"{ref} is {'a credit note' if entry.credit else entry.state}; only an invoice can be voided")
            if entry.target == "void":
                raise ActionError(f"{ref} is being voided already{', and will be billed again' if entry.rebill else ''}")
            what = "void and bill again" if rebill else "void"
            self._change(lease, decision, what, entry, target="void", rebill=int(rebill), not_before=0)

    def credit(self, decision: Decision, ref: str, amount: Decimal) -> str:
        """Take *amount* (without tax) of a posted invoice back by a credit note, on which the reason stands; its name."""
        with self.runs.working(self._entry(ref).month) as lease:
            entry = self._entry(ref)
            intent = partial_credit(self._book, entry, self._creditable(entry, amount), decision.reason)
            self._audit(decision, "credit", f"{intent.ref}: {intent.total} minor units")
            self._book.open_credit(lease, entry, intent)
        return intent.ref

    def resend(self, decision: Decision, ref: str) -> None:
        """Send the e-mail of an invoice again, all earlier ones of which failed. Raises AccountingError."""
        with self.runs.working(self._entry(ref).month) as lease:
            entry = self._entry(ref)
            if entry.state != "posted" or entry.target == "void" or entry.odoo_id is None or entry.partner is None:
                raise ActionError(f"{ref} is {entry.state}; only one that is posted and not sent can be sent again")
            mails = self.runs.planning.odoo.mails(entry.odoo_id, entry.partner)
            if any(mail.status != "failed" for mail in mails):
                raise ActionError(f"an e-mail of {ref} was sent, or is on its way: a second one would be sent")
            self._change(lease, decision, "resend", entry, failed_mails=len(mails), not_before=0)

    def choose_partner(self, decision: Decision, customer_id: str, partner: int) -> None:
        """Bill a customer as this partner of Odoo (its id)."""
        customer = self._customer(customer_id)
        with self.runs.planning.db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO partners VALUES (?, ?)", [customer, partner])
            record(db, self._now(), Act(decision.who, "choose partner", f"{customer_id}: {partner}", decision.reason))

    def halt(self, decision: Decision) -> None:
        """Stop all invoicing: what is under way stops before its next step."""
        with self.runs.planning.db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO halt VALUES (1, ?, ?, ?)", [self._now(), decision.who, decision.reason])
            record(db, self._now(), Act(decision.who, "stop invoicing", "all", decision.reason))

    def go_on(self, decision: Decision) -> None:
        """Let invoicing go on."""
        with self.runs.planning.db.transaction() as db:
            if not db.execute("DELETE FROM halt").rowcount:
                raise ActionError("invoicing is not stopped")
            record(db, self._now(), Act(decision.who, "let invoicing go on", "all", decision.reason))

    def note(self, decision: Decision, what: str, month: int) -> None:
        """Only the audit's line, for what is done elsewhere: a run."""
        self._audit(decision, what, month_text(month))

    @property
    def _book(self) -> InvoiceBook:
        return self.runs.planning.book

    def _creditable(self, entry: Entry, amount: Decimal) -> int:
        """*amount* in minor units, if so much is left."""
        if entry.credit or entry.state not in ("posted", "sent") or entry.target == "void":
            raise ActionError(f"{entry.ref} is {entry.state}; only a posted invoice can be credited")
        decimals = decimals_of(entry.currency)
        left = entry.total - sum(credit.total for credit in self._book.credits(entry))
        try:
            minor = minor_of(amount, decimals)
        except ValueError as error:
            raise ActionError(str(error)) from None
        if not 0 < minor <= left:
            raise ActionError(f"{amount} is not between 0 and {minor_text(left, decimals)} {entry.currency}, which is left of {entry.ref}")
        return minor

    def _change(self, lease: Lease, decision: Decision, what: str, entry: Entry, **changed: object) -> None:
        """What held the invoice is looked at again."""
        with self.runs.planning.db.transaction() as db:
            lease.renew(db)
            self._book.write(db, entry, **changed)
            keep_holds(db, entry.customer, entry.month, entry.ref, ())
            if entry.credit:
                # A void that waits for its credit note is held by it.
                keep_holds(db, entry.customer, entry.month, credited(entry.ref), ())
            record(db, self._now(), Act(decision.who, what, entry.ref, decision.reason))

    def _audit(self, decision: Decision, what: str, subject: str) -> None:
        with self.runs.planning.db.transaction() as db:
            record(db, self._now(), Act(decision.who, what, subject, decision.reason))

    def _entry(self, ref: str) -> Entry:
        entry: Entry | None = self._book.by_ref(ref)
        if entry is None:
            raise ActionError(f"there is no invoice {ref!r}")
        return entry

    def _customer(self, customer_id: str) -> int:
        number = customer_number(self.runs.planning.db, customer_id)
        if number is None:
            raise ActionError(f"the gateway has no customer {customer_id!r}")
        return number

    def _now(self) -> int:
        return self.runs.planning.clock()
