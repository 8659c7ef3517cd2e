"""What the gateway and the engines counted is kept under a time that is not before it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from control_app.gateway.engines import EnginesRead
from control_app.gateway.port import Reading
from control_app.ledger.counters import CounterBook
from control_app.ledger.engines import EngineBook
from control_app.service.assembly import Parts, read_counters, read_engines
from control_app.service.tables import open_database

SECOND = 1_000_000


class Busy:
    """A gateway with its clock, and engines; each answer takes a second."""

    def __init__(self) -> None:
        self.now = 0
        self.answered = 0

    def counts(self) -> Reading:
        self._answer()
        return Reading({}, 1.0, 0)

    def read(self) -> EnginesRead:
        self._answer()
        return EnginesRead({}, {})

    def present(self) -> int:
        self.now += SECOND
        return self.now

    def _answer(self) -> None:
        self.now += SECOND
        self.answered = self.now


def test_counts_are_kept_under_the_time_after_them(tmp_path: Path) -> None:
    busy, db = Busy(), open_database(tmp_path / "control.sqlite3")
    assembled: Any = SimpleNamespace(gateway=busy, clocks=busy, counters=CounterBook(db), engine_book=EngineBook(db))
    parts = cast("Parts", assembled)
    read_counters(parts)
    assert db.connection.execute("SELECT at FROM readings").fetchone()[0] >= busy.answered, "else requests of between would seem missing"
    read_engines(parts, busy)
    assert db.connection.execute("SELECT at FROM engine_readings").fetchone()[0] >= busy.answered
    db.close()


def test_a_count_that_another_process_overtook_is_no_new_process_of_the_gateway(tmp_path: Path) -> None:
    busy, db = Busy(), open_database(tmp_path / "control.sqlite3")
    counters, told = CounterBook(db), {("k1", "llama", "success"): 10_000}
    assembled: Any = SimpleNamespace(gateway=busy, clocks=busy, counters=counters, engine_book=EngineBook(db))
    counters.keep(Reading(cast("Any", told), 1.0, 0), 0)

    def counted_while_another_reads() -> Reading:
        read_counters(cast("Parts", SimpleNamespace(**{**vars(assembled), "gateway": other})))
        return Reading(cast("Any", told), 1.0, 0)

    other: Any = SimpleNamespace(counts=lambda: Reading(cast("Any", {("k1", "llama", "success"): 10_005}), 1.0, 0))
    assembled.gateway = SimpleNamespace(counts=counted_while_another_reads)
    read_counters(cast("Parts", assembled))
    assert db.connection.execute("SELECT count(*) FROM restarts").fetchone() == (0,)
    assert db.connection.execute("SELECT value FROM counters").fetchone() == (10_005,)
    db.close()
