"""Each rule of docs/billing-rules.md under "Periods", as far as invoices go."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_app.core.periods import PeriodError
from control_app.gateway.port import UsageRow
from control_app.invoicing.orders import EarlyError, Order, TooOldError, billable_from, due, month_before
from tests.control.support.ledgers import RATES, row
from tests.control.support.recomputation import at
from tests.control.support.world import BECAUSE, NOVEMBER, OCTOBER, SECOND_OF_NOVEMBER, World, holds, statuses

NOW = at("2026-11-20T12:00")
THIRD_OF_DECEMBER = SECOND_OF_NOVEMBER + timedelta(days=31)
MILLION = 1_000_000


def big(time: str = "2026-10-05T12:00", key: str = "k-acme", prompt: int = MILLION, **other: Any) -> UsageRow:
    """1.00 USD for a million prompt tokens, nothing else."""
    return row(time, key, prompt=prompt, cached_read=0, completion=0, reasoning=0, **other)


@pytest.mark.parametrize(
    ("date", "period"),
    [
        (None, "2026-10"),
        ("2026-11-01", "2026-10"),
        ("2026-11-01T00:00:00+02:00", "2026-09"),
        ("2026-10-31T23:59:59Z", "2026-09"),
        ("2026-01-15", "2025-12"),
    ],
)
def test_the_period_is_the_calendar_month_before_in_utc(date: str | None, period: str) -> None:
    year, month = period.split("-")
    assert month_before(date, NOW, None) == int(year) * 12 + int(month) - 1


@pytest.mark.parametrize(
    ("date", "why"),
    [
        ("yesterday", "is not a time"),
        ("2026-13-01", "is not a time"),
        ("", "missing"),
        ("2026-11-20T12:00:01Z", "is in the future"),
        ("2026-10-31", "before 2026-10, the first month that is ever billed"),
        ("1970-01-15", "before 1970"),
    ],
)
def test_a_date_that_is_malformed_or_in_the_future_or_before_the_first_month_is_refused(date: str, why: str) -> None:
    with pytest.raises(PeriodError, match=why):
        month_before(date, NOW, None if date.startswith("1970") else OCTOBER)


def test_a_row_belongs_to_the_month_it_started_in(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(
        big("2026-09-30T23:59:59"), big("2026-10-01T00:00"), big("2026-10-31T23:59:59"), big("2026-11-01T00:00")
    )  # fmt: skip
    assert company.dry()["summary"]["total_cost"] == "2.00"


def test_the_first_month_is_the_first_one_ever_billed(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big("2026-09-15T00:00"), big())
    company.tick(3)
    assert [move["ref"] for move in company.moves()] == ["stalpeni/acme/2026-10-1"]


def test_a_period_is_billed_at_the_earliest_a_day_after_its_end(tmp_path: Path) -> None:
    assert billable_from(OCTOBER) == at("2026-11-02T00:00")
    company = World(tmp_path)
    company.use(big())
    company.now -= timedelta(microseconds=1)
    with pytest.raises(EarlyError, match="2026-10 can be billed from 2026-11-02T00:00:00Z"):
        company.run()
    company.automation.tick()
    assert company.moves() == []
    company.now += timedelta(microseconds=1)
    company.automation.tick()
    assert len(company.moves()) == 1


def test_by_itself_a_month_is_billed_only_after_it_was_read_once_more_as_a_whole(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big())
    company.books.db.connection.execute("UPDATE progress SET until = ? WHERE source = 'thorough'", [at("2026-11-01T23:00")])
    company.tick()
    assert company.runs.history.all() == []
    company.read()
    company.tick()
    assert len(company.moves()) == 1


def test_every_missed_month_is_billed_after_a_downtime(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big("2026-10-05T12:00"), big("2026-11-05T12:00"), big("2026-12-05T12:00"))
    company.now = SECOND_OF_NOVEMBER + timedelta(days=80)
    company.read()
    assert [month - OCTOBER for month in due(company.clock(), OCTOBER)] == [0, 1, 2]
    company.tick()
    assert [move["ref"] for move in company.moves()] == [f"stalpeni/acme/{month}-1" for month in ("2026-10", "2026-11", "2026-12")]
    assert {move["invoice_date"] for move in company.moves()} == {"2027-01-21"}


def test_it_closes_for_a_customer_at_the_first_intent_and_who_is_held_stays_open(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme", "umbra"])
    company.odoo.change("res.partner", 2, email=False)
    company.use(big(), big(key="k-umbra"))
    assert statuses(company.run()) == {"acme": "success", "umbra": "held"}
    company.use(big("2026-10-06T00:00"), big("2026-10-06T00:00", key="k-umbra"))
    company.odoo.change("res.partner", 2, email="billing@umbra.example")
    answer = company.run()
    assert statuses(answer) == {"acme": "duplicate", "umbra": "success"}
    assert [entry.total for entry in company.entries()] == [100, 200]


def test_late_rows_are_a_named_line_of_the_next_invoice_at_the_prices_of_their_own_period(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big())
    company.run()
    company.books.price("llama", "2026-11-01T00:00", RATES | {"prompt": Decimal("0.000003")})
    company.use(big("2026-10-31T23:00"), big("2026-11-05T00:00"))
    company.now = THIRD_OF_DECEMBER
    company.read()
    (detail,) = company.run(NOVEMBER)["details"]
    assert [(model.get("late_usage_of"), model["lines"][0]["amount"]) for model in detail["invoice"]["models"]] == [
        (None, "3.00"),  # 1,000,000 at November's 3.00 a million
        ("2026-10", "1.00"),  # 1,000,000 at October's 1.00
    ]
    assert detail["invoice"]["total_cost"] == "4.00"
    assert "Llama 3 (2026-10, not billed before): 1,000,000 prompt tokens" in company.moves()[1]["lines"][1]["name"]


def test_late_rows_without_further_usage_are_an_invoice_of_their_own_in_the_next_run(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big())
    company.run()
    company.use(big("2026-10-31T23:00", prompt=2 * MILLION))
    company.now = THIRD_OF_DECEMBER
    company.read()
    company.tick()
    assert [(move["ref"], move["amount_untaxed"]) for move in company.moves()] == [
        ("stalpeni/acme/2026-10-1", 1.0),
        ("stalpeni/acme/2026-11-1", 2.0),
    ]


def test_late_rows_of_who_had_no_usage_before_are_billed_for_their_own_month_in_the_next_run(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme", "umbra"])
    company.use(big())
    company.tick()
    company.use(big("2026-10-31T23:00", key="k-umbra"))
    company.now = THIRD_OF_DECEMBER
    company.read()
    company.tick()
    assert [move["ref"] for move in company.moves()] == ["stalpeni/acme/2026-10-1", "stalpeni/umbra/2026-10-1"]


def test_a_negative_correction_is_a_credit_note_against_the_original(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big(prompt=10 * MILLION))
    company.run()
    ref = company.actions.credit(BECAUSE, "stalpeni/acme/2026-10-1", Decimal("2.50"))
    company.tick()
    assert ref == "stalpeni/acme/2026-10-1-credit-1"
    invoice, note = company.moves()
    assert (note["move_type"], note["ref"], note["reversed_entry_id"][0]) == ("out_refund", ref, invoice["id"])
    assert [(line["quantity"], line["price_unit"], line["name"]) for line in note["lines"]] == [(1.0, 2.5, "looked at it")]
    assert company.untaxed() == Decimal("7.50")


def test_requests_that_were_counted_and_not_logged_hold_their_customer_and_no_other(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme", "umbra"])
    company.use(big(), big(key="k-umbra"))
    key = company.books.key("k-acme")
    company.books.db.connection.execute("UPDATE hours SET counted = logged + 21 WHERE key = ?", [key])
    answer = company.run()
    assert statuses(answer) == {"acme": "held", "umbra": "success"}
    assert holds(answer) == ["missing-requests"]


def test_a_month_that_was_not_read_to_its_end_holds_everybody(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme", "umbra"])
    company.use(big(), big(key="k-umbra"))
    company.books.db.connection.execute("UPDATE progress SET until = ?", [at("2026-10-30T00:00")])
    answer = company.run()
    assert statuses(answer) == {"acme": "held", "umbra": "held"}
    assert holds(answer) == ["not-read"]


def test_no_run_bills_a_period_before_the_first_month_whoever_asks(company: World) -> None:
    runs = dataclasses.replace(company.runs, invoice_from=NOVEMBER)
    with pytest.raises(TooOldError, match=r"2026-10 is before 2026-11, the first month that is ever billed"):
        runs.start(Order(OCTOBER, "none", "manual", "ana"), "sent")
    assert runs.history.all() == []


def test_the_first_month_itself_is_billed(company: World) -> None:
    runs = dataclasses.replace(company.runs, invoice_from=OCTOBER)
    runs.start(Order(OCTOBER, "none", "manual", "ana"), "sent")
    assert [run.month for run in runs.history.all()] == [OCTOBER]
