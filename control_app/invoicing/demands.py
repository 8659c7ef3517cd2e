"""What a partner must have before anything is posted to it: after that it is too late to ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from control_app.accounting.port import Partner
from control_app.core.countries import EU


@dataclass(frozen=True)
class Demands:
    """*country*: of the company that bills, ISO 3166; None: not known. *vat*: whether partners elsewhere in the EU need a VAT number."""

    country: str | None
    vat: bool

    def unmet(self, partner: Partner) -> Iterator[tuple[str, str]]:
        """Codes and messages of holds."""
        named = f"partner {partner.id} ({partner.name})"
        if not partner.country:
            yield "partner-no-country", f"{named} has no country"
        elif self.vat and not partner.vat and partner.country in EU and self.country in EU and partner.country != self.country:
            taxed = "it would be billed without tax, as a firm that accounts for it itself"
            yield "partner-no-vat", f"{named} is in {partner.country} and has no VAT number: {taxed}"
        if partner.lacks:
            yield "partner-incomplete", f"{named} has no {', '.join(partner.lacks)}, which the e-invoice asks for"
