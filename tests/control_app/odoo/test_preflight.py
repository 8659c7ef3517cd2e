"""Whatever would make a wrong invoice in Odoo is told before, with the place where it is set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from control_app.invoicing.accounting import Problem, RefusedError, UnavailableError
from control_app.odoo.accounting import OdooAccounting
from control_app.odoo.double import FakeOdoo
from control_app.odoo.double_faults import Fault
from control_app.odoo.shapes import decimals
from tests.control_app.odoo.odoos import NOW, Clock, accounting_of, always, asking, says

KEYS = "res.users.apikeys"


def problem(accounting: OdooAccounting) -> Problem:
    (found,) = accounting.preflight().problems
    assert found.message
    return found


def key(double: FakeOdoo, name: str, expires: str | None) -> None:
    double.add(KEYS, name=name, user_id=[2, "Control"], scope="rpc", digest="", create_date=False, expiration_date=expires or False)


def test_an_odoo_that_is_set_right_has_no_problem(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.set_precision("Product Unit", 6)
    found = accounting.preflight()
    assert (found.version, found.problems, found.quantity_decimals, found.price_decimals) == ("19.0", [], 6, None)
    assert found.key_expires == NOW + timedelta(days=90)


def test_a_preflight_writes_nothing(double: FakeOdoo, accounting: OdooAccounting) -> None:
    asked: list[str] = []
    double.fault = lambda _, method, __: asked.append(method)
    accounting.preflight()
    assert set(asked) == {"context_get", "read", "has_access", "has_group", "search_read", "fields_get"}


def test_too_little_precision_is_told_and_no_problem(accounting: OdooAccounting) -> None:
    found = accounting.preflight()
    assert (found.problems, found.quantity_decimals) == ([], 2)


def test_an_older_odoo_rounds_prices_too_and_calls_the_quantity_otherwise(clock: Clock) -> None:
    double = FakeOdoo(version=18, clock=clock)
    double.set_precision("Product Unit of Measure", 5)
    double.set_precision("Product Price", 4)
    found = accounting_of(double).preflight()
    assert (found.version, found.quantity_decimals, found.price_decimals) == ("18.0", 5, 4)


def test_a_field_without_digits_keeps_what_is_sent() -> None:
    read = decimals("quantity", "price_unit")
    assert read({"quantity": {"digits": [16, 5]}, "price_unit": {"digits": False}}) == {"quantity": 5, "price_unit": None}
    assert read({"quantity": {}, "price_unit": {"digits": None}}) == {"quantity": None, "price_unit": None}


@pytest.mark.parametrize("answer", ["[]", "{}", '{"quantity": [], "price_unit": {}}', '{"quantity": {"digits": [1]}, "price_unit": {}}'])
def test_what_does_not_tell_the_digits_is_no_answer(answer: str) -> None:
    with asking(says(200, answer)) as (client, _, _), pytest.raises(UnavailableError):
        client.read("account.move.line", "fields_get", decimals("quantity", "price_unit"))


def test_a_company_that_is_not_the_users_is_a_problem(double: FakeOdoo) -> None:
    found = problem(accounting_of(double, company=2))
    assert (found.code, "Allowed Companies" in found.remedy) == ("odoo-company", True)


@pytest.mark.parametrize(
    ("model", "operation"), [("account.move", "create"), ("account.move", "write"), ("ir.attachment", "create"), ("res.partner", "read")]
)
def test_a_missing_right_is_a_problem(double: FakeOdoo, accounting: OdooAccounting, model: str, operation: str) -> None:
    double.denied.add((model, operation))
    found = problem(accounting)
    assert (found.code, f"{operation} {model}" in found.message) == ("odoo-rights", True)
    assert found.remedy.startswith("Settings > Users & Companies > Users")


def test_a_user_who_may_write_invoices_and_not_post_them_is_a_problem(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.denied.add(("res.users", "account.group_account_invoice"))
    assert (problem(accounting).code, "post invoices" in problem(accounting).message) == ("odoo-rights", True)


def test_all_missing_rights_are_one_problem(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.denied.update({("account.move", "create"), ("account.journal", "read"), ("account.tax", "read")})
    assert problem(accounting).message.count(",") == 2


def test_a_currency_that_is_not_active_is_a_problem(double: FakeOdoo) -> None:
    found = problem(accounting_of(double, currency="JPY", decimals=0))
    assert (found.code, found.remedy) == ("odoo-currency", "Accounting > Configuration > Currencies: activate JPY")
    assert problem(accounting_of(double, currency="XXX")).code == "odoo-currency"


@pytest.mark.parametrize("changed", [{"decimal_places": 3, "rounding": 0.001}, {"rounding": 0.05}])
def test_a_currency_that_is_rounded_otherwise_is_a_problem(double: FakeOdoo, accounting: OdooAccounting, changed: dict[str, float]) -> None:
    double.change("res.currency", 1, **changed)
    found = problem(accounting)
    assert (found.code, "Rounding Factor to 0.01" in found.remedy) == ("odoo-currency", True)


def test_a_company_without_a_sales_journal_is_a_problem(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.change("account.journal", 1, type="purchase")
    assert (problem(accounting).code, "Journals" in problem(accounting).remedy) == ("odoo-journal", True)


def test_a_journal_of_another_currency_is_a_problem(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.change("account.journal", 1, currency_id=[2, "EUR"])
    found = problem(accounting)
    assert (found.code, "'Customer Invoices', is in EUR" in found.message) == ("odoo-journal", True)
    double.change("account.journal", 1, currency_id=[1, "USD"])
    assert accounting.preflight().problems == []


def test_a_product_that_is_not_there_or_twice_is_a_problem(double: FakeOdoo, accounting: OdooAccounting) -> None:
    assert problem(accounting_of(double, product="OTHER")).code == "odoo-product"
    double.add("product.product", name="Again", default_code="AI-INFERENCE", sale_ok=True, active=True, taxes_id=[1])
    assert "2 products" in problem(accounting).message


def test_a_product_that_cannot_be_sold_is_a_problem(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.change("product.product", 1, sale_ok=False)
    assert (problem(accounting).code, "tick Sales" in problem(accounting).remedy) == ("odoo-product", True)


def test_a_product_without_a_customer_tax_of_the_company_is_a_problem(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.change("product.product", 1, taxes_id=[])
    assert (problem(accounting).code, "Customer Taxes" in problem(accounting).remedy) == ("odoo-tax", True)
    double.change("product.product", 1, taxes_id=[1])
    double.change("account.tax", 1, company_id=[2, "Somebody Else"])
    assert problem(accounting).code == "odoo-tax"


def test_a_tax_that_the_price_includes_is_a_problem(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.change("account.tax", 1, price_include=True)
    found = problem(accounting)
    assert (found.code, "Tax Excluded" in found.remedy) == ("odoo-tax", True)


def test_several_problems_are_told_at_once(double: FakeOdoo) -> None:
    double.change("account.journal", 1, type="purchase")
    codes = [found.code for found in accounting_of(double, currency="XXX", product="OTHER").preflight().problems]
    assert codes == ["odoo-currency", "odoo-journal", "odoo-product"]


def test_of_the_keys_with_our_name_the_last_one_to_end_counts(double: FakeOdoo, accounting: OdooAccounting) -> None:
    key(double, "control 2", "2027-05-01 10:00:00")
    key(double, "of somebody", "2026-12-02 00:00:00")
    assert accounting.preflight().key_expires == datetime(2027, 5, 1, 10, tzinfo=UTC)


def test_without_a_key_of_our_name_the_first_one_to_end_counts(double: FakeOdoo) -> None:
    key(double, "a", "2026-12-24 00:00:00")
    key(double, "b", None)
    assert accounting_of(double, key_name="billing").preflight().key_expires == datetime(2026, 12, 24, tzinfo=UTC)


def test_a_key_that_does_not_end_has_no_end(double: FakeOdoo, accounting: OdooAccounting) -> None:
    key(double, "control for ever", None)
    assert accounting.preflight().key_expires is None


def test_where_keys_may_not_be_read_their_end_is_not_told(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.denied.add((KEYS, "read"))
    found = accounting.preflight()
    assert (found.problems, found.key_expires) == ([], None)


def test_an_ended_key_is_refused_and_not_a_problem_of_the_settings(double: FakeOdoo, accounting: OdooAccounting, clock: Clock) -> None:
    clock.now += timedelta(days=91)
    with pytest.raises(RefusedError, match="API key"):
        accounting.preflight()


def test_an_odoo_that_is_away_is_unavailable_and_not_a_problem_of_the_settings(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.fault = always(Fault.CANNOT_CONNECT)
    with pytest.raises(UnavailableError):
        accounting.preflight()
