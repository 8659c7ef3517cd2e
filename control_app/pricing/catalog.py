"""What is for sale now: the models' annotations, or the last good one where an annotation broke or a change waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from control_app.core.clock import Clock
from control_app.core.failures import words_of
from control_app.pricing import snapshot
from control_app.pricing.book import Book, PriceBookError
from control_app.pricing.port import ModelSource, SheetWriter, SourceError, Watched
from control_app.pricing.proven import Proven
from control_app.pricing.refresher import Refresher
from control_app.pricing.snapshot import Change, Snapshot

MAX_AGE = timedelta(seconds=15)
RETRY = timedelta(seconds=2)
"""Between readings while none has succeeded."""
log = structlog.stdlib.get_logger("control_app.catalog")


class Catalog:
    """Keeps the snapshot of what is for sale; *proven* tells which models buyers are told of.

    It reads again when the snapshot is older than MAX_AGE, in the background once started.
    """

    def __init__(
        self, source: ModelSource, book: Book, write_sheet: SheetWriter, clock: Clock, proven: Callable[[], Proven] = lambda: None
    ) -> None:
        self._source, self._book, self._write_sheet, self._clock = source, book, write_sheet, clock
        self._proven = proven
        self._lock = threading.Lock()
        self._refresher: Refresher | None = None
        self._snapshot: Snapshot | None = None
        self._failure = SourceError("the models are being read for the first time")
        self._tried_at: datetime | None = None

    def start(self) -> None:
        """From now on read in the background: when the source tells of a change, and at least every MAX_AGE."""
        if self._refresher is None:
            self._refresher = Refresher(self._refresh, self._source.watch if isinstance(self._source, Watched) else None)
            self._refresher.start()

    def stop(self) -> None:
        """From now on read when somebody asks."""
        if self._refresher:
            self._refresher.stop()
            self._refresher = None

    def current(self) -> Snapshot:
        """The snapshot, at most MAX_AGE old unless the reading fails; then the last one, with the problem.

        Raises SourceError where no reading has succeeded yet: an empty price list would be a lie. Only one thread
        reads; the others are answered at once with what there is.
        """
        now = self._clock()
        if self._refresher is None and self._lock.acquire(blocking=False):
            try:
                if self._is_due(now):
                    self._read_again(now)
            finally:
                self._lock.release()
        if self._snapshot is None:
            raise self._failure
        return self._snapshot

    def pending(self, model: str) -> Change:
        """The price that waits for a person, as the annotation is now.

        Raises PriceBookError where none waits, SourceError where the models cannot be read.
        """
        for change in self._read(self._clock()).changes:
            if change.model == model and change.state in ("pending", "ended"):
                return change
        raise PriceBookError(f"no price of {model} waits to be accepted")

    def accept(self, seen: Change, by: str, reason: str) -> None:
        """Put the price in force that waits, which is the one that a person has *seen*.

        Raises PriceBookError where it is another one by now or none, SourceError where the models cannot be read.
        """
        with self._lock:
            if self.pending(seen.model).prices != seen.prices:
                raise PriceBookError(f"the price of {seen.model} changed while you looked at it; look again")
            self._book.accept(seen.model, by, reason)
            self._read_again(self._clock())

    def withdraw(self, model: str, by: str, reason: str) -> None:
        """End a model's sale, whatever its annotation says: it leaves the list, and only a person begins the sale again.

        Raises PriceBookError where it is not sold, SourceError where the models cannot be read.
        """
        with self._lock:
            self._read(self._clock())
            self._book.withdraw(model, by, reason)
            self._read_again(self._clock())

    def _is_due(self, now: datetime) -> bool:
        """A clock that was set back makes the next reading due, too."""
        return self._tried_at is None or not timedelta() <= now - self._tried_at < (MAX_AGE if self._snapshot else RETRY)

    def _refresh(self) -> timedelta:
        """Read again; the answer is after how long the next reading is due."""
        with self._lock:
            self._read_again(self._clock())
        return MAX_AGE if self._snapshot else RETRY

    def _read_again(self, now: datetime) -> None:
        try:
            fresh = self._read(now)
        except Exception as error:  # noqa: BLE001 # whatever it is, prices that were good stay published
            log.warning("models cannot be read", error=words_of(error))
            self._failure = error if isinstance(error, SourceError) else SourceError(f"the models cannot be read: {type(error).__name__}")
            if self._snapshot:
                stale = f"{self._failure}; the prices are those of {self._snapshot.at:%Y-%m-%d %H:%M:%S} UTC"
                self._snapshot = replace(self._snapshot, problems={**self._snapshot.problems, "": stale})
        else:
            self._log_changes(fresh)
            self._snapshot = fresh
        finally:
            self._tried_at = now

    def _read(self, now: datetime) -> Snapshot:
        known = self._book.standings()
        return snapshot.take(self._source.models(), known, self._book, self._write_sheet, now, self._proven())

    def _log_changes(self, fresh: Snapshot) -> None:
        known: Mapping[str, str] = self._snapshot.problems if self._snapshot else {}
        for model, problem in fresh.problems.items():
            if known.get(model) != problem:
                log.warning("model is not as annotated", model=model, problem=problem)
