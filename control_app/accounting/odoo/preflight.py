"""What must be set in Odoo before anything is created there. Only reads; each problem is told in the words of Odoo's menus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from control_app.accounting.odoo import menus, setup
from control_app.accounting.odoo.channels import channels
from control_app.accounting.odoo.client import InCompany
from control_app.accounting.odoo.e_factura import check_e_factura
from control_app.accounting.odoo.keys import end_of_key
from control_app.accounting.odoo.menus import USERS, Menus
from control_app.accounting.odoo.peppol import check_peppol
from control_app.accounting.odoo.preflight_currency import check_currency
from control_app.accounting.odoo.preflight_product import check_product, doubts
from control_app.accounting.odoo.shapes import member, names, rows, truth
from control_app.accounting.port import Preflight, Problem

RIGHTS = (
    *(("account.move", "create"), ("account.move", "write"), ("account.move", "read"), ("account.move.line", "read")),
    *(("ir.attachment", "create"), ("ir.attachment", "write")),
    *(("account.move.send.wizard", "create"), ("res.partner", "read")),
    *(("account.journal", "read"), ("account.tax", "read"), ("product.product", "read"), ("res.currency", "read")),
)
INVOICING = "account.group_account_invoice"
"""The group without which nothing is posted, whatever else one may."""
COMPANY = ("currency_id", "country_code")


@dataclass(frozen=True)
class Wanted:
    """What Odoo has to have for us."""

    company: int
    currency: str
    decimals: int
    product: str
    partner_field: str
    key_name: str


def check(odoo: InCompany, wanted: Wanted) -> Preflight:
    """How Odoo is set. Without rights in the company nothing further can be asked, or is."""
    version = odoo.client.version()
    words = Menus(version)
    # As no company: one that is not the user's would have every call refused.
    user = odoo.read("res.users", "context_get", member("uid", int), context={})
    problems = list(_company(odoo, wanted, user)) or list(_rights(odoo, user))
    if problems:
        return Preflight(version, problems, None)
    (company,) = odoo.read("res.company", "read", rows(*COMPANY), ids=[wanted.company], fields=COMPANY)
    ways = channels(odoo)
    problems = [
        *check_currency(odoo, wanted.currency, wanted.decimals, company["currency_id"][1], words),
        *_journal(odoo, wanted, words),
        *check_product(odoo, wanted.product, words),
        *_partner_field(odoo, wanted.partner_field),
        *(check_e_factura(odoo, words) if ways.e_factura else ()),
    ]
    return Preflight(
        version,
        problems,
        end_of_key(odoo, wanted.key_name, user),
        advice=[*_mail_server(odoo), *check_peppol(ways.registration, words), *doubts(odoo, wanted.product, words)],
        country=company["country_code"] or None,
        currency=company["currency_id"][1],
    )


def _company(odoo: InCompany, wanted: Wanted, user: int) -> Iterator[Problem]:
    found = odoo.read("res.users", "read", rows("company_ids"), ids=[user], fields=["company_ids"], context={})
    if not found or wanted.company not in found[0]["company_ids"]:
        yield Problem(
            "odoo-company",
            f"the API user is not allowed in company {wanted.company}, or there is no such company",
            f"{USERS}: add the company to the user's Allowed Companies, or set the id of one that is there",
        )


def _rights(odoo: InCompany, user: int) -> Iterator[Problem]:
    missing = [f"{operation} {model}" for model, operation in RIGHTS if not odoo.read(model, "has_access", truth, operation=operation)]
    if not odoo.read("res.users", "has_group", truth, ids=[user], group_ext_id=INVOICING):
        missing.append("post invoices")
    if missing:
        yield Problem(
            "odoo-rights",
            f"the API user may not {', '.join(missing)}",
            f"{USERS}: give the user Accounting: Invoicing, and Contact: Creation if partners cannot be read",
        )


def _journal(odoo: InCompany, wanted: Wanted, words: Menus) -> Iterator[Problem]:
    found = setup.journal(odoo)
    if found is None:
        yield Problem("odoo-journal", f"company {wanted.company} has no sales journal", f"{words.journals}: create one of type Sales")
    elif found["currency_id"] and found["currency_id"][1] != wanted.currency:
        yield Problem(
            "odoo-journal",
            f"the first sales journal, {found['name']!r}, is in {found['currency_id'][1]}",
            f"{words.journals}: empty its Currency or set it to {wanted.currency}, or move a journal without one above it",
        )


def _partner_field(odoo: InCompany, field: str) -> Iterator[Problem]:
    if field not in odoo.read("res.partner", "fields_get", names, allfields=[field], attributes=["type"]):
        yield Problem(
            "odoo-partner-field",
            f"partners have no field {field}, which CONTROL_ODOO_PARTNER_FIELD names",
            f"{menus.FIELDS}: create it on Contact, of type char, or name a field that is there",
        )


def _mail_server(odoo: InCompany) -> Iterator[Problem]:
    """Who may not read mail servers, as most do not, cannot be told; and where none is set Odoo may send by its configuration's."""
    if not odoo.read("ir.mail_server", "has_access", truth, operation="read"):
        return
    if not odoo.read("ir.mail_server", "search_read", rows("name"), domain=[["active", "=", True]], fields=["name"], limit=1):
        yield Problem(
            "odoo-mail",
            "Odoo has no outgoing mail server: e-mails go by the one of its configuration file, if there is one",
            f"{menus.MAIL_SERVERS}: create one, and press Test Connection",
        )
