"""How an invoice is taken back: a draft is cancelled; what was posted gets a credit note, and is void when that was sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from control_app.invoicing.credits import full_credit, left_of, standing
from control_app.invoicing.entry import Entry
from control_app.invoicing.held import HeldError
from control_app.invoicing.steps import Steps, id_of


@dataclass(frozen=True)
class Voiding:
    """Takes entries back, by *steps*. *advance*: takes a credit note as far as it may go."""

    steps: Steps
    advance: Callable[[Entry], Entry]

    def void(self, entry: Entry) -> Entry:
        """Take the entry back."""
        steps = self.steps
        if entry.state == "draft":
            found = steps.found(entry)
            if found is None:
                steps.let_settle(entry, "create")
                return self._undone(entry)
            entry = steps.change(entry, state="created", odoo_id=found.id, partner=found.partner)
        document = steps.look(entry)
        if document is None or document.state == "cancelled":
            return self._undone(entry)
        if document.state == "draft":
            entry, _ = steps.write(entry, "cancel", lambda: steps.accounting.cancel(id_of(entry)))
            return self._undone(entry)
        if entry.credit:
            where = f"posted in Odoo (id {document.id})"
            raise HeldError("odoo-differs", f"{entry.ref} is {where}, and the invoice that it is against is not")
        steps.compare(entry, document)
        self._credit_the_rest(entry)
        for credit in self._counting(entry):
            if credit.not_before > steps.book.clock():
                steps.later(entry, f"{credit.ref} waits: {credit.error}", credit.not_before)
            self.advance(credit)
        return steps.book.void(steps.lease, entry._replace(number=document.number))

    def _credit_the_rest(self, entry: Entry) -> None:
        book, notes = self.steps.book, self._counting(entry)
        if left_of(entry, notes):
            intent = full_credit(entry, notes, len(book.credits(entry)) + 1, book.clock())
            book.open_credit(self.steps.lease, entry, intent)

    def _undone(self, entry: Entry) -> Entry:
        """Void without a credit note; one that was meant and did not come to be is not made any more."""
        book, lease = self.steps.book, self.steps.lease
        if not entry.credit:
            for credit in standing(book.credits(entry)):
                self.advance(book.change(lease, credit, target="void"))
        return book.void(lease, entry)

    def _counting(self, entry: Entry) -> list[Entry]:
        """Credit notes that count: one that a person has cancelled or deleted takes nothing back."""
        counting: list[Entry] = []
        for credit in self.steps.book.credits(entry):
            if credit.state != "void" and self._is_undone(credit):
                self.steps.book.void(self.steps.lease, credit)
            elif credit.state != "void":
                counting.append(credit)
        return counting

    def _is_undone(self, credit: Entry) -> bool:
        if credit.odoo_id is None:
            return False
        document = self.steps.look(credit)
        return document is None or document.state == "cancelled"
