"""The way of one invoice into Odoo and to its customer, a step at a time, each of which may fail and is gone on with later.

Every write is preceded by a note of it. After one whose outcome is not known, what Odoo has is looked up; what is not there
counts as not done only when the write cannot come through any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from control_app.invoicing.accounting import Accounting, Mail, Move, RefusedError, UnavailableError, UnclearError
from control_app.invoicing.book import Entry, InvoiceBook
from control_app.invoicing.credits import full_credit
from control_app.invoicing.currency import decimals_of, minor_of, minor_text
from control_app.invoicing.drafts import Shape, draft_of
from control_app.invoicing.findings import HeldError
from control_app.invoicing.lease import Lease
from control_app.invoicing.refs import credited, file_name
from control_app.periods import time_text
from control_app.spans import SECOND

SETTLED = 300 * SECOND
"""After it a write is done or will never be: Odoo ends a request after 120 s (billing.md 3.3; what odoo.com has is not published)."""
MAIL_LATE = 24 * 3600 * SECOND
"""An e-mail that waits for longer is looked at by a person."""
MAIL_AGAIN = 60 * SECOND
PAUSES = tuple(60 * SECOND << number for number in range(7))
"""After failures, up to an hour."""
UNANSWERED_MOST = 12
"""Then a person looks why Odoo does not answer, or never does what it is asked."""
Result = TypeVar("Result")


class WaitError(Exception):
    """It goes on later, by itself; the message says why and when."""

    def __init__(self, message: str, until: int) -> None:
        super().__init__(f"{message}; goes on at {time_text(until)}")
        self.until = until


class OnItsWayError(WaitError):
    """All is done but for Odoo's word that the e-mail was sent."""


