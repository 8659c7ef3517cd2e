"""The double is wrong where Odoo is: it rounds, forgets, doubles and keeps silent as Odoo does (billing.md 3)."""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_app.odoo.client import OdooClient
from control_app.odoo.double import KEY, FakeOdoo
from control_app.odoo.double_faults import Fault
from control_app.odoo.double_moves import Version
from control_app.odoo.double_numbers import rounded
from control_app.odoo.keys import revoke, rotate
from control_app.odoo.shapes import new_id
from tests.control_app.gateways import serving
from tests.control_app.odoo.odoos import Clock, accounting_of, always, client_of, draft, once


def answer(double: FakeOdoo, path: str, *, key: str | None = KEY, method: str = "POST", **arguments: Any) -> tuple[int, Any]:
    headers = {} if key is None else {"Authorization": f"bearer {key}"}
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
    double = FakeOdoo(version=version)
    for name, number in digits.items():
        double.set_precision(name, number)
    invoice(double, sent)
    stored = line(double)
    assert ((stored["quantity"], stored["price_unit"]), stored["price_subtotal"]) == (kept, subtotal)


def test_many_tiny_lines_are_rounded_one_by_one(double: FakeOdoo) -> None:
    prices = [0.0821475] * 200
    entry = invoice(double, *((1, price) for price in prices))
    assert round(sum(prices), 2) == 16.43
    assert double.moves()[entry - 1]["amount_untaxed"] == 16.0


@pytest.mark.parametrize(("value", "digits", "expected"), [(0.005, 2, 0.01), (1.005, 2, 1.01), (2.675, 2, 2.68), (-0.005, 2, -0.01)])
def test_halves_go_away_from_zero_though_binary_numbers_are_a_little_less(value: float, digits: int, expected: float) -> None:
    assert rounded(value, digits) == expected


@given(st.decimals(-10_000, 10_000, places=6), st.integers(0, 6))
def test_rounding_is_at_most_half_a_step_away_and_lies_on_a_step(number: Any, digits: int) -> None:
    result = rounded(float(number), digits)
    assert abs(result - float(number)) <= 0.5 * 10**-digits + 1e-9
    assert math.isclose(result * 10**digits, round(result * 10**digits), abs_tol=1e-6)


def test_the_products_tax_comes_by_itself_and_is_rounded_for_each_line(double: FakeOdoo) -> None:
    entry = invoice(double, (1, 0.13), (1, 0.13), (1, 0.13))
    move = double.moves()[entry - 1]
    assert (move["amount_untaxed"], move["amount_tax"], move["amount_total"]) == (0.39, 0.06, 0.45)


def test_a_tax_that_the_price_includes_makes_the_net_smaller(double: FakeOdoo) -> None:
    double.change("account.tax", 1, price_include=True)
    invoice(double, (1, 119.0))
    (move,) = double.moves()
    assert (move["amount_untaxed"], move["amount_total"]) == (100.0, 119.0)


def test_taxes_that_are_named_are_taken_in_place_of_the_products(double: FakeOdoo) -> None:
    invoice(double, invoice_line_ids=[[0, 0, {"product_id": 1, "name": "x", "price_unit": 10, "tax_ids": [[6, 0, []]]}]])
    assert double.moves()[0]["amount_total"] == 10.0


def test_a_ref_may_be_taken_many_times(double: FakeOdoo) -> None:
    assert [invoice(double, (1, 1), ref="same") for _ in range(2)] == [1, 2]


def test_numbers_come_with_posting_each_year_anew_and_the_first_is_given_early(double: FakeOdoo) -> None:
    ids = [invoice(double, (1, 1), invoice_date=day) for day in ("2026-12-31", "2026-12-31", "2027-01-01", "2026-01-01")]
    assert [move["name"] for move in double.moves()] == ["INV/2026/00001", False, "INV/2027/00001", False]
    assert answer(double, "account.move/action_post", ids=[ids[3]]) == (200, False)
    assert answer(double, "account.move/action_post", ids=[ids[1]]) == (200, False)
    assert [move["name"] for move in double.moves()] == ["INV/2026/00001", "INV/2026/00003", "INV/2027/00001", "INV/2026/00002"]


