"""One pass over the gateway: who holds which key, then every row since the last pass, with an overlap for late ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from control_app.database import Db
from control_app.directory import DirectoryKeeper
from control_app.gateway import Gateway, UsageRow
from control_app.ledger import Ledger
from control_app.spans import DAY, microseconds, month_of, month_range

MINUTE = 60_000_000
OVERLAP = 60 * MINUTE
"""Rows are written when a request ends, under the time of its start (bifrost.md 0.5): a pass reads an hour again."""
THOROUGH, WINDOW = "thorough", 3 * DAY
"""Once a day a pass reads three days again: a stream may last for hours, and a batch is settled later still."""
LATEST = 15 * MINUTE
"""Until then after its start nearly every request has its row; the gateway ends those that are idle for so long (bifrost.md 3.1)."""
BATCH = 20_000
SOURCE = "rows"
log = structlog.stdlib.get_logger("control_app.sync")


@dataclass(frozen=True)
class Pass:
    """What a pass did. `until`: microseconds since 1970 UTC; rows that started before were asked for."""

    until: int
    read: int
    new: int
    differences: int
    corrected: int


class Sync:
    """Brings the ledger in *db* up to what *gateway* has."""

    def __init__(self, gateway: Gateway, db: Db, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._gateway, self._db, self._clock = gateway, db, clock
        self._ledger, self._keeper = Ledger(db), DirectoryKeeper(db)

    def run(self, progress: Callable[[int, int], None] | None = None) -> Pass:
        """One pass; raises GatewayError, and goes on from the last page at the next one.

        *progress* is told after each page how many rows were read and up to when.
        """
        now = microseconds(self._clock())
        self._keeper.keep(self._gateway.directory(), now)
        corrected = self._ledger.follow_moves()
        read = new = differences = 0
        start, thorough = self._start(now)
        if start is not None:
            for rows in _ahead(_batches(self._gateway.rows(start, now))):
                done = self._ledger.ingest(rows, now, SOURCE, rows[-1].at)
                read, new, differences = read + done.read, new + done.new, differences + done.differences
                if progress:
                    progress(read, rows[-1].at)
        self._ledger.ingest((), now, SOURCE, now)
        if thorough:
            self._ledger.ingest((), now, THOROUGH, now)
        corrected += self._rate_late()
        log.info("gateway read", rows=read, new=new, differences=differences, corrected=corrected)
        return Pass(now, read, new, differences, corrected)

    def _start(self, now: int) -> tuple[int | None, bool]:
        """Where a pass begins, and whether it is a thorough one."""
        until = dict(self._db.connection.execute("SELECT source, until FROM progress").fetchall())
        if SOURCE not in until:
            return self._gateway.first(), True
        if THOROUGH not in until:  # the first pass of all was cut off
            return until[SOURCE] - OVERLAP, True
        last = until[THOROUGH]
        if now - last < DAY:
            return until[SOURCE] - OVERLAP, False
        # A month is read once more as a whole when it is to be billed, a day after its end.
        settled = month_of(now - DAY)
        begin = month_range(settled - 1).start if month_of(last - DAY) < settled else now - WINDOW
        return min(begin, until[SOURCE] - OVERLAP), True

    def _rate_late(self) -> int:
        """Rate rows whose model got its price after them: its first version holds from the model's creation on."""
        query = """SELECT DISTINCT q.model FROM requests q JOIN models m ON m.id = q.model WHERE q.amount IS NULL AND q.price IS NULL
          AND EXISTS (SELECT 1 FROM price_versions v WHERE v.model = m.name AND v.effective_from <= q.at)"""
        models: list[tuple[int]] = self._db.connection.execute(query).fetchall()
        return sum(self._ledger.correct(model=model) for (model,) in models)


def complete_through(db: Db) -> int | None:
    """Rows that started before are in the ledger, but for requests that took longer than LATEST; None before the first pass."""
    found: tuple[int, int] | None = db.connection.execute("SELECT until, passed_at FROM progress WHERE source = ?", [SOURCE]).fetchone()
    return min(found) - LATEST if found else None


def _batches(pages: Iterator[Sequence[UsageRow]]) -> Iterator[list[UsageRow]]:
    """Pages put together: a transaction costs the disk as much for few rows as for many."""
    batch: list[UsageRow] = []
    for page in pages:
        batch.extend(page)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _ahead(batches: Iterator[list[UsageRow]]) -> Iterator[list[UsageRow]]:
    """The same, each asked for while the one before is worked on."""
    with ThreadPoolExecutor(1, "gateway") as reader:
        waiting = reader.submit(next, batches, None)
        while batch := waiting.result():
            waiting = reader.submit(next, batches, None)
            yield batch
