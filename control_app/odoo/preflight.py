"""What must be set in Odoo before anything is created there. Only reads; each problem is told in the words of Odoo's menus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from control_app.invoicing.accounting import Preflight, Problem, RefusedError
from control_app.odoo import setup
from control_app.odoo.client import InCompany
from control_app.odoo.shapes import Row, decimals, member, rows, truth

RIGHTS = (
    *(("account.move", "create"), ("account.move", "write"), ("account.move", "read"), ("account.move.line", "read")),
    *(("ir.attachment", "create"), ("ir.attachment", "write")),
    *(("account.move.send.wizard", "create"), ("res.partner", "read")),
    *(("account.journal", "read"), ("account.tax", "read"), ("product.product", "read"), ("res.currency", "read")),
)
INVOICING = "account.group_account_invoice"
"""The group without which nothing is posted, whatever else one may."""
MOST_DIGITS = 16
"""What a binary number keeps."""
USERS = "Settings > Users & Companies > Users"


@dataclass(frozen=True)
class Wanted:
    """What Odoo has to have for us."""

    company: int
    currency: str
    decimals: int
    product: str
    key_name: str


def check(odoo: InCompany, wanted: Wanted) -> Preflight:
    """How Odoo is set. Without rights in the company nothing further can be asked, or is."""
    version = odoo.client.version()
    # As no company: one that is not the user's would have every call refused.
    user = odoo.read("res.users", "context_get", member("uid", int), context={})
    problems = list(_company(odoo, wanted, user)) or list(_rights(odoo, user))
    if problems:
        return Preflight(version, problems, 0, 0, None)
    problems = [*_currency(odoo, wanted), *_journal(odoo, wanted), *_product(odoo, wanted)]
    return Preflight(version, problems, *_digits(odoo), key_expires=_key_expires(odoo, wanted, user))


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


def _currency(odoo: InCompany, wanted: Wanted) -> Iterator[Problem]:
    found = setup.currency(odoo, wanted.currency)
    menu = "Accounting > Configuration > Currencies"
    if found is None or not found["active"]:
        yield Problem("odoo-currency", f"{wanted.currency} is not active", f"{menu}: activate {wanted.currency}")
        return
    smallest = Decimal(1).scaleb(-wanted.decimals)
    if found["decimal_places"] != wanted.decimals or Decimal(found["rounding"]) != smallest:
        yield Problem(
            "odoo-currency",
            f"{wanted.currency} is rounded to {found['rounding']:f}, and not to {smallest}",
            f"{menu}: open {wanted.currency} and set its Rounding Factor to {smallest}",
        )


def _journal(odoo: InCompany, wanted: Wanted) -> Iterator[Problem]:
    found = setup.journal(odoo)
    menu = "Accounting > Configuration > Journals"
    if found is None:
        yield Problem("odoo-journal", f"company {wanted.company} has no sales journal", f"{menu}: create one of type Sales")
    elif found["currency_id"] and found["currency_id"][1] != wanted.currency:
        yield Problem(
            "odoo-journal",
            f"the first sales journal, {found['name']!r}, is in {found['currency_id'][1]}",
            f"{menu}: empty its Currency or set it to {wanted.currency}, or move a journal without one above it",
        )


def _product(odoo: InCompany, wanted: Wanted) -> Iterator[Problem]:
    menu = "Accounting > Customers > Products"
    found = setup.products(odoo, wanted.product)
    if len(found) != 1:
        yield Problem(
            "odoo-product",
            f"there are {len(found)} products with the Internal Reference {wanted.product}",
            f"{menu}: have exactly one, a service with Sales ticked",
        )
        return
    if not found[0]["sale_ok"]:
        yield Problem("odoo-product", f"product {wanted.product} cannot be sold", f"{menu}: open {wanted.product} and tick Sales")
    yield from _tax(odoo, wanted, found[0], menu)


def _tax(odoo: InCompany, wanted: Wanted, product: Row, menu: str) -> Iterator[Problem]:
    # A branch has the taxes of the company that it is of.
    domain = [["id", "in", product["taxes_id"]], ["company_id", "parent_of", [wanted.company]]]
    found = odoo.read("account.tax", "search_read", rows("name", "price_include"), domain=domain, fields=["name", "price_include"])
    if not found:
        yield Problem(
            "odoo-tax",
            f"product {wanted.product} has no customer tax in company {wanted.company}",
            f"{menu}: open {wanted.product} and set its Customer Taxes; a tax of 0 % says that there is none",
        )
    for tax in found:
        if tax["price_include"]:
            yield Problem(
                "odoo-tax",
                f"tax {tax['name']!r} of product {wanted.product} is included in the price, and our prices are without tax",
                f"Accounting > Configuration > Taxes: open {tax['name']} and set Included in Price to Tax Excluded",
            )


def _digits(odoo: InCompany) -> tuple[int, int | None]:
    """What a line's quantity and unit price keep, as the fields say it: only administrators may read the settings behind them."""
    fields = "quantity", "price_unit"
    found = odoo.read("account.move.line", "fields_get", decimals(*fields), allfields=fields, attributes=["digits"])
    quantity, price = (found[name] for name in fields)
    return MOST_DIGITS if quantity is None else quantity, price


def _key_expires(odoo: InCompany, wanted: Wanted, user: int) -> datetime | None:
    """Odoo does not tell which key was shown: the newest that has our name, or else the one that ends first."""
    fields = ("name", "expiration_date")
    try:
        found = odoo.read("res.users.apikeys", "search_read", rows(*fields), domain=[["user_id", "=", user]], fields=fields)
    except RefusedError:
        return None
    ours = [row["expiration_date"] for row in found if row["name"].startswith(wanted.key_name)]
    if ours:
        return None if False in ours else _time(max(ours))
    ends = [row["expiration_date"] for row in found if row["expiration_date"]]
    return _time(min(ends)) if ends else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
