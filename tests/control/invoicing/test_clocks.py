"""A wrong clock bills nobody: not a month that is not over, and not in the middle of a run; what it wrote does not stay."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_app.accounting.odoo.client import OdooClient
from control_app.accounting.port import UnavailableError
from control_app.core.time import DAY, microseconds, time_of
from control_app.gateway.port import GatewayError
from control_app.invoicing.lease import BusyError
from control_app.invoicing.orders import ClockError
from tests.control.support.ledgers import row
from tests.control.support.world import BECAUSE, NOVEMBER, OCTOBER, World

MONTH, HALF_AN_HOUR = timedelta(days=31), timedelta(minutes=30)


@pytest.fixture
def company(tmp_path: Path) -> World:
    company = World(tmp_path, ("acme", "umbra"))
    company.use(*(row(key=f"k-{name}", prompt=2_000_000, cached_read=0) for name in company.customers))
    return company


def at_call(company: World, method: str, act: Callable[[], object]) -> None:
    """*act* happens when Odoo is called by that method first."""
    happened: list[str] = []

    def see(_: str, name: str, __: int) -> None:
        if name == method and not happened:
            happened.append(name)
            act()

    company.odoo.fault = see


def set_ahead(company: World, ahead: timedelta) -> Callable[[], None]:
    def act() -> None:
        company.ahead = ahead

    return act


def test_a_clock_a_month_ahead_bills_no_month_that_is_not_over(company: World) -> None:
    company.tick(2)
    company.now = datetime(2026, 11, 15, tzinfo=UTC)
    company.use(row("2026-11-10T12:00", key="k-acme", prompt=2_000_000))
    company.ahead = MONTH
    company.tick(3)
    with pytest.raises(ClockError, match="our clock is 31 days, 0:00:00 ahead of that of the gateway"):
        company.run(NOVEMBER)
    assert company.entries(NOVEMBER) == []
    assert {move["ref"] for move in company.moves()} == {"stalpeni/acme/2026-10-1", "stalpeni/umbra/2026-10-1"}
    company.ahead = timedelta()
    company.now = datetime(2026, 12, 2, tzinfo=UTC)
    company.read()
    company.tick(2)
    assert [entry.state for entry in company.entries(NOVEMBER)] == ["sent"]


@pytest.mark.parametrize("odoos", [timedelta(minutes=2), -MONTH])
def test_with_odoos_clock_apart_nothing_is_begun(company: World, odoos: timedelta) -> None:
    company.odoo.clock = lambda: company.now + odoos
    with pytest.raises(ClockError, match="that of Odoo"):
        company.run()
    with pytest.raises(ClockError, match="that of Odoo"):
        company.actions.approve(BECAUSE, OCTOBER)
    assert company.entries() == []
    company.odoo.clock = lambda: company.now
    company.tick()
    assert len(company.entries()) == 2


def test_a_gateway_that_does_not_tell_its_time_stops_billing(company: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> int:
        raise GatewayError("GET /api/version: the gateway did not answer")

    with monkeypatch.context() as patch:
        patch.setitem(company.clocks.__dict__, "gateway", away)
        with pytest.raises(ClockError, match="the gateway did not answer"):
            company.automation.tick()
    company.tick()
    assert len(company.moves()) == 2


@pytest.mark.parametrize("method", ["create", "action_post", "action_send_and_print"])
def test_a_clock_that_jumps_during_a_run_stops_it_before_the_next_write_and_it_goes_on_later(company: World, method: str) -> None:
    at_call(company, method, set_ahead(company, MONTH))
    with pytest.raises(ClockError, match="our clock is 31 days, 0:00:00 ahead of that of Odoo"):
        company.automation.tick()
    before = len(company.moves())
    assert before <= 1
    with contextlib.suppress(ClockError):
        company.tick()
    assert len(company.moves()) == before
    company.ahead = timedelta()
    company.clocks.present()  # as the next pass asks
    company.tick(3, HALF_AN_HOUR)
    assert [entry.state for entry in company.entries()] == ["sent", "sent"]
    assert {move["invoice_date"] for move in company.moves()} == {"2026-11-02"}
    assert len(company.moves()) == len({move for move, _ in company.odoo.mails_sent()}) == 2


def test_no_period_is_closed_by_a_wrong_clock(company: World) -> None:
    # The preflight is the last that is asked before.
    at_call(company, "search_read", set_ahead(company, -MONTH))
    with pytest.raises(ClockError):
        company.automation.tick()
    assert company.planning.book.closed(OCTOBER) == set()
    company.ahead = timedelta()
    company.tick(2, HALF_AN_HOUR)
    assert [entry.invoice_day for entry in company.entries()] == [microseconds(company.now) // DAY] * 2


def test_an_invoice_waits_where_odoo_does_not_tell_its_time(company: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = OdooClient.now, list[bool]()

    def now(client: OdooClient, *, heard: bool = False) -> datetime:
        asked.append(heard)
        if len(asked) == 3:  # the lease, the intent, the first write
            raise UnavailableError("Odoo /web/version: cannot connect")
        return real(client, heard=heard)

    monkeypatch.setattr(OdooClient, "now", now)
    company.automation.tick()
    first, second = company.entries()
    assert (first.state, first.attempt, first.error) == ("draft", None, "Odoo /web/version: cannot connect")
    assert second.state == "sent"
    company.now += timedelta(minutes=2)
    company.tick()
    assert [entry.state for entry in company.entries()] == ["sent", "sent"]


def test_a_lease_of_a_wrong_clock_is_free_again(company: World) -> None:
    lease = company.runs.lease(OCTOBER)
    ahead = company.clock() + MONTH // timedelta(microseconds=1)
    company.books.db.connection.execute("UPDATE leases SET expires_at = ?", [ahead])
    assert company.runs.lease(OCTOBER).fence == lease.fence + 1
    with pytest.raises(BusyError):
        company.runs.lease(OCTOBER)


def test_a_run_that_a_wrong_clock_began_is_not_taken_as_done_for_its_month(company: World) -> None:
    company.tick(2)
    company.now = datetime(2026, 11, 15, tzinfo=UTC)
    company.use(row("2026-11-10T12:00", key="k-acme", prompt=2_000_000))
    run = company.runs.history.newest()
    assert run
    later = microseconds(datetime(2026, 12, 16, tzinfo=UTC))
    statement = "INSERT INTO runs SELECT 'ahead', ?, trigger, target, by, ?, customers, ?, not_before, error, ? FROM runs WHERE id = ?"
    company.books.db.connection.execute(statement, [NOVEMBER, later, later, later, run.id])
    company.clocks.present()
    company.now = datetime(2026, 12, 2, tzinfo=UTC)
    company.read()
    company.tick(2)
    assert [entry.state for entry in company.entries(NOVEMBER)] == ["sent"]


def test_an_invoice_whose_next_try_a_wrong_clock_put_off_goes_on_now(company: World) -> None:
    at_call(company, "action_post", set_ahead(company, MONTH))
    with pytest.raises(ClockError):
        company.automation.tick()
    later = company.clock()
    company.books.db.connection.execute("UPDATE invoices SET not_before = ?1, attempted_at = ?1", [later + DAY])
    company.books.db.connection.execute("UPDATE runs SET not_before = ?", [later + DAY])
    company.ahead = timedelta()
    company.clocks.present()
    company.tick(3, HALF_AN_HOUR)
    assert [entry.state for entry in company.entries()] == ["sent", "sent"]


jumps = st.sampled_from([timedelta(), timedelta(seconds=119), timedelta(minutes=-2), timedelta(hours=7), MONTH, -MONTH])
moments = st.sampled_from(["create", "action_post", "action_send_and_print", "search_read", "none"])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(jumps, moments, jumps), max_size=5))
def test_after_any_jumps_of_our_clock_everybody_is_billed_once_and_on_the_day(turns: list[tuple[timedelta, str, timedelta]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        company = World(Path(folder), ("acme", "umbra"))
        company.use(*(row(key=f"k-{name}", prompt=2_000_000, cached_read=0) for name in company.customers))
        for ahead, method, jump in turns:
            company.ahead = ahead
            at_call(company, method, set_ahead(company, jump))
            try:
                company.automation.tick()
            except* ClockError:
                assert max(abs(ahead), abs(jump)) >= timedelta(minutes=2)
            company.now += timedelta(minutes=7)
            assert {run.month for run in company.runs.history.all()} <= {OCTOBER}
        company.ahead, company.odoo.fault = timedelta(), None
        company.clocks.present()
        company.tick(4, timedelta(hours=1))
        assert [entry.state for entry in company.entries()] == ["sent", "sent"]
        assert sorted(move["ref"] for move in company.moves()) == ["stalpeni/acme/2026-10-1", "stalpeni/umbra/2026-10-1"]
        assert len(company.odoo.mails_sent()) == 2
        assert {move["invoice_date"] for move in company.moves()} == {"2026-11-02"}
        assert all(time_of(run.started_at) < company.now for run in company.runs.history.all())
        company.books.db.close()
