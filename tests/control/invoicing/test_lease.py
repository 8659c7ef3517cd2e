"""Who works on a period: never two at once."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from control_app.core.numbers import Month
from control_app.invoicing.lease import LASTS, BusyError, LostError, kept, take
from control_app.service.tables import open_database
from control_app.storage.database import Db

HOW_LONG = LASTS // type(LASTS)(microseconds=1)
PERIOD, ANOTHER = Month(1), Month(2)


class Time:
    now = 1_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def db(tmp_path: Path) -> Db:
    return open_database(tmp_path / "control.sqlite3")


def test_a_period_that_is_worked_on_is_refused_and_another_is_not(db: Db) -> None:
    take(db, "stalpeni", PERIOD, Time())
    with pytest.raises(BusyError, match="another run"):
        take(db, "stalpeni", PERIOD, Time())
    take(db, "stalpeni", ANOTHER, Time())


def test_a_lease_that_was_given_back_can_be_taken(db: Db) -> None:
    lease = take(db, "stalpeni", PERIOD, Time())
    with db.transaction() as connection:
        lease.give_back(connection)
    assert take(db, "stalpeni", PERIOD, Time()).fence == lease.fence + 1


def test_the_lease_of_a_killed_owner_can_be_taken_when_it_has_ended_and_not_before(db: Db) -> None:
    time = Time()
    take(db, "stalpeni", PERIOD, time)
    time.now += HOW_LONG - 1
    with pytest.raises(BusyError):
        take(db, "stalpeni", PERIOD, time)
    time.now += 1
    assert take(db, "stalpeni", PERIOD, time).fence == 2


class Asked(Time):
    """Tells when it was asked again."""

    def __init__(self) -> None:
        self.again = threading.Event()

    def __call__(self) -> int:
        self.again.set()
        return self.now

    def is_asked_again(self) -> bool:
        self.again.clear()
        return self.again.wait(10)


def test_a_lease_is_renewed_however_long_its_owner_waits(db: Db) -> None:
    time = Asked()
    with kept(db, take(db, "stalpeni", PERIOD, time), every_sec=0.01):
        for _ in range(3):
            time.now += HOW_LONG - 1
            # The second is asked after the first was written.
            assert time.is_asked_again() and time.is_asked_again()
            with pytest.raises(BusyError):
                take(db, "stalpeni", PERIOD, time)


def test_a_lease_that_was_lost_is_not_renewed_and_its_owner_is_told_at_its_next_write(db: Db, caplog: pytest.LogCaptureFixture) -> None:
    time = Asked()
    late = take(db, "stalpeni", PERIOD, time)
    time.now += HOW_LONG
    newer = take(db, "stalpeni", PERIOD, time)
    with kept(db, late, every_sec=0.01):
        assert time.is_asked_again()
    assert "lease lost" in caplog.text
    with pytest.raises(LostError), db.transaction() as connection:
        late.renew(connection)
    with db.transaction() as connection:
        newer.renew(connection)


def test_a_database_that_is_busy_for_a_moment_loses_no_lease(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    time = Asked()
    lease = take(db, "stalpeni", PERIOD, time)
    failures, transaction = [sqlite3.OperationalError("database is locked")], db.transaction

    def fail_once() -> AbstractContextManager[sqlite3.Connection]:
        if failures:
            raise failures.pop()
        return transaction()

    monkeypatch.setattr(db, "transaction", fail_once)
    with kept(db, lease, every_sec=0.01):
        assert time.is_asked_again()
    assert failures == []


def test_an_owner_that_stood_still_for_too_long_writes_nothing_more(db: Db) -> None:
    time = Time()
    late = take(db, "stalpeni", PERIOD, time)
    time.now += HOW_LONG
    take(db, "stalpeni", PERIOD, time)
    with pytest.raises(LostError), db.transaction() as connection:
        connection.execute("INSERT INTO partners VALUES (1, 1)")
        late.renew(connection)
    assert db.connection.execute("SELECT count(*) FROM partners").fetchone() == (0,)


def test_an_owner_that_lost_it_does_not_give_back_the_new_ones(db: Db) -> None:
    time = Time()
    late = take(db, "stalpeni", PERIOD, time)
    time.now += HOW_LONG
    take(db, "stalpeni", PERIOD, time)
    with db.transaction() as connection:
        late.give_back(connection)
    with pytest.raises(BusyError):
        take(db, "stalpeni", PERIOD, time)


def test_renewing_makes_it_last(db: Db) -> None:
    time = Time()
    lease = take(db, "stalpeni", PERIOD, time)
    time.now += HOW_LONG - 1
    with db.transaction() as connection:
        lease.renew(connection)
    time.now += HOW_LONG - 1
    with pytest.raises(BusyError):
        take(db, "stalpeni", PERIOD, time)


def _contend(path: Path, winners: multiprocessing.SimpleQueue[int]) -> None:
    db = open_database(path)
    for month in map(Month, range(50)):
        try:
            take(db, "stalpeni", month, Time())
        except BusyError:
            continue
        winners.put(month)
    db.close()


def test_of_many_processes_exactly_one_gets_each_period(db: Db) -> None:
    context = multiprocessing.get_context("spawn")
    winners: multiprocessing.SimpleQueue[int] = context.SimpleQueue()
    processes = [context.Process(target=_contend, args=[db.path, winners]) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found: list[int] = []
    while not winners.empty():
        found.append(winners.get())
    assert sorted(found) == list(range(50))
