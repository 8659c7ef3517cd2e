"""Each rule of docs/billing-rules.md under "Invoices"."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_app.accounting.odoo.double.moves import QUANTITY, Version
from control_app.core.time import DAY
from control_app.invoicing.actions import ActionError
from control_app.invoicing.checks import Brakes
from control_app.invoicing.drafts import SMALL_AMOUNTS
from control_app.invoicing.entry import Entry
from tests.control.invoicing.test_period_rules import MILLION, THIRD_OF_DECEMBER, big
from tests.control.support.ledgers import RATES, row
from tests.control.support.world import BECAUSE, NOVEMBER, OCTOBER, Overheard, World, holds, statuses

FREE = dict.fromkeys(RATES, Decimal(0))


def test_the_ref_tells_location_customer_period_and_number(company: World) -> None:
    company.run()
    (move,) = company.moves()
    assert (move["ref"], move["invoice_origin"]) == ("stalpeni/acme/2026-10-1",) * 2


def test_the_number_rises_only_when_an_invoice_is_voided_and_billed_again(company: World) -> None:
    company.run()
    company.run()
    company.actions.void(BECAUSE, "stalpeni/acme/2026-10-1", rebill=True)
    company.tick()
    assert statuses(company.run()) == {"acme": "duplicate"}
    assert [(move["ref"], move["move_type"], move["state"]) for move in company.moves()] == [
        ("stalpeni/acme/2026-10-1", "out_invoice", "posted"),
        ("stalpeni/acme/2026-10-1-credit-1", "out_refund", "posted"),
        ("stalpeni/acme/2026-10-2", "out_invoice", "posted"),
    ]
    assert company.untaxed() == Decimal(1)


def test_a_voided_invoice_is_not_billed_again_unless_a_person_says_so(company: World) -> None:
    company.run()
    company.actions.void(BECAUSE, "stalpeni/acme/2026-10-1", rebill=False)
    company.tick()
    assert statuses(company.run()) == {"acme": "duplicate"}
    assert company.untaxed() == 0


def test_a_ledger_refuses_a_second_invoice_of_one_customer_period_and_number(company: World) -> None:
    company.run()
    columns = {name: name for name in Entry._fields} | {"id": "id + 1", "ref": "ref || 'x'"}
    with pytest.raises(Exception, match="invoices is appended, never edited"):
        statement = f"INSERT INTO invoices ({', '.join(Entry._fields)}) SELECT {', '.join(columns.values())} FROM invoices"  # noqa: S608
        company.db.connection.execute(statement)


def test_dates_are_those_of_the_real_run_of_the_end_of_the_period_and_of_the_payment_term(company: World) -> None:
    company.now += timedelta(days=3, hours=23)
    company.read()
    company.run()
    (move,) = company.moves()
    assert (move["invoice_date"], move["delivery_date"], move["invoice_date_due"]) == ("2026-11-05", "2026-10-31", "2026-11-20")
    assert move["invoice_payment_term_id"] is False


def test_lines_name_the_product_and_no_tax_so_that_the_fiscal_position_picks_it(company: World) -> None:
    overheard = Overheard(company)
    company.run()
    (created,) = [body for body in overheard.asked if b'"vals_list"' in body and b"invoice_line_ids" in body]
    assert b"tax_ids" not in created
    assert b'"product_id"' in created
    assert company.moves()[0]["amount_tax"] == pytest.approx(0.21)


@pytest.mark.parametrize("version", [18, 19])
@pytest.mark.parametrize("digits", [2, 6])
def test_a_line_is_quantity_1_and_its_amount_however_many_decimals_odoo_keeps(tmp_path: Path, version: Version, digits: int) -> None:
    company = World(tmp_path, version=version)
    company.odoo.set_precision(QUANTITY[version], digits)
    company.books.price("llama", 1, RATES | {"request": Decimal("0.05")})
    company.use(big(prompt=12_345))  # 0.012345 and 0.05: 0.062345, so 0.06
    company.run()
    assert [(line["name"], line["quantity"], line["price_unit"], line["price_subtotal"]) for line in company.moves()[0]["lines"]] == [
        ("Llama 3: 12,345 prompt tokens at 1 USD a million", 1.0, 0.01, 0.01),
        ("Llama 3: 1 requests at 0.05 USD each", 1.0, 0.05, 0.05),
    ]


def test_the_total_is_the_exact_sum_rounded_once_and_no_line_is_off_by_a_whole_cent(tmp_path: Path) -> None:
    company = World(tmp_path)
    models = [f"model-{number:02}" for number in range(3)]
    for model in models:
        company.books.price(model, 0, RATES)
    # Three times 1.003334 are 3.010002. Rounded each by itself they were 3.00.
    company.use(*(big(model=model, prompt=1_003_334) for model in models))
    assert company.run()["summary"]["total_cost"] == "3.01"
    assert [line["price_unit"] for line in company.moves()[0]["lines"]] == [1.01, 1.0, 1.0]
    assert company.moves()[0]["amount_untaxed"] == 3.01


def test_what_rounds_to_nothing_by_itself_is_one_line_of_small_amounts(tmp_path: Path) -> None:
    company = World(tmp_path)
    models = [f"model-{number:02}" for number in range(21)]
    for model in models:
        company.books.price(model, 0, RATES)
    # 21 times 0.0044 are 0.0924, beside 1.00.
    company.use(big(), *(big(model=model, prompt=4_400) for model in models))
    answer = company.run()
    assert [(line["name"], line["price_unit"]) for line in company.moves()[0]["lines"]] == [
        ("Llama 3: 1,000,000 prompt tokens at 1 USD a million", 1.0),
        (SMALL_AMOUNTS, 0.09),
    ]
    told = answer["details"][0]["invoice"]
    assert (told["total_cost"], told["exact_cost"], told["small_amounts"]) == ("1.09", "1.0924", "0.09")
    assert [line["amount"] for model in told["models"] for line in model["lines"]] == ["1.00"] + 21 * ["0.00"]


def test_a_line_of_nothing_is_not_sent(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.books.price("qwen", 0, RATES)
    company.use(big(), big(model="qwen", prompt=10))
    answer = company.run()
    assert [line["price_unit"] for line in company.moves()[0]["lines"]] == [1.0]
    assert "small_amounts" not in answer["details"][0]["invoice"]


def test_a_draft_that_is_not_ours_to_the_cent_is_held_and_not_posted(company: World) -> None:
    company.run(target="created")
    (line,) = company.odoo.records("account.move.line")
    company.odoo.change("account.move.line", line["id"], price_unit=1.01)
    company.odoo.change("account.move", 1, amount_untaxed=1.01)
    company.actions.approve(BECAUSE, OCTOBER)
    company.tick()
    (hold,) = company.db.connection.execute("SELECT code, message FROM invoice_holds").fetchall()
    assert hold[0] == "odoo-differs"
    assert "1.00 USD without tax, and in Odoo (id 1) 1.01" in hold[1]
    assert company.moves()[0]["state"] == "draft"


def test_a_partner_is_what_a_person_said_then_who_has_the_id_then_the_only_one_of_the_name(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme"])
    by_name = company.odoo.add_partner("Customer zeta", email="z@zeta.example")
    other = company.odoo.add_partner("Somebody", email="s@other.example")
    company.customers += ["zeta"]
    company.use(big(), big(key="k-zeta"))
    company.run()
    assert [move["partner_id"][0] for move in company.moves()] == [1, by_name]
    company.actions.choose_partner(BECAUSE, "acme", other)
    company.use(big("2026-11-05T00:00"))
    company.now = THIRD_OF_DECEMBER
    company.read()
    company.run(NOVEMBER)
    assert company.moves()[-1]["partner_id"][0] == other


def test_a_customer_whom_odoo_does_not_know_or_knows_twice_is_held(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme"])
    company.customers += ["zeta", "twice"]
    for _ in range(2):
        company.odoo.add_partner("Customer twice", email="t@twice.example")
    company.use(big(), big(key="k-zeta"), big(key="k-twice"))
    answer = company.run()
    assert statuses(answer) == {"acme": "success", "zeta": "held", "twice": "held"}
    assert (holds(answer, "zeta"), holds(answer, "twice")) == (["partner-missing"], ["partner-not-unique"])


def test_a_customer_mapped_to_a_partner_that_is_gone_is_held(company: World) -> None:
    company.actions.choose_partner(BECAUSE, "acme", 999)
    assert holds(company.run()) == ["partner-missing"]


def test_two_customers_on_one_partner_are_held_until_a_person_maps_them(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme"])
    company.customers += ["acme2"]
    company.use(big(), big(key="k-acme2"))
    company.books.db.connection.execute("UPDATE customers SET name = 'Customer acme'")
    company.odoo.change("res.partner", 1, ref=False)
    answer = company.dry("validate")
    assert (holds(answer), holds(answer, "acme2")) == (["partner-not-unique"], ["partner-not-unique"])
    for customer in company.customers:
        company.actions.choose_partner(BECAUSE, customer, 1)
    assert set(statuses(company.dry("validate")).values()) == {"dry_run_validated_missing"}


@pytest.mark.parametrize(("field", "code"), [("email", "partner-no-email"), ("country_code", "partner-no-country")])
def test_a_partner_without_an_address_or_a_country_is_held_before_anything_is_made(company: World, field: str, code: str) -> None:
    company.odoo.change("res.partner", 1, **{field: False})
    assert holds(company.run()) == [code]
    assert company.moves() == []


@pytest.mark.parametrize(
    ("country", "vat", "is_held"),
    [
        ("DE", False, True),
        ("GR", "/", True),
        ("DE", "DE123456788", False),
        ("RO", False, False),
        ("US", False, False),
        ("GB", False, False),
    ],
)
def test_a_partner_elsewhere_in_the_eu_without_a_vat_number_is_held_before_posting(
    company: World, country: str, vat: object, *, is_held: bool
) -> None:
    company.odoo.change("res.partner", 1, country_code=country, vat=vat)
    assert (holds(company.run()) == ["partner-no-vat"]) is is_held
    assert bool(company.moves()) is not is_held


def test_who_has_no_vat_number_is_billed_when_a_person_says_so(company: World) -> None:
    company.odoo.change("res.partner", 1, country_code="DE")
    assert holds(company.run()) == ["partner-no-vat"]
    company.actions.release(BECAUSE, OCTOBER, "partner-no-vat", "acme")
    assert statuses(company.run()) == {"acme": "success"}


def test_a_location_may_bill_all_who_have_no_vat_number(company: World) -> None:
    company.odoo.change("res.partner", 1, country_code="DE")
    object.__setattr__(company.planning, "needs_vat", False)
    assert statuses(company.run()) == {"acme": "success"}


def test_a_company_outside_the_eu_needs_no_vat_numbers(company: World) -> None:
    company.odoo.change("res.company", 1, country_code="US")
    company.odoo.change("res.partner", 1, country_code="DE")
    assert statuses(company.run()) == {"acme": "success"}


@pytest.mark.parametrize("mapped", [False, True])
def test_a_customer_whose_only_partner_is_archived_is_held_and_told_of_it(company: World, *, mapped: bool) -> None:
    company.odoo.change("res.partner", 1, active=False)
    if mapped:
        company.actions.choose_partner(BECAUSE, "acme", 1)
    answer = company.run()
    assert holds(answer) == ["partner-missing"]
    assert answer["details"][0]["sync_result"]["message"].endswith("; archived there: Customer acme (1)")


def test_a_free_model_is_rated_and_its_line_left_out(company: World) -> None:
    company.books.price("free", 0, FREE)
    company.use(row(key="k-acme", model="free"))
    (detail,) = company.run()["details"]
    assert [(model["model_id"], len(model["lines"])) for model in detail["invoice"]["models"]] == [("free", 0), ("llama", 1)]
    assert len(company.moves()[0]["lines"]) == 1


def test_automatic_off_does_nothing_by_itself(tmp_path: Path) -> None:
    company = World(tmp_path, automatic="off")
    company.use(big())
    company.tick(3)
    assert (company.moves(), company.runs.history.all()) == ([], [])


def test_automatic_draft_makes_drafts_that_a_person_posts(tmp_path: Path) -> None:
    company = World(tmp_path, automatic="draft")
    company.use(big())
    company.tick(3)
    assert [(move["state"], len(company.odoo.mails_sent())) for move in company.moves()] == [("draft", 0)]
    assert company.actions.approve(BECAUSE, OCTOBER) == ["stalpeni/acme/2026-10-1"]
    company.tick()
    assert [(move["state"], len(company.odoo.mails_sent())) for move in company.moves()] == [("posted", 1)]
    assert company.actions.approve(BECAUSE, OCTOBER) == []


def test_automatic_send_posts_and_sends(company: World) -> None:
    company.tick()
    assert [(move["state"], len(company.odoo.mails_sent())) for move in company.moves()] == [("posted", 1)]


def braked(folder: Path, **brakes: str) -> World:
    limits: dict[str, Any] = {name: Decimal(value) for name, value in brakes.items()}
    company = World(folder, ["acme", "umbra"], brakes=Brakes(**limits))
    company.use(big(prompt=10 * MILLION), big(key="k-umbra", prompt=2 * MILLION))  # 10.00 and 2.00
    return company


@pytest.mark.parametrize(("brake", "held"), [("10", []), ("9.99", ["acme"]), ("1.999", ["acme", "umbra"])])
def test_an_invoice_above_the_largest_is_held_and_not_dropped(tmp_path: Path, brake: str, held: list[str]) -> None:
    company = braked(tmp_path, invoice=brake)
    answer = company.run()
    assert [customer for customer, status in statuses(answer).items() if status == "held"] == held
    assert answer["summary"]["total_cost"] == "12.00"
    for customer in held:
        assert holds(answer, customer) == ["brake-invoice"]


@pytest.mark.parametrize(("brake", "is_held"), [("12", False), ("11.99", True)])
def test_a_month_above_the_largest_run_holds_everybody_until_it_is_released(tmp_path: Path, brake: str, is_held: bool) -> None:  # noqa: FBT001
    company = braked(tmp_path, run=brake)
    answer = company.run()
    assert set(statuses(answer).values()) == ({"held"} if is_held else {"success"})
    if is_held:
        company.actions.release(BECAUSE, OCTOBER, "brake-run", None)
        assert set(statuses(company.run()).values()) == {"success"}


def test_a_change_above_the_largest_is_held_and_a_first_invoice_has_only_the_absolute_caps(tmp_path: Path) -> None:
    company = braked(tmp_path, change="3.0")
    assert set(statuses(company.run()).values()) == {"success"}
    company.use(big("2026-11-05T00:00", prompt=30 * MILLION), big("2026-11-05T00:00", key="k-umbra", prompt=6_010_000))
    company.now = THIRD_OF_DECEMBER
    company.read()
    answer = company.run(NOVEMBER)
    assert statuses(answer) == {"acme": "success", "umbra": "held"}
    assert holds(answer, "umbra") == ["brake-change"]
    assert "6.01 USD is more than 3.0 times the last invoice, 2.00 USD" in str(answer)


def test_dry_runs_take_no_lease_and_store_nothing(company: World) -> None:
    before = "\n".join(company.db.connection.iterdump())
    lease = company.runs.lease(OCTOBER)
    with company.db.transaction() as db:
        lease.give_back(db)
    after_lease = "\n".join(company.db.connection.iterdump())
    company.runs.lease(OCTOBER)
    held = "\n".join(company.db.connection.iterdump())
    for kind in ("all", "validate"):
        assert company.dry(kind)["summary"]["total_detected"] == 1
    assert "\n".join(company.db.connection.iterdump()) == held
    assert before != after_lease
    assert company.moves() == []


def test_a_dry_run_of_all_does_not_touch_odoo_and_one_that_validates_only_reads(company: World) -> None:
    asked: list[str] = []
    company.odoo.fault = lambda model, method, _: asked.append(f"{model}/{method}")
    company.dry("all")
    assert asked == []
    company.dry("validate")
    assert {name.split("/")[1] for name in asked} <= {
        "search_read",
        "read",
        "context_get",
        "has_access",
        "has_group",
        "fields_get",
        "search_count",
    }


def test_a_hold_says_what_and_since_when_and_what_to_do(company: World) -> None:
    company.odoo.change("res.partner", 1, email=False)
    company.run()
    company.now += timedelta(days=1)
    (detail,) = company.run()["details"]
    assert detail["sync_result"]["holds"] == [
        {
            "code": "partner-no-email",
            "message": "partner 1 (Customer acme) has no e-mail address",
            "since": "2026-11-02T00:00:00Z",
            "remedy": "give the partner an e-mail address in Odoo (Contacts); then resume",
        }
    ]


def test_a_hold_is_released_by_a_person_with_a_reason_and_only_as_it_was_seen(company: World) -> None:
    key = company.books.key("k-acme")
    company.books.db.connection.execute("UPDATE hours SET counted = logged + 21 WHERE key = ?", [key])
    assert holds(company.run()) == ["missing-requests"]
    company.actions.release(BECAUSE, OCTOBER, "missing-requests", "acme")
    company.books.db.connection.execute("UPDATE hours SET counted = logged + 500 WHERE key = ?", [key])
    assert holds(company.run()) == ["missing-requests"]
    company.books.db.connection.execute("UPDATE hours SET counted = logged + 21 WHERE key = ?", [key])
    assert statuses(company.run()) == {"acme": "success"}
    (line,) = company.db.connection.execute("SELECT who, what, subject, reason FROM audit").fetchall()
    assert line[0] == "ana@example.com"
    assert line[2].startswith("2026-10 acme missing-requests: 21 requests")


@pytest.mark.parametrize("code", ["unrated", "too-dear", "unmapped-key", "not-read", "partner-missing", "odoo-differs", "odoo-rights"])
def test_what_has_no_price_no_customer_or_another_amount_cannot_be_released(company: World, code: str) -> None:
    with pytest.raises(ActionError, match="only resolved"):
        company.actions.release(BECAUSE, OCTOBER, code, None)


def test_usage_of_keys_that_nobody_holds_is_held_and_stops_nobody(company: World) -> None:
    company.use(row(key="k-nobody"))
    answer = company.run()
    assert statuses(answer) == {"": "held", "acme": "success"}
    assert holds(answer, "") == ["unmapped-key"]


def test_usage_without_a_price_is_held_also_where_it_came_late(company: World) -> None:
    company.run()
    company.use(row("2026-10-31T23:00", "k-acme", "unknown"), big("2026-11-05T00:00"))
    company.now = THIRD_OF_DECEMBER
    company.read()
    answer = company.run(NOVEMBER)
    assert holds(answer) == ["unrated"]
    assert answer["details"][0]["sync_result"]["message"].startswith("1 requests of 'unknown' in 2026-10 have no price; ")


def test_a_finished_run_and_one_with_holds_are_told_of_once(company: World) -> None:
    company.odoo.change("res.partner", 1, email=False)
    company.tick(3)
    assert [run.month for run in company.told] == [OCTOBER]


def test_the_period_of_a_deleted_customer_is_billed_as_any_other(company: World) -> None:
    company.customers.clear()
    company.hold_keys()
    assert company.books.db.connection.execute("SELECT deleted_at FROM customers").fetchone() != (None,)
    assert statuses(company.run()) == {"acme": "success"}


def test_an_invoice_is_due_after_as_many_days_as_the_settings_say(company: World) -> None:
    company.run()
    (entry,) = company.entries()
    assert entry.due_day - entry.invoice_day == 15
    assert entry.invoice_day == company.clock() // DAY
