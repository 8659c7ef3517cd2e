"""The double is wrong where Odoo is: it rounds, forgets, doubles and keeps silent as Odoo does (docs/facts/odoo.md)."""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_app.accounting.odoo.client import OdooClient
from control_app.accounting.odoo.double.faults import Fault
from control_app.accounting.odoo.double.moves import Version
from control_app.accounting.odoo.double.numbers import rounded
from control_app.accounting.odoo.double.odoo import DATABASE, KEY, FakeOdoo
from control_app.accounting.odoo.keys import revoke, rotate
from control_app.accounting.odoo.shapes import new_id
from control_app.accounting.port import RefusedError
from tests.control.support.gateways import serving
from tests.control.support.odoos import NOW, Clock, accounting_of, always, client_of, draft, once

ASKED = {"Content-Type": "application/json", "X-Odoo-Database": DATABASE}
"""Headers of every request."""


def answer(double: FakeOdoo, path: str, *, key: str | None = KEY, method: str = "POST", **arguments: Any) -> tuple[int, Any]:
    headers = {**ASKED, **({} if key is None else {"Authorization": f"bearer {key}"})}
    status, _, body = double.answer(method, path if path.startswith("/") else f"/json/2/{path}", headers, json.dumps(arguments).encode())
    return status, json.loads(body)


def message(double: FakeOdoo, path: str, status: int, **arguments: Any) -> str:
    got, body = answer(double, path, **arguments)
    assert (got, sorted(body)) == (status, ["arguments", "context", "debug", "message", "name"])
    return f"{body['name'].rpartition('.')[2]}: {body['message']}"


def invoice(double: FakeOdoo, *lines: tuple[float, float], **vals: Any) -> int:
    commands = [[0, 0, {"product_id": 1, "name": "x", "quantity": quantity, "price_unit": price}] for quantity, price in lines]
    partner = vals.pop("partner_id", None) or (double.partners or [{"id": double.add_partner("Acme")}])[0]["id"]
    move = {"move_type": "out_invoice", "partner_id": partner, "currency_id": 1, "journal_id": 1, "invoice_line_ids": commands, **vals}
    status, ids = answer(double, "account.move/create", vals_list=[move])
    assert status == 200, ids
    return int(ids[0])


def line(double: FakeOdoo) -> Mapping[str, Any]:
    (only,) = double.moves()[-1]["lines"]
    return dict(only)


@pytest.mark.parametrize(
    ("version", "digits", "sent", "kept", "subtotal"),
    [
        (18, {}, (1, 0.004213), (1.0, 0.0), 0.0),
        (19, {}, (1, 0.004213), (1.0, 0.004213), 0.0),
        (18, {}, (0.004999, 60), (0.0, 60.0), 0.0),
        (19, {}, (0.004999, 60), (0.0, 60.0), 0.0),
        (18, {}, (0.012345, 60), (0.01, 60.0), 0.60),
        (19, {}, (0.012345, 60), (0.01, 60.0), 0.60),
        (19, {"Product Unit": 6}, (0.004999, 60), (0.004999, 60.0), 0.30),
        (19, {"Product Unit": 6}, (0.012345, 60), (0.012345, 60.0), 0.74),
        (18, {"Product Unit of Measure": 6}, (0.012345, 60), (0.012345, 60.0), 0.74),
        (18, {"Product Unit": 6}, (0.012345, 60), (0.01, 60.0), 0.60),
        (18, {"Product Price": 6}, (1000, 0.004213), (1000.0, 0.004213), 4.21),
        (18, {}, (1000, 0.004213), (1000.0, 0.0), 0.0),
        (19, {}, (1000, 0.004213), (1000.0, 0.004213), 4.21),
        (19, {"Product Price": 0}, (1, 1.4), (1.0, 1.4), 1.4),
    ],
)
def test_quantities_and_prices_are_rounded_when_stored_by_version_and_setting(
    version: Version, digits: Mapping[str, int], sent: tuple[float, float], kept: tuple[float, float], subtotal: float
) -> None:
    double = FakeOdoo(version=version, clock=Clock())
    for name, number in digits.items():
        double.set_precision(name, number)
    invoice(double, sent)
    stored = line(double)
    assert ((stored["quantity"], stored["price_unit"]), stored["price_subtotal"]) == (kept, subtotal)