@dataclass(frozen=True)
class Saga:
    """Takes invoices on their way under a *lease*. *restored_at*: when the database was restored from its replica last.

    *usage*: the file that is attached to an invoice.
    """

    book: InvoiceBook
    accounting: Accounting
    lease: Lease
    shape: Shape
    usage: Callable[[Entry], bytes] = field(repr=False)
    restored_at: int = 0

    def advance(self, entry: Entry) -> Entry:
        """As far as *entry* may go.

        Raises HeldError where a person must look, WaitError where it goes on by itself, HaltedError, LostError. What was
        reached until then is written down.
        """
        try:
            while not entry.is_where_it_may_be:
                entry = self._step(entry)
        except HeldError as held:
            finding = held.finding(self.book.clock())
            self.book.hold(self.lease, entry.customer, entry.month, entry.ref, [finding])
            raise
        self.book.let_go(self.lease, entry)
        return entry

    def _step(self, entry: Entry) -> Entry:
        if entry.target == "void":
            return self._end(entry)
        if entry.state == "draft":
            return self._create(entry)
        if entry.state == "created":
            entry, move = self._check(entry)
            return self._post(entry, move or self._read(entry)) if entry.target == "sent" else entry
        return self._mail(entry)

    # Into Odoo.

    def _create(self, entry: Entry) -> Entry:
        if move := self._found(entry):
            return self._adopt(entry, move)
        self._let_settle(entry, "create")
        draft = draft_of(entry, _partner(entry), self.shape, self._reversed(entry))
        entry, created = self._write(entry, "create", lambda: self.accounting.create(draft))
        return self._change(entry, state="created", odoo_id=created)

    def _found(self, entry: Entry) -> Move | None:
        moves = self._ask(entry, lambda: self.accounting.find([entry.ref])).get(entry.ref, ())
        if len(moves) > 1:
            raise HeldError("odoo-twice", f"Odoo has {len(moves)} of {entry.ref}: ids {', '.join(str(move.id) for move in moves)}")
        return moves[0] if moves else None

    def _adopt(self, entry: Entry, move: Move) -> Entry:
        self._equal(entry, move)
        return self._change(entry, state="created", odoo_id=move.id, partner=move.partner)

    def _check(self, entry: Entry) -> tuple[Entry, Move | None]:
        """What Odoo has made of it is ours to the cent, and the customer can look it up. What was read, if it was."""
        if entry.checked:
            return entry, None
        move = self._read(entry)
        self._equal(entry, move)
        if not entry.credit:
            name, content = file_name(entry.ref), self.usage(entry)
            entry, _ = self._write(entry, "attach", lambda: self.accounting.attach(_id(entry), name, content))
        return self._change(entry, checked=1), move

    def _post(self, entry: Entry, move: Move) -> Entry:
        # Also where it was compared when it was made: a person may have changed the draft since.
        self._equal(entry, move)
        is_ours = False
        if move.state == "draft":
            try:
                entry, _ = self._write(entry, "post", lambda: self.accounting.post(_id(entry)))
                is_ours = True
            except HeldError:
                # Refused also where an earlier call came through after all.
                if self._read(entry).state != "posted":
                    raise
            move = self._read(entry)
        self._equal(entry, move)
        entry = self._change(entry, state="posted", number=move.number)
        # What was posted just now was not sent before: there is no e-mail to look for.
        return self._send(entry) if is_ours else entry

    # To the customer.

    def _mail(self, entry: Entry) -> Entry:
        if mails := self._mails(entry):
            return self._sent(entry, mails)
        self._let_settle(entry, "send")
        return self._send(entry)

    def _send(self, entry: Entry) -> Entry:
        mail = self._ask(entry, lambda: self.accounting.prepare_mail(_id(entry)))
        entry, _ = self._write(entry, "send", lambda: self.accounting.send(mail))
        entry = self._change(entry)
        if mails := self._mails(entry):
            return self._sent(entry, mails)
        raise HeldError("mail-skipped", f"Odoo sent no e-mail for {entry.number}, and gave no error")

    def _mails(self, entry: Entry) -> list[Mail]:
        """But for those that failed and that a person has seen, who wants another sent."""
        mails = self._ask(entry, lambda: self.accounting.mails(_id(entry), _partner(entry)))
        failed = [mail for mail in mails if mail.status == "failed"]
        return [mail for mail in mails if mail.status != "failed"] + failed[entry.failed_mails :]

    def _sent(self, entry: Entry, mails: list[Mail]) -> Entry:
        statuses = {mail.status for mail in mails}
        if "sent" in statuses:
            return self._change(entry, state="sent")
        if "waiting" in statuses:
            now = self.book.clock()
            since = entry.attempted_at or entry.updated_at
            if now - since > MAIL_LATE:
                raise HeldError("mail-waiting", f"the e-mail of {entry.number} has waited in Odoo since {time_text(since)}")
            # Not by _change, which would make it look fresh.
            with self.book.db.transaction() as db:
                self.lease.renew(db)
                db.execute("UPDATE invoices SET not_before = ? WHERE id = ?", [now + MAIL_AGAIN, entry.id])
            raise OnItsWayError(f"posted as {entry.number}, the e-mail is on its way", now + MAIL_AGAIN)
        reasons = "; ".join(sorted({mail.reason for mail in mails}))
        raise HeldError("mail-failed", f"the e-mail of {entry.number} failed: {reasons}")

    # Out again.

    def _end(self, entry: Entry) -> Entry:
        """Void: a draft is cancelled; what was posted gets a credit note, and is void when that was sent."""
        if entry.state == "draft":
            move = self._found(entry)
            if move is None:
                self._let_settle(entry, "create")
                return self._undone(entry)
            entry = self._change(entry, state="created", odoo_id=move.id, partner=move.partner)
        move = self._ask(entry, lambda: self.accounting.read(_id(entry)))
        if move is None or move.state == "cancel":
            return self._undone(entry)
        if move.state == "draft":
            entry, _ = self._write(entry, "cancel", lambda: self.accounting.cancel(_id(entry)))
            return self._undone(entry)
        if entry.credit:
            raise HeldError("odoo-differs", f"{entry.ref} is posted in Odoo (id {move.id}), and the invoice that it is against is not")
        self._equal(entry, move)
        left = entry.total - sum(credit.total for credit in self._credits(entry))
        if left:
            self.book.open_credit(self.lease, entry, full_credit(self.book, entry, left))
        for credit in self._credits(entry):
            if credit.not_before > self.book.clock():
                self._later(entry, f"{credit.ref} waits: {credit.error}", credit.not_before)
            self.advance(credit)
        return self._voided(entry._replace(number=move.number))

    def _undone(self, entry: Entry) -> Entry:
        """Void without a credit note; one that was meant and did not come to Odoo is not made any more."""
        if not entry.credit:
            for credit in [credit for credit in self.book.credits(entry) if credit.state != "void"]:
                self.advance(self.book.change(self.lease, credit, target="void"))
        return self._voided(entry)

    def _credits(self, entry: Entry) -> list[Entry]:
        """Credit notes that count: one that a person has cancelled or deleted in Odoo takes nothing back."""
        counting: list[Entry] = []
        for credit in self.book.credits(entry):
            if credit.state != "void" and self._is_undone(credit):
                self.book.void(self.lease, credit)
            elif credit.state != "void":
                counting.append(credit)
        return counting

    def _is_undone(self, credit: Entry) -> bool:
        if credit.odoo_id is None:
            return False
        move = self._ask(credit, lambda: self.accounting.read(_id(credit)))
        return move is None or move.state == "cancel"

    def _voided(self, entry: Entry) -> Entry:
        return self.book.void(self.lease, entry)

    # What all steps share.

    def _reversed(self, entry: Entry) -> int | None:
        if not entry.credit:
            return None
        against = self.book.by_ref(credited(entry.ref))
        return against.odoo_id if against else None

    def _equal(self, entry: Entry, move: Move) -> None:
        if move.state == "cancel":
            raise HeldError("odoo-cancelled", f"{entry.ref} was cancelled in Odoo (id {move.id})")
        decimals = decimals_of(entry.currency)
        theirs = minor_of(move.untaxed, decimals)
        type_ = "out_refund" if entry.credit else "out_invoice"
        if (theirs, move.currency, move.type) != (entry.total, entry.currency, type_):
            ours = f"{minor_text(entry.total, decimals)} {entry.currency} without tax"
            raise HeldError(
                "odoo-differs", f"{entry.ref} is {ours}, and in Odoo (id {move.id}) {move.untaxed} {move.currency}, {move.type}"
            )
        if entry.partner is not None and move.partner != entry.partner:
            raise HeldError("odoo-differs", f"{entry.ref} is for partner {entry.partner}, and in Odoo (id {move.id}) for {move.partner}")

    def _let_settle(self, entry: Entry, what: str) -> None:
        """What is not there may still come, for as long as Odoo works on it."""
        attempted = (entry.attempted_at or 0) if entry.attempt == what else 0
        until = max(attempted, self.restored_at) + SETTLED
        if self.book.clock() < until:
            since = "the database was restored" if attempted < self.restored_at else f"no answer to {what} of {time_text(attempted)}"
            self._later(entry, since, until)

    def _write(self, entry: Entry, what: str, act: Callable[[], Result]) -> tuple[Entry, Result]:
        """Note it, do it; the note stays until the next change of the entry says what came of it."""
        entry = self.book.attempt(self.lease, entry, what)
        try:
            return entry, act()
        except UnclearError as error:
            if entry.tries + 1 >= UNANSWERED_MOST:
                raise HeldError("odoo-unanswered", f"no answer {entry.tries + 1} times: {error}") from None
            pause = max(SETTLED, pause_of(entry))
            entry = self.book.change(self.lease, entry, tries=entry.tries + 1)
            self._later(entry, str(error), self.book.clock() + pause)
        except UnavailableError as error:
            self._try_again(self.book.change(self.lease, entry, attempt=None), str(error))
        except RefusedError as error:
            self._change(entry)
            raise HeldError("odoo-refused", str(error)) from None

    def _ask(self, entry: Entry, act: Callable[[], Result]) -> Result:
        try:
            return act()
        except (UnavailableError, UnclearError) as error:
            self._try_again(entry, str(error))
        except RefusedError as error:
            raise HeldError("odoo-refused", str(error)) from None

    def _read(self, entry: Entry) -> Move:
        move = self._ask(entry, lambda: self.accounting.read(_id(entry)))
        if move is None:
            raise HeldError("odoo-missing", f"{entry.ref} (id {entry.odoo_id}) is not in Odoo any more")
        return move

    def _change(self, entry: Entry, **changed: object) -> Entry:
        """A step that is done: nothing is unclear any more."""
        return self.book.change(self.lease, entry, **{"attempt": None, "error": None, "tries": 0, "not_before": 0, **changed})

    def _try_again(self, entry: Entry, why: str) -> NoReturn:
        until = self.book.clock() + pause_of(entry)
        self.book.change(self.lease, entry, tries=entry.tries + 1)
        self._later(entry, why, until)

    def _later(self, entry: Entry, why: str, until: int) -> NoReturn:
        self.book.change(self.lease, entry, error=why, not_before=until)
        raise WaitError(why, until)


def pause_of(entry: Entry) -> int:
    """How long it rests after it failed once more, in microseconds."""
    return PAUSES[min(entry.tries, len(PAUSES) - 1)]


def _partner(entry: Entry) -> int:
    assert entry.partner is not None, f"{entry.ref} has no partner"  # noqa: S101 (who has none is held, or has nothing to pay)
    return entry.partner


def _id(entry: Entry) -> int:
    assert entry.odoo_id is not None, f"{entry.ref} has no id in Odoo"  # noqa: S101 (the state says so)
    return entry.odoo_id
