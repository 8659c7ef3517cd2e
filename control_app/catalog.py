"""What is for sale now: the models' annotations, or the last good one where an annotation broke."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from control_app.offers import AnnotationError, Model, Offer, parse_offer

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


class OfferBook(Protocol):
    """Keeps the offers that were accepted, so that the last good one outlives a broken annotation and a restart."""

    def last(self, model: str) -> Model | None:
        """*model* as it was when its offer was accepted last."""
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
        self._failure = SourceError("the models are being read for the first time")
        self._tried_at: datetime | None = None

    def current(self) -> Snapshot:
        """The snapshot, at most MAX_AGE old unless the reading fails; then the last one, with the problem.

        Raises SourceError where no reading has succeeded yet: an empty price list would be a lie. Only one thread
        reads; the others are answered at once with what there is.
        """
        now = self._clock()
        if self._is_due(now) and self._lock.acquire(blocking=False):
            try:
                if self._is_due(now):
                    self._read_again(now)
            finally:
                self._lock.release()
        if self._snapshot is None:
            raise self._failure
        return self._snapshot

    def _is_due(self, now: datetime) -> bool:
        """A clock that was set back makes the next reading due, too."""
        return self._tried_at is None or not timedelta() <= now - self._tried_at < (MAX_AGE if self._snapshot else RETRY)

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
        offers: dict[str, Offer] = {}
        problems: dict[str, str] = {}
        for model in sorted(self._source.models(), key=lambda model: model.name):
            offer, problem = self._offer(model, now)
            if offer:
                offers[model.name] = offer
            if problem:
                problems[model.name] = problem
        for offer in _copies(list(offers.values())):
            del offers[offer.model]
            problems[offer.model] = f"the id {offer.document['id']!r} is another model's too; the model is not for sale"
        return Snapshot(list(offers.values()), problems, now)

    def _offer(self, model: Model, now: datetime) -> tuple[Offer | None, str | None]:
        last = self._last(model.name)
        if model.annotation is None and last is None:
            return None, None  # never was for sale
        try:
            offer = parse_offer(model)
        except AnnotationError as error:
            consequence = "the last good one stays in force" if last else "the model is not for sale"
            return last, f"{error}; {consequence}"
        if offer != last:
            self._book.accept(offer, now)
            log.info("offer accepted", model=model.name, prices={kind: str(price) for kind, price in offer.prices.items()})
        return offer, None

    def _last(self, name: str) -> Offer | None:
        """The last offer, by today's rules: what they no longer take cannot be published."""
        kept = self._book.last(name)
        try:
            return parse_offer(kept) if kept else None
        except AnnotationError:
            return None

    def _log_changes(self, fresh: Snapshot) -> None:
        known: Mapping[str, str] = self._snapshot.problems if self._snapshot else {}
        for model, problem in fresh.problems.items():
            if known.get(model) != problem:
                log.warning("model is not as annotated", model=model, problem=problem)


def _copies(offers: Sequence[Offer]) -> list[Offer]:
    """Offers whose id is taken: by the model of that name, else by the first. A buyer could not tell which price holds."""
    owners: dict[str, Offer] = {}
    for offer in sorted(offers, key=lambda offer: offer.document["id"] != offer.model):
        owners.setdefault(offer.document["id"], offer)
    return [offer for offer in offers if owners[offer.document["id"]] is not offer]
