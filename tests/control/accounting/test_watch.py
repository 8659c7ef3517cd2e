"""Looks at Odoo: what is wrong there, when our key ends, and the end of the key before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from control_app.accounting.odoo.accounting import OdooAccounting
from control_app.accounting.odoo.client import OdooClient
from control_app.accounting.odoo.double.faults import Fault
from control_app.accounting.odoo.double.odoo import DATABASE
from control_app.accounting.odoo.keys import rotate
from control_app.accounting.odoo.rotation import OdooRotation
from control_app.accounting.watch import Watch, accounting_state
from control_app.invoicing.metrics import InvoiceMetrics
from control_app.service.tables import open_database
from tests.control.invoicing.test_period_rules import big
from tests.control.support.odoos import always
from tests.control.support.world import World


@pytest.fixture
def company(tmp_path: Path) -> World:
    return World(tmp_path)


def client(company: World, key: str | None = None) -> OdooClient:
    key = key or company.odoo.credentials
    return OdooClient("http://odoo", DATABASE, key, lambda: company.now, transport=company.odoo.transport(), sleep=company.slept.append)


def watch(company: World, asking: OdooClient | None = None, previous: str = "") -> Watch:
    asking = asking or client(company)
    accounting = OdooAccounting(asking, company=1, currency="USD", product="AI-INFERENCE")
    return Watch(company.db, accounting, OdooRotation(asking, previous), company.clock)


def works(company: World, key: str) -> bool:
    try:
        client(company, key).read("res.users", "context_get")
    except Exception:  # noqa: BLE001
        return False
    return True


def test_before_the_first_look_nothing_is_known(company: World) -> None:
    assert accounting_state(company.db) is None


def test_a_look_is_kept_with_version_and_the_end_of_the_key(company: World) -> None:
    state = watch(company).look()
    assert state == accounting_state(company.db)
    assert state
    assert (state.version, state.error, list(state.problems)) == ("19.0", None, [])
    assert state.days_left(company.clock()) == 90
    company.now += timedelta(days=69)
    assert state.days_left(company.clock()) == 21
    assert InvoiceMetrics(company.db).key_expires() == {(): state.key_expires / 1_000_000 if state.key_expires else 0}


def test_problems_are_kept_in_odoos_words(company: World) -> None:
    company.odoo.change("res.currency", 1, active=False)
    watch(company).look()
    state = accounting_state(company.db)
    assert state
    assert [problem.code for problem in state.problems] == ["odoo-currency"]


def test_an_odoo_that_does_not_answer_keeps_what_is_known_of_the_key(company: World) -> None:
    known = watch(company).look()
    company.odoo.fault = always(Fault.CANNOT_CONNECT)
    state = watch(company).look()
    assert state
    assert known
    assert state.error
    assert state.key_expires == known.key_expires


def test_a_location_without_odoo_has_nothing_to_look_at(tmp_path: Path) -> None:
    db = open_database(tmp_path / "control.sqlite3")
    assert Watch(db, None, None, lambda: 0).look() is None
    assert InvoiceMetrics(db).key_expires() == {}


def test_keys_that_nobody_rotates_are_left_alone(company: World) -> None:
    accounting = OdooAccounting(client(company), company=1, currency="USD", product="AI-INFERENCE")
    state = Watch(company.db, accounting, None, company.clock).look()
    assert state
    assert state.error is None
    assert works(company, company.odoo.credentials)


def test_the_key_before_is_revoked_once_the_new_one_was_used_and_not_before(company: World) -> None:
    old = company.odoo.credentials
    new = rotate(client(company), "control stalpeni", now=company.now)
    watch(company).look()
    assert works(company, old)
    watch(company, client(company, new), old).look()
    assert (works(company, old), works(company, new)) == (False, True)
    watch(company, client(company, new), old).look()
    assert works(company, new), "a look after that changes nothing"


def test_a_key_that_cannot_be_revoked_yet_is_tried_again_at_the_next_look(company: World) -> None:
    old = company.odoo.credentials
    new = rotate(client(company), "control stalpeni", now=company.now)
    company.odoo.keys.is_programmatic = False
    watch(company, client(company, new), old).look()
    assert works(company, old)
    company.odoo.keys.is_programmatic = True
    watch(company, client(company, new), old).look()
    assert not works(company, old)


def test_a_new_key_that_does_not_work_leaves_the_old_one(company: World) -> None:
    seen = watch(company, client(company, "broken"), company.odoo.credentials).look()
    assert seen
    assert seen.error
    assert works(company, company.odoo.credentials)


def test_the_present_key_is_never_revoked_as_the_one_before(company: World) -> None:
    watch(company, client(company), company.odoo.credentials).look()
    assert works(company, company.odoo.credentials)


def test_metrics_tell_invoices_by_state_what_holds_and_the_last_run(company: World) -> None:
    company.customers.append("nobody-knows")
    company.use(big(), big(key="k-nobody-knows"))
    company.run()
    metrics = InvoiceMetrics(company.db)
    assert {state: number for (state,), number in metrics.states().items() if number} == {"sent": 1, "held": 1}
    assert metrics.held() == {("partner-missing",): 1}
    assert metrics.last_run() == {(): company.clock() / 1_000_000}
