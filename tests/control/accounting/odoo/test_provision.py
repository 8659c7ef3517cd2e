"""What is missing in Odoo is shown, with who may make it and how it is made by hand; then it is made, once."""

from __future__ import annotations

from typing import Any

import pytest

from control_app.accounting.odoo.accounting import OdooAccounting
from control_app.accounting.odoo.client import InCompany
from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.accounting.odoo.provision import Step, missing
from control_app.accounting.port import RefusedError
from tests.control.support.odoos import PRODUCT, client_of


def steps(double: FakeOdoo) -> list[Step]:
    return list(missing(InCompany(client_of(double), 1), PRODUCT))


def test_a_user_who_only_does_invoices_is_shown_how_it_is_made_by_hand(double: FakeOdoo) -> None:
    double.remove("product.product", 1)
    product, parameter = steps(double)
    assert (product.is_allowed, "Invoicing > Customers > Products: New" in product.by_hand) == (False, True)
    assert (parameter.is_allowed, "developer mode" in parameter.by_hand) == (False, True)
    assert "if it is not there" in parameter.what, "who may not read it cannot know"
    with pytest.raises(RefusedError, match="not allowed"):
        product.make()


def test_an_administrator_makes_what_is_missing_and_nothing_is_left(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.denied.clear()
    double.remove("product.product", 1)
    double.change("account.tax", 1, tax_scope="service")
    found = steps(double)
    assert [step.is_allowed for step in found] == [True, True]
    assert "with the customer tax 21% S" in found[0].what
    for step in found:
        step.make()
    assert (steps(double), accounting.preflight().problems) == ([], [])
    assert [(row["key"], row["value"]) for row in double.records("ir.config_parameter")] == [("base.enable_programmatic_api_keys", "True")]


def product_step(double: FakeOdoo) -> Step:
    double.denied.clear()
    double.remove("product.product", 1)
    return steps(double)[0]


def test_where_no_tax_says_that_it_is_of_services_the_product_gets_odoos_and_the_choice_is_told(double: FakeOdoo) -> None:
    product = product_step(double)
    assert "gives a new product, 21% G, which does not say that it is one of services: look at it, or choose 21% S" in product.what
    product.make()
    assert double.records("product.product")[0]["taxes_id"] == [double.records("res.company")[0]["account_sale_tax_id"][0]]


def test_where_no_other_tax_has_the_rate_there_is_nothing_to_choose(double: FakeOdoo) -> None:
    double.change("account.tax", 1, amount=19.0)
    assert product_step(double).what.endswith("21% G, which does not say that it is one of services: look at it")


def test_a_tax_of_services_of_another_rate_than_the_companys_usual_one_is_not_taken(double: FakeOdoo) -> None:
    double.change("account.tax", 1, amount=19.0, tax_scope="service")
    assert "19" not in product_step(double).what, "Romania still lists the rate of before 2025, and first"


@pytest.mark.parametrize(
    "other",
    [{"country_id": [142, "Germany"]}, {"amount_type": "fixed"}, {"amount_type": "division"}, {"amount_type": "group"}],
    ids=["of another country", "so much a unit", "of the price with it", "a group"],
)
def test_a_tax_that_is_no_percentage_of_the_companys_fiscal_country_is_neither_taken_nor_told(
    double: FakeOdoo, accounting: OdooAccounting, other: dict[str, Any]
) -> None:
    double.change("account.tax", 1, tax_scope="service", **other)
    double.change("product.product", 1, taxes_id=[double.records("res.company")[0]["account_sale_tax_id"][0]])
    assert accounting.preflight().advice == [], "nor is it advised"
    assert product_step(double).what.endswith("21% G, which does not say that it is one of services: look at it")


def test_the_tax_of_the_fiscal_country_is_taken_also_where_the_companys_address_is_in_another(double: FakeOdoo) -> None:
    double.change("account.tax", 1, tax_scope="service")
    double.change("res.company", 1, country_code="DE")
    assert product_step(double).what.endswith("with the customer tax 21% S")


USUAL: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("res.company", {"account_sale_tax_id": False}),
    "of no country": ("res.company", {"account_fiscal_country_id": False}),
    "included": ("account.tax", {"price_include": True}),
    "of another country": ("account.tax", {"country_id": [142, "Germany"]}),
    "so much a unit": ("account.tax", {"amount_type": "fixed"}),
}


@pytest.mark.parametrize("usual", USUAL)
def test_without_a_usual_tax_that_prices_can_have_no_tax_is_named(double: FakeOdoo, usual: str) -> None:
    given, _ = double.records("res.company")[0]["account_sale_tax_id"]
    model, changed = USUAL[usual]
    double.change("account.tax", 1, tax_scope="service")
    double.change(model, given if model == "account.tax" else 1, **changed)
    assert product_step(double).what.endswith("with the tax that Odoo gives a new product: look at it")


def test_a_product_that_is_there_is_left_alone(double: FakeOdoo) -> None:
    assert [step.what.partition(" ")[0] for step in steps(double)] == ["system"]