@pytest.mark.parametrize(("method", "untaxed", "tax"), [("round_globally", 16.43, 3.45), ("round_per_line", 16.0, 4.0)])
def test_what_is_rounded_is_the_sum_or_each_line_as_the_company_has_it(double: FakeOdoo, method: str, untaxed: float, tax: float) -> None:
    double.change("res.company", 1, tax_calculation_rounding_method=method)
    invoice(double, *[(1, 0.0821475)] * 200)
    (move,) = double.moves()
    assert (move["amount_untaxed"], move["amount_tax"]) == (untaxed, tax)
    assert {(line["price_subtotal"], line["price_total"]) for line in move["lines"]} == {(0.08, 0.1)}


def test_lines_of_a_company_that_rounds_globally_may_add_up_to_another_total(double: FakeOdoo) -> None:
    assert double.records("res.company")[0]["tax_calculation_rounding_method"] == "round_globally"
    invoice(double, (1, 0.004), (1, 0.004))
    (move,) = double.moves()
    assert (move["amount_untaxed"], [line["price_subtotal"] for line in move["lines"]]) == (0.01, [0.0, 0.0])


@pytest.mark.parametrize(("value", "digits", "expected"), [(0.005, 2, 0.01), (1.005, 2, 1.01), (2.675, 2, 2.68), (-0.005, 2, -0.01)])
def test_halves_go_away_from_zero_though_binary_numbers_are_a_little_less(value: float, digits: int, expected: float) -> None:
    assert rounded(value, digits) == expected


@given(st.decimals(-10_000, 10_000, places=6), st.integers(0, 6))
def test_rounding_is_at_most_half_a_step_away_and_lies_on_a_step(number: Any, digits: int) -> None:
    result = rounded(float(number), digits)
    assert abs(result - float(number)) <= 0.5 * 10**-digits + 1e-9
    assert math.isclose(result * 10**digits, round(result * 10**digits), abs_tol=1e-6)


def test_the_products_tax_comes_by_itself(double: FakeOdoo) -> None:
    entry = invoice(double, (1, 0.13), (1, 0.13), (1, 0.13))
    move = double.moves()[entry - 1]
    assert (move["amount_untaxed"], move["amount_tax"], move["amount_total"]) == (0.39, 0.08, 0.47)


@pytest.mark.parametrize(
    ("partner", "position", "tax"),
    [
        ({"country": "RO"}, None, 2.1),
        ({"country": None}, None, 2.1),
        ({"country": "DE", "vat": "DE123456788"}, "Exempted Intra-Community Regime", 0.0),
        ({"country": "DE"}, "Exempted Intra-Community Regime", 0.0),
        ({"country": "US"}, "Non-EU Regime", 0.0),
        ({"country": "RO", "property_account_position_id": [2, "Non-EU Regime"]}, "Non-EU Regime", 0.0),
    ],
)
def test_the_partners_country_picks_the_tax_with_or_without_a_vat_number(
    double: FakeOdoo, partner: dict[str, Any], position: str | None, tax: float
) -> None:
    entry = invoice(double, (1, 10), partner_id=double.add_partner("Acme", **partner))
    move = double.moves()[entry - 1]
    found = move["fiscal_position_id"][1] if move["fiscal_position_id"] else None
    assert (found, move["amount_tax"]) == (position, tax)


def test_a_fiscal_position_that_is_named_is_taken_in_place_of_the_partners(double: FakeOdoo) -> None:
    entry = invoice(double, (1, 10), fiscal_position_id=1)
    assert double.moves()[entry - 1]["amount_tax"] == 0.0


def test_a_currency_without_a_rate_is_booked_one_to_one(double: FakeOdoo) -> None:
    assert (double.records("res.currency")[1]["rate"], double.records("res.currency")[1]["date"]) == (1.0, False)
    invoice(double, (1, 10), currency_id=2)
    double.change("res.currency", 2, rate=0.2, date="2026-11-30")
    invoice(double, (1, 10), currency_id=2)
    assert [move["invoice_currency_rate"] for move in double.moves()] == [1.0, 0.2]


def test_what_odoo_computes_is_computed_whatever_is_sent(double: FakeOdoo) -> None:
    invoice(double, (1, 10), amount_untaxed=99, name="INV/9")
    (move,) = double.moves()
    assert (move["amount_untaxed"], move["name"]) == (10.0, False)


def test_a_tax_that_the_price_includes_makes_the_net_smaller(double: FakeOdoo) -> None:
    double.change("account.tax", 1, price_include=True)
    invoice(double, (1, 121.0))
    (move,) = double.moves()
    assert (move["amount_untaxed"], move["amount_total"]) == (100.0, 121.0)


