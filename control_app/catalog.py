"""What is for sale now: the models' annotations, or the last good one where an annotation broke."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, cast

from control_app.offers import AnnotationError, Model, Offer, parse_offer

MAX_AGE = timedelta(seconds=15)
Clock = Callable[[], datetime]


class SourceError(Exception):
    """The models cannot be read; the message says from where and why."""


class ModelSource(Protocol):
    """Where models are described."""

    def models(self) -> Sequence[Model]:
        """All models; raises SourceError where they cannot be read."""
        ...


class OfferBook(Protocol):
    """Keeps the offers that were accepted, so that the last good one outlives a broken annotation and a restart."""

    def last(self, model: str) -> Offer | None:
        """The offer accepted last for *model*."""
        ...

    def accept(self, offer: Offer, at: datetime) -> None:
        """Keep *offer* as the newest of its model."""
        ...


@dataclass(frozen=True)
class Snapshot:
    """The catalog as it was read `at` (UTC). `problems`: by model, or by `""` for all of them."""

    offers: Sequence[Offer]
    problems: Mapping[str, str]
    at: datetime


class Catalog:
    """The current snapshot, read again when it is older than MAX_AGE."""

    def __init__(self, source: ModelSource, book: OfferBook, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self._source, self._book, self._clock = source, book, clock
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._tried_at: datetime | None = None

    def current(self) -> Snapshot:
        """The snapshot, at most MAX_AGE old unless the source fails; then the last one, with the problem.

        Raises SourceError where the source has not answered once: an empty price list would be a lie.
        """
        now, snapshot = self._clock(), self._snapshot
        if snapshot and self._tried_at and now - self._tried_at < MAX_AGE:
            return snapshot
        # One thread reads; the others wait only for the very first snapshot.
        if not self._lock.acquire(blocking=snapshot is None):
            return cast("Snapshot", snapshot)
        try:
            self._tried_at = now
            self._snapshot = self._read(now)
            return self._snapshot
        finally:
            self._lock.release()

    def _read(self, now: datetime) -> Snapshot:
        try:
            models = self._source.models()
        except SourceError as error:
            if self._snapshot is None:
                raise
            stale = f"{error}; the prices are those of {self._snapshot.at:%Y-%m-%d %H:%M:%S} UTC"
            return Snapshot(self._snapshot.offers, {**self._snapshot.problems, "": stale}, self._snapshot.at)
        offers: list[Offer] = []
        problems: dict[str, str] = {}
        for model in sorted(models, key=lambda model: model.name):
            offer, problem = self._offer(model, now)
            if offer:
                offers.append(offer)
            if problem:
                problems[model.name] = problem
        return Snapshot(offers, problems, now)

    def _offer(self, model: Model, now: datetime) -> tuple[Offer | None, str | None]:
        last = self._book.last(model.name)
        if model.annotation is None and last is None:
            return None, None  # never was for sale
        try:
            offer = parse_offer(model)
        except AnnotationError as error:
            consequence = "the last good one stays in force" if last else "the model is not for sale"
            return last, f"{error}; {consequence}"
        if offer != last:
            self._book.accept(offer, now)
        return offer, None
