"""Whether Odoo rounds the invoices' currency as we do, and knows what it is worth in the company's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, timedelta
from decimal import Decimal

from control_app.accounting.odoo import setup
from control_app.accounting.odoo.client import InCompany
from control_app.accounting.odoo.menus import Menus
from control_app.accounting.odoo.shapes import Row
from control_app.accounting.port import Problem

RATE_LASTS = timedelta(days=5)
"""Banks publish none for four days around Easter."""


def check_currency(odoo: InCompany, name: str, decimals: int, company_currency: str, words: Menus) -> Iterator[Problem]:
    """What is wrong with the currency *name*, of so many *decimals*, at a company that keeps its books in another or the same one."""
    found = setup.currency(odoo, name)
    if found is None:
        yield Problem("odoo-currency", f"Odoo has no currency {name}", f"{words.currencies}: create {name}")
        return
    if not found["active"]:
        yield Problem("odoo-currency", f"{name} is not active", f"{words.currencies}: activate {name}")
        return
    smallest = Decimal(1).scaleb(-decimals)
    if found["decimal_places"] != decimals or Decimal(found["rounding"]) != smallest:
        yield Problem(
            "odoo-currency",
            f"{name} is rounded to {found['rounding']:f}, and not to {smallest}",
            f"{words.currencies}: open {name} and set its Rounding Factor to {smallest}",
        )
    if name != company_currency:
        yield from _rate(found, company_currency, odoo.client.clock().astimezone(UTC).date(), words)


def _rate(currency: Row, company_currency: str, today: date, words: Menus) -> Iterator[Problem]:
    """Where it has none, Odoo books one to one, in silence."""
    name, day = currency["name"], currency["date"]
    if day and date.fromisoformat(day) >= today - RATE_LASTS:
        return
    told = f"the last rate of {name} is of {day}" if day else f"{name} has no rate"
    yield Problem(
        "odoo-rate",
        f"{told}, and the company's books are in {company_currency}",
        f"{words.currencies}: open {name} and add the rate of today; one is good for {RATE_LASTS.days} days",
    )
