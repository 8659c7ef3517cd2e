"""What became of invoices that were handed on with their sending, to a tax office or by Peppol: looked at until that is known.

Where they were not taken, or nobody says whether they were, a person must look.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from control_app.accounting.port import Accounting, Channel, Document, EInvoice
from control_app.core.numbers import Month
from control_app.core.time import DAY, SECOND
from control_app.invoicing.book import InvoiceBook, keep_holds
from control_app.invoicing.entry import Entry
from control_app.invoicing.evidence import released
from control_app.invoicing.lease import BusyError, Lease
from control_app.invoicing.runs import Runs
from control_app.invoicing.steps import id_of
from control_app.ledger.hold import Hold, hold_for

LOOK_AGAIN = 3600 * SECOND
LATE_AFTER = 3
"""Working days without the tax office's yes after which a person looks: Romania's law leaves five from the invoice's date."""
LOOKED_FOR = 31
"""Days after which a person looks why Peppol does not say what became of an invoice, and one that nobody got is looked at no more."""
FRIDAY = 5
"""Days of the week that are worked on."""
_READ = "SELECT channel, state, why FROM e_invoice_states WHERE invoice = ?"
_KEEP = "INSERT INTO e_invoice_states (invoice, channel, state, why) VALUES (?, ?, ?, ?)"
_FORGET = "DELETE FROM releases WHERE customer = ? AND month = ? AND code = ? AND message = ?"


class _Answer(NamedTuple):
    """What one to whom an invoice is handed on made of it. `state`: None where it has not got it; `why` it was refused, as told then."""

    state: EInvoice | None
    why: str = ""


Answers = Mapping[Channel, _Answer]
Holds = Mapping[Channel, Hold]
_NONE = _Answer(None)


@dataclass(frozen=True)
class EInvoices:
    """Of the invoices that *runs* made."""

    runs: Runs

    def follow(self) -> None:
        """Look at those whose time has come, month by month; a month that a run works on comes later. Raises AccountingError."""
        accounting, book = self.runs.planning.accounting, self._book
        if accounting is None or not book.handed_in(book.clock(), first_looks=True, most=1):
            return
        channels = accounting.e_invoices()
        months = defaultdict[Month, list[Entry]](list)
        # What was handed on is looked at also when nothing is any more, as the company left Peppol, say.
        for entry in book.handed_in(book.clock(), first_looks=bool(channels)):
            months[entry.month].append(entry)
        for month, entries in sorted(months.items()):
            with suppress(BusyError), self.runs.working(month) as lease:
                found = accounting.find([entry.ref for entry in entries])
                for entry in entries:
                    document = next((one for one in found.get(entry.ref, ()) if one.id == entry.odoo_id), None)
                    look = _Look(entry, self._before(entry), book.clock())
                    self._note(lease, look, look.states(channels, document), accounting)

    def _before(self, entry: Entry) -> Answers:
        rows = self._book.db.connection.execute(_READ, [entry.id])
        return {channel: _Answer(state, why) for channel, state, why in rows}

    def _note(self, lease: Lease, look: _Look, states: Mapping[Channel, EInvoice | None], accounting: Accounting) -> None:
        """Write down what became of one, and hold it or let it go. What a person let go stays so until it is refused anew."""
        entry, anew = look.entry, look.refused_anew(states)
        # Later lines of the document's log are not about the refusal.
        why = dict.fromkeys(anew, accounting.refusal(id_of(entry)) if anew else "")
        answers: Answers = {channel: _Answer(state, why.get(channel, look.why(channel, state))) for channel, state in states.items()}
        let_go = released(self._book.db, entry.month)
        found = look.holds(answers)
        holds: Holds = {channel: hold for channel, hold in found.items() if channel in anew or (entry.customer, *hold.words) not in let_go}
        with self._book.db.transaction() as db:
            lease.renew(db)
            _keep(db, entry, answers, look.again(answers, holds))
            db.executemany(_FORGET, [(entry.customer, entry.month, *holds[channel].words) for channel in anew])
            keep_holds(db, entry.customer, entry.month, entry.ref, holds.values())

    @property
    def _book(self) -> InvoiceBook:
        return self.runs.book


