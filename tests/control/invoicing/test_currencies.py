"""Invoices in the customer's currency (docs/billing-rules.md, Units)."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from control_app.accounting.rates import keep_rate
from control_app.core.exchange import Rate
from control_app.invoicing.actions import ActionError
from control_app.invoicing.checks import Brakes
from control_app.invoicing.exports import month_csv
from control_app.invoicing.proforma import pro_forma
from tests.control.invoicing.test_exports import attached
from tests.control.invoicing.test_period_rules import big
from tests.control.support.world import BECAUSE, NOVEMBER, OCTOBER, World, holds, statuses

REF = "stalpeni/acme/2026-10-1"
RON, RATED = 3, "2026-11-02"


def lei(folder: Path, rate: str = "4.3215", rated: str = "2026-10-30", **world: object) -> World:
    """Acme is billed in lei, at a rate of the last Friday of October."""
    company = World(folder, ["acme", "umbra"], **world)  # type: ignore[arg-type] # settings
    company.use(big(prompt=1_234_567), big(key="k-umbra"))
    company.actions.choose_currency(BECAUSE, "acme", "RON")
    company.odoo.change("res.currency", RON, date=RATED)
    give(company, rate, rated)
    return company


def give(company: World, rate: str, day: str, source: str = "BNR") -> None:
    number = (date.fromisoformat(day) - date(1970, 1, 1)).days
    with company.db.transaction() as db:
        keep_rate(db, "RON", Rate("USD", Decimal(rate), source, number), is_given=False)


def test_an_invoice_is_in_the_customers_currency_at_the_newest_rate_and_says_so(tmp_path: Path) -> None:
    company = lei(tmp_path)
    answer = company.run()
    assert set(statuses(answer).values()) == {"success"}
    # 1.234567 x 4.3215 = 5.3351812905
    mine, other = company.moves()
    assert (mine["currency_id"][1], mine["amount_untaxed"], mine["narration"]) == ("RON", 5.34, "1 USD = 4.3215 RON (BNR, 2026-10-30)")
    assert [(line["name"], line["price_unit"]) for line in mine["lines"]] == [("Llama 3: 1,234,567 prompt tokens at 1 USD a million", 5.34)]
    assert (other["currency_id"][1], other["amount_untaxed"]) == ("USD", 1.0)
    told = answer["details"][0]["invoice"]
    assert (told["currency"], told["total_cost"], told["exact_cost"]) == ("RON", "5.34", "5.3351812905")
    assert told["exchange"] == {"base": "USD", "rate": "4.3215", "source": "BNR", "date": "2026-10-30"}
    # A run tells the sum in the price book's currency: 1.23 and 1.00.
    assert (answer["summary"]["total_cost"], answer["summary"]["currency"]) == ("2.23", "USD")


def test_the_rate_and_odoos_unit_are_fixed_with_the_intent(tmp_path: Path) -> None:
    company = lei(tmp_path)
    company.odoo.change("res.currency", RON, rounding=0.05)
    company.run()
    entry = company.entries()[0]
    assert (entry.tender.unit, entry.total, entry.booked) == (Decimal("0.05"), 535, 123)
    assert entry.tender.rate == Rate("USD", Decimal("4.3215"), "BNR", entry.invoice_day - 3)


def test_the_accountant_and_the_customer_read_both_currencies(tmp_path: Path) -> None:
    company = lei(tmp_path)
    company.run()
    company.actions.credit(BECAUSE, REF, Decimal("1.001"))
    company.tick()
    rows = [row for row in csv.DictReader(io.StringIO("".join(month_csv(company.planning.book, OCTOBER)))) if row["customer_id"] == "acme"]
    assert [(row["line"], row["price"], row["exact"], row["rounded"], row["currency"], row["price_currency"]) for row in rows] == [
        ("1", "0.000001", "5.3351812905", "5.34", "RON", "USD"),
        ("1", "", "-1.001", "-1.01", "RON", "USD"),  # 5.3351812905 - 1.001 = 4.33418..., so 4.33 is owed of 5.34
    ]
    assert {(row["exchange_rate"], row["exchange_rate_source"], row["exchange_rate_date_utc"]) for row in rows} == {
        ("4.3215", "BNR", "2026-10-30")
    }
    assert {row["currency"] for row in attached(company)[0]} == {"USD"}
    assert sum(Decimal(row["exact_cost"]) for row in attached(company)[0]) == Decimal("1.234567")


def test_credit_notes_and_what_is_billed_again_have_the_rate_of_the_invoice(tmp_path: Path) -> None:
    company = lei(tmp_path)
    company.run()
    give(company, "5", "2026-11-02")
    company.actions.choose_currency(BECAUSE, "acme", "USD")
    company.actions.void(BECAUSE, REF, rebill=True)
    company.tick()
    company.run()
    found = [(move["ref"], move["currency_id"][1], move["amount_untaxed"]) for move in company.moves() if "acme" in move["ref"]]
    assert found == [(REF, "RON", 5.34), (f"{REF}-credit-1", "RON", 5.34), ("stalpeni/acme/2026-10-2", "RON", 5.34)]


@pytest.mark.parametrize(("rated", "held"), [("2026-10-28", True), ("2026-10-27", False)])
def test_a_rate_may_be_five_days_old(tmp_path: Path, rated: str, held: bool) -> None:  # noqa: FBT001
    company = lei(tmp_path, rated=rated)
    answer = company.run()
    assert statuses(answer) == {"acme": "success" if held else "held", "umbra": "success"}
    if not held:
        assert holds(answer) == ["rate"]
        said = "customer acme is billed in RON, and no rate of it for USD is at most 5 days old: the newest is of 2026-10-27"
        assert said in str(answer)
        assert answer["details"][0]["invoice"]["currency"] == "USD"


def test_without_any_rate_a_customer_is_held_until_a_person_gives_one(tmp_path: Path) -> None:
    company = lei(tmp_path, rated="2026-11-03")  # of a later day than the run's
    answer = company.run()
    assert (holds(answer), "there is none" in str(answer)) == (["rate"], True)
    company.actions.give_rate(BECAUSE, "RON", date(2026, 11, 2), Decimal("4.5"))
    assert statuses(company.run())["acme"] == "success"
    assert company.moves()[-1]["narration"] == "1 USD = 4.5 RON (given by ana@example.com, 2026-11-02)"


def test_a_currency_that_odoo_lacks_holds_its_customers_only(tmp_path: Path) -> None:
    company = lei(tmp_path)
    company.odoo.change("res.currency", RON, active=False)
    answer = company.run()
    assert (statuses(answer), holds(answer)) == ({"acme": "held", "umbra": "success"}, ["currency-missing"])
    assert "customer acme is billed in RON, which is not active in Odoo" in str(answer)


@pytest.mark.parametrize(
    ("rated", "said"),
    [(False, "it has no rate, so that one is booked as one"), ("2026-10-27", "its newest rate is of 2026-10-27")],
)
def test_a_rate_that_odoo_lacks_or_that_is_old_holds_the_run(tmp_path: Path, rated: object, said: str) -> None:
    company = lei(tmp_path)
    company.odoo.change("res.currency", RON, date=rated)
    answer = company.run()
    assert set(statuses(answer).values()) == {"held"}
    assert (holds(answer), holds(answer, "umbra")) == (["odoo-rate"], ["odoo-rate"])
    assert f"RON is another currency than the company's, and {said}" in str(answer)
    company.odoo.change("res.currency", RON, date=RATED)
    assert set(statuses(company.run()).values()) == {"success"}


def at_home(folder: Path) -> World:
    """A Romanian company whose books are in lei, and a customer in Romania."""
    company = World(folder)
    company.use(big())
    company.odoo.change("res.company", 1, currency_id=[RON, "RON"])
    company.odoo.change("res.currency", 1, date=RATED)
    return company


def test_at_home_a_customer_is_held_until_a_person_said_in_which_currency_it_is_billed(tmp_path: Path) -> None:
    company = at_home(tmp_path)
    answer = company.run()
    assert holds(answer) == ["currency-undecided"]
    said = "customer acme is in RO, as the company is, whose books are in RON: say whether it is billed in that or in USD"
    assert said in str(answer)
    company.actions.choose_currency(BECAUSE, "acme", "USD")
    assert statuses(company.run()) == {"acme": "success"}


def test_abroad_a_customer_is_billed_in_the_price_books_currency_unless_a_person_says_otherwise(tmp_path: Path) -> None:
    company = at_home(tmp_path)
    company.odoo.change("res.partner", 1, country_code="US")
    assert statuses(company.run()) == {"acme": "success"}


def test_brakes_compare_in_the_price_books_currency(tmp_path: Path) -> None:
    company = lei(tmp_path, brakes=Brakes(invoice=Decimal("1.24"), run=Decimal("2.24"), change=Decimal(2)))
    assert set(statuses(company.run()).values()) == {"success"}
    company.use(big("2026-11-05T00:00", prompt=2_500_000))
    company.now += timedelta(days=31)
    company.read()
    give(company, "4.3", "2026-12-02")
    company.odoo.change("res.currency", RON, date="2026-12-02")
    assert "2.50 USD is more than 2 times the last invoice, 1.23 USD" in str(company.run(NOVEMBER))


def test_what_rounds_to_nothing_in_the_customers_currency_is_carried(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big(prompt=6_000))  # 0.006, and 0.0042 at the rate
    company.actions.choose_currency(BECAUSE, "acme", "RON")
    company.odoo.change("res.currency", RON, date=RATED)
    give(company, "0.7", "2026-11-02")
    company.run()
    assert [entry.state for entry in company.entries()] == ["carried"]


def test_a_pro_forma_is_in_the_customers_currency_where_a_rate_is_known(tmp_path: Path) -> None:
    company = lei(tmp_path, rated="2026-11-02")
    parts, acme = company.planning, company.books.customer("acme")
    assert pro_forma(parts.book, parts.bills, parts.writer, acme).currency == "RON"
    company.now += timedelta(days=6)
    assert pro_forma(parts.book, parts.bills, parts.writer, acme).currency == "USD"


def test_a_customers_currency_is_taken_back(tmp_path: Path) -> None:
    company = lei(tmp_path)
    company.actions.choose_currency(BECAUSE, "acme", None)
    company.run()
    assert {move["currency_id"][1] for move in company.moves()} == {"USD"}


@pytest.mark.parametrize("currency", ["", "lei", "RONN", "R0N"])
def test_what_is_no_currency_is_refused(company: World, currency: str) -> None:
    with pytest.raises(ActionError, match="is no currency: write a code like EUR"):
        company.actions.choose_currency(BECAUSE, "acme", currency)


@pytest.mark.parametrize(
    ("currency", "day", "value", "said"),
    [
        ("lei", "2026-11-02", "4", "is no other currency than USD"),
        ("USD", "2026-11-02", "4", "is no other currency than USD"),
        ("RON", "2026-11-03", "4", "2026-11-03 is in the future"),
        ("RON", "2026-11-02", "0", "0 is no rate"),
        ("RON", "2026-11-02", "-1", "-1 is no rate"),
        ("RON", "2026-11-02", "NaN", "NaN is no rate"),
        ("RON", "2026-11-02", "4.123456789", "with up to 8 decimals"),
        ("RON", "2026-11-02", "1000000000", "is no rate"),
    ],
)
def test_what_is_no_rate_is_refused(company: World, currency: str, day: str, value: str, said: str) -> None:
    with pytest.raises(ActionError, match=said):
        company.actions.give_rate(BECAUSE, currency, date.fromisoformat(day), Decimal(value))
