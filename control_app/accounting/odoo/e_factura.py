"""Romania's e-Factura: what handing documents in to the tax office needs, and what became of them.

Odoo's module for it installs itself with Romanian accounting, and takes documents to other countries along (docs/facts/odoo.md, Sending).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from control_app.accounting.odoo.client import InCompany
from control_app.accounting.odoo.menus import COMPANIES, Menus
from control_app.accounting.odoo.shapes import Row, rows
from control_app.accounting.port import EInvoice, Problem

ROMANIA = "RO"
STATE, TOKEN = "l10n_ro_edi_state", "l10n_ro_edi_access_token"
STATES: Mapping[str, EInvoice] = {
    "invoice_not_indexed": "sent",
    "invoice_sent": "sent",
    "invoice_validated": "accepted",
    "invoice_refused": "refused",
}
ADDRESS: Mapping[str, str] = {"street": "street", "city": "city", "state_id": "county"}
"""Fields of partners and companies that a document needs, in any country, and their names."""
_BUCHAREST, _SECTOR = re.compile(r"Bucure[sș]ti|Bucharest", re.IGNORECASE), re.compile(r"SECTOR *[1-6]", re.IGNORECASE)


def check_e_factura(odoo: InCompany, words: Menus) -> Iterator[Problem]:
    """What would have every document refused after it was posted. The token is looked at, and goes nowhere."""
    fields = ("vat", TOKEN, *ADDRESS)
    (company,) = odoo.read("res.company", "read", rows(*fields), ids=[odoo.company], fields=fields)
    if not company[TOKEN]:
        yield Problem(
            "odoo-e-invoice",
            f"company {odoo.company} has no access token for e-Factura, and nothing is sent without",
            f"{words.settings}: generate it under Romanian Localization, or uninstall the module l10n_ro_edi",
        )
    if lacking := [*missing_of(company), *([] if company["vat"] else ["VAT number"])]:
        yield Problem(
            "odoo-e-invoice",
            f"company {odoo.company} has no {', '.join(lacking)}, which e-Factura asks for",
            f"{COMPANIES}: complete it",
        )


def missing_of(record: Row) -> list[str]:
    """What a document lacks of a partner, or of the company, in words."""
    lacking = [word for field, word in ADDRESS.items() if not record[field]]
    # Read: in Bucharest the city is a sector.
    if not lacking and _BUCHAREST.search(record["state_id"][1]) and not _SECTOR.fullmatch(record["city"].strip()):
        lacking.append("city that is SECTOR1 to SECTOR6, as Bucharest's are")
    return lacking