def test_taxes_that_are_named_are_taken_in_place_of_the_products(double: FakeOdoo) -> None:
    invoice(double, invoice_line_ids=[[0, 0, {"product_id": 1, "name": "x", "price_unit": 10, "tax_ids": [[6, 0, []]]}]])
    assert double.moves()[0]["amount_total"] == 10.0


def test_a_ref_may_be_taken_many_times(double: FakeOdoo) -> None:
    assert [invoice(double, (1, 1), ref="same") for _ in range(2)] == [1, 2]


def test_numbers_come_in_the_order_of_posting_each_year_anew_and_no_draft_has_one(double: FakeOdoo) -> None:
    ids = [invoice(double, (1, 1), invoice_date=day) for day in ("2026-12-31", "2027-01-01", "2026-01-01")]
    assert [move["name"] for move in double.moves()] == [False, False, False]
    for entry in reversed(ids):
        assert answer(double, "account.move/action_post", ids=[entry]) == (200, False)
    assert [move["name"] for move in double.moves()] == ["INV/2026/00002", "INV/2027/00001", "INV/2026/00001"]


def test_a_move_without_a_date_is_of_the_day_it_is_posted(double: FakeOdoo) -> None:
    answer(double, "account.move/action_post", ids=[invoice(double, (1, 1))])
    assert double.moves()[0]["invoice_date"] == "2026-12-01"


def test_what_cannot_be_posted_says_all_that_is_wrong_with_it(double: FakeOdoo) -> None:
    entry = invoice(double, partner_id=False, currency_id=4)
    double.change("account.move", entry, partner_id=False)
    told = message(double, "account.move/action_post", 422, ids=[entry])
    assert told.startswith("UserError: ")
    assert all(word in told for word in ("Customer", "post nothing", "JPY"))
    assert len(told.splitlines()) == 3
    negative = invoice(double, (1, -5))
    assert "credit note" in message(double, "account.move/action_post", 422, ids=[negative])


def test_a_call_for_several_moves_is_all_or_nothing(double: FakeOdoo) -> None:
    good, bad = invoice(double, (1, 1)), invoice(double)
    message(double, "account.move/action_post", 422, ids=[good, bad])
    assert [move["state"] for move in double.moves()] == ["draft", "draft"]


def test_posted_moves_are_cancelled_too_and_cancelled_ones_not(double: FakeOdoo) -> None:
    entry = invoice(double, (1, 1))
    answer(double, "account.move/action_post", ids=[entry])
    assert answer(double, "account.move/button_cancel", ids=[entry]) == (200, None)
    assert (double.moves()[0]["state"], double.moves()[0]["name"]) == ("cancel", "INV/2026/00001")
    message(double, "account.move/button_cancel", 422, ids=[entry])
    assert answer(double, "account.move/button_draft", ids=[entry]) == (200, None)
    message(double, "account.move/button_draft", 422, ids=[entry])
    answer(double, "account.move/action_post", ids=[entry])
    assert double.moves()[0]["name"] == "INV/2026/00001"


def test_a_credit_note_for_a_part_leaves_the_rest_open(double: FakeOdoo) -> None:
    accounting = accounting_of(double)
    partner = double.add_partner("Acme")
    entry = accounting.create(draft(partner, lines=["10"]))
    accounting.post(entry)
    accounting.post(accounting.create(draft(partner, "credit", lines=["4"], kind="credit note", against=entry)))
    assert [(move["payment_state"], move["amount_residual"]) for move in double.moves()] == [("partial", 7.26), ("paid", 0.0)]


def test_an_invoice_that_is_cancelled_after_its_credit_notes_is_open_again_and_so_are_they(double: FakeOdoo) -> None:
    accounting = accounting_of(double)
    partner = double.add_partner("Acme")
    entry = accounting.create(draft(partner, lines=["10"]))
    accounting.post(entry)
    for number in ("4", "6"):
        accounting.post(accounting.create(draft(partner, f"credit {number}", lines=[number], kind="credit note", against=entry)))
    assert [move["payment_state"] for move in double.moves()] == ["reversed", "paid", "paid"]
    answer(double, "account.move/button_cancel", ids=[2])
    assert [(move["payment_state"], move["amount_residual"]) for move in double.moves()][:2] == [("partial", 4.84), ("not_paid", 4.84)]
    answer(double, "account.move/button_cancel", ids=[entry])
    assert [(move["payment_state"], move["amount_residual"]) for move in double.moves()] == [
        ("not_paid", 12.1),
        ("not_paid", 4.84),
        ("not_paid", 7.26),
    ]


