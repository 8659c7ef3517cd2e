"""What is for sale now: the models' annotations, or the last good one where an annotation broke or a change waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

import structlog

from control_app import snapshot
from control_app.offers import Model
from control_app.refresher import Refresher
from control_app.snapshot import Change, Snapshot
from control_app.standing import Book, PriceBookError

MAX_AGE = timedelta(seconds=15)
RETRY = timedelta(seconds=2)
"""Between readings while none has succeeded."""
log = structlog.stdlib.get_logger("control_app.catalog")
Clock = Callable[[], datetime]


class SourceError(Exception):
    """The models cannot be read; the message says from where and why."""


class ModelSource(Protocol):
    """Where models are described."""

    def models(self) -> Sequence[Model]:
        """All models; raises SourceError where they cannot be read."""
        ...


@runtime_checkable
class Watched(Protocol):
    """A source that tells of changes."""

    def watch(self, changed: Callable[[], None]) -> None:
        """Call *changed* after every change until the watch ends, which it does from time to time; raises SourceError."""
        ...


class Catalog:
    """The current snapshot, read again when it is older than MAX_AGE; once started, read in the background."""

    def __init__(self, source: ModelSource, book: Book, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self._source, self._book, self._clock = source, book, clock
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
        """Read on demand again."""
        if self._refresher:
            self._refresher.stop()
            self._refresher = None

    def current(self) -> Snapshot:
        """The snapshot, at most MAX_AGE old unless the reading fails; then the last one, with the problem.

        Raises SourceError where no reading has succeeded yet: an empty price list would be a lie. Only one thread
        reads; the others are answered at once with what there is.
        """
        now = self._clock()
        if self._refresher is None and self._is_due(now) and self._lock.acquire(blocking=False):
            try:
                if self._is_due(now):
                    self._read_again(now)
            finally:
                self._lock.release()
        if self._snapshot is None:
            raise self._failure
        return self._snapshot

    def pending(self, model: str) -> Change:
        """The change of a price that waits for a person, as the annotation is now.

        Raises PriceBookError where none waits, SourceError where the models cannot be read.
        """
        for change in self._read(self._clock()).changes:
            if (change.model, change.state) == (model, "pending"):
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
        """End the price of a model that is gone, or whose annotation is.

        Raises PriceBookError where it has none or is still annotated, SourceError where the models cannot be read.
        """
        with self._lock:
            fresh = self._read(self._clock())
            if any(offer.model == model for offer in fresh.offers) and model not in fresh.problems:
                raise PriceBookError(f"{model} is for sale: remove its annotation first, or the price would be back at the next reading")
            self._book.withdraw(model, by, reason)
            self._read_again(self._clock())

    def _is_due(self, now: datetime) -> bool:
        """A clock that was set back makes the next reading due, too."""
        return self._tried_at is None or not timedelta() <= now - self._tried_at < (MAX_AGE if self._snapshot else RETRY)

    def _refresh(self) -> timedelta:
        """Read again; for how long that will do."""
        with self._lock:
            self._read_again(self._clock())
        return MAX_AGE if self._snapshot else RETRY

    def _read_again(self, now: datetime) -> None:
        try:
            fresh = self._read(now)
        except Exception as error:  # noqa: BLE001 # whatever it is, prices that were good stay published
            log.warning("models cannot be read", error=f"{type(error).__name__}: {error}")
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
        return snapshot.take(self._source.models(), known, self._book, now)

    def _log_changes(self, fresh: Snapshot) -> None:
        known: Mapping[str, str] = self._snapshot.problems if self._snapshot else {}
        for model, problem in fresh.problems.items():
            if known.get(model) != problem:
                log.warning("model is not as annotated", model=model, problem=problem)