@dataclass(frozen=True)
class _Look:
    """A look at *entry*, *now* (microseconds since 1970 UTC); *before*: what was told at the last one."""

    entry: Entry
    before: Answers
    now: int

    def states(self, channels: Collection[Channel], document: Document | None) -> Mapping[Channel, EInvoice | None]:
        """How a *document* stands with each who is to get it: a tax office gets all, Peppol those for partners who are there.

        What was sent is sent until something else is told of it. What nobody looked at in time was sent before there was a tax office.
        """
        states: dict[Channel, EInvoice | None] = {channel: "sent" for channel, answer in self.before.items() if answer.state == "sent"}
        if "tax office" in channels and ("tax office" in self.before or not self._is_old):
            states["tax office"] = None
        return {**states, **document.e_invoices} if document else states

    def refused_anew(self, states: Mapping[Channel, EInvoice | None]) -> Collection[Channel]:
        """Who refused it since the last look."""
        return [channel for channel, state in states.items() if state == "refused" != self.before.get(channel, _NONE).state]

    def why(self, channel: Channel, state: EInvoice | None) -> str:
        """Why it was refused at an earlier look."""
        return self.before.get(channel, _NONE).why if state == "refused" else ""

    def holds(self, answers: Answers) -> Holds:
        """What a person must look at."""
        found = dict[Channel, Hold]()
        for channel, answer in answers.items():
            if hold := self._hold(channel, answer):
                found[channel] = hold
        return found

    def again(self, answers: Answers, holds: Holds) -> int | None:
        """When to look again; None: never, since all have taken it, or a person let go what they have not, or nobody got it."""
        states = {answer.state for answer in answers.values()}
        if states == {"accepted"} or (self._is_old and not holds and "sent" not in states):
            return None
        # What is handed on to nobody may still be, by a person.
        return self.now + (LOOK_AGAIN if holds or (states and not self._is_old) else DAY)

    def _hold(self, channel: Channel, answer: _Answer) -> Hold | None:
        said = f"; Odoo wrote down: {answer.why}" if answer.why else ""
        number, is_refused = self.entry.number, answer.state == "refused"
        if answer.state == "accepted":
            return None
        if channel == "Peppol" and is_refused:
            return self._held("peppol-failed", f"{number} did not reach its customer by Peppol{said}")
        if channel == "Peppol":
            told = f"Peppol has not told within {LOOKED_FOR} days whether {number} reached its customer"
            return self._held("peppol-late", told) if self._is_old else None
        if is_refused:
            return self._held("e-invoice-refused", f"the tax office refused the e-invoice of {number}: it is as if it was not issued{said}")
        if working_days(self.entry.invoice_day, self.now // DAY) < LATE_AFTER:
            return None
        what = "has not answered to" if answer.state else "was not given"
        return self._held("e-invoice-late", f"the tax office {what} the e-invoice of {number}, on working day {LATE_AFTER} of 5 or later")

    def _held(self, code: str, told: str) -> Hold:
        return hold_for(code, told, self.now, self.entry.customer)

    @property
    def _is_old(self) -> bool:
        return self.now // DAY - self.entry.invoice_day > LOOKED_FOR


def _keep(db: sqlite3.Connection, entry: Entry, answers: Answers, look_at: int | None) -> None:
    db.execute("INSERT OR REPLACE INTO e_invoices (invoice, look_at) VALUES (?, ?)", [entry.id, look_at])
    db.execute("DELETE FROM e_invoice_states WHERE invoice = ?", [entry.id])
    db.executemany(_KEEP, [(entry.id, channel, *answer) for channel, answer in answers.items()])


def working_days(since: int, until: int) -> int:
    """Mondays to Fridays after the day *since* up to *until*, days since 1970; holidays are counted, too."""
    # 1970 began on a Thursday.
    return sum((day + 3) % 7 < FRIDAY for day in range(since + 1, until + 1))
