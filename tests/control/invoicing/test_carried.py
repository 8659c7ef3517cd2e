"""Months of too little for an invoice are billed with the next one, and nothing of them is lost (docs/billing-rules.md, Periods)."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_app.core.numbers import Month
from control_app.core.time import next_month
from control_app.invoicing.actions import ActionError
from control_app.invoicing.exports import month_csv
from control_app.ledger.ledger import carry
from tests.control.invoicing.test_exports import attached
from tests.control.invoicing.test_period_rules import MILLION, THIRD_OF_DECEMBER, big
from tests.control.support.ledgers import RATES, Books, row
from tests.control.support.recomputation import at
from tests.control.support.world import BECAUSE, NOVEMBER, OCTOBER, World, holds, statuses

DECEMBER = next_month(NOVEMBER)
FREE = dict.fromkeys(RATES, Decimal(0))


def states(company: World, month: Month = OCTOBER) -> list[str]:
    return [entry.state for entry in company.entries(month)]


def a_month_later(company: World) -> None:
    company.now += timedelta(days=31)
    company.read()


def test_a_month_of_nothing_is_skipped_and_closed(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.books.price("free", 0, FREE)
    company.use(row(key="k-acme", model="free"))
    answer = company.run()
    assert (statuses(answer), answer["summary"]["skipped"]) == ({"acme": "skipped"}, 1)
    assert (states(company), company.moves()) == (["skipped"], [])
    assert statuses(company.run()) == {"acme": "skipped"}
    assert company.planning.unbilled(OCTOBER) == company.planning.unbilled(NOVEMBER) == []


def test_a_month_that_rounds_to_nothing_is_carried_and_billed_with_the_next_one_at_its_own_prices(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big(prompt=4_999))  # 0.004999
    answer = company.run()
    assert (statuses(answer), states(company), company.moves()) == ({"acme": "skipped"}, ["carried"], [])
    (detail,) = answer["details"]
    assert detail["sync_result"]["message"] == "too little for an invoice: carried into the next month"
    company.books.price("llama", "2026-11-01T00:00", RATES | {"prompt": Decimal("0.000003")})
    company.use(big("2026-11-05T00:00", prompt=7_000))  # 0.021
    company.now = THIRD_OF_DECEMBER
    company.read()
    (detail,) = company.run(NOVEMBER)["details"]
    # 0.021 + 0.004999 = 0.025999
    assert (detail["invoice"]["total_cost"], detail["invoice"]["exact_cost"]) == ("0.03", "0.025999")
    assert [(model.get("late_usage_of"), model["lines"][0]["price"]) for model in detail["invoice"]["models"]] == [
        (None, "0.000003"),
        ("2026-10", "0.000001"),
    ]
    assert [row["date_utc"] for row in attached(company)[0]] == ["2026-10-05", "2026-11-05"]
    assert sum(Decimal(row["exact_cost"]) for row in attached(company)[0]) == Decimal("0.025999")


def test_half_a_cent_is_billed(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big(prompt=5_000))  # 0.005, half a cent up
    assert company.run()["summary"]["total_cost"] == "0.01"
    assert company.moves()[0]["amount_untaxed"] == 0.01


def test_what_was_carried_is_billed_as_soon_as_it_comes_to_an_invoice_also_where_nothing_more_was_used(tmp_path: Path) -> None:
    company = World(tmp_path, smallest_invoice=Decimal(1))
    company.use(big(prompt=600_000))
    company.tick()
    company.use(big("2026-11-05T00:00", prompt=399_999))  # 0.999999 together, which is billed as 1.00
    a_month_later(company)
    company.tick()
    assert (states(company), states(company, NOVEMBER)) == (["carried"], ["sent"])
    assert [(move["ref"], move["amount_untaxed"]) for move in company.moves()] == [("stalpeni/acme/2026-11-1", 1.0)]


def test_a_month_is_carried_on_and_on_until_it_is_enough(tmp_path: Path) -> None:
    company = World(tmp_path, smallest_invoice=Decimal(5))
    company.use(big(), big("2026-12-05T00:00", prompt=4 * MILLION))
    for _ in range(3):
        company.tick()
        a_month_later(company)
    assert [states(company, month) for month in (OCTOBER, NOVEMBER, DECEMBER)] == [["carried"], ["carried"], ["sent"]]
    assert [(move["ref"], move["amount_untaxed"]) for move in company.moves()] == [("stalpeni/acme/2026-12-1", 5.0)]


@pytest.mark.parametrize(("used", "state"), [(4_994_999, "carried"), (4_995_000, "sent"), (5 * MILLION, "sent")])
def test_the_smallest_invoice_is_compared_with_what_would_be_billed(tmp_path: Path, used: int, state: str) -> None:
    company = World(tmp_path, smallest_invoice=Decimal("5.00"))
    company.use(big(prompt=used))
    company.run()
    assert states(company) == [state]


def test_a_dry_run_tells_that_a_month_would_be_carried_and_carries_nothing(tmp_path: Path) -> None:
    company = World(tmp_path, smallest_invoice=Decimal(5))
    company.use(big())
    for kind in ("all", "validate"):
        (detail,) = company.dry(kind)["details"]
        assert detail["sync_result"] == {"status": "skipped", "message": "too little for an invoice: carried into the next month"}
    assert (states(company), company.planning.unbilled(OCTOBER)) == ([], [company.books.customer("acme")])


def test_a_month_that_is_held_is_not_carried(tmp_path: Path) -> None:
    company = World(tmp_path, smallest_invoice=Decimal(5))
    company.use(big())
    company.books.db.connection.execute("UPDATE hours SET counted = logged + 21")
    assert holds(company.run()) == ["missing-requests"]
    assert (states(company), company.planning.unbilled(OCTOBER)) == ([], [company.books.customer("acme")])
    company.actions.release(BECAUSE, OCTOBER, "missing-requests", "acme")
    company.run()
    assert states(company) == ["carried"]


def test_too_little_for_an_invoice_needs_no_partner_and_no_brake_catches_it(tmp_path: Path) -> None:
    company = World(tmp_path, [], smallest_invoice=Decimal(5))
    company.customers.append("nobody-knows")
    company.use(big(key="k-nobody-knows"))
    assert statuses(company.run()) == {"nobody-knows": "skipped"}


def test_a_month_that_was_billed_late_carries_into_the_first_one_that_is_still_open(tmp_path: Path) -> None:
    company = World(tmp_path, smallest_invoice=Decimal(5))
    company.use(big(), big("2026-11-05T00:00", prompt=9 * MILLION))
    company.books.db.connection.execute("UPDATE hours SET counted = logged + 21 WHERE hour < ?", [at("2026-11-01T00:00") // 3_600_000_000])
    assert statuses(company.run()) == {"acme": "held"}
    company.now = THIRD_OF_DECEMBER
    company.books.ledger.ingest((), company.clock(), "rows", company.clock())
    company.read()
    company.run(NOVEMBER)
    company.run()
    assert (states(company), states(company, NOVEMBER)) == (["carried"], ["sent"])
    assert company.books.reader.billed_to(DECEMBER) == {company.books.customer("acme"): 10**12}


def test_rows_that_come_late_to_a_month_that_was_carried_are_billed_where_it_is(tmp_path: Path) -> None:
    company = World(tmp_path, smallest_invoice=Decimal(5))
    company.use(big())
    company.run()
    company.use(big("2026-10-31T23:00", prompt=5 * MILLION))
    company.now = THIRD_OF_DECEMBER
    company.read()
    assert company.run(NOVEMBER)["summary"]["total_cost"] == "6.00"


def test_what_was_carried_cannot_be_voided(tmp_path: Path) -> None:
    company = World(tmp_path, smallest_invoice=Decimal(5))
    company.use(big())
    company.run()
    with pytest.raises(ActionError, match="2026-10-1 is carried; only an invoice can be voided"):
        company.actions.void(BECAUSE, "stalpeni/acme/2026-10-1", rebill=True)


def test_void_and_bill_again_takes_all_that_was_billed_in_the_month_also_what_was_carried_into_it(tmp_path: Path) -> None:
    company = World(tmp_path, smallest_invoice=Decimal(5))
    company.use(big(prompt=4 * MILLION), big("2026-11-05T00:00", prompt=3 * MILLION), big("2026-12-05T00:00", prompt=9 * MILLION))
    for _ in range(2):
        company.tick()
        a_month_later(company)
    company.tick()
    assert [states(company, month) for month in (OCTOBER, NOVEMBER, DECEMBER)] == [["carried"], ["sent"], ["sent"]]
    company.actions.void(BECAUSE, "stalpeni/acme/2026-11-1", rebill=True)
    company.tick()
    company.run(NOVEMBER)
    assert [(move["ref"], move["amount_untaxed"]) for move in company.moves()] == [
        ("stalpeni/acme/2026-11-1", 7.0),
        ("stalpeni/acme/2026-12-1", 9.0),
        ("stalpeni/acme/2026-11-1-credit-1", 7.0),
        ("stalpeni/acme/2026-11-2", 7.0),
    ]


def test_what_was_carried_follows_its_key_to_another_customer_when_the_month_is_voided_and_billed_again(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme", "umbra"], smallest_invoice=Decimal(5))
    company.use(big(prompt=4 * MILLION), big("2026-11-05T00:00", prompt=6 * MILLION))
    company.tick()
    a_month_later(company)
    company.tick()
    company.books.db.connection.execute(
        "UPDATE holders SET customer = ? WHERE key = ?", [company.books.customer("umbra"), company.books.key("k-acme")]
    )
    company.actions.void(BECAUSE, "stalpeni/acme/2026-11-1", rebill=True)
    company.tick()
    company.run(NOVEMBER)
    umbra = company.books.customer("umbra")
    # October is umbra's own now, and not billed yet: umbra had used nothing in it, so that it is not closed.
    assert [company.books.reader.billed_to(month) for month in (OCTOBER, NOVEMBER)] == [{umbra: 4 * 10**12}, {umbra: 6 * 10**12}]
    assert [(move["ref"], move["amount_untaxed"]) for move in company.moves()] == [
        ("stalpeni/acme/2026-11-1", 10.0),
        ("stalpeni/acme/2026-11-1-credit-1", 10.0),
        ("stalpeni/umbra/2026-11-1", 6.0),
    ]


def test_what_was_carried_is_not_in_the_month_for_the_accountant(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big(prompt=10))
    company.run()
    assert list(csv.DictReader(io.StringIO("".join(month_csv(company.planning.book, OCTOBER))))) == []


CALLS = st.lists(
    st.tuples(st.sampled_from(["2026-10", "2026-11", "2026-12"]), st.integers(1, 28), st.sampled_from(["k1", "k2"]), st.integers(0, 9)),
    max_size=12,
)


@given(CALLS, st.booleans())
@settings(max_examples=25, deadline=None)
def test_what_is_carried_is_neither_lost_nor_doubled_and_rows_and_sums_agree(
    tmp_path_factory: pytest.TempPathFactory,
    calls: list[tuple[str, int, str, int]],
    again: bool,  # noqa: FBT001 (drawn)
) -> None:
    books = Books(tmp_path_factory.mktemp("books"))
    books.price("llama", 0, RATES)
    books.holders({"k1": "acme", "k2": "acme"}, 1)
    acme = books.customer("acme")
    for number, (month, day, key, millions) in enumerate(calls):
        books.take(row(f"{month}-{day:02}T12:00", key, id=f"r{number}", prompt=millions * MILLION + 1))
    before = books.costs()
    for closed in (OCTOBER, NOVEMBER):
        with books.db.transaction() as db:
            db.execute("INSERT INTO closed (customer, month, at) VALUES (?, ?, 0)", [acme, closed])
            carry(db, acme, closed)
    if again:
        # Attributed anew, the rows stay where they were carried.
        for key in ("k1", "k2"):
            books.ledger.correct(key=books.key(key))
    assert books.costs() == before
    billed = [books.reader.billed_to(month) for month in (OCTOBER, NOVEMBER, DECEMBER)]
    assert [sum(found.values()) for found in billed] == [0, 0, sum(before.values()) * 10**12]
    rows = books.db.connection.execute("SELECT coalesce(sum(requests), 0), coalesce(sum(billed_in = ?), 0), count(*) FROM days", [DECEMBER])
    assert rows.fetchone() == (len(calls), *[books.db.connection.execute("SELECT count(*) FROM days").fetchone()[0]] * 2)
    books.db.close()
