"""The way of one invoice into the accounting system and to its customer: steps, each of which may fail and is gone on with later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from control_app.accounting.port import Document
from control_app.core.time import DAY
from control_app.invoicing.credits import is_whole
from control_app.invoicing.delivery import Mailing
from control_app.invoicing.drafts import date_of, draft_of
from control_app.invoicing.entry import Entry
from control_app.invoicing.held import HeldError
from control_app.invoicing.refs import credited, file_name
from control_app.invoicing.steps import Steps, id_of, partner_of
from control_app.invoicing.voiding import Voiding


@dataclass(frozen=True)
class Saga:
    """Takes invoices on their way by *steps*. *usage*: the file that is attached to an invoice."""

    steps: Steps
    usage: Callable[[Entry], bytes] = field(repr=False)

    def advance(self, entry: Entry) -> Entry:
        """As far as *entry* may go.

        Raises HeldError where a person must look, WaitError where it goes on by itself, HaltedError, LostError, ClockError.
        What was reached until then is written down.
        """
        book, lease = self.steps.book, self.steps.lease
        try:
            while not entry.is_where_it_may_be:
                entry = self._step(entry)
        except HeldError as held:
            book.hold(lease, entry.customer, entry.month, entry.ref, [held.hold(entry.customer, book.clock())])
            raise
        book.let_go(lease, entry)
        return entry

    def _step(self, entry: Entry) -> Entry:
        if entry.target == "void":
            return Voiding(self.steps, self.advance).void(entry)
        if entry.state == "draft":
            return self._create(entry)
        if entry.state == "created":
            entry, document = self._check(entry)
            return self._post(entry, document or self.steps.read(entry)) if entry.target == "sent" else entry
        return Mailing(self.steps).mail(entry)

    def _create(self, entry: Entry) -> Entry:
        steps = self.steps
        if found := steps.found(entry):
            self._compare(entry, found)
            return steps.change(entry, state="created", odoo_id=found.id, partner=found.partner)
        steps.let_settle(entry, "create")
        draft = draft_of(entry, partner_of(entry), self._against(entry))
        entry, created = steps.write(entry, "create", lambda: steps.accounting.create(draft))
        return steps.change(entry, state="created", odoo_id=created)

    def _check(self, entry: Entry) -> tuple[Entry, Document | None]:
        """What was made of the entry is ours to the cent, and the customer can look it up. The document, if it was read."""
        if entry.checked:
            return entry, None
        steps = self.steps
        document = steps.read(entry)
        self._compare(entry, document)
        if not entry.credit:
            name, content = file_name(entry.ref), self.usage(entry)
            entry, _ = steps.write(entry, "attach", lambda: steps.accounting.attach(id_of(entry), name, content))
        return steps.change(entry, checked=1), document

    def _post(self, entry: Entry, document: Document) -> Entry:
        steps = self.steps
        # Also where it was compared when it was made: a person may have changed the draft since.
        self._compare(entry, document)
        is_ours = False
        if document.state == "draft":
            entry = self._dated(entry)
            try:
                entry, _ = steps.write(entry, "post", lambda: steps.accounting.post(id_of(entry)))
                is_ours = True
            except HeldError:
                # Refused also where an earlier call came through after all.
                if steps.read(entry).state != "posted":
                    raise
            document = steps.read(entry)
        self._compare(entry, document)
        entry = steps.change(entry, state="posted", number=document.number)
        # What was posted just now was not sent before: there is no e-mail to look for.
        return Mailing(steps).send(entry) if is_ours else entry

    def _dated(self, entry: Entry) -> Entry:
        """A draft that is posted later than it was made, as one that a person approved, has the dates of that day."""
        steps, today = self.steps, self.steps.book.clock() // DAY
        if entry.invoice_day >= today:
            return entry
        due = today + entry.due_day - entry.invoice_day
        entry, _ = steps.write(entry, "date", lambda: steps.accounting.redate(id_of(entry), date_of(today), date_of(due)))
        return steps.change(entry, invoice_day=today, due_day=due)

    def _compare(self, entry: Entry, document: Document) -> None:
        """What is there is ours, and what takes back all of an invoice takes back its tax."""
        self.steps.compare(entry, document)
        against = self._against(entry)
        if against is not None and is_whole(entry) and (invoice := self.steps.ask(entry, lambda: self.steps.accounting.read(against))):
            self.steps.compare_tax(entry, document, invoice)

    def _against(self, entry: Entry) -> int | None:
        """The id of the invoice that a credit note takes back."""
        if not entry.credit:
            return None
        against = self.steps.book.by_ref(credited(entry.ref))
        return against.odoo_id if against else None
