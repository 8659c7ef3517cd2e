"""Whether the product on the lines is a service that can be sold, with a tax of services that its price does not include."""

from __future__ import annotations

from collections.abc import Iterator

from control_app.accounting.odoo import setup
from control_app.accounting.odoo.client import InCompany
from control_app.accounting.odoo.menus import Menus
from control_app.accounting.odoo.shapes import Row, rows
from control_app.accounting.port import Problem

SERVICE, GOODS = "service", "consu"


def check_product(odoo: InCompany, code: str, words: Menus) -> Iterator[Problem]:
    """What is wrong with the product of that internal reference."""
    found = setup.products(odoo, code)
    if len(found) != 1:
        yield Problem(
            "odoo-product",
            f"there are {len(found)} products with the Internal Reference {code}",
            f"{words.products}: have exactly one, a service with Sales ticked; where there is none, `control odoo setup` makes it",
        )
        return
    (product,) = found
    if not product["sale_ok"]:
        yield Problem("odoo-product", f"product {code} cannot be sold", f"{words.products}: open {code} and tick Sales")
    if product["type"] != SERVICE:
        yield Problem(
            "odoo-product",
            f"product {code} is of type {product['type']!r}, and inference is a service: the tax return has other lines for goods",
            f"{words.products}: open {code}, set Product Type to Service, and look at its Customer Taxes",
        )
    yield from _taxes(odoo, code, product, words)


def _taxes(odoo: InCompany, code: str, product: Row, words: Menus) -> Iterator[Problem]:
    # A branch has the taxes of the company that it is of.
    domain = [["id", "in", product["taxes_id"]], ["company_id", "parent_of", [odoo.company]]]
    found = odoo.read("account.tax", "search_read", rows(*setup.TAX), domain=domain, fields=setup.TAX)
    if not found:
        yield Problem(
            "odoo-tax",
            f"product {code} has no customer tax in company {odoo.company}",
            f"{words.products}: open {code} and set its Customer Taxes; a tax of 0 % says that there is none",
        )
    for tax in found:
        if tax["price_include"]:
            yield Problem(
                "odoo-tax",
                f"tax {tax['name']!r} of product {code} is included in the price, and our prices are without tax",
                f"{words.taxes}: open {tax['name']} and set Included in Price to Tax Excluded",
            )
        if tax["tax_scope"] == GOODS:
            yield Problem(
                "odoo-tax",
                f"tax {tax['name']!r} of product {code} is one of goods, and inference is a service",
                f"{words.products}: open {code} and set its Customer Taxes to the one of services of the same rate",
            )


def doubts(odoo: InCompany, code: str, words: Menus) -> Iterator[Problem]:
    """The tax that Odoo gives a new product, still on this one, where it may be one of goods: none says so, and others have its rate.

    Romania's are so: 21% G is given, and 21% S is the one of services.
    """
    given = {tax for product in setup.products(odoo, code) for tax in product["taxes_id"]}
    taxes = setup.usual_taxes(odoo)
    if len(taxes) > 1 and taxes[0]["id"] in given and not taxes[0]["tax_scope"]:
        usual, *others = taxes
        names = " and ".join(tax["name"] for tax in others)
        yield Problem(
            "odoo-tax",
            f"tax {usual['name']!r} of product {code} may be one of goods: it does not say, and of the same rate there is {names}",
            f"{words.products}: open {code} and see that its Customer Taxes is the one of services",
        )