def test_a_move_without_a_date_is_of_the_day_it_is_posted(double: FakeOdoo) -> None:
    answer(double, "account.move/action_post", ids=[invoice(double, (1, 1))])
    assert double.moves()[0]["invoice_date"] == "2026-12-01"


def test_what_cannot_be_posted_says_all_that_is_wrong_with_it(double: FakeOdoo) -> None:
    entry = invoice(double, partner_id=False, currency_id=4)
    double.change("account.move", entry, partner_id=False)
    told = message(double, "account.move/action_post", 422, ids=[entry])
    assert told.startswith("UserError: ")
    assert all(word in told for word in ("customer", "line", "JPY"))
    negative = invoice(double, (1, -5))
    assert "credit note" in message(double, "account.move/action_post", 422, ids=[negative])


def test_a_call_for_several_moves_is_all_or_nothing(double: FakeOdoo) -> None:
    good, bad = invoice(double, (1, 1)), invoice(double)
    message(double, "account.move/action_post", 422, ids=[good, bad])
    assert [move["state"] for move in double.moves()] == ["draft", "draft"]


def test_posted_moves_are_cancelled_too_and_cancelled_ones_not(double: FakeOdoo) -> None:
    entry = invoice(double, (1, 1))
    answer(double, "account.move/action_post", ids=[entry])
    assert answer(double, "account.move/button_cancel", ids=[entry]) == (200, True)
    assert (double.moves()[0]["state"], double.moves()[0]["name"]) == ("cancel", "INV/2026/00001")
    message(double, "account.move/button_cancel", 422, ids=[entry])
    assert answer(double, "account.move/button_draft", ids=[entry]) == (200, True)
    message(double, "account.move/button_draft", 422, ids=[entry])
    answer(double, "account.move/action_post", ids=[entry])
    assert double.moves()[0]["name"] == "INV/2026/00001"


def test_a_credit_note_for_a_part_leaves_the_rest_open(double: FakeOdoo) -> None:
    accounting = accounting_of(double)
    partner = double.add_partner("Acme")
    entry = accounting.create(draft(partner, lines=[("1", "10")]))
    accounting.post(entry)
    accounting.post(accounting.create(draft(partner, "credit", lines=[("1", "4")], type="out_refund", reverses=entry)))
    assert [(move["payment_state"], move["amount_residual"]) for move in double.moves()] == [("partial", 7.14), ("paid", 0.0)]


def test_a_credit_note_against_a_draft_pays_nothing(double: FakeOdoo) -> None:
    accounting = accounting_of(double)
    partner = double.add_partner("Acme")
    entry = accounting.create(draft(partner))
    accounting.post(accounting.create(draft(partner, "credit", type="out_refund", reverses=entry)))
    assert [move["payment_state"] for move in double.moves()] == ["not_paid", "not_paid"]


def test_sending_twice_is_two_mails_and_one_pdf(double: FakeOdoo) -> None:
    accounting = accounting_of(double)
    entry = accounting.create(draft(double.add_partner("Acme")))
    accounting.post(entry)
    accounting.send(accounting.prepare_mail(entry))
    accounting.send(accounting.prepare_mail(entry))
    assert double.mails_sent() == [(entry, "billing@acme.example")] * 2
    assert [file["name"] for file in double.records("ir.attachment")] == ["INV_2026_00001.pdf"]


def test_a_move_counts_as_sent_though_its_mail_failed(double: FakeOdoo) -> None:
    accounting = accounting_of(double)
    double.failing.add("billing@acme.example")
    entry = accounting.create(draft(double.add_partner("Acme")))
    accounting.post(entry)
    accounting.send(accounting.prepare_mail(entry))
    assert (double.moves()[0]["is_move_sent"], double.mails_sent()) == (True, [])


