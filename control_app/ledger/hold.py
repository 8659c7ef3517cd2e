"""Why a customer may not be invoiced for a time: the one kind of hold, and the one table of its reasons, whoever finds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from control_app.core.numbers import CustomerNo

FoundBy = Literal["ledger", "brake", "run"]
_RESUME = "then resume"


@dataclass(frozen=True)
class Reason:
    """`remedy`: what a person can do. `releasable`: a person may let the invoice go out all the same.

    `found_by`: the `ledger` and a `brake` are asked anew at each look; what a `run` found, since it asked the accounting system,
    stands until a run asks again.
    """

    remedy: str
    found_by: FoundBy
    releasable: bool = False


def _ledgers(remedy: str, *, releasable: bool = True) -> Reason:
    return Reason(remedy, "ledger", releasable)


REASONS: Mapping[str, Reason] = {
    # Nothing that is written down is certain.
    "clock": _ledgers(
        "set the clock that is wrong (timedatectl on the server, Odoo's and the gateway's alike); the hold ends by itself when they agree",
        releasable=False,
    ),
    "clock-set-back": _ledgers(
        "compare the requests of that time in the gateway's log; a person decides, since a time that there was twice tells no month"
    ),
    # What has no price or no customer cannot be billed, and what was not read is not known.
    "unrated": _ledgers(
        "give the model a price (its annotation), or accept the one that waits; rows since its creation are rated then", releasable=False
    ),
    "too-dear": _ledgers(
        "look at the rows in the gateway's log; let CONTROL_BOUND_ROW (bounds.row in a location file) be what the dearest costs, or more,"
        " and restart the service, whose next pass rates them. What no request can have cost is billed then, and credited by its invoice",
        releasable=False,
    ),
    "unmapped-key": _ledgers("give the key to a customer at the gateway; its rows follow", releasable=False),
    "not-read": _ledgers("wait for the next pass, or look why it fails (control doctor)", releasable=False),
    "lost-customer": _ledgers(
        "give the key its customer again at the gateway, or delete it; a partial PUT that deactivates it clears the customer"
    ),
    "missing-requests": _ledgers("look into the gateway's log for that time; a person decides, since lost rows cannot be had again"),
    "missing-by-model": _ledgers(
        "look whether the gateway was killed or somebody called the models past it (a load test, say), which its log cannot have; a person"
        " decides for the whole month, since an engine does not know whose requests it answered"
    ),
    "without-usage": _ledgers(
        "look whether the engine reports usage for streams; a person decides, since what was not counted cannot be billed"
    ),
    "set-aside": _ledgers(
        "look at the rows in the gateway's log (their text stands in the table set_aside); a person decides, since they are not billed"
    ),
    "contradictory": _ledgers(
        "compare what the engine reports with what its rows say; they are billed by the table in docs/billing-rules.md"
    ),
    "cancelled": _ledgers(
        "have the engine tell usage on the way (docs/models.md), and look at the customer's cancelled requests; a person decides, since"
        " what was not counted cannot be billed"
    ),
    "read-differently": _ledgers("compare the rows in the gateway's log; the first reading is billed"),
    "not-counted": _ledgers(
        "look why the gateway's metrics were not read or do not count; a person decides, since nothing tells what is missing"
    ),
    "brake-invoice": Reason("look at the usage; if it is right, release the hold", "brake", releasable=True),
    "brake-run": Reason("look at the month; if it is right, release the hold, which is for everybody", "brake", releasable=True),
    "brake-change": Reason("look at the usage; if it is right, release the hold", "brake", releasable=True),
    # Only a change elsewhere resolves these: money would go to the wrong address, or be another than Odoo's.
    "partner-missing": Reason(
        f"map the customer to a partner (control invoices partner), or give the partner the customer's id; {_RESUME}", "run"
    ),
    "partner-not-unique": Reason(f"map each of these customers to its partner (control invoices partner); {_RESUME}", "run"),
    "partner-no-email": Reason(f"give the partner an e-mail address in Odoo (Contacts); {_RESUME}", "run"),
    "partner-no-country": Reason(f"give the partner a country in Odoo (Contacts): the tax depends on it; {_RESUME}", "run"),
    "partner-no-vat": Reason(
        f"give the partner its VAT number in Odoo (Contacts); {_RESUME}. Who has none, as a consumer, must be taxed: set that up in Odoo"
        " (OSS), then release the hold, or set CONTROL_EU_WITHOUT_VAT to bill",
        "run",
        releasable=True,
    ),
    "partner-incomplete": Reason(f"complete the partner in Odoo (Contacts); {_RESUME}", "run"),
    "rate": Reason(f"give a rate (control invoices rate), or look why none is read (control doctor); {_RESUME}", "run"),
    "currency-missing": Reason(f"activate the currency in Odoo, or choose another (control invoices currency); {_RESUME}", "run"),
    "currency-undecided": Reason(f"choose the customer's currency (control invoices currency); {_RESUME}", "run"),
    "lines-differ": Reason(
        "a defect of ours: the lines are not what the ledger's rows add up to; nothing is billed until it is mended", "run"
    ),
    "odoo-differs": Reason(f"correct it in Odoo, or cancel or credit it there; {_RESUME}", "run"),
    "odoo-twice": Reason(f"delete the one in Odoo that is not meant; {_RESUME}", "run"),
    "odoo-cancelled": Reason("void it here, and bill again, or leave it", "run"),
    "odoo-missing": Reason("void it, and bill again if it is to be: somebody deleted it in Odoo", "run"),
    "odoo-unanswered": Reason(f"look into Odoo's log; {_RESUME}", "run"),
    "odoo-refused": Reason(f"change in Odoo what it names; {_RESUME}", "run"),
    "e-invoice-refused": Reason(
        "correct in Odoo what it names (the whole reason is in the invoice's log there); then void it here, and bill again; a credit note"
        " is sent again in Odoo",
        "run",
    ),
    "e-invoice-late": Reason(
        "look at the invoice in Odoo why the tax office has not taken it, and have its answer fetched; the law leaves five working days."
        " Where it was handed in past Odoo, release the hold",
        "run",
        releasable=True,
    ),
    "peppol-failed": Reason(
        "correct in Odoo what it names, and send the invoice again there by Peppol alone; where its e-mail is enough, release the hold",
        "run",
        releasable=True,
    ),
    "peppol-late": Reason(
        "look at the invoice in Odoo, which fetches Peppol's answers only while the company is registered there; ask the customer whether"
        " it came; where its e-mail is enough, release the hold",
        "run",
        releasable=True,
    ),
    "mail-failed": Reason("correct in Odoo what it names, the address or the mail server; then resend it, or all that failed", "run"),
    "mail-skipped": Reason(f"give the partner an e-mail address in Odoo; {_RESUME}", "run"),
    "mail-waiting": Reason(
        "look at Odoo's outgoing e-mails (Settings > Technical > Email > Emails, in developer mode) and its mail server", "run"
    ),
}
"""By code (docs/control-service.md, docs/invoicing.md). What is wrong with Odoo's settings has codes and remedies of its own besides."""
LEDGER_CODES = tuple(code for code, reason in REASONS.items() if reason.found_by == "ledger")


@dataclass(frozen=True)
class Hold:
    """A reason why *customer* is held: our number, 0 for keys of nobody, None for everybody alike. `since`: microseconds since 1970 UTC."""

    code: str
    message: str
    since: int
    customer: CustomerNo | None
    remedy: str

    @property
    def words(self) -> tuple[str, str]:
        """By which a hold is known: if more is missing than a person saw, it is another hold."""
        return self.code, self.message


def hold_for(code: str, message: str, since: int, customer: CustomerNo | None) -> Hold:
    """A hold for one of REASONS."""
    return Hold(code, message, since, customer, REASONS[code].remedy)


def may_be_released(code: str) -> bool:
    """Whether a person may let an invoice go out in spite of it: not where amounts or addresses are wrong or unknown."""
    return code in REASONS and REASONS[code].releasable
