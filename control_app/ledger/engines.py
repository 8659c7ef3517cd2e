"""The third count: what the engines themselves answered, hour by hour and model by model, whatever became of the gateway.

Each process of an engine counts from 0 when it starts. What is new at a reading stands in the hour of the reading.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import structlog

from control_app.core.time import DAY, HOUR, SECOND
from control_app.gateway.engines import EngineReading, EnginesRead
from control_app.ledger.counters import is_overtaken
from control_app.storage.database import Db

log = structlog.stdlib.get_logger("control_app.engines")
LATE = 60 * SECOND
"""What is read after so long may have been answered in the hour before."""
REMEMBERED = DAY
"""So long after its last reading what a process had counted is kept: one that is not ready for a while comes back."""


@dataclass(frozen=True)
class Unread:
    """An engine at an *address* that could not be read *since* then, in microseconds since 1970 UTC, with the last *error*."""

    address: str
    since: int
    error: str


@dataclass(frozen=True)
class _Engine:
    """What is known at an address. `absent_at`: the last reading before it appeared; `at`: when it was read last."""

    absent_at: int | None
    at: int | None = None
    started: float | None = None
    failing_since: int | None = None
    error: str | None = None
    answered: Mapping[str, int] = field(default_factory=dict[str, int])


class EngineBook:
    """Keeps in *db* what the engines counted, by hour and model."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def keep(self, read: EnginesRead, at: int, asked: int | None = None) -> None:
        """Take over a reading of all engines, *asked* for and made *at* times of the gateway's (see is_overtaken)."""
        with self._db.transaction() as db:
            (last_at,) = db.execute("SELECT at FROM engine_readings").fetchone() or (None,)
            if last_at is not None and is_overtaken(last_at, at, asked):
                return
            known = _known(db)
            for address in known.keys() - read.processes.keys() - read.unread.keys():
                if known[address].at == last_at or known[address].failing_since is not None:
                    _part(db, known[address].answered, at)
            # Of what is gone there is no error to tell.
            engines = {
                address: replace(engine, failing_since=None, error=None)
                for address, engine in known.items()
                if engine.at is not None and at - engine.at <= REMEMBERED
            }
            for address, error in read.unread.items():
                engine = known.get(address, _Engine(absent_at=last_at))
                engines[address] = replace(engine, failing_since=engine.failing_since or at, error=error)
            for address, process in read.processes.items():
                engine = known.get(address, _Engine(absent_at=last_at))
                _count(db, engine, process, at)
                engines[address] = _Engine(engine.absent_at, at, process.started, answered=process.answered)
            _keep(db, engines)
            db.execute("INSERT OR REPLACE INTO engine_readings (id, at) VALUES (1, ?)", [at])


def _count(db: sqlite3.Connection, engine: _Engine, process: EngineReading, at: int) -> None:
    """Add what a process answered since it was read last."""
    since, before = _before(engine, process, at)
    if before is process.answered or (before is not engine.answered and engine.at is not None):
        _part(db, {*process.answered, *engine.answered}, at)
    for name, number in process.answered.items():
        model, more = model_of(name), max(0, number - before.get(name, 0))
        statement = """INSERT INTO model_hours (hour, model, logged, counted, dearest) VALUES (?, ?, 0, ?, 0)
          ON CONFLICT DO UPDATE SET counted = coalesce(counted, 0) + excluded.counted"""
        db.execute(statement, [at // HOUR, model, more])
        if more and at // HOUR > since // HOUR and at - since > LATE:
            _pause(db, model, since // HOUR, at // HOUR)


def _part(db: sqlite3.Connection, names: Iterable[str], at: int) -> None:
    """What a process that serves models under these *names* answered was in part counted by nobody, in this hour or before it."""
    statement = """INSERT INTO model_hours (hour, model, logged, dearest, parted) VALUES (?, ?, 0, 0, 1)
      ON CONFLICT DO UPDATE SET parted = 1"""
    db.executemany(statement, ((at // HOUR, model_of(name)) for name in names))


def _before(engine: _Engine, process: EngineReading, at: int) -> tuple[int, Mapping[str, int]]:
    """Since when a process has answered what is new, and what it had answered by then."""
    began = None if process.started is None else int(process.started * SECOND)
    if engine.at is not None:
        is_less = any(process.answered.get(name, 0) < number for name, number in engine.answered.items())
        if process.started == engine.started and not (began is None and is_less):
            return engine.at, engine.answered
        log.warning("an engine was restarted", last_read=engine.at, read=at)
        return min(max(began or 0, engine.at), at), {}
    if engine.absent_at is not None and began is not None and began > engine.absent_at:
        return min(began, at), {}
    return at, process.answered  # it may have answered these before anybody read it


def _pause(db: sqlite3.Connection, model: str, first: int, last: int) -> None:
    """Over these hours nobody read an engine of the *model*: what was answered in all of them stands in the last one."""
    overlapping = "FROM engine_pauses WHERE model = ? AND first <= ? AND last >= ?"
    begin, end = db.execute(f"SELECT min(first), max(last) {overlapping}", [model, last, first]).fetchone()
    db.execute(f"DELETE {overlapping}", [model, last, first])
    span = (first, last) if begin is None else (min(first, begin), max(last, end))
    db.execute("INSERT INTO engine_pauses (model, first, last) VALUES (?, ?, ?)", [model, *span])


def _known(db: sqlite3.Connection) -> dict[str, _Engine]:
    answered: dict[str, dict[str, int]] = {}
    for address, name, number in db.execute("SELECT address, name, answered FROM engine_counters").fetchall():
        answered.setdefault(address, {})[name] = number
    found = db.execute("SELECT address, absent_at, at, started, failing_since, error FROM engines").fetchall()
    return {
        address: _Engine(absent_at, at, started, failing_since, error, answered.get(address, {}))
        for address, absent_at, at, started, failing_since, error in found
    }


def _keep(db: sqlite3.Connection, engines: Mapping[str, _Engine]) -> None:
    db.execute("DELETE FROM engine_counters")
    db.execute("DELETE FROM engines")
    columns = "address, absent_at, at, started, failing_since, error"
    rows = ((address, one.absent_at, one.at, one.started, one.failing_since, one.error) for address, one in engines.items())
    db.executemany(f"INSERT INTO engines ({columns}) VALUES (?, ?, ?, ?, ?, ?)", rows)
    numbers = ((address, name, number) for address, one in engines.items() for name, number in one.answered.items())
    db.executemany("INSERT INTO engine_counters (address, name, answered) VALUES (?, ?, ?)", numbers)


def model_of(name: str) -> str:
    """The `Model` that an engine serves under this name, its own or that of an adapter: no Kubernetes name has an underscore."""
    return name.partition("_")[0] or name


def unread(db: Db) -> Iterator[Unread]:
    """Engines that could not be read at the last reading."""
    query = "SELECT address, failing_since, error FROM engines WHERE failing_since IS NOT NULL ORDER BY address"
    yield from (Unread(*told) for told in db.connection.execute(query).fetchall())
