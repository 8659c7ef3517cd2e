"""Whatever would make a wrong invoice in Odoo is told before, with the place where it is set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from control_app.accounting.odoo.accounting import OdooAccounting
from control_app.accounting.odoo.double.faults import Fault
from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.accounting.odoo.keys import rotate
from control_app.accounting.odoo.shapes import names
from control_app.accounting.port import Problem, RefusedError, UnavailableError
from tests.control.support.odoos import NOW, Clock, accounting_of, always, asking, client_of, says

KEYS = "res.users.apikeys"


def problem(accounting: OdooAccounting) -> Problem:
    (found,) = accounting.preflight().problems
    assert found.message
    return found


def key(double: FakeOdoo, name: str, expires: str | None) -> None:
    double.add(KEYS, name=name, user_id=[2, "Control"], scope="rpc", digest="", create_date=False, expiration_date=expires or False)


def test_an_odoo_that_is_set_right_has_no_problem(double: FakeOdoo, accounting: OdooAccounting) -> None:
    found = accounting.preflight()
    assert (found.version, found.problems) == ("19.0", [])
    assert found.key_expires == NOW + timedelta(days=90)


def test_a_preflight_writes_nothing(double: FakeOdoo, accounting: OdooAccounting) -> None:
    asked: list[str] = []
    double.fault = lambda _, method, __: asked.append(method)
    accounting.preflight()
    assert set(asked) == {"context_get", "read", "has_access", "has_group", "search_read", "fields_get"}


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
    assert (found.code, found.remedy) == ("odoo-currency", "Invoicing > Configuration > Currencies: activate JPY")
    found = problem(accounting_of(double, currency="XXX"))
    assert (found.code, found.message) == ("odoo-currency", "Odoo has no currency XXX")


def test_menus_are_those_of_the_edition(double: FakeOdoo) -> None:
    double.edition = "+e"
    found = accounting_of(double, currency="JPY", decimals=0).preflight()
    assert (found.version, found.problems[0].remedy.partition(" > ")[0]) == ("19.0+e", "Accounting")


@pytest.mark.parametrize(("day", "told"), [(False, "USD has no rate"), ("2026-11-25", "the last rate of USD is of 2026-11-25")])
def test_a_currency_whose_rate_is_missing_or_old_is_a_problem_where_the_books_are_in_another(
    double: FakeOdoo, accounting: OdooAccounting, day: str | None, told: str
) -> None:
    double.change("res.company", 1, currency_id=[3, "RON"])
    double.change("res.currency", 1, date=day)
    found = problem(accounting)
    assert (found.code, found.message) == ("odoo-rate", f"{told}, and the company's books are in RON")
    double.change("res.currency", 1, date="2026-11-26")
    assert accounting.preflight().problems == []


def test_the_companys_own_currency_needs_no_rate(double: FakeOdoo, accounting: OdooAccounting) -> None:
    assert double.records("res.currency")[0]["date"] is False
    assert accounting.preflight().problems == []


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


@pytest.mark.parametrize("kind", ["consu", "combo"])
def test_a_product_that_is_no_service_is_a_problem(double: FakeOdoo, accounting: OdooAccounting, kind: str) -> None:
    double.change("product.product", 1, type=kind)
    found = problem(accounting)
    assert (found.code, kind in found.message, "Product Type to Service" in found.remedy) == ("odoo-product", True, True)


def test_a_tax_of_goods_is_a_problem_and_one_of_everything_is_not(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.change("account.tax", 1, tax_scope="consu")
    found = problem(accounting)
    assert (found.code, "one of goods" in found.message) == ("odoo-tax", True)
    double.change("account.tax", 1, tax_scope=False)
    assert accounting.preflight().problems == []


def test_advice_is_given_on_the_tax_that_every_new_product_gets_where_it_may_be_one_of_goods(
    double: FakeOdoo, accounting: OdooAccounting
) -> None:
    assert accounting.preflight().advice == [], "a person chose another one"
    goods, _ = double.records("res.company")[0]["account_sale_tax_id"]
    double.change("product.product", 1, taxes_id=[goods])
    (advice,) = accounting.preflight().advice
    assert "'21% G'" in advice.message and advice.message.endswith(
        "may be one of goods: it does not say, and of the same rate there is 21% S"
    )
    double.change("account.tax", 1, amount=19.0)
    assert accounting.preflight().advice == [], "there is nothing to choose"


def test_a_field_of_partners_that_is_not_there_is_a_problem(double: FakeOdoo) -> None:
    found = problem(accounting_of(double, partner_field="x_customer"))
    assert (found.code, "x_customer" in found.message, "developer mode" in found.remedy) == ("odoo-partner-field", True, True)
    double.add_field("res.partner", "x_customer")
    assert accounting_of(double, partner_field="x_customer").preflight().problems == []


def test_a_missing_mail_server_is_told_where_the_user_may_look_and_stops_nothing(double: FakeOdoo, accounting: OdooAccounting) -> None:
    double.change("ir.mail_server", 1, active=False)
    assert accounting.preflight().advice == []
    double.denied.discard(("ir.mail_server", "read"))
    found = accounting.preflight()
    assert (found.problems, [advice.code for advice in found.advice]) == ([], ["odoo-mail"])
    double.change("ir.mail_server", 1, active=True)
    assert accounting.preflight().advice == []


def test_the_country_of_the_company_is_told(double: FakeOdoo, accounting: OdooAccounting) -> None:
    assert accounting.preflight().country == "RO"
    double.change("res.company", 1, country_code=False)
    assert accounting.preflight().country is None


def test_fields_that_are_told_as_no_object_are_no_answer() -> None:
    with asking(says(200, "[]")) as (client, _, _), pytest.raises(UnavailableError):
        client.read("res.partner", "fields_get", names)


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


def test_of_the_keys_with_our_name_the_soonest_to_end_counts_whichever_is_in_use(double: FakeOdoo, accounting: OdooAccounting) -> None:
    key(double, "control 2", "2027-05-01 10:00:00")
    key(double, "of somebody", "2026-12-02 00:00:00")
    assert accounting.preflight().key_expires == NOW + timedelta(days=90)
    key(double, "control 3", "2027-01-01 10:00:00")
    assert accounting.preflight().key_expires == datetime(2027, 1, 1, 10, tzinfo=UTC)


def test_a_key_that_is_renewed_hides_the_end_of_the_one_in_use_only_when_that_is_gone(double: FakeOdoo, accounting: OdooAccounting) -> None:
    rotate(client_of(double), "control 2", 60, now=NOW)
    assert accounting.preflight().key_expires == NOW + timedelta(days=60)
    key(double, "control 3", "2026-11-30 00:00:00")
    assert accounting.preflight().key_expires == NOW + timedelta(days=60), "one that ended is no warning"


def test_without_a_key_of_our_name_the_first_one_to_end_counts(double: FakeOdoo) -> None:
    key(double, "a", "2026-12-24 00:00:00")
    key(double, "b", None)
    assert accounting_of(double, key_name="billing").preflight().key_expires == datetime(2026, 12, 24, tzinfo=UTC)


def test_keys_that_do_not_end_have_no_end(double: FakeOdoo) -> None:
    key(double, "billing for ever", None)
    assert accounting_of(double, key_name="billing").preflight().key_expires is None


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
