"""The double, asked what a real Odoo 19.0 was asked, answers alike: but for ids, numbers of documents, and what is named here."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest

from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.accounting.odoo.shapes import is_list, is_object
from tests.control.support.odoos import Clock
from tests.control.support.recorded_odoo import JSON, Recorded, recorded

KEY = "the-key-of-the-recording"
REFERENCES = {
    "move_id": "account.move",
    "res_id": "account.move",
    "reversed_entry_id": "account.move",
    "mail_message_id": "mail.message",
    "user_id": "res.users",
}
"""Members of requests and answers that are ids, and of what."""
PARTLY = {
    "fields_get all attrs": ("digits",),
    "search_read all fields": ("id", "name", "active", "decimal_places", "rounding", "rate", "date"),
}
"""Calls of which the double tells a part, as nobody asks it for more: what must be alike."""
NUMBERS = re.compile(r"(INV/[0-9]{4}/)[0-9]{5}|(\(id |User: )[0-9]+")


def shop() -> FakeOdoo:
    """The Odoo that was recorded: a Romanian company in lei with e-Factura, and quantities of six decimals."""
    clock = Clock()
    clock.now = datetime(2026, 11, 30, 7, tzinfo=UTC)
    odoo = FakeOdoo(clock=clock, key=KEY, database="odoo")
    odoo.change("res.company", 1, name="Inference Seller SRL", currency_id=[3, "RON"])
    odoo.change("res.currency", 1, rate=0.23255813953488372, date="2026-01-01")
    odoo.set_precision("Product Unit", 6)
    odoo.use_e_factura()
    journal = {**odoo.records("account.journal")[0], "id": 7, "name": "Sales"}
    odoo.remove("account.journal", 1)
    odoo.add("account.journal", **journal)
    odoo.add("account.tax", **{**odoo.records("account.tax")[0], "id": 16})
    odoo.change("product.product", 1, taxes_id=[16])
    at_home: dict[str, Any] = {"country": "RO", "street": "Strada 1", "city": "Cluj-Napoca", "state_id": [5, "Cluj"]}
    odoo.add_partner("Inference Seller SRL", id=1, **at_home)
    odoo.add_partner("Acme Robotics", id=8, **at_home)
    odoo.add_partner("No Mail Ltd", id=253, email=None)
    odoo.add_partner("Refused Ltd", id=254, **{**at_home, "email": "refused@nowhere.example"})
    odoo.failing.add("refused@nowhere.example")
    (mine,) = odoo.records("res.users.apikeys")
    odoo.remove("res.users.apikeys", mine["id"])
    (keys,) = [call for call in recorded("calls") if call.title == "apikeys"]
    for number, key in enumerate(keys.answer):
        odoo.add("res.users.apikeys", **{**mine, **key, "digest": "" if number else mine["digest"]})
    return odoo


class Conversation:
    """Asks *odoo* what was recorded, with its own ids in the place of the recorded ones, and notes what it answers otherwise."""

    def __init__(self, odoo: FakeOdoo) -> None:
        self._odoo = odoo
        self._ids: defaultdict[str, dict[int, int]] = defaultdict(dict, {"res.users": {5: 2}})
        self.differences: list[str] = []

    def ask(self, call: Recorded) -> None:
        headers = {name: value.replace("<key>", KEY) for name, value in call.headers.items()}
        body = call.body if isinstance(call.body, str) else "" if call.body is None else json.dumps(self._ours(call))
        status, told, answer = self._odoo.answer(call.method, call.path, headers, body.encode())
        self._compare(f"{call.title}: status", call.status, status)
        self._compare(f"{call.title}: content type", call.type, told["Content-Type"])
        if call.type == JSON:
            self._answers(call, json.loads(answer))

    def _ours(self, call: Recorded) -> Any:
        """The request with our ids."""
        if not is_object(call.body):
            return call.body
        body = {**call.body}
        if "ids" in body:
            body["ids"] = self._translated(call.model, body["ids"])
        if "domain" in body:
            body["domain"] = [self._condition(call.model, term) for term in body["domain"]]
        if "vals_list" in body:
            body["vals_list"] = [
                {name: self._translated(REFERENCES.get(name, ""), value) for name, value in vals.items()} for vals in body["vals_list"]
            ]
        return body

    def _condition(self, model: str, term: list[Any]) -> list[Any]:
        name, sign, value = term
        return [name, sign, self._translated(model if name == "id" else REFERENCES.get(name, ""), value)]

    def _translated(self, model: str, value: Any) -> Any:
        if model and is_list(value):
            return [self._translated(model, one) for one in value]
        return self._ids[model].get(value, value) if model and isinstance(value, int) else value

    def _answers(self, call: Recorded, ours: Any) -> None:
        theirs: Any = call.answer
        if call.path.endswith("/create") and call.status == 200:
            self._ids[call.model].update(zip(theirs, ours, strict=True))
        elif call.path.endswith("/context_get") and call.status == 200:
            self._compare(call.title, {**theirs, "uid": self._ids["res.users"][theirs["uid"]]}, ours)
        elif is_list(theirs):
            self._compare(f"{call.title}: how many", len(theirs), len(ours))
            for their, our in zip(theirs, ours, strict=False):
                self._ids[call.model].setdefault(their["id"], our["id"])
                self._row(call, their, our)
        elif is_object(theirs) and "arguments" in theirs:
            our = {name: value for name, value in ours.items() if name != "debug"}
            self._compare(call.title, theirs, our)
        elif call.title in PARTLY:
            digits = {name: {"digits": theirs[name]["digits"]} for name in theirs}
            self._compare(call.title, digits, ours)
        else:
            self._compare(call.title, theirs, ours)

    def _row(self, call: Recorded, their: dict[str, Any], our: dict[str, Any]) -> None:
        for name in PARTLY.get(call.title, their):
            expected: Any = their[name]
            if name == "id":
                expected = self._ids[call.model][expected]
            if name in REFERENCES and expected:
                expected = [self._translated(REFERENCES[name], expected[0]), expected[1]]
            self._compare(f"{call.title}: {name}", expected, our.get(name))

    def _compare(self, what: str, theirs: Any, ours: Any) -> None:
        their, our = (NUMBERS.sub(r"\1\2#", json.dumps(value, sort_keys=True)) for value in (theirs, ours))
        if their != our:
            self.differences.append(f"{what}: Odoo {their}, the double {our}")


@pytest.mark.parametrize("call", recorded("calls"), ids=lambda call: call.title)
def test_a_call_is_answered_as_odoo_answered_it(call: Recorded) -> None:
    conversation = Conversation(shop())
    conversation.ask(call)
    assert conversation.differences == []


def test_invoices_go_the_way_that_they_went_at_odoo() -> None:
    conversation, calls = Conversation(shop()), recorded("an-invoice")
    for call in calls:
        conversation.ask(call)
    assert len(calls) == 95
    assert conversation.differences == []
