"""What can be made in Odoo for invoices to go out: shown first, and made by whoever has the right to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from control_app.accounting.odoo import menus, setup
from control_app.accounting.odoo.client import InCompany
from control_app.accounting.odoo.keys import PARAMETER
from control_app.accounting.odoo.menus import Menus
from control_app.accounting.odoo.preflight_product import SERVICE
from control_app.accounting.odoo.shapes import Row, new_id, rows, truth

PRODUCT_NAME = "AI inference"


@dataclass(frozen=True)
class Step:
    """Something that is missing. `by_hand`: how a person makes it; `is_allowed`: whether the key's user may. Raises AccountingError."""

    what: str
    by_hand: str
    is_allowed: bool
    make: Callable[[], object] = field(repr=False)


def missing(odoo: InCompany, product: str) -> Iterator[Step]:
    """What is missing of the *product*, an internal reference, and of what renewing keys needs. Raises AccountingError."""
    words = Menus(odoo.client.version())
    if not setup.products(odoo, product):
        yield _product(odoo, product, words)
    yield from _parameter(odoo)


def _product(odoo: InCompany, code: str, words: Menus) -> Step:
    taxes = setup.usual_taxes(odoo)
    tax = _of_services(taxes)
    vals: Mapping[str, Any] = {
        "name": PRODUCT_NAME,
        "default_code": code,
        "type": SERVICE,
        "sale_ok": True,
        **({"taxes_id": [[6, 0, [tax["id"]]]]} if tax else {}),
    }
    return Step(
        f"product {PRODUCT_NAME}, a service with the internal reference {code}, {_taxed(taxes)}",
        f"{words.products}: New, Product Type Service, Internal Reference {code}, and its Customer Taxes",
        _may(odoo, "product.product"),
        lambda: odoo.write("product.product", "create", new_id, vals_list=[vals]),
    )


def _of_services(taxes: Sequence[Row]) -> Row | None:
    return next((tax for tax in taxes if tax["tax_scope"] == SERVICE), None)


def _taxed(taxes: Sequence[Row]) -> str:
    """With which tax the product is made. Some countries' taxes do not say what they are for, as Romania's; then a person looks."""
    if tax := _of_services(taxes):
        return f"with the customer tax {tax['name']}"
    if not taxes:
        return "with the tax that Odoo gives a new product: look at it"
    usual, *others = [tax["name"] for tax in taxes]
    choice = f", or choose {' or '.join(others)}" if others else ""
    return f"with the tax that Odoo gives a new product, {usual}, which does not say that it is one of services: look at it{choice}"


def _parameter(odoo: InCompany) -> Iterator[Step]:
    model, by_hand = "ir.config_parameter", f"{menus.PARAMETERS}: New, {PARAMETER}, True"
    may_read = odoo.read(model, "has_access", truth, operation="read")
    domain = [["key", "=", PARAMETER]]
    if may_read and odoo.read(model, "search_read", rows("value"), domain=domain, fields=["value"], limit=1):
        return
    vals = {"key": PARAMETER, "value": "True"}
    yield Step(
        f"system parameter {PARAMETER} = True, so that `control odoo rotate-key` can make keys"
        + ("" if may_read else " (if it is not there)"),
        by_hand,
        may_read and _may(odoo, model),
        lambda: odoo.write(model, "create", new_id, vals_list=[vals]),
    )


def _may(odoo: InCompany, model: str) -> bool:
    return odoo.read(model, "has_access", truth, operation="create")
