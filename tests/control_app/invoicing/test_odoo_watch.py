"""Looks at Odoo: what is wrong there, when our key ends, and the end of the key before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from control_app.database import Db
from control_app.invoicing.metrics import InvoiceMetrics
from control_app.invoicing.odoo_watch import OdooWatch, odoo_state
from control_app.odoo.accounting import OdooAccounting
from control_app.odoo.client import OdooClient
from control_app.odoo.double_faults import Fault
from control_app.odoo.keys import rotate
from tests.control_app.invoicing.company import Company
from tests.control_app.invoicing.test_period_rules import big
from tests.control_app.odoo.odoos import always


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path)


def client(company: Company, key: str | None = None) -> OdooClient:
    return OdooClient("http://odoo", "db", key or company.odoo.credentials, transport=company.odoo.transport(), sleep=company.slept.append)


def watch(company: Company, asking: OdooClient | None = None, previous: str = "") -> OdooWatch:
    asking = asking or client(company)
    accounting = OdooAccounting(asking, company=1, currency="USD", product="AI-INFERENCE")
    return OdooWatch(company.db, accounting, asking, previous, company.clock)


def works(company: Company, key: str) -> bool:
    try:
        client(company, key).read("res.users", "context_get")
    except Exception:  # noqa: BLE001
        return False
    return True


def test_before_the_first_look_nothing_is_known(company: Company) -> None:
    assert odoo_state(company.db) is None


def test_a_look_is_kept_with_version_and_the_end_of_the_key(company: Company) -> None:
    state = watch(company).look()
    assert state == odoo_state(company.db)
    assert state
    assert (state.version, state.error, list(state.problems)) == ("19.0", None, [])
    assert state.days_left(company.clock()) == 90
    company.now += timedelta(days=69)
    assert state.days_left(company.clock()) == 21
    assert InvoiceMetrics(company.db).key_expires() == {(): state.key_expires / 1_000_000 if state.key_expires else 0}


def test_problems_are_kept_in_odoos_words(company: Company) -> None:
    company.odoo.change("res.currency", 1, active=False)
    watch(company).look()
    state = odoo_state(company.db)
    assert state
    assert [problem.code for problem in state.problems] == ["odoo-currency"]


def test_an_odoo_that_does_not_answer_keeps_what_is_known_of_the_key(company: Company) -> None:
    known = watch(company).look()
    company.odoo.fault = always(Fault.CANNOT_CONNECT)
    state = watch(company).look()
    assert state
    assert known
    assert state.error
    assert state.key_expires == known.key_expires


def test_a_location_without_odoo_has_nothing_to_look_at(tmp_path: Path) -> None:
    db = Db(tmp_path / "control.sqlite3")
    assert OdooWatch(db, None, None, "", lambda: 0).look() is None
    assert InvoiceMetrics(db).key_expires() == {}


def test_the_key_before_is_revoked_once_the_new_one_was_used_and_not_before(company: Company) -> None:
    old = company.odoo.credentials
    new = rotate(client(company), "control stalpeni", now=company.now)
    watch(company).look()
    assert works(company, old)
    watch(company, client(company, new), old).look()
    assert (works(company, old), works(company, new)) == (False, True)
    watch(company, client(company, new), old).look()
    assert works(company, new), "a look after that changes nothing"


def test_a_key_that_cannot_be_revoked_yet_is_tried_again_at_the_next_look(company: Company) -> None:
    old = company.odoo.credentials
    new = rotate(client(company), "control stalpeni", now=company.now)
    company.odoo.keys.is_programmatic = False
    watch(company, client(company, new), old).look()
    assert works(company, old)
    company.odoo.keys.is_programmatic = True
    watch(company, client(company, new), old).look()
    assert not works(company, old)


def test_a_new_key_that_does_not_work_leaves_the_old_one(company: Company) -> None:
    seen = watch(company, client(company, "broken"), company.odoo.credentials).look()
    assert seen
    assert seen.error
    assert works(company, company.odoo.credentials)


def test_the_present_key_is_never_revoked_as_the_one_before(company: Company) -> None:
    watch(company, client(company), company.odoo.credentials).look()
    assert works(company, company.odoo.credentials)


def test_metrics_tell_invoices_by_state_what_holds_and_the_last_run(company: Company) -> None:
    company.customers.append("nobody-knows")
    company.use(big(), big(key="k-nobody-knows"))
    company.run()
    metrics = InvoiceMetrics(company.db)
    assert {state: number for (state,), number in metrics.states().items() if number} == {"sent": 1, "held": 1}
    assert metrics.held() == {("partner-missing",): 1}
    assert metrics.last_run() == {(): company.clock() / 1_000_000}
