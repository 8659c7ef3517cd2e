"""Peppol, the network of electronic invoices: whether the company sends by it, what a partner lacks for that, and what became of documents.

Odoo's module installs itself in most countries of Europe, and sends nothing before the company is registered
(docs/facts/odoo.md, Peppol, which was read and never tried).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from control_app.accounting.odoo.menus import Menus
from control_app.accounting.odoo.shapes import Row
from control_app.accounting.port import EInvoice, Problem

STATE, REGISTRATION = "peppol_move_state", "account_peppol_proxy_state"
FAILED = "error"
"""It stays when the partner has left Peppol."""
# The last three are the buyer's answers: acknowledged, approved, refused.
STATES: Mapping[str, EInvoice] = {
    "processing": "sent",
    "done": "accepted",
    FAILED: "refused",
    "AB": "accepted",
    "AP": "accepted",
    "RE": "refused",
}
TO_BE_SENT = ("ready", "to_send", FAILED)
"""Before they were sent, and where that failed. Odoo itself sends what it sent already once more where it was killed after that."""
SENDERS = ("sender", "smp_registration", "receiver")
VERIFIED = "peppol_verification_state"
PARTNER = (VERIFIED, "peppol_eas", "peppol_endpoint", "invoice_sending_method")
WANTED, VALID = "peppol", "valid"


def check_peppol(registration: str | None, words: Menus) -> Iterator[Problem]:
    """What keeps the company from sending, though somebody wanted it to. Its documents go by e-mail."""
    if registration == "rejected":
        yield Problem(
            "odoo-peppol",
            "the company's registration at Peppol was rejected, and its documents go by e-mail only",
            f"{words.settings}: look at Peppol Electronic Invoicing, and register again",
        )


def missing_of(partner: Row, registration: str) -> Iterator[str]:
    """What is missing, in words, for a *partner* whose documents somebody chose to be sent by Peppol; nothing of any other."""
    if partner["invoice_sending_method"] != WANTED:
        return
    if registration not in SENDERS:
        yield f"sender at Peppol (the company's registration is {registration!r})"
    if not partner["peppol_eas"] or not partner["peppol_endpoint"]:
        yield "Peppol address"
    elif (state := partner[VERIFIED]) != VALID:
        yield f"Peppol address that takes our documents (Odoo says {state or 'not_verified'!r} of it)"
