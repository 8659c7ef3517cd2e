"""One pass over the gateway: who holds which key, then every row since the last pass, with an overlap for late ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import structlog

from control_app.core.time import DAY, month_of, month_range, previous_month
from control_app.gateway.port import Reader, Row, Unreadable, UsageRow
from control_app.ledger.absurd import AHEAD, CALENDAR_END
from control_app.ledger.clocks import APART, Clocks
from control_app.ledger.directory import DirectoryKeeper
from control_app.ledger.ledger import Ledger
from control_app.ledger.progress import OVERLAP, SOURCE, THOROUGH
from control_app.ledger.statements import BILLED, RATED, RATES, UNRATED, base_of
from control_app.storage.database import Db

WINDOW = 3 * DAY
"""Once a day a pass reads three days again: a stream may last for hours, and a batch is settled later still."""
EVER = CALENDAR_END - DAY
"""As good as the end of 9999: a thorough pass finds also what the gateway wrote while its clock was ahead."""
BATCH = 20_000
log = structlog.stdlib.get_logger("control_app.sync")


@dataclass(frozen=True)
class Pass:
    """What a pass did. `until`: microseconds since 1970 UTC; rows that started before were asked for."""

    until: int
    read: int
    new: int
    differences: int
    aside: int
    corrected: int


class Sync:
    """Brings the ledger in *db* up to what *gateway* has, up to its present by *clocks*: its own clock stamps what it has."""

    def __init__(self, gateway: Reader, db: Db, clocks: Clocks) -> None:
        self._gateway, self._db, self._clocks = gateway, db, clocks
        self._ledger, self._keeper = Ledger(db), DirectoryKeeper(db)

    def run(self, progress: Callable[[int, int], None] | None = None, since: int | None = None) -> Pass:
        """One pass; raises GatewayError, and goes on from the last page at the next one. Raises ApartError where clocks do not agree.

        *progress* is told after each page how many rows were read and up to when. *since*: read again from then on, in microseconds
        since 1970 UTC, whatever was read.
        """
        now = self._clocks.present()
        self._clocks.enter_day(now)
        self._keeper.keep(self._gateway.directory(), now)
        corrected = self._ledger.follow_moves()
        read = new = differences = aside = 0
        start, thorough = self._start(now)
        if since is not None:
            start = since if start is None else min(start, since)
        if start is not None:
            end = EVER if thorough or since is not None else now + APART
            for rows in _ahead(_batches(self._gateway.rows(start, end))):
                done = self._ledger.ingest(_possible(rows, now), now, SOURCE, min(rows[-1].at, now))
                read, new = read + done.read, new + done.new
                differences, aside = differences + done.differences, aside + done.aside
                if progress:
                    progress(read, rows[-1].at)
        self._ledger.ingest((), now, SOURCE, now)
        if thorough:
            self._ledger.ingest((), now, THOROUGH, now)
        corrected += self._rate_late()
        log.info("gateway read", rows=read, new=new, differences=differences, aside=aside, corrected=corrected)
        return Pass(now, read, new, differences, aside, corrected)

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
        begin = month_range(previous_month(settled)).start if month_of(last - DAY) < settled else now - WINDOW
        return max(0, min(begin, until[SOURCE] - OVERLAP)), True

    def _rate_late(self) -> int:
        """Rate what can be rated now: a first price holds from its model's creation on, and the largest row may have risen."""
        models: list[tuple[int]] = self._db.connection.execute(RATEABLE).fetchall()
        return sum(self._ledger.correct(model=model) for (model,) in models)


# Of a model that never had a price no row is looked at.
RATEABLE = f"""SELECT m.id FROM models m WHERE EXISTS (SELECT 1 FROM requests r LEFT JOIN ({RATES}) p ON p.id = r.price
  WHERE r.model = m.id AND r.at >= (SELECT min(v.effective_from) FROM price_versions v WHERE v.model IN (m.name, {base_of("m.name")}))
    AND {UNRATED} AND NOT {BILLED} AND (r.price IS NULL OR ({RATED}) IS NOT NULL))"""
"""Models of which rows can be rated now."""


def _possible(rows: Sequence[Row], now: int) -> Iterable[Row]:
    """*rows*, in order of time; those that the gateway wrote while its clock was ahead are none that can be taken."""
    latest = now + APART
    if rows[-1].at <= latest:
        return rows
    return (row if isinstance(row, Unreadable) or row.at <= latest else _to_come(row, now) for row in rows)


def _to_come(row: UsageRow, now: int) -> Unreadable:
    text = msgspec.json.encode(row._asdict()).decode()
    return Unreadable(row.id, now, row.key, row.key_name, AHEAD, text)


def _batches(pages: Iterator[Sequence[Row]]) -> Iterator[list[Row]]:
    """Pages put together: a transaction costs the disk as much for few rows as for many."""
    batch: list[Row] = []
    for page in pages:
        batch.extend(page)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _ahead(batches: Iterator[list[Row]]) -> Iterator[list[Row]]:
    """The same, each asked for while the one before is worked on."""
    with ThreadPoolExecutor(1, "gateway") as reader:
        waiting = reader.submit(next, batches, None)
        while batch := waiting.result():
            waiting = reader.submit(next, batches, None)
            yield batch
