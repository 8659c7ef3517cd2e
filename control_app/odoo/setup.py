"""What invoices stand on in Odoo: a currency, a sale journal, a product. Found by name, and refused where it is not one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from control_app.invoicing.accounting import RefusedError
from control_app.odoo.client import InCompany
from control_app.odoo.shapes import Row, rows

CURRENCY = ("name", "active", "decimal_places", "rounding")
JOURNAL = ("name", "currency_id")
PRODUCT = ("default_code", "sale_ok", "taxes_id")


@dataclass(frozen=True)
class Places:
    """Ids that every invoice names."""

    currency: int
    journal: int
    product: int


def currency(odoo: InCompany, name: str) -> Row | None:
    """Active or not."""
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


def places(odoo: InCompany, currency_name: str, product_code: str) -> Places:
    """The ids, or RefusedError."""
    money, book, sold = currency(odoo, currency_name), journal(odoo), products(odoo, product_code)
    if money is None or book is None or len(sold) != 1:
        raise RefusedError(
            f"Odoo has no currency {currency_name}, no sale journal or not exactly one product {product_code}: the preflight says which"
        )
    return Places(money["id"], book["id"], sold[0]["id"])
