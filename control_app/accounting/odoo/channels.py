"""By which ways Odoo hands documents on beside the e-mail, and which fields tell of them: a field that is not there would break a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from control_app.accounting.odoo import e_factura, peppol
from control_app.accounting.odoo.client import InCompany
from control_app.accounting.odoo.shapes import Row, names, rows
from control_app.accounting.port import Channel, EInvoice

log = structlog.stdlib.get_logger("control_app.invoicing")
STATES: Mapping[Channel, tuple[str, Mapping[str, EInvoice | None]]] = {
    "tax office": (e_factura.STATE, e_factura.STATES),
    "Peppol": (peppol.STATE, {**dict.fromkeys(("ready", "to_send", "skipped")), **peppol.STATES}),
}
"""By way: the field of a document that tells how it stands, and what its values mean."""


@dataclass(frozen=True)
class Channels:
    """`e_factura`: Romania's tax office gets the company's documents; `registration`: at Peppol, None where Odoo has no Peppol."""

    e_factura: bool
    registration: str | None

    @property
    def used(self) -> frozenset[Channel]:
        """Those by which documents of the company go."""
        found: dict[Channel, bool] = {"tax office": self.e_factura, "Peppol": self.registration in peppol.SENDERS}
        return frozenset(channel for channel, is_used in found.items() if is_used)

    @property
    def _told(self) -> Sequence[Channel]:
        """Those of which Odoo tells: Peppol, too, when the company has left it, since what was sent before is still there."""
        found: dict[Channel, bool] = {"tax office": self.e_factura, "Peppol": bool(self.registration)}
        return [channel for channel, is_told in found.items() if is_told]

    @property
    def document_fields(self) -> Sequence[str]:
        """Of documents."""
        return [*(STATES[channel][0] for channel in self._told), *(["commercial_partner_id"] if self.registration else [])]

    @property
    def partner_fields(self) -> Sequence[str]:
        """Of partners, beside their addresses."""
        return peppol.PARTNER if self.registration else ()

    def e_invoices(self, document: Row) -> Mapping[Channel, EInvoice]:
        """What became of a document on each way that it took; by a word of Odoo's that nobody knows it was sent, and no more."""
        found = dict[Channel, EInvoice]()
        for channel in self._told:
            field, meanings = STATES[channel]
            if value := document.get(field):
                if value not in meanings:
                    log.warning("a state of a document that is not known", document=document["id"], field=field, value=value)
                if state := meanings.get(value, "sent"):
                    found[channel] = state
        return found

    def failed_at_peppol(self, document: Row) -> int | None:
        """To which partner a document was to go that did not reach it; None where it did, or has not been sent."""
        return document["commercial_partner_id"][0] if document.get(peppol.STATE) == peppol.FAILED else None

    def missing_of(self, partner: Row) -> list[str]:
        """What a document lacks of a partner, in words."""
        office = e_factura.missing_of(partner) if self.e_factura else []
        return [*office, *(peppol.missing_of(partner, self.registration) if self.registration else ())]


def channels(odoo: InCompany) -> Channels:
    """Those of the company."""
    there = odoo.read("account.move", "fields_get", names, allfields=[e_factura.STATE, peppol.STATE], attributes=["type"])
    if not there:
        return Channels(e_factura=False, registration=None)
    has_peppol = peppol.STATE in there
    fields = ["country_code", *([peppol.REGISTRATION] if has_peppol else [])]
    (company,) = odoo.read("res.company", "read", rows(*fields), ids=[odoo.company], fields=fields)
    return Channels(
        e_factura=e_factura.STATE in there and company["country_code"] == e_factura.ROMANIA,
        registration=company[peppol.REGISTRATION] if has_peppol else None,
    )
