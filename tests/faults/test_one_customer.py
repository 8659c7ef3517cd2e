"""A fault or a kill at every call to Odoo and at every commit: no invoice twice, none lost, no second e-mail, no cent of difference."""

from __future__ import annotations

import pytest

from control_app.accounting.odoo.double.faults import Fault
from tests.control.support.crashes import Fate, KilledError, kill_at, lives, restore, until_done
from tests.control.support.world import World
from tests.faults.conftest import Report
from tests.faults.scenarios import Ground, Tally


def test_a_fault_at_any_call(ground: Ground, report: Report) -> None:
    calls = ground.undisturbed(1).calls
    tally = Tally()
    for number in range(len(calls)):
        for kind in Fault:
            found = ground.fresh(1)
            passed: list[str] = []

            def fault(name: str, number: int = number, kind: Fault = kind, passed: list[str] = passed) -> Fault | None:
                passed.append(name)
                return kind if len(passed) == number + 1 else None

            lives(found, Fate(), fault)
            until_done(found)
            assert len(passed) > number
            tally.add(found, 1)
    report("one customer, one fault at each call", tally)


def romanian(ground: Ground) -> World:
    """A company whose documents are handed in to the tax office with their sending."""
    found = ground.fresh(1)
    found.odoo.use_e_factura()
    found.odoo.change("res.partner", 1, street="Strada 1", city="Cluj-Napoca", state_id=[1, "Cluj (RO)"])
    return found


def test_a_fault_at_any_call_where_documents_are_handed_in_uploads_none_twice(ground: Ground, report: Report) -> None:
    fate, tally, uploads = Fate(), Tally(), 0
    undisturbed = romanian(ground)
    lives(undisturbed, fate)
    until_done(undisturbed)
    for number in range(len(fate.calls)):
        for kind in (Fault.KILLED_MIDWAY, Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER, Fault.LATE, Fault.LOCKED):
            found = romanian(ground)
            passed: list[str] = []

            def fault(name: str, number: int = number, kind: Fault = kind, passed: list[str] = passed) -> Fault | None:
                passed.append(name)
                return kind if len(passed) == number + 1 else None

            lives(found, Fate(), fault)
            until_done(found)
            tally.add(found, 1)
            uploads += len(found.odoo.records("upload"))
    assert uploads == tally.scenarios
    report("one customer, handed in to the tax office, one fault at each call", tally)


def test_a_fault_that_lasts_through_all_tries_of_any_call(ground: Ground, report: Report) -> None:
    calls = ground.undisturbed(1).calls
    tally = Tally()
    for number, victim in enumerate(calls):
        for kind in (Fault.TOO_MANY, Fault.CANNOT_CONNECT, Fault.TIMEOUT_AFTER, Fault.UNAVAILABLE_BEFORE, Fault.MALFORMED):
            found = ground.fresh(1)
            hit: list[str] = []

            def fault(name: str, victim: str = victim, kind: Fault = kind, hit: list[str] = hit) -> Fault | None:
                if name != victim or len(hit) >= 10:
                    return None
                hit.append(name)
                return kind

            lives(found, Fate(), fault)
            until_done(found)
            assert hit, f"{number}: {victim}"
            tally.add(found, len(hit))
    report("one customer, a fault that lasts", tally)


def test_a_kill_before_and_after_any_call_and_any_commit(ground: Ground, report: Report) -> None:
    fate = ground.undisturbed(1)
    tally = Tally()
    for happening in dict.fromkeys([*fate.calls, *fate.commits]):
        for when in ("before", "after"):
            found = ground.fresh(1)
            lives(found, kill_at((happening, when)))
            assert until_done(found) == 2, (happening, when)
            tally.add(found, 1)
    report("one customer, killed at each call and commit", tally)


def test_a_database_that_is_lost_at_any_point_and_comes_back_as_it_was_at_any_earlier_one(ground: Ground, report: Report) -> None:
    fate = ground.undisturbed(1)
    before = (ground.pristine(1) / "control.sqlite3").read_bytes()
    tally = Tally()
    for happening in dict.fromkeys([*fate.calls, *fate.commits]):
        number = 0
        while True:
            found = ground.fresh(1)
            killed = kill_at((happening, "after"))
            killed.keeps_copies = True
            lives(found, killed)
            with pytest.raises(KilledError):
                found.automation.tick()
            copies = [before, *killed.copies]
            restore(found, copies[number])
            until_done(found)
            tally.add(found, 1)
            number += 1
            if number == len(copies):
                break
    report("one customer, the database restored as it was", tally)
