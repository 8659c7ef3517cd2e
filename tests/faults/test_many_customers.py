"""Faults, kills and lost databases while the invoices of several customers are on their way one after another."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Sequence

import pytest

from control_app.accounting.odoo.double.faults import Fault
from tests.control.support.crashes import Fate, KilledError, Point, is_done, kill_at, lives, restore, until_done
from tests.faults.conftest import Report
from tests.faults.scenarios import Ground, Tally

# What happens to a customer depends on those before it and after it and on nothing else: ten are as good as fifty, and far quicker,
# since each new life plans for all of them.
SEVERAL, MANY = 10, 50
KINDS = tuple(Fault)


# How many commits the replica was behind: half a customer's, one's, and several customers'.
@pytest.mark.parametrize("behind", [0, 4, 9, 40])
def test_a_run_whose_database_is_lost_comes_back_from_an_older_one(ground: Ground, report: Report, behind: int) -> None:
    calls = ground.undisturbed(SEVERAL).calls
    tally = Tally()
    for happening in calls[len(calls) // 10 :: len(calls) // 12]:
        found, killed = ground.fresh(SEVERAL), kill_at((happening, "after"))
        killed.keeps_copies = True
        lives(found, killed)
        with pytest.raises(KilledError):
            found.automation.tick()
        restore(found, killed.copies[max(0, len(killed.copies) - 1 - behind)])
        until_done(found)
        tally.add(found, 1)
    report(f"{SEVERAL} customers, the database restored as it was {behind} commits before", tally)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_every_call(ground: Ground, report: Report, kind: Fault) -> None:
    tally, faults = disturbed(ground, SEVERAL, [kind])
    report(f"{SEVERAL} customers, {kind.name} at each call", tally)
    assert faults >= 9 * SEVERAL


def test_a_fault_of_another_kind_at_every_call(ground: Ground, report: Report) -> None:
    tally, faults = disturbed(ground, MANY, KINDS)
    report(f"{MANY} customers, a fault of another kind at each call", tally)
    assert faults >= 9 * MANY


def disturbed(ground: Ground, customers: int, kinds: Sequence[Fault]) -> tuple[Tally, int]:
    """What a run came to in which each call is met by one of the *kinds* when it is made first, and by how many."""
    found, seen, tally = ground.fresh(customers), set[str](), Tally()

    def fault(name: str) -> Fault | None:
        if name in seen:
            return None
        seen.add(name)
        return kinds[zlib.crc32(name.encode()) % len(kinds)]

    lives(found, Fate(), fault)
    until_done(found)
    tally.add(found, len(seen))
    return tally, len(seen)


# A kill at the first commit after a call lets nobody come to the second: so each has a company of its own.
@pytest.mark.parametrize("what", ["call", "commit 1", "commit 2", "commit 3", "commit 4", "commit 5", "commit 6"])
def test_a_run_that_is_killed_at_every_call_or_commit(ground: Ground, report: Report, what: str) -> None:
    whole = ground.undisturbed(SEVERAL)
    found, killed_at = ground.fresh(SEVERAL), set[Point]()

    def decide(point: Point) -> bool:
        """At each the first time it is passed; of a commit before it or after it, since it comes but once."""
        name, when = point
        if not name.startswith(what) or point in killed_at:
            return False
        if what != "call" and (when == "after") == (zlib.crc32(name.encode()) % 2 == 0):
            return False
        killed_at.add(point)
        return True

    lives_ = 0
    while not is_done(found):
        lives(found, Fate(decide))
        lives_ += 1
        with contextlib.suppress(KilledError):
            found.tick()
    tally = Tally()
    tally.add(found, len(killed_at))
    report(f"{SEVERAL} customers, {lives_} lives, killed at each {what}", tally)
    # What is paid is read last, of those that are due then, which after a kill are others.
    *_, payments = whole.calls
    assert payments.startswith("call account.move/search_read")
    steps = {step for step in (*whole.calls, *whole.commits) if step.startswith(what) and not step.endswith(payments)}
    assert steps
    assert steps - {name for name, _ in killed_at} == set()


def test_no_call_has_more_than_six_commits_after_it(ground: Ground) -> None:
    assert {step.split(" after ")[0] for step in ground.undisturbed(SEVERAL).commits} == {f"commit {number}" for number in range(1, 7)}
