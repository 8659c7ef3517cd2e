"""Each hold that the ledger finds: what its remedy says, done to the letter, ends it, and the month is billed to the cent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from control_app.core.time import HOUR
from control_app.gateway.port import Customer, Key, Row, Unreadable
from control_app.ledger.clocks import ApartError, Clocks
from control_app.ledger.hold import LEDGER_CODES
from control_app.ledger.sync import RATEABLE, Sync
from control_app.pricing.bounds import DOLLARS
from control_app.pricing.store import PriceBook
from control_app.service.stored_times import PULL_BACK
from tests.control.invoicing.test_period_rules import THIRD_OF_DECEMBER, big
from tests.control.ledger.test_sync import Rows
from tests.control.support.ledgers import RATES, row
from tests.control.support.recomputation import at
from tests.control.support.world import BECAUSE, NOVEMBER, OCTOBER, World, holds, statuses

NOON = at("2026-10-05T12:00")
SILENT: Mapping[str, Any] = dict.fromkeys(("prompt", "cached_read", "completion", "reasoning"), 0)
LOST = Key("k-acme", "k-acme", None, is_active=False, updated_at=0)
Act = Callable[[World], object]


class Case(NamedTuple):
    """What makes a hold, what its remedy says, and what October comes to then: 1.00, and what was held."""

    code: str
    cause: Act
    remedy: Act
    billed: str = "1.00"
    of: str = "acme"


def execute(statement: str, *values: object) -> Act:
    return lambda company: company.db.connection.execute(statement, values)


def use(*rows: Row) -> Act:
    def taken(company: World) -> None:
        company.hold_keys()
        company.books.take(*rows)
        company.read()

    return taken


def released(code: str) -> Act:
    """A person decides."""

    def release(company: World) -> None:
        company.run()
        company.actions.release(BECAUSE, OCTOBER, code, None)

    return release


def at_gateway(*keys: Key, time: int = NOON) -> Act:
    return lambda company: company.books.directory([Customer("acme", "Customer acme")], keys, time)


def pass_(company: World) -> None:
    """The service reads the gateway, which has nothing new."""
    gateway = Rows()
    gateway.clock.now, gateway.keys = company.now, [Key("k-acme", "k-acme", "acme", is_active=True, updated_at=0)]
    Sync(gateway, company.db, Clocks(company.db, gateway.clock, gateway.now, None, PULL_BACK)).run()
    company.read()


def priced(company: World) -> None:
    company.books.price("new", 0, RATES)
    pass_(company)


def bound_raised(company: World, to: str = "1001") -> None:
    """The service starts again with another setting."""
    PriceBook(company.db, company.time, replace(DOLLARS, row=Decimal(to))).open()
    pass_(company)


def dear(company: World, time: str = "2026-10-06T00:00") -> None:
    company.books.price("dear", 0, {"prompt": Decimal("0.01"), "completion": Decimal(0)})
    use(big(time, prompt=100_100, model="dear"))(company)


def clock_is_ahead(company: World) -> None:
    company.ahead = timedelta(days=31)
    with contextlib.suppress(ApartError):
        company.clocks.present()


def clock_is_set(company: World) -> None:
    company.ahead = timedelta()
    company.clocks.present()


def read_twice(company: World) -> None:
    first = row("2026-10-06T00:00", "k-acme")
    use(first, first._replace(prompt=7))(company)


CASES = (
    Case("clock", clock_is_ahead, clock_is_set),
    Case(
        "clock-set-back",
        execute("INSERT INTO set_back (since, until) VALUES (?, ?)", NOON - HOUR, NOON + HOUR),
        released("clock-set-back"),
    ),
    Case("unrated", use(big("2026-10-06T00:00", model="new")), priced, "2.00"),
    Case("too-dear", dear, bound_raised, "1002.00"),
    Case(
        "unmapped-key",
        use(big("2026-10-06T00:00", "k-stray")),
        at_gateway(*(Key(key, key, "acme", is_active=True, updated_at=0) for key in ("k-acme", "k-stray"))),
        "2.00",
        of="",
    ),
    Case("not-read", execute("DELETE FROM progress"), pass_),
    Case("lost-customer", at_gateway(LOST), at_gateway(replace(LOST, customer="acme", is_active=True))),
    Case("lost-customer", at_gateway(LOST), at_gateway()),
    Case("lost-customer", at_gateway(LOST), released("lost-customer")),
    Case("missing-requests", execute("UPDATE hours SET counted = logged + 21"), released("missing-requests")),
    Case("missing-by-model", execute("UPDATE model_hours SET counted = logged + 21"), released("missing-by-model")),
    Case(
        "without-usage",
        use(*(row(f"2026-10-06T00:{minute:02}", "k-acme", **SILENT) for minute in range(21))),
        released("without-usage"),
    ),
    Case("set-aside", use(Unreadable("r", NOON, "k-acme", "k-acme", "its usage is no JSON", "{")), released("set-aside")),
    Case(
        "contradictory",
        use(*(row(f"2026-10-06T00:{minute:02}", "k-acme", total=7) for minute in range(21))),
        released("contradictory"),
    ),
    Case(
        "cancelled",
        use(*(row(f"2026-10-06T00:{minute:02}", "k-acme", "new", **SILENT, succeeded=False) for minute in range(21))),
        released("cancelled"),
    ),
    Case("read-differently", read_twice, released("read-differently")),
    Case("not-counted", execute("DELETE FROM readings"), released("not-counted")),
)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.code}-{number}" for number, case in enumerate(CASES)])
def test_the_remedy_of_a_hold_ends_it(company: World, case: Case) -> None:
    case.cause(company)
    assert holds(company.dry(), case.of) == [case.code]
    case.remedy(company)
    assert statuses(company.run()) == {"acme": "success"}
    assert company.untaxed() == Decimal(case.billed)


def test_every_hold_that_the_ledger_finds_has_its_remedy_tried() -> None:
    assert {case.code for case in CASES} == set(LEDGER_CODES)


@pytest.mark.parametrize("to", ["1000", "1000.999999999999"])
def test_a_bound_below_what_the_message_names_leaves_the_hold(company: World, to: str) -> None:
    dear(company)
    (detail,) = company.dry()["details"]
    assert detail["sync_result"]["message"].endswith("1001 at stake, by their prices, of which the dearest costs 1001")
    bound_raised(company, to)
    assert holds(company.dry()) == ["too-dear"]


def late_and_too_dear(company: World) -> World:
    """October was billed, and then a row of it came that is too dear; November has usage of its own."""
    company.run()
    dear(company, "2026-10-31T23:00")
    company.now = THIRD_OF_DECEMBER
    use(big("2026-11-05T00:00"))(company)
    return company


def test_what_is_too_dear_and_came_late_holds_the_next_month_and_is_billed_there_once_the_bound_is_raised(company: World) -> None:
    answer = late_and_too_dear(company).run(NOVEMBER)
    assert holds(answer) == ["too-dear"]
    assert answer["details"][0]["sync_result"]["message"].startswith("1 requests of 'dear' in 2026-10 would each cost more")
    bound_raised(company)
    assert statuses(company.run(NOVEMBER)) == {"acme": "success"}
    assert company.untaxed() == Decimal("1003.00")


def test_a_row_that_is_not_rated_and_came_after_the_month_was_looked_at_holds_its_customer(
    company: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = type(company.planning).plan

    def and_then_a_row(self: Any, *given: Any, **said: Any) -> Any:
        made = plan(self, *given, **said)
        company.books.take(row("2026-10-07T00:00", "k-acme", "new"))
        return made

    monkeypatch.setattr(type(company.planning), "plan", and_then_a_row)
    assert holds(company.run()) == ["unrated"]
    assert company.untaxed() == 0


def test_what_is_billed_already_is_not_rated_again_and_again(company: World) -> None:
    """A request without tokens has no price and costs nothing; then its model gets a price, for which it is too late."""
    use(row("2026-10-06T00:00", "k-acme", "new", **SILENT))(company)
    assert statuses(company.run()) == {"acme": "success"}
    company.books.price("new", 0, RATES)
    assert company.db.connection.execute(RATEABLE).fetchall() == []