def test_a_draft_can_be_changed_and_what_is_posted_cannot(double: FakeOdoo) -> None:
    entry = invoice(double, (1, 1), invoice_date="2026-11-01")
    assert answer(double, "account.move/write", ids=[entry], vals={"invoice_date": "2026-11-30"}) == (200, True)
    assert double.moves()[0]["invoice_date"] == "2026-11-30"
    answer(double, "account.move/action_post", ids=[entry])
    message(double, "account.move/write", 422, ids=[entry], vals={"invoice_date": "2026-11-01"})


def test_a_credit_note_against_a_draft_pays_nothing(double: FakeOdoo) -> None:
    accounting = accounting_of(double)
    partner = double.add_partner("Acme")
    entry = accounting.create(draft(partner))
    accounting.post(accounting.create(draft(partner, "credit", kind="credit note", against=entry)))
    assert [move["payment_state"] for move in double.moves()] == ["not_paid", "not_paid"]


def test_keys_that_ended_are_cleared_away(double: FakeOdoo, clock: Clock) -> None:
    rotate(client_of(double), "control 2", days=1, now=clock())
    clock.now += timedelta(days=2)
    assert [key["name"] for key in answer(double, "res.users.apikeys/search_read", fields=["name"])[1]] == ["control"]


def test_a_build_without_methods_for_keys_says_so(double: FakeOdoo) -> None:
    double.keys.are_in_build = False
    with pytest.raises(RefusedError, match=r"404 NotFound: The method 'res\.users\.apikeys\.generate' does not exist"):
        rotate(client_of(double), "control 2", now=NOW)
    with pytest.raises(RefusedError, match=r"404 NotFound: The method 'res\.users\.apikeys\.revoke' does not exist"):
        revoke(client_of(double), KEY)


def test_records_are_made_by_whom_may(double: FakeOdoo) -> None:
    parameter = {"key": "base.enable_programmatic_api_keys", "value": "True"}
    message(double, "ir.config_parameter/create", 403, vals_list=[parameter])
    double.denied.clear()
    assert answer(double, "ir.config_parameter/create", vals_list=[parameter]) == (200, [1])


WRONG_CALLS: list[tuple[str, int, dict[str, Any]]] = [
    ("no.model/read", 404, {}),
    ("account.move/no_method", 404, {}),
    ("account.move/_post", 403, {"ids": []}),
    ("account.move/search_read", 403, {"context": {"allowed_company_ids": [2]}}),
    ("account.move/create", 422, {"ids": [1], "vals_list": []}),
    ("account.move/search_read", 422, {"ids": [1]}),
    ("account.move/create", 422, {}),
    ("account.move/create", 422, {"vals_list": [], "more": 1}),
    ("account.move/search_read", 500, {"more": 1}),
    ("account.move/search_read", 500, {"domain": [["ref", "ilike", "x"]]}),
    ("account.move/search_read", 500, {"domain": ["|", ["ref", "=", "x"]]}),
    ("account.move/search_read", 500, {"domain": [["no_field", "=", "x"]]}),
    ("account.move/search_read", 500, {"fields": ["no_field"]}),
    ("account.move/search_read", 500, {"order": "no_field"}),
    ("account.move/create", 500, {"vals_list": [{"move_type": "out_invoice", "no_field": 1}]}),
    ("account.move/create", 422, {"vals_list": [{"move_type": "out_invoice", "state": "posted"}]}),
    ("account.move/has_access", 500, {"operation": "nonsense"}),
    ("res.partner/search_read", 500, {"domain": [["x_customer", "=", "c1"]]}),
    ("ir.attachment/create", 403, {"vals_list": [{"name": "a.csv", "res_model": "account.move", "res_id": 9}]}),
    ("account.move/create", 500, {"vals_list": [{"move_type": "out_invoice", "currency_id": 1, "invoice_line_ids": [[1, 2, {}]]}]}),
    ("account.move/create", 500, {"vals_list": [{}]}),
    ("account.move/create", 404, {"vals_list": [{"move_type": "out_invoice", "currency_id": 1, "partner_id": 9}]}),
    ("account.move.send.wizard/action_send_and_print", 500, {"ids": []}),
]


