"""What invoices stand on in Odoo: a currency, a sale journal, a product. Found by name, and refused where it is not one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from control_app.accounting.odoo.client import InCompany
from control_app.accounting.odoo.shapes import Row, rows
from control_app.accounting.port import RefusedError

CURRENCY = ("name", "active", "decimal_places", "rounding", "date")
JOURNAL = ("name", "currency_id")
PRODUCT = ("default_code", "type", "sale_ok", "taxes_id")
TAX = ("name", "amount", "price_include", "tax_scope")


@dataclass(frozen=True)
class Places:
    """Ids that every invoice names."""

    journal: int
    product: int


def currency(odoo: InCompany, name: str) -> Row | None:
    """The currency of that code, active or not, and the day of its last rate."""
    domain = [["name", "=", name], ["active", "in", [True, False]]]
    found = odoo.read("res.currency", "search_read", rows(*CURRENCY), domain=domain, fields=CURRENCY, limit=1)
    return found[0] if found else None


def journal(odoo: InCompany) -> Row | None:
    """The company's first sale journal."""
    domain = [["type", "=", "sale"], ["company_id", "=", odoo.company]]
    found = odoo.read("account.journal", "search_read", rows(*JOURNAL), domain=domain, fields=JOURNAL, order="sequence, id", limit=1)
    return found[0] if found else None


def products(odoo: InCompany, code: str) -> Sequence[Row]:
    """Products of that internal reference, which Odoo does not keep unique."""
    return odoo.read("product.product", "search_read", rows(*PRODUCT), domain=[["default_code", "=", code]], fields=PRODUCT, order="id")


def usual_taxes(odoo: InCompany) -> Sequence[Row]:
    """The sale tax that the company gives new products, and after it the others of its rate, of those that prices do not include.

    Only percentages of the country in which the company is taxed: it may have those of other countries, and so much a unit, too.
    Nothing where it gives none, or another one.
    """
    fields = ("account_sale_tax_id", "account_fiscal_country_id")
    (company,) = odoo.read("res.company", "read", rows(*fields), ids=[odoo.company], fields=fields)
    if not company["account_sale_tax_id"] or not company["account_fiscal_country_id"]:
        return []
    usual = company["account_sale_tax_id"][0]
    (tax,) = odoo.read("account.tax", "read", rows("amount"), ids=[usual], fields=["amount"])
    domain = [
        ["type_tax_use", "=", "sale"],
        ["price_include", "=", False],
        ["amount_type", "=", "percent"],
        ["amount", "=", tax["amount"]],
        ["country_id", "=", company["account_fiscal_country_id"][0]],
        # A branch has the taxes of the company that it is of.
        ["company_id", "parent_of", [odoo.company]],
    ]
    found = odoo.read("account.tax", "search_read", rows(*TAX), domain=domain, fields=TAX)
    ordered = sorted(found, key=lambda tax: tax["id"] != usual)
    return ordered if ordered and ordered[0]["id"] == usual else []


def places(odoo: InCompany, product_code: str) -> Places:
    """The ids, or RefusedError."""
    book, sold = journal(odoo), products(odoo, product_code)
    if book is None or len(sold) != 1:
        raise RefusedError(f"Odoo has no sale journal or not exactly one product {product_code}: the preflight says which")
    return Places(book["id"], sold[0]["id"])
