"""The price book: every change of a model's price as a version that is appended and never edited.

Each decision is made inside a transaction against the newest version, so that processes that read the same annotation
append it once.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import simplejson

from control_app.audit import Act, record
from control_app.database import Db, connect
from control_app.offers import AnnotationError, Model, Offer, parse_offer
from control_app.rates import Rates, resolve, waits_for_a_person
from control_app.spans import microseconds
from control_app.standing import PriceBookError, Standing

Clock = Callable[[], datetime]
STANDINGS = """
SELECT v.id, v.model, v.effective_from, v.prompt, v.input_cache_read, v.input_cache_write, v.completion, v.internal_reasoning, v.request,
  o.document, o.features, p.document, p.features, p.seen_at
FROM price_versions v
LEFT JOIN offers o ON o.id = (SELECT max(id) FROM offers WHERE model = v.model)
LEFT JOIN pending_prices p ON p.model = v.model
WHERE v.effective_from = (SELECT max(effective_from) FROM price_versions WHERE model = v.model)"""

APPEND_VERSION = """
INSERT INTO price_versions
  (model, effective_from, prompt, input_cache_read, input_cache_write, completion, internal_reasoning, request)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""


class PriceBook:
    """Price versions in *db*."""

    def __init__(self, db: Db, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self._db, self._clock = db, clock

    def standings(self) -> dict[str, Standing]:
        """Every model that ever had a price."""
        return dict(map(_standing, self._db.connection.execute(STANDINGS).fetchall()))

    def notice(self, model: str, offer: Offer | None, created: int, seen: Standing | None) -> Standing | None:
        """Take over what *model*'s annotation offers (None: nothing good), and return how the model stands then.

        *seen* is how it stood before the annotation was read: if another process has changed that since, nothing is done,
        for the annotation may be older than the change. The first version is in force from *created*.
        """
        with self._db.transaction() as db:
            last = _newest(db, model)
            if last != seen or (last is None and offer is None):
                return last
            if offer and last and last.rates and waits_for_a_person(last.rates, resolve(offer.prices)):
                if offer != last.pending:
                    row = (model, *_text(offer), microseconds(self._clock()))
                    db.execute("INSERT OR REPLACE INTO pending_prices VALUES (?, ?, ?, ?)", row)
            else:
                db.execute("DELETE FROM pending_prices WHERE model = ?", [model])
                if offer:
                    _put_in_force(db, offer, last, self._clock(), created)
            return _newest(db, model)

    def accept(self, model: str, by: str, reason: str) -> None:
        """Put the change that waits in force, now; raises PriceBookError where none does."""
        with self._db.transaction() as db:
            last = _newest(db, model)
            if last is None or last.pending is None:
                raise PriceBookError(f"no price of {model} waits to be accepted")
            now = self._clock()
            db.execute("DELETE FROM pending_prices WHERE model = ?", [model])
            _put_in_force(db, last.pending, last, now)
            record(db, microseconds(now), Act(by, "accept price", model, reason))

    def withdraw(self, model: str, by: str, reason: str) -> None:
        """End the price, now: usage after it has none. Raises PriceBookError where there is none to end."""
        with self._db.transaction() as db:
            last = _newest(db, model)
            if last is None or last.rates is None:
                raise PriceBookError(f"{model} has no price to withdraw")
            now = microseconds(self._clock())
            db.execute("DELETE FROM pending_prices WHERE model = ?", [model])
            _append_version(db, model, max(now, last.effective_from + 1), None)
            record(db, now, Act(by, "withdraw price", model, reason))

    def check(self) -> None:
        """Raises sqlite3.Error where a price could not be written."""
        # By a connection of its own: an open one goes on writing into a file that was deleted.
        with contextlib.closing(connect(self._db.path)) as db:
            db.execute("PRAGMA busy_timeout = 0")
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                    return  # somebody writes: so it can be written
                raise
            db.execute("DELETE FROM pending_prices WHERE model = ''")  # of which there is none
            db.rollback()


def _newest(db: sqlite3.Connection, model: str) -> Standing | None:
    row = db.execute(f"{STANDINGS} AND v.model = ?", [model]).fetchone()
    return _standing(row)[1] if row else None


def _standing(row: tuple[Any, ...]) -> tuple[str, Standing]:
    version, model, effective_from, *rates, document, features, pending, pending_features, seen_at = row
    priced = rates[0] is not None
    standing = Standing(
        version=version,
        effective_from=effective_from,
        rates=Rates(*rates) if priced else None,
        offer=_offer(model, document, features) if priced else None,
        features=_features(features),
        pending=_offer(model, pending, pending_features),
        pending_since=seen_at or 0,
    )
    return model, standing


def _offer(model: str, document: str | None, features: str | None) -> Offer | None:
    """A stored offer, by today's rules: what they no longer take cannot be published."""
    try:
        return parse_offer(Model(model, document, _features(features))) if document else None
    except AnnotationError:
        return None


def _features(text: str | None) -> tuple[str, ...]:
    return tuple(simplejson.loads(text)) if text else ()


def _text(offer: Offer) -> tuple[str, str]:
    return simplejson.dumps(offer.document, use_decimal=True), simplejson.dumps(list(offer.features))


def _put_in_force(db: sqlite3.Connection, offer: Offer, last: Standing | None, now: datetime, created: int = 0) -> None:
    rates = resolve(offer.prices)
    if last is None:
        _append_version(db, offer.model, created, rates)
    elif last.rates != rates:
        # Later than every earlier version, also where the clock was set back.
        _append_version(db, offer.model, max(microseconds(now), last.effective_from + 1), rates)
    if last is None or last.offer != offer:
        row = (offer.model, now.astimezone(UTC).isoformat(), *_text(offer))
        db.execute("INSERT INTO offers (model, accepted_at, document, features) VALUES (?, ?, ?, ?)", row)


def _append_version(db: sqlite3.Connection, model: str, at: int, rates: Rates | None) -> None:
    values = (model, at, *(rates or (None,) * len(Rates._fields)))
    db.execute(APPEND_VERSION, values)