@pytest.mark.parametrize(("path", "status", "arguments"), WRONG_CALLS)
def test_a_wrong_call_has_odoos_status_and_body(double: FakeOdoo, path: str, status: int, arguments: dict[str, Any]) -> None:
    assert message(double, path, status, **arguments)
    assert double.moves() == []


@pytest.mark.parametrize("key", [None, "", "wrong"])
def test_without_a_living_key_nothing_is_answered(double: FakeOdoo, key: str | None) -> None:
    assert answer(double, "account.move/search_read", key=key)[0] == 401


def test_a_body_that_is_no_json_and_a_path_that_is_no_method_are_refused(double: FakeOdoo) -> None:
    headers = {**ASKED, "Authorization": f"Bearer {KEY}"}
    for body, expected in ((b"{", 400), (b"\xff", 400), (b"[]", 200), (b"", 200)):
        assert double.answer("POST", "/json/2/account.move/search_read", headers, body)[0] == expected
    for method, path in (("GET", "/json/2/account.move/read"), ("POST", "/json/2/account.move"), ("POST", "/xmlrpc/2/common")):
        assert answer(double, path, method=method)[0] == 404


@pytest.mark.parametrize(("changed", "status"), [({"X-Odoo-Database": "nope"}, 404), ({"Content-Type": "text/plain"}, 415)])
def test_another_database_and_another_content_type_are_answered_as_a_page(
    double: FakeOdoo, changed: Mapping[str, str], status: int
) -> None:
    headers = {**ASKED, "Authorization": f"Bearer {KEY}", **changed}
    got, told, _ = double.answer("POST", "/json/2/res.users/context_get", headers, b"{}")
    assert (got, told["Content-Type"]) == (status, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("path", "operation"), [("account.move/create", "create"), ("account.move/read", "read"), ("account.move/search_read", "read")]
)
def test_a_right_that_is_missing_is_a_403(double: FakeOdoo, path: str, operation: str) -> None:
    double.denied.add(("account.move", operation))
    arguments: dict[str, Any] = {"vals_list": []} if operation == "create" else {}
    assert message(double, path, 403, **arguments).startswith("AccessError")
    assert answer(double, "account.move/has_access", operation=operation) == (200, False)


@pytest.mark.parametrize(
    ("path", "model", "operation"),
    [
        ("account.move/action_post", "account.move", "write"),
        ("account.move/button_cancel", "account.move", "write"),
        ("account.move/button_draft", "account.move", "write"),
        ("ir.attachment/create", "ir.attachment", "create"),
        ("account.move.send.wizard/create", "account.move.send.wizard", "create"),
        ("account.move.line/fields_get", "account.move.line", "read"),
    ],
)
def test_no_method_goes_without_its_right(double: FakeOdoo, path: str, model: str, operation: str) -> None:
    double.denied.add((model, operation))
    arguments: dict[str, Any] = {"vals_list": []} if operation == "create" else {}
    message(double, path, 403, **arguments)


def test_who_only_does_invoices_may_not_read_the_precision_but_is_told_what_fields_keep(double: FakeOdoo, clock: Clock) -> None:
    message(double, "decimal.precision/search_read", 403)
    asked: dict[str, Any] = {"allfields": ["quantity", "price_unit"], "attributes": ["digits"]}
    assert answer(double, "account.move.line/fields_get", **asked) == (
        200,
        {"quantity": {"digits": [16, 2]}, "price_unit": {"digits": False}},
    )
    assert answer(double, "account.move.line/fields_get", allfields=["quantity"], attributes=[]) == (200, {"quantity": {}})
    assert answer(FakeOdoo(version=18, clock=clock), "account.move.line/fields_get", **asked)[1]["price_unit"] == {"digits": [16, 2]}


def test_domains_are_read_as_odoo_writes_them(double: FakeOdoo) -> None:
    for name, ref in (("Acme", "c1"), ("Beta", None), ("Gamma", "c3")):
        double.add_partner(name, ref=ref)
    double.change("res.partner", 3, active=False)

    def found(domain: list[Any], **more: Any) -> list[int]:
        status, rows = answer(double, "res.partner/search_read", domain=domain, fields=["name"], **more)
        assert status == 200, rows
        return [row["id"] for row in rows]

    assert found([]) == [1, 2]
    assert found([["active", "in", [True, False]]]) == [1, 2, 3]
    assert found([], context={"active_test": False}) == [1, 2, 3]
    assert found([["ref", "=", False]]) == [2]
    assert found([["ref", "!=", False]]) == [1]
    assert found(["|", ["ref", "=", "c1"], ["name", "=", "Beta"]]) == [1, 2]
    assert found(["&", ["ref", "=", "c1"], ["name", "=", "Beta"]]) == []
    assert found(["!", ["ref", "=", "c1"]]) == [2]
    assert found([["id", ">", 1]]) == [2]
    assert found([["id", "not in", [1]]]) == [2]
    assert found([["id", "in", [1, 2]]], order="name desc", limit=1) == [2]
    assert found([], offset=1) == [2]


