"""A key is renewed before it ends, and nobody sees it on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from control_app.accounting.odoo.double.faults import Fault
from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.accounting.odoo.keys import DAYS, revoke, rotate
from control_app.accounting.odoo.shapes import anything
from control_app.accounting.port import RefusedError, UnclearError
from tests.control.support.odoos import NOW, Clock, client_of, once

KEYS = "res.users.apikeys"


def test_a_new_key_works_and_the_old_one_until_it_is_revoked(double: FakeOdoo) -> None:
    old = client_of(double)
    new = client_of(double, rotate(old, "control 2", now=NOW))
    assert new.key != old.key
    assert new.read("res.users", "context_get") == old.read("res.users", "context_get")
    revoke(new, old.key)
    with pytest.raises(RefusedError, match="401"):
        old.read("res.users", "context_get")
    assert new.read("res.users", "context_get")["uid"] == 2


def test_a_new_key_ends_as_late_as_asked(double: FakeOdoo, clock: Clock) -> None:
    new = client_of(double, rotate(client_of(double), "control 2", now=NOW))
    record = double.records(KEYS)[1]
    assert (record["name"], record["scope"], record["expiration_date"]) == ("control 2", "rpc", "2027-02-28 04:00:00")
    clock.now += timedelta(days=DAYS)
    new.read("res.users", "context_get")
    clock.now += timedelta(seconds=1)
    with pytest.raises(RefusedError, match="401"):
        new.read("res.users", "context_get")


def test_a_key_for_more_than_three_months_is_refused(double: FakeOdoo) -> None:
    with pytest.raises(RefusedError, match="90 days"):
        rotate(client_of(double), "control 2", 91, now=NOW)


def test_where_programs_may_not_make_keys_the_refusal_names_the_parameter(double: FakeOdoo) -> None:
    double.keys.is_programmatic = False
    client = client_of(double)
    for ask in (lambda: rotate(client, "control 2", now=NOW), lambda: revoke(client, "other")):
        with pytest.raises(RefusedError, match=r"base\.enable_programmatic_api_keys"):
            ask()


def test_the_eleventh_key_is_refused_and_not_for_the_parameter(double: FakeOdoo, clock: Clock) -> None:
    client = client_of(double)
    for number in range(9):
        rotate(client, f"control {number}", days=number + 1, now=NOW)
    with pytest.raises(RefusedError, match="10 API keys") as refusal:
        rotate(client, "control 10", now=NOW)
    assert "base.enable" not in str(refusal.value)
    clock.now += timedelta(days=1, seconds=1)
    rotate(client, "control 10", now=NOW)


def test_revoking_what_is_no_key_is_refused_without_showing_it(double: FakeOdoo) -> None:
    with pytest.raises(RefusedError, match="403") as refusal:
        revoke(client_of(double), "not-a-key-of-anybody")
    assert "not-a-key" not in str(refusal.value)


@pytest.mark.parametrize("shown", [{"key": "not-ours"}, {"scope": "other"}])
def test_a_new_key_needs_one_of_ours_and_our_scope(double: FakeOdoo, shown: dict[str, str]) -> None:
    client = client_of(double)
    arguments = {"key": client.key, "scope": "rpc", "name": "control 2", "expiration_date": "2026-12-24", **shown}
    with pytest.raises(RefusedError, match="403"):
        client.write(KEYS, "generate", anything, **arguments)


def test_a_key_that_was_made_without_an_answer_is_unclear(double: FakeOdoo) -> None:
    double.fault = once(Fault.TIMEOUT_AFTER, KEYS, "generate")
    with pytest.raises(UnclearError):
        rotate(client_of(double), "control 2", now=NOW)
    assert len(double.records(KEYS)) == 2


def test_an_unknown_key_is_refused(double: FakeOdoo) -> None:
    with pytest.raises(RefusedError, match="401"):
        client_of(double, "guessed").read("res.users", "context_get")


def test_where_a_build_has_no_methods_for_keys_the_way_by_hand_is_told(double: FakeOdoo) -> None:
    double.keys.are_in_build = False
    client = client_of(double)
    for ask in (lambda: rotate(client, "control 2", now=NOW), lambda: revoke(client, "other")):
        with pytest.raises(RefusedError, match=r"no such method\. By hand: .*New API Key"):
            ask()
