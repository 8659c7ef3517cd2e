"""How one step of an invoice's way is taken: noted, asked of the accounting system, and written down, or put off, or held.

Every write is preceded by a note of it. After one whose outcome is not known, what is there is looked up; what is not there
counts as not done only when the write cannot come through any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar, Unpack

from control_app.accounting.port import Accounting, Document, RefusedError, UnavailableError, UnclearError
from control_app.core.currency import minor_text, units
from control_app.core.periods import time_text
from control_app.core.time import SECOND, duration
from control_app.invoicing.book import InvoiceBook
from control_app.invoicing.entry import Changes, Entry
from control_app.invoicing.held import HeldError
from control_app.invoicing.lease import Lease

PAUSES = tuple(60 * SECOND << number for number in range(7))
"""Between failures, microseconds: up to an hour."""
UNANSWERED_MOST = 12
"""Unanswered writes after which a person looks why no answer comes, or what is asked is never done."""
Result = TypeVar("Result")


class WaitError(Exception):
    """The invoice goes on later, by itself; the message says why and when. `until`: microseconds since 1970 UTC."""

    def __init__(self, message: str, until: int) -> None:
        super().__init__(f"{message}; goes on at {time_text(until)}")
        self.until = until


@dataclass(frozen=True)
class Steps:
    """Steps under a *lease*. *agree*: raises ClockError where the accounting system's clock and ours are apart.

    *restored_at*: when the database was restored from its replica last, microseconds since 1970 UTC.

    What is asked raises HeldError where a person must look, WaitError where the invoice goes on by itself, and HaltedError, LostError
    and ClockError, which stop everything.
    """

    book: InvoiceBook
    accounting: Accounting
    lease: Lease
    agree: Callable[[], None]
    restored_at: int = 0

    def found(self, entry: Entry) -> Document | None:
        """The document that has the entry's name, if there is one."""
        documents = self.ask(entry, lambda: self.accounting.find([entry.ref])).get(entry.ref, ())
        if len(documents) > 1:
            ids = ", ".join(str(document.id) for document in documents)
            raise HeldError("odoo-twice", f"Odoo has {len(documents)} of {entry.ref}: ids {ids}")
        return documents[0] if documents else None

    def look(self, entry: Entry) -> Document | None:
        """The entry's document as it is now; None where somebody deleted it."""
        return self.ask(entry, lambda: self.accounting.read(id_of(entry)))

    def read(self, entry: Entry) -> Document:
        """The entry's document as it is now."""
        document = self.look(entry)
        if document is None:
            raise HeldError("odoo-missing", f"{entry.ref} (id {entry.odoo_id}) is not in Odoo any more")
        return document

    def ask(self, entry: Entry, act: Callable[[], Result]) -> Result:
        """Ask what changes nothing."""
        try:
            return act()
        except (UnavailableError, UnclearError) as error:
            self._try_again(entry, str(error))
        except RefusedError as error:
            raise HeldError("odoo-refused", str(error)) from None

    def write(self, entry: Entry, what: str, act: Callable[[], Result]) -> tuple[Entry, Result]:
        """Note *what* is asked, and ask it; the note stays until the next change of the entry says what came of it."""
        self.ask(entry, self.agree)
        entry = self.book.attempt(self.lease, entry, what)
        try:
            return entry, act()
        except UnclearError as error:
            if entry.tries + 1 >= UNANSWERED_MOST:
                raise HeldError("odoo-unanswered", f"no answer {entry.tries + 1} times: {error}") from None
            pause = max(duration(self.accounting.settled_after), pause_of(entry))
            entry = self.book.change(self.lease, entry, tries=entry.tries + 1)
            self.later(entry, str(error), self.book.clock() + pause)
        except UnavailableError as error:
            self._try_again(self.book.change(self.lease, entry, attempt=None), str(error))
        except RefusedError as error:
            self.change(entry)
            raise HeldError("odoo-refused", str(error)) from None

    def let_settle(self, entry: Entry, what: str) -> None:
        """Wait while what is not there may still come of an earlier attempt to do *what*."""
        attempted = (entry.attempted_at or 0) if entry.attempt == what else 0
        until = max(attempted, self.restored_at) + duration(self.accounting.settled_after)
        if self.book.clock() < until:
            since = "the database was restored" if attempted < self.restored_at else f"no answer to {what} of {time_text(attempted)}"
            self.later(entry, since, until)

    def compare(self, entry: Entry, document: Document) -> None:
        """Hold the entry where the document is cancelled, or is not ours to the minor unit."""
        if document.state == "cancelled":
            raise HeldError("odoo-cancelled", f"{entry.ref} was cancelled in Odoo (id {document.id})")
        decimals = entry.tender.decimals
        if (document.untaxed, document.currency, document.kind) != (units(entry.total, decimals), entry.currency, entry.kind):
            ours = f"{minor_text(entry.total, decimals)} {entry.currency} without tax"
            there = f"in Odoo (id {document.id}) {document.untaxed} {document.currency}, {document.kind}"
            raise HeldError("odoo-differs", f"{entry.ref} is {ours}, and {there}")
        if entry.partner is not None and document.partner != entry.partner:
            there = f"in Odoo (id {document.id}) for {document.partner}"
            raise HeldError("odoo-differs", f"{entry.ref} is for partner {entry.partner}, and {there}")

    def compare_tax(self, entry: Entry, document: Document, invoice: Document) -> None:
        """Hold a credit note over all of an *invoice* whose *document* takes back another amount with tax."""
        if document.total != invoice.total:
            ours = f"{invoice.total} {invoice.currency} with tax, as the invoice is (id {invoice.id})"
            raise HeldError("odoo-differs", f"{entry.ref} takes back {ours}, and in Odoo (id {document.id}) {document.total}")

    def change(self, entry: Entry, **changed: Unpack[Changes]) -> Entry:
        """Write down a step that is done: nothing of the entry is unclear any more."""
        step: Changes = {"attempt": None, "error": None, "tries": 0, "not_before": 0, **changed}
        return self.book.change(self.lease, entry, **step)

    def later(self, entry: Entry, why: str, until: int) -> NoReturn:
        """Go on at *until*, by itself."""
        self.book.change(self.lease, entry, error=why, not_before=until)
        raise WaitError(why, until)

    def _try_again(self, entry: Entry, why: str) -> NoReturn:
        until = self.book.clock() + pause_of(entry)
        self.book.change(self.lease, entry, tries=entry.tries + 1)
        self.later(entry, why, until)


def pause_of(entry: Entry) -> int:
    """How long an entry rests after it failed once more, in microseconds."""
    return PAUSES[min(entry.tries, len(PAUSES) - 1)]


def partner_of(entry: Entry) -> int:
    """Who is billed: an entry without a partner is held, or has nothing to pay."""
    assert entry.partner is not None, f"{entry.ref} has no partner"  # noqa: S101 (see above)
    return entry.partner


def id_of(entry: Entry) -> int:
    """The accounting system's id of an entry that was created there."""
    assert entry.odoo_id is not None, f"{entry.ref} has no id in Odoo"  # noqa: S101 (the state says so)
    return entry.odoo_id
