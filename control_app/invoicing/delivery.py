"""How a posted invoice reaches its customer: sent once, and looked after until the accounting system says that it is on its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from control_app.accounting.port import Delivery
from control_app.core.periods import time_text
from control_app.core.time import SECOND, duration
from control_app.invoicing.entry import Entry
from control_app.invoicing.held import HeldError
from control_app.invoicing.steps import Steps, WaitError, id_of, partner_of

LOOK_AGAIN = 60 * SECOND
"""After which a delivery that waits is looked at again."""


class OnItsWayError(WaitError):
    """All is done but for the accounting system's word that the e-mail was sent."""


@dataclass(frozen=True)
class Mailing:
    """Sends what is posted, by *steps*."""

    steps: Steps

    def mail(self, entry: Entry) -> Entry:
        """Send the entry, unless it was: what was ordered earlier is looked for first."""
        if deliveries := self._deliveries(entry):
            return self._judge(entry, deliveries)
        self.steps.let_settle(entry, "send")
        return self.send(entry)

    def send(self, entry: Entry) -> Entry:
        """Send the entry, which was never sent before."""
        steps = self.steps
        # Before the note of the send: what waits here is not under way yet.
        with steps.accounting.delivering():
            prepared = steps.ask(entry, lambda: steps.accounting.prepare_delivery(id_of(entry)))
            entry, _ = steps.write(entry, "send", lambda: steps.accounting.deliver(prepared))
        entry = steps.change(entry)
        if deliveries := self._deliveries(entry):
            return self._judge(entry, deliveries)
        raise HeldError("mail-skipped", f"Odoo sent no e-mail for {entry.number}, and gave no error")

    def _deliveries(self, entry: Entry) -> list[Delivery]:
        """All but those that failed and that a person has seen, who wants another sent."""
        found = self.steps.ask(entry, lambda: self.steps.accounting.deliveries(id_of(entry), partner_of(entry)))
        failed = [delivery for delivery in found if delivery.status == "failed"]
        return [delivery for delivery in found if delivery.status != "failed"] + failed[entry.failed_mails :]

    def _judge(self, entry: Entry, deliveries: Sequence[Delivery]) -> Entry:
        statuses = {delivery.status for delivery in deliveries}
        if "sent" in statuses:
            return self.steps.change(entry, state="sent")
        if "waiting" in statuses:
            self._wait(entry)
        reasons = "; ".join(sorted({delivery.reason for delivery in deliveries}))
        raise HeldError("mail-failed", f"the e-mail of {entry.number} failed: {reasons}")

    def _wait(self, entry: Entry) -> None:
        book, since = self.steps.book, entry.attempted_at or entry.updated_at
        now = book.clock()
        if now - since > duration(self.steps.accounting.delivered_within):
            raise HeldError("mail-waiting", f"the e-mail of {entry.number} has waited in Odoo since {time_text(since)}")
        book.rest(self.steps.lease, entry, now + LOOK_AGAIN)
        raise OnItsWayError(f"posted as {entry.number}, the e-mail is on its way", now + LOOK_AGAIN)