def test_faults_happen_to_the_calls_that_a_test_names(double: FakeOdoo) -> None:
    asked: list[tuple[str, str, int]] = []
    double.fault = lambda model, method, number: asked.append((model, method, number))
    answer(double, "res.users/context_get")
    answer(double, "/web/version", method="GET")
    answer(double, "res.currency/search_read")
    assert asked == [("res.users", "context_get", 1), ("res.currency", "search_read", 2)]


def test_what_comes_late_is_done_when_its_time_comes_and_once(double: FakeOdoo) -> None:
    double.fault = once(Fault.LATE, "account.move", "create")
    with client_of(double) as client, pytest.raises(Exception, match="ReadTimeout"):
        client.write("account.move", "create", new_id, vals_list=[{"move_type": "out_invoice", "currency_id": 1, "journal_id": 1}])
    assert double.moves() == []
    double.do_late()
    double.do_late()
    assert len(double.moves()) == 1


def test_it_is_served_over_http_too(double: FakeOdoo) -> None:
    with serving(double) as url, OdooClient(url, DATABASE, KEY, Clock()) as client:
        assert client.version() == "19.0"
        assert client.read("res.users", "context_get")["uid"] == 2
        double.fault = always(Fault.RESET_BEFORE)
        with httpx2.Client() as http:
            assert http.post(f"{url}/json/2/res.users/context_get", json={}, headers=ASKED).status_code == 504
    with serving(double) as url, pytest.raises(urllib.error.HTTPError, match="504"):
        urllib.request.urlopen(urllib.request.Request(f"{url}/json/2/res.users/context_get", data=b"{}", headers=ASKED))


def test_a_file_is_seen_by_every_process_that_has_it_and_stays(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "var" / "odoo.sqlite3"
    first, second = FakeOdoo(path, clock=clock), FakeOdoo(path, clock=clock)
    entry = invoice(first, (1, 1), ref="seen")
    assert [(move["id"], move["ref"]) for move in second.moves()] == [(entry, "seen")]
    invoice(second, (1, 1), ref="too")
    first.close()
    second.close()
    third = FakeOdoo(path, clock=clock)
    assert [move["ref"] for move in third.moves()] == ["seen", "too"]
    assert len(third.records("res.currency")) == 4
    third.close()


def test_what_was_half_done_when_the_process_died_is_not_there(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "odoo.sqlite3"
    double = FakeOdoo(path, clock=clock)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM record")
    other.close()
    assert len(double.records("res.currency")) == 4
    double.close()


def test_an_old_file_still_opens_with_its_key_but_not_with_a_revoked_one(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "odoo.sqlite3"
    FakeOdoo(path, clock=clock).close()
    clock.now = clock.now.replace(year=2028)
    double = FakeOdoo(path, clock=clock)
    revoke(client_of(double, rotate(client_of(double), "control 2", now=clock())), KEY)
    double.close()
    again = FakeOdoo(path, clock=clock)
    assert answer(again, "res.users/context_get")[0] == 401
    again.close()


def test_threads_lose_nothing(double: FakeOdoo) -> None:
    partner = double.add_partner("Acme")
    with client_of(double) as client:
        vals = {"move_type": "out_invoice", "currency_id": 1, "journal_id": 1, "partner_id": partner}

        def create() -> None:
            for _ in range(20):
                client.write("account.move", "create", new_id, vals_list=[vals])

        threads = [threading.Thread(target=create) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert [move["id"] for move in double.moves()] == list(range(1, 81))


def test_calls_overlap_in_their_latency(double: FakeOdoo) -> None:
    double.latency = 0.05
    with client_of(double) as client:
        threads = [threading.Thread(target=lambda: client.read("res.users", "context_get")) for _ in range(4)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
    assert 0.05 <= time.monotonic() - start < 0.19
