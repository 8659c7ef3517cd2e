"""Why an invoice may not go out: each reason with its remedy, and which of them a person may release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control_app.holds import REMEDIES as LEDGER_REMEDIES
from control_app.holds import Hold
from control_app.periods import time_text
from control_app.spans import microseconds

_RESOLVE = "then resume"
# What only a change elsewhere resolves: money would go to the wrong address, or be another than Odoo's.
RESOLVED = {
    "partner-missing": f"map the customer to a partner (control invoices partner), or give the partner the customer's id; {_RESOLVE}",
    "partner-not-unique": f"map each of these customers to its partner (control invoices partner); {_RESOLVE}",
    "partner-no-email": f"give the partner an e-mail address in Odoo (Contacts); {_RESOLVE}",
    "partner-no-country": f"give the partner a country in Odoo (Contacts): the tax depends on it; {_RESOLVE}",
    "lines-differ": "a defect of ours: the lines are not what the ledger's rows add up to; nothing is billed until it is mended",
    "odoo-differs": f"correct it in Odoo, or cancel or credit it there; {_RESOLVE}",
    "odoo-twice": f"delete the one in Odoo that is not meant; {_RESOLVE}",
    "odoo-cancelled": "void it here, and bill again, or leave it",
    "odoo-missing": "void it, and bill again if it is to be: somebody deleted it in Odoo",
    "odoo-unanswered": f"look into Odoo's log; {_RESOLVE}",
    "odoo-refused": f"change in Odoo what it names; {_RESOLVE}",
    "mail-failed": "correct the address in Odoo, then resend",
    "mail-skipped": f"give the partner an e-mail address in Odoo; {_RESOLVE}",
    "mail-waiting": "look at Odoo's outgoing e-mails (Settings > Technical > Email > Emails) and its mail server",
}
# What a person may look at and let go.
RELEASABLE = {
    "brake-invoice": "look at the usage; if it is right, release the hold",
    "brake-run": "look at the month; if it is right, release the hold, which is for everybody",
    "brake-change": "look at the usage; if it is right, release the hold",
}


@dataclass(frozen=True)
class Finding:
    """A reason why a customer is held. `since`: microseconds since 1970 UTC. `everybody`: it holds all customers alike."""

    code: str
    message: str
    since: int
    remedy: str
    everybody: bool = False

    def document(self) -> dict[str, Any]:
        """As JSON tells it."""
        return {"code": self.code, "message": self.message, "since": time_text(self.since), "remedy": self.remedy}


class HeldError(Exception):
    """The invoice cannot go on: *code* is one of RESOLVED."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def finding(self, now: int) -> Finding:
        """What was found *now*."""
        return Finding(self.code, str(self), now, RESOLVED[self.code])


def of_hold(hold: Hold) -> Finding:
    """What the ledger holds."""
    return Finding(hold.code, hold.message, microseconds(hold.since), hold.remedy, everybody=hold.customer is None)


def may_be_released(code: str) -> bool:
    """Whether a person may let the invoice go out in spite of it: not where amounts or addresses are wrong or unknown."""
    return code in RELEASABLE or (code in LEDGER_REMEDIES and code not in NEVER)


NEVER = ("unrated", "unmapped-key", "not-read")
"""Of the ledger's: what has no price or no customer cannot be billed, and what was not read is not known."""
ALL: Mapping[str, str] = {**{str(code): remedy for code, remedy in LEDGER_REMEDIES.items()}, **RESOLVED, **RELEASABLE}
"""Every code with its remedy; Odoo's preflight has codes that begin with `odoo-` besides."""
