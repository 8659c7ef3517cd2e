"""A fault or a kill at every call to Odoo and at every commit: no invoice twice, none lost, no second e-mail, no cent of difference."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from control_app.odoo.double_faults import Fault
from tests.control_app.invoicing.company import Company
from tests.control_app.invoicing.crashes import Fate, KilledError, Point, is_done, lives, restore, until_done
from tests.control_app.ledgers import row

ONE, MANY = 1, 50


@dataclass
class Tally:
    """What all scenarios together came to."""

    scenarios: int = 0
    injected: int = 0
    duplicates: int = 0
    lost: int = 0
    second_mails: int = 0
    difference: Decimal = field(default_factory=Decimal)

    def add(self, company: Company, injected: int) -> None:
        """One scenario, at its end."""
        refs = [move["ref"] for move in company.moves()]
        mails = [move for move, _ in company.odoo.mails_sent()]
        expected = {entry.ref: Decimal(entry.total).scaleb(-2) for entry in company.entries()}
        self.scenarios += 1
        self.injected += injected
        self.duplicates += len(refs) - len(set(refs))
        self.lost += len(company.customers) - len({ref for ref in refs if ref in expected})
        self.lost += len(company.customers) - len(set(mails))
        self.second_mails += len(mails) - len(set(mails))
        self.difference += abs(company.untaxed() - sum(expected.values()))

    def __str__(self) -> str:
        return (
            f"{self.scenarios} scenarios, {self.injected} faults: {self.duplicates} duplicate invoices, {self.lost} lost,"
            f" {self.second_mails} second e-mails, {self.difference:.2f} difference"
        )


@pytest.fixture(scope="module")
def fast() -> Iterator[Path]:
    """A folder in memory, where there is one: thousands of commits need no disk."""
    shm = Path("/dev/shm")  # noqa: S108 (only a faster place)
    folder = Path(tempfile.mkdtemp(dir=shm if shm.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


def company(folder: Path, customers: int) -> Company:
    """One where each customer used something else in October, at the time when it is billed."""
    for old in folder.glob("control.sqlite3*"):
        old.unlink()
    found = Company(folder, [f"c{number}" for number in range(customers)])
    found.use(*(row("2026-10-05T12:00", key=f"k-c{number}", prompt=1_000_000 + 10_007 * number) for number in range(customers)))
    return found


def pristine(fast: Path, customers: int) -> Path:
    """A database to begin each scenario with, since making one takes longer than billing."""
    folder = fast / f"pristine-{customers}"
    if not folder.exists():
        folder.mkdir()
        made = company(folder, customers)
        made.db.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        made.db.close()
    return folder


def fresh(fast: Path, customers: int) -> Company:
    """A company before its run."""
    folder = fast / "scenario"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(pristine(fast, customers), folder)
    return Company(folder, [f"c{number}" for number in range(customers)])


def undisturbed(fast: Path, customers: int) -> Fate:
    """The calls and commits of a run in which nothing happens."""
    found, fate = fresh(fast, customers), Fate()
    fate.keeps_copies = customers == ONE
    lives(found, fate)
    assert until_done(found) == 1
    return fate


def report(capsys: pytest.CaptureFixture[str], what: str, tally: Tally) -> None:
    """Print what was counted, and hold it to nothing lost and nothing twice."""
    with capsys.disabled():
        print(f"\n{what}: {tally}")  # noqa: T201
    assert tally.injected >= tally.scenarios
    assert (tally.duplicates, tally.lost, tally.second_mails, tally.difference) == (0, 0, 0, Decimal(0))


def test_a_fault_at_any_call_of_a_run_with_one_customer(fast: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls = undisturbed(fast, ONE).calls
    tally = Tally()
    for number in range(len(calls)):
        for kind in Fault:
            found = fresh(fast, ONE)
            passed: list[str] = []

            def fault(name: str, number: int = number, kind: Fault = kind, passed: list[str] = passed) -> Fault | None:
                passed.append(name)
                return kind if len(passed) == number + 1 else None

            lives(found, Fate(), fault)
            until_done(found)
            assert len(passed) > number
            tally.add(found, 1)
    report(capsys, "one customer, one fault at each call", tally)


def test_a_fault_that_lasts_through_all_tries_of_any_call_with_one_customer(fast: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls = undisturbed(fast, ONE).calls
    tally = Tally()
    for number, victim in enumerate(calls):
        for kind in (Fault.TOO_MANY, Fault.CANNOT_CONNECT, Fault.TIMEOUT_AFTER, Fault.UNAVAILABLE_BEFORE, Fault.MALFORMED):
            found = fresh(fast, ONE)
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
    report(capsys, "one customer, a fault that lasts", tally)


def kill_at(point: Point) -> Fate:
    """A process that dies when it passes the point first."""
    return Fate(lambda passed: passed == point)


def test_a_kill_before_and_after_any_call_and_any_commit_with_one_customer(fast: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fate = undisturbed(fast, ONE)
    tally = Tally()
    for happening in dict.fromkeys([*fate.calls, *fate.commits]):
        for when in ("before", "after"):
            found = fresh(fast, ONE)
            lives(found, kill_at((happening, when)))
            assert until_done(found) == 2, (happening, when)
            tally.add(found, 1)
    report(capsys, "one customer, killed at each call and commit", tally)


def test_a_database_that_is_lost_at_any_point_and_comes_back_as_it_was_at_any_earlier_one(
    fast: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fate = undisturbed(fast, ONE)
    before = (pristine(fast, ONE) / "control.sqlite3").read_bytes()
    tally = Tally()
    for happening in dict.fromkeys([*fate.calls, *fate.commits]):
        number = 0
        while True:
            found = fresh(fast, ONE)
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
    report(capsys, "one customer, the database restored as it was", tally)


# How many commits the replica was behind: half a customer's, one's, and several customers'.
@pytest.mark.parametrize("behind", [0, 4, 9, 40])
def test_a_run_with_fifty_customers_whose_database_is_lost_comes_back_from_an_older_one(
    fast: Path, capsys: pytest.CaptureFixture[str], behind: int
) -> None:
    calls = undisturbed(fast, MANY).calls
    tally = Tally()
    for happening in calls[len(calls) // 10 :: len(calls) // 12]:
        found, killed = fresh(fast, MANY), kill_at((happening, "after"))
        killed.keeps_copies = True
        lives(found, killed)
        with pytest.raises(KilledError):
            found.automation.tick()
        restore(found, killed.copies[max(0, len(killed.copies) - 1 - behind)])
        until_done(found)
        tally.add(found, 1)
    report(capsys, f"{MANY} customers, the database restored as it was {behind} commits before", tally)


@pytest.mark.parametrize("kind", list(Fault))
def test_a_fault_at_every_call_of_a_run_with_fifty_customers(fast: Path, capsys: pytest.CaptureFixture[str], kind: Fault) -> None:
    found, seen = fresh(fast, MANY), set[str]()

    def fault(name: str) -> Fault | None:
        if name in seen:
            return None
        seen.add(name)
        return kind

    lives(found, Fate(), fault)
    until_done(found)
    tally = Tally()
    tally.add(found, len(seen))
    assert len(seen) >= 9 * MANY
    report(capsys, f"{MANY} customers, {kind.name} at each call", tally)


# A kill at the first commit after a call lets nobody come to the second: so each has a company of its own.
@pytest.mark.parametrize("what", ["call", "commit 1", "commit 2", "commit 3", "commit 4", "commit 5"])
def test_a_run_with_fifty_customers_that_is_killed_at_every_call_or_commit(
    fast: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    whole = undisturbed(fast, MANY)
    found, killed_at = fresh(fast, MANY), set[Point]()

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
    report(capsys, f"{MANY} customers, {lives_} lives, killed at each {what}", tally)
    steps = {step for step in (*whole.calls, *whole.commits) if step.startswith(what)}
    assert steps
    assert steps - {name for name, _ in killed_at} == set()


def test_no_call_has_more_than_five_commits_after_it(fast: Path) -> None:
    assert {step.split(" after ")[0] for step in undisturbed(fast, MANY).commits} == {f"commit {number}" for number in (1, 2, 3, 4, 5)}
