"""What of an invoice is paid is Odoo's to say: it is read for many at once, a few times a day, and told with the time of that."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from control_app.accounting.odoo import accounting
from control_app.accounting.odoo.double.faults import Fault
from control_app.accounting.port import Payment
from control_app.core.time import HOUR
from control_app.invoicing import payments
from control_app.invoicing.exports import month_csv
from control_app.invoicing.payments import Payments, Reading, payment_text, readings
from control_app.invoicing.tables import PAYMENTS, SETTLED
from tests.control.invoicing.test_period_rules import big
from tests.control.support.ledgers import row
from tests.control.support.odoos import always
from tests.control.support.world import BECAUSE, OCTOBER, Overheard, World

# A million tokens at 1.00, and 21 % of it.
TOTAL, TAX = Decimal("1.21"), Decimal("0.21")
DUE = timedelta(days=15)


def texts(company: World) -> list[str]:
    """What pages and tables say of each invoice and credit note."""
    paid = readings(company.db, OCTOBER)
    return [payment_text(entry, paid.get(entry.id)) for entry in company.entries()]


def follow(company: World) -> None:
    """What a turn of the automation does last."""
    Payments(company.planning.book, company.planning.accounting, company.runs.agree).follow()


def days(company: World, count: int) -> None:
    """So many turns, a day apart, with a key to Odoo that does not end before."""
    (key,) = company.odoo.records("res.users.apikeys")
    company.odoo.change("res.users.apikeys", key["id"], expiration_date="2099-01-01 00:00:00")
    company.tick(count, pause=timedelta(days=1))


def rows(company: World) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(month_csv(company.planning.book, OCTOBER)))))


def reading(company: World) -> Reading:
    (found,) = readings(company.db, OCTOBER).values()
    return found


def test_a_posted_invoice_is_open_and_tells_its_tax_and_total(company: World) -> None:
    company.run()
    assert texts(company) == ["not known"]
    company.tick()
    assert reading(company) == Reading(Payment("open", TAX, TOTAL, TOTAL), company.clock() - HOUR // 10)
    assert texts(company) == ["open"]


@pytest.mark.parametrize(
    ("paid", "edition", "said"),
    [(1.21, "", "paid"), (1.21, "+e", "in payment"), (0.5, "", "partly paid, 0.71 USD open")],
)
def test_what_a_customer_paid_is_read_within_six_hours(company: World, paid: float, edition: str, said: str) -> None:
    company.run()
    company.tick()
    company.odoo.edition = "+e" if edition else ""
    company.odoo.pay(1, paid)
    company.tick(30)
    assert texts(company) == ["open"]
    company.tick(31)
    assert texts(company) == [said]


def test_what_is_owed_after_its_day_is_overdue_for_so_many_days(company: World) -> None:
    company.run()
    company.now += DUE
    company.tick()
    assert texts(company) == ["open"], "on the day on which it is due"
    company.now += timedelta(days=1)
    company.tick()
    assert texts(company) == ["open, overdue for 1 day"]
    company.odoo.pay(1, 1)
    company.now += timedelta(days=3)
    company.tick()
    assert texts(company) == ["partly paid, 0.21 USD open, overdue for 4 days"]
    assert [row["days_overdue"] for row in rows(company)] == ["4"]
    company.odoo.pay(1, 0.21)
    company.now += timedelta(days=1)
    company.tick()
    assert texts(company) == ["paid"]
    assert [row["days_overdue"] for row in rows(company)] == [""]


def test_a_credit_note_over_all_of_it_credits_the_invoice_and_is_never_overdue(company: World) -> None:
    company.run()
    company.actions.void(BECAUSE, "stalpeni/acme/2026-10-1", rebill=False)
    company.tick(2)
    assert texts(company) == ["credited", "paid"]
    company.odoo.pay(2, -1)
    company.now += timedelta(days=30)
    company.tick()
    assert texts(company) == ["credited", "partly paid, -1.00 USD open"]


def test_a_payment_that_the_bank_returns_within_sixty_days_makes_it_open_again(company: World) -> None:
    company.run()
    company.odoo.pay(1, 1.21)
    company.tick()
    assert texts(company) == ["paid"]
    company.now += DUE + timedelta(days=59)
    company.tick()
    company.odoo.pay(1, -1.21)
    company.now += timedelta(days=1)
    company.tick()
    assert texts(company) == ["open, overdue for 60 days"]


def test_what_has_long_been_settled_is_asked_for_no_more(company: World) -> None:
    company.run()
    company.odoo.pay(1, 1.21)
    company.tick()
    company.now += DUE + timedelta(days=61)
    company.tick()
    asked: list[str] = []
    company.odoo.fault = lambda model, method, _: asked.append(f"{model}/{method}")
    company.now += timedelta(days=400)
    follow(company)
    assert asked == []


@pytest.mark.parametrize("late", [0, 45, 90, 400])
def test_what_was_paid_late_is_looked_at_for_sixty_days_from_then(company: World, late: int) -> None:
    company.run()
    company.tick()
    company.now += DUE + timedelta(days=late)
    company.odoo.pay(1, 1.21)
    days(company, 60)
    assert texts(company) == ["paid"]
    company.odoo.pay(1, -1.21)
    company.tick()
    assert texts(company) == [f"open, overdue for {late + 60} days"]


def test_what_was_paid_late_is_asked_for_no_more_when_sixty_days_are_over(company: World) -> None:
    company.run()
    company.now += DUE + timedelta(days=90)
    company.odoo.pay(1, 1.21)
    days(company, 61)
    assert texts(company) == ["paid"]
    asked: list[str] = []
    company.odoo.fault = lambda model, method, _: asked.append(f"{model}/{method}")
    company.now += timedelta(days=400)
    follow(company)
    assert asked == []


def test_what_was_paid_again_after_it_was_returned_is_looked_at_anew(company: World) -> None:
    company.run()
    company.odoo.pay(1, 1.21)
    company.tick()
    company.now += DUE + timedelta(days=50)
    for amount in (-1.21, 1.21):
        company.odoo.pay(1, amount)
        days(company, 1)
    days(company, 58)
    company.odoo.pay(1, -1.21)
    company.tick()
    assert texts(company) == ["open, overdue for 110 days"]


def test_what_somebody_put_back_to_draft_late_and_posted_again_is_told_as_what_it_is(company: World) -> None:
    company.run()
    company.tick()
    company.now += DUE + timedelta(days=59)
    for posted, told in (("draft", "not posted in Odoo any more"), ("posted", "open, overdue for 98 days")):
        company.odoo.change("account.move", 1, state=posted)
        days(company, 20)
        assert texts(company) == [told]


def test_a_jump_of_our_clock_does_not_end_the_looking(company: World) -> None:
    company.run()
    company.odoo.pay(1, 1.21)
    company.tick()
    company.ahead = timedelta(days=400)
    company.tick()
    company.ahead = timedelta()
    company.now += timedelta(days=2)
    company.odoo.pay(1, -1.21)
    company.tick()
    assert texts(company) == ["open"]


@pytest.mark.parametrize(
    ("state", "looked_at", "settled_at"),
    [("paid", 7, 7), ("credited", 7, 7), (None, 7, 7), ("open", None, None), ("in payment", None, None)],
)
def test_what_was_given_up_before_is_looked_at_once_more(tmp_path: Path, state: str | None, looked_at: object, settled_at: object) -> None:
    db = sqlite3.connect(tmp_path / "old.sqlite3")
    db.execute(PAYMENTS)
    db.execute("INSERT INTO payments VALUES (1, ?, '0', '0', '0', 7, NULL)", [state])
    for statement in SETTLED:
        db.execute(statement)
    assert db.execute("SELECT look_at, settled_at FROM payments").fetchone() == (looked_at, settled_at)
    db.close()


@pytest.mark.parametrize("what", ["cancelled", "deleted"])
def test_what_somebody_took_back_in_odoo_is_told_as_that(company: World, what: str) -> None:
    company.run()
    company.tick()
    if what == "deleted":
        company.odoo.remove("account.move", 1)
    else:
        company.odoo.change("account.move", 1, state="cancel")
    company.now += timedelta(hours=7)
    company.tick()
    assert texts(company) == ["not posted in Odoo any more"]
    (row,) = rows(company)
    assert (row["tax"], row["unpaid"], row["payment_state"]) == ("", "", "not posted in Odoo any more")


def test_what_odoo_does_not_tell_is_not_known(company: World) -> None:
    company.run()
    company.odoo.change("account.move", 1, payment_state="invoicing_legacy")
    company.tick()
    assert texts(company) == ["not known"]
    assert rows(company)[0]["tax"] == "0.21", "which it does tell"


def test_a_draft_is_not_asked_for(company: World) -> None:
    company.run(target="created")
    company.tick()
    assert (texts(company), readings(company.db, OCTOBER)) == (["not posted"], {})
    assert [(row["tax"], row["payment_state"], row["payment_as_of_utc"]) for row in rows(company)] == [("", "not posted", "")]


def test_many_invoices_are_read_by_few_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (accounting.AT_ONCE, payments.AT_ONCE) == (100, 500)
    monkeypatch.setattr(accounting, "AT_ONCE", 2)
    monkeypatch.setattr(payments, "AT_ONCE", 3)
    names = ["c1", "c2", "c3", "c4"]
    company = World(tmp_path, names)
    company.use(*(big(key=f"k-{name}") for name in names))
    company.run()
    overheard = Overheard(company)
    follow(company)
    asked = [json.loads(body) for body in overheard.asked if b"payment_state" in body]
    assert [body["domain"][0][2] for body in asked] == [[1, 2], [3], [4]]
    assert len(readings(company.db, OCTOBER)) == 4


def test_while_odoo_is_away_what_was_read_stays_with_its_time(company: World) -> None:
    company.run()
    company.tick()
    before = reading(company)
    company.odoo.fault = always(Fault.SERVER_ERROR)
    company.tick(3, pause=timedelta(days=1))
    assert reading(company) == before
    company.odoo.fault = None
    company.tick()
    assert reading(company).at > before.at


def test_nothing_is_read_while_the_clocks_are_apart(company: World) -> None:
    company.run()
    company.ahead = timedelta(days=30)
    company.tick()
    assert readings(company.db, OCTOBER) == {}


def test_a_service_without_odoo_reads_nothing(company: World) -> None:
    company.run()
    object.__setattr__(company.planning, "accounting", None)
    follow(company)
    assert readings(company.db, OCTOBER) == {}


def test_the_accountants_columns_add_up_to_what_odoo_has(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme", "umbra"])
    company.use(row("2026-10-05T12:00", "k-acme", prompt=1_004_400, cached_read=4_400, completion=250_000), big(key="k-umbra"))
    company.run()
    company.actions.credit(BECAUSE, "stalpeni/acme/2026-10-1", Decimal("0.50"))
    company.tick()
    company.odoo.pay(2, 1.21)
    company.now += timedelta(hours=7)
    company.tick()
    told = rows(company)
    moves = [move | {"sign": -1 if move["move_type"] == "out_refund" else 1} for move in company.moves()]
    for column, field in (("tax", "amount_tax"), ("total_with_tax", "amount_total"), ("unpaid", "amount_residual")):
        theirs = sum((Decimal(f"{move[field]:.2f}") * move["sign"] for move in moves), Decimal())
        assert sum((Decimal(row[column] or 0) for row in told), Decimal()) == theirs
    untaxed, tax, whole = (sum(Decimal(row[name] or 0) for row in told) for name in ("rounded", "tax", "total_with_tax"))
    assert untaxed + tax == whole
    by_ref = {row["invoice_ref"]: (row["payment_state"], row["payment_as_of_utc"], row["currency"]) for row in told}
    as_of = "2026-11-02T07:06:00Z"
    assert by_ref == {
        "stalpeni/acme/2026-10-1": ("partly paid", as_of, "USD"),
        "stalpeni/umbra/2026-10-1": ("paid", as_of, "USD"),
        "stalpeni/acme/2026-10-1-credit-1": ("paid", "2026-11-02T00:00:00Z", "USD"),
    }
