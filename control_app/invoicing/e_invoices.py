"""What became of invoices that were handed on with their sending, to a tax office or by Peppol: looked at until they were taken.

Where they are not, a person must look.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

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
"""Days: what is older was sent before there was anybody to hand it on to."""
FRIDAY = 5
"""Days of the week that are worked on."""
_KEEP = "INSERT OR REPLACE INTO e_invoices (invoice, state, look_at) VALUES (?, ?, ?)"
_ON_THE_WAY = ("refused", None, "sent", "accepted")
"""States in the order in which one stands for several: as long as somebody has not taken it, it is not taken."""


@dataclass(frozen=True)
class EInvoices:
    """Of the invoices that *runs* made."""

    runs: Runs

    def follow(self) -> None:
        """Look at those whose time has come, month by month; a month that a run works on comes later. Raises AccountingError."""
        accounting = self.runs.planning.accounting
        if accounting is None or not self._due(most=1) or not (channels := accounting.e_invoices()):
            return
        months = defaultdict[Month, list[Entry]](list)
        for entry in self._due():
            months[entry.month].append(entry)
        for month, entries in sorted(months.items()):
            with suppress(BusyError), self.runs.working(month) as lease:
                found = accounting.find([entry.ref for entry in entries])
                for entry in entries:
                    document = next((one for one in found.get(entry.ref, ()) if one.id == entry.odoo_id), None)
                    self._note(lease, entry, _states(channels, document), accounting)

    def _due(self, most: int = -1) -> list[Entry]:
        """Those whose time has come, *most* of them, or all."""
        now = self._book.clock()
        return self._book.handed_in(now, now // DAY - LOOKED_FOR, most)

    def _note(self, lease: Lease, entry: Entry, states: Mapping[Channel, EInvoice | None], accounting: Accounting) -> None:
        """Write down what became of one, and hold it or let it go."""
        now = self._book.clock()
        why = accounting.refusal(id_of(entry)) if "refused" in states.values() else ""
        let_go = released(self._book.db, entry.month)
        holds = [hold for hold in self._holds(entry, states, why, now) if (entry.customer, *hold.words) not in let_go]
        state = min(states.values(), key=_ON_THE_WAY.index, default=None)
        # A refusal that a person let go is nothing to wait for.
        state = None if state == "refused" and not holds else state
        with self._book.db.transaction() as db:
            lease.renew(db)
            # What is handed on to nobody may still be, by a person.
            db.execute(_KEEP, [entry.id, state, now + (LOOK_AGAIN if states else DAY)])
            keep_holds(db, entry.customer, entry.month, entry.ref, holds)

    def _holds(self, entry: Entry, states: Mapping[Channel, EInvoice | None], why: str, now: int) -> Iterator[Hold]:
        said = f"; Odoo wrote down: {why}" if why else ""
        if states.get("Peppol") == "refused":
            yield hold_for("peppol-failed", f"{entry.number} did not reach its customer by Peppol{said}", now, entry.customer)
        if "tax office" not in states:
            return
        state = states["tax office"]
        if state == "refused":
            told = f"the tax office refused the e-invoice of {entry.number}: it is as if it was not issued{said}"
            yield hold_for("e-invoice-refused", told, now, entry.customer)
        elif state != "accepted" and working_days(entry.invoice_day, now // DAY) >= LATE_AFTER:
            what = "has not answered to" if state else "was not given"
            told = f"the tax office {what} the e-invoice of {entry.number}, on working day {LATE_AFTER} of 5 or later"
            yield hold_for("e-invoice-late", told, now, entry.customer)

    @property
    def _book(self) -> InvoiceBook:
        return self.runs.book


def _states(channels: Collection[Channel], document: Document | None) -> Mapping[Channel, EInvoice | None]:
    """How a document stands with each who is to get it: a tax office gets all, Peppol those for partners who are there."""
    awaited: dict[Channel, EInvoice | None] = {"tax office": None} if "tax office" in channels else {}
    return {**awaited, **document.e_invoices} if document else awaited


def working_days(since: int, until: int) -> int:
    """Mondays to Fridays after the day *since* up to *until*, days since 1970; holidays are counted, too."""
    # 1970 began on a Thursday.
    return sum((day + 3) % 7 < FRIDAY for day in range(since + 1, until + 1))
