"""Clocks that are apart, as people and programs see them: everybody is held and told why, and nothing can be billed until they agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from control_app.core.time import microseconds
from tests.control.support.billing_office import ACME, Office
from tests.control.support.usage_service import BOOKKEEPER

SAID = "our clock is 31 days, 0:00:00 ahead of that of the gateway"
SetApart = Callable[[timedelta], None]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.close()


@pytest.fixture
def set_apart(office: Office, monkeypatch: pytest.MonkeyPatch) -> SetApart:
    """Our clock is so far ahead of the gateway's, and they were compared since."""
    now = office.service.now
    monkeypatch.setitem(office.invoicing.runs.clocks.__dict__, "gateway", lambda: microseconds(now))

    def act(ahead: timedelta) -> None:
        office.service.now = now + ahead
        office.services.jobs.run("counters")

    return act


def test_the_pages_say_that_everybody_is_held_until_the_clocks_agree(office: Office, set_apart: SetApart) -> None:
    set_apart(timedelta(days=31))
    for path in ("/months/2026-10", "/invoices/2026-10"):
        assert SAID in office.page(path)
        assert "everybody clock" in office.page(path)
    assert "job counters" not in office.page("/"), "the first page names jobs that fail by themselves"
    set_apart(timedelta(seconds=3))
    for path in ("/months/2026-10", "/invoices/2026-10"):
        assert SAID not in office.page(path)


def test_nobody_can_bill_meanwhile_by_a_page_or_a_program(office: Office, set_apart: SetApart) -> None:
    set_apart(timedelta(days=31))
    assert SAID in office.refused("2026-10/bill", 409, period="2026-10")
    answer = office.client.post("/invoicing/generate?date=2026-11-02", headers={"Authorization": BOOKKEEPER})
    assert answer.status_code == 409
    assert SAID in answer.get_json()["detail"]
    assert office.moves() == []
    set_apart(timedelta())
    office.bill()
    assert [name for name, _, _ in office.moves()] == [ACME]


def test_a_dry_run_says_who_is_held_by_it(office: Office, set_apart: SetApart) -> None:
    set_apart(timedelta(days=31))
    answer = office.client.post("/invoicing/generate?date=2026-11-02&dry_run=all", headers={"Authorization": BOOKKEEPER})
    assert {hold["code"] for detail in answer.get_json()["details"] for hold in detail["sync_result"]["holds"]} == {"clock"}
