"""Who works on a period: never two at once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from control_app.database import Db
from control_app.invoicing.lease import LASTS, BusyError, LostError, take

HOW_LONG = LASTS // type(LASTS)(microseconds=1)


class Time:
    now = 1_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def db(tmp_path: Path) -> Db:
    return Db(tmp_path / "control.sqlite3")


def test_a_period_that_is_worked_on_is_refused_and_another_is_not(db: Db) -> None:
    take(db, "stalpeni", 1, Time())
    with pytest.raises(BusyError, match="another run"):
        take(db, "stalpeni", 1, Time())
    take(db, "stalpeni", 2, Time())


def test_a_lease_that_was_given_back_can_be_taken(db: Db) -> None:
    lease = take(db, "stalpeni", 1, Time())
    with db.transaction() as connection:
        lease.give_back(connection)
    assert take(db, "stalpeni", 1, Time()).fence == lease.fence + 1


def test_the_lease_of_a_killed_owner_can_be_taken_when_it_has_ended_and_not_before(db: Db) -> None:
    time = Time()
    take(db, "stalpeni", 1, time)
    time.now += HOW_LONG - 1
    with pytest.raises(BusyError):
        take(db, "stalpeni", 1, time)
    time.now += 1
    assert take(db, "stalpeni", 1, time).fence == 2


def test_an_owner_that_stood_still_for_too_long_writes_nothing_more(db: Db) -> None:
    time = Time()
    late = take(db, "stalpeni", 1, time)
    time.now += HOW_LONG
    take(db, "stalpeni", 1, time)
    with pytest.raises(LostError), db.transaction() as connection:
        connection.execute("INSERT INTO partners VALUES (1, 1)")
        late.renew(connection)
    assert db.connection.execute("SELECT count(*) FROM partners").fetchone() == (0,)


def test_an_owner_that_lost_it_does_not_give_back_the_new_ones(db: Db) -> None:
    time = Time()
    late = take(db, "stalpeni", 1, time)
    time.now += HOW_LONG
    take(db, "stalpeni", 1, time)
    with db.transaction() as connection:
        late.give_back(connection)
    with pytest.raises(BusyError):
        take(db, "stalpeni", 1, time)


def test_renewing_makes_it_last(db: Db) -> None:
    time = Time()
    lease = take(db, "stalpeni", 1, time)
    time.now += HOW_LONG - 1
    with db.transaction() as connection:
        lease.renew(connection)
    time.now += HOW_LONG - 1
    with pytest.raises(BusyError):
        take(db, "stalpeni", 1, time)


def _contend(path: Path, winners: multiprocessing.SimpleQueue[int]) -> None:
    db = Db(path)
    for month in range(50):
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