def test_what_the_wizard_was_not_told_to_send_by_email_is_printed_only(double: FakeOdoo) -> None:
    entry = invoice(double, (1, 1))
    answer(double, "account.move/action_post", ids=[entry])
    _, (wizard,) = answer(double, "account.move.send.wizard/create", vals_list=[{"move_id": entry, "sending_methods": []}])
    answer(double, "account.move.send.wizard/action_send_and_print", ids=[wizard])
    assert (double.mails_sent(), len(double.records("ir.attachment"))) == ([], 1)


WRONG_CALLS: list[tuple[str, int, dict[str, Any]]] = [
    ("no.model/read", 404, {}),
    ("account.move/no_method", 404, {}),
    ("account.move/read", 404, {"ids": [9]}),
    ("account.move/_post", 403, {"ids": []}),
    ("account.move/search_read", 403, {"context": {"allowed_company_ids": [2]}}),
    ("account.move/create", 422, {"ids": [1], "vals_list": []}),
    ("account.move/search_read", 422, {"ids": [1]}),
    ("account.move/create", 422, {}),
    ("account.move/create", 422, {"vals_list": [], "more": 1}),
    ("account.move/search_read", 500, {"domain": [["ref", "ilike", "x"]]}),
    ("account.move/search_read", 500, {"domain": [["ref", "in", "x"]]}),
    ("account.move/search_read", 500, {"domain": ["|", ["ref", "=", "x"]]}),
    ("account.move/search_read", 500, {"domain": [["no_field", "=", "x"]]}),
    ("account.move/search_read", 500, {"fields": ["no_field"]}),
    ("account.move/search_read", 500, {"order": "no_field"}),
    ("account.move/create", 500, {"vals_list": [{"move_type": "out_invoice", "no_field": 1}]}),
    ("account.move/create", 500, {"vals_list": [{"move_type": "out_invoice", "state": "posted"}]}),
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


def test_a_body_that_is_no_object_and_a_path_that_is_no_method_are_refused(double: FakeOdoo) -> None:
    for body in (b"[]", b"{", b"\xff"):
        status, _, _ = double.answer("POST", "/json/2/account.move/search_read", {"Authorization": f"Bearer {KEY}"}, body)
        assert status == 422
    for method, path in (("GET", "/json/2/account.move/read"), ("POST", "/json/2/account.move"), ("POST", "/xmlrpc/2/common")):
        assert answer(double, path, method=method)[0] == 404


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


def test_who_only_does_invoices_may_not_read_the_precision_but_is_told_what_fields_keep(double: FakeOdoo) -> None:
    message(double, "decimal.precision/search_read", 403)
    asked: dict[str, Any] = {"allfields": ["quantity", "price_unit"], "attributes": ["digits"]}
    assert answer(double, "account.move.line/fields_get", **asked) == (200, {"quantity": {"digits": [16, 2]}, "price_unit": {}})
    assert answer(double, "account.move.line/fields_get", allfields=["quantity"], attributes=[]) == (200, {"quantity": {}})
    assert answer(FakeOdoo(version=18), "account.move.line/fields_get", **asked)[1]["price_unit"] == {"digits": [16, 2]}


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
    with serving(double) as url, OdooClient(url, "live", KEY) as client:
        assert client.version() == "19.0"
        assert client.read("res.users", "context_get")["uid"] == 2
        double.fault = always(Fault.RESET_BEFORE)
        with httpx2.Client() as http:
            assert http.post(f"{url}/json/2/res.users/context_get", json={}).status_code == 504
    with serving(double) as url, pytest.raises(urllib.error.HTTPError, match="504"):
        urllib.request.urlopen(urllib.request.Request(f"{url}/json/2/res.users/context_get", data=b"{}"))


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


def test_what_was_half_done_when_the_process_died_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "odoo.sqlite3"
    double = FakeOdoo(path)
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
