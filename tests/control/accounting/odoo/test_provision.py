"""What is missing in Odoo is shown, with who may make it and how it is made by hand; then it is made, once."""

from __future__ import annotations

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


@pytest.mark.parametrize("usual", [False, "included"])
def test_without_a_usual_tax_that_prices_can_have_no_tax_is_named(double: FakeOdoo, usual: object) -> None:
    given, _ = double.records("res.company")[0]["account_sale_tax_id"]
    if usual:
        double.change("account.tax", given, price_include=True)
    else:
        double.change("res.company", 1, account_sale_tax_id=False)
    assert product_step(double).what.endswith("with the tax that Odoo gives a new product: look at it")


def test_a_product_that_is_there_is_left_alone(double: FakeOdoo) -> None:
    assert [step.what.partition(" ")[0] for step in steps(double)] == ["system"]
