"""The price book: every change of a model's price as a version that is appended and never edited.

Each decision is made inside a transaction against the newest version, so that processes that read the same annotation
append it once.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from typing import Any

import simplejson

from control_app.core.clock import Clock
from control_app.core.money import to_pico
from control_app.core.time import microseconds, time_of
from control_app.pricing.book import GRACE, Lapse, Pending, PriceBookError, Standing
from control_app.pricing.bounds import DOLLARS, UNBOUNDED, Bounds
from control_app.pricing.dollars import DollarRate
from control_app.pricing.offers import AnnotationError, Edit, Model, Offer, parse_offer
from control_app.pricing.rates import Rates, resolve
from control_app.pricing.waiting import PastPrice, why_it_waits
from control_app.storage.audit import Act, record
from control_app.storage.database import Db, connect

RATES = ", ".join(f"v.{kind}" for kind in Rates._fields)
STANDINGS = f"""
SELECT m.model, v.id, v.effective_from, v.by_person, {RATES},
  o.document, o.features, p.document, p.features, p.seen_at, p.why, p.changed, l.since, l.seen
FROM (SELECT model FROM price_versions UNION SELECT model FROM pending_prices) m
LEFT JOIN price_versions v
  ON v.model = m.model AND v.effective_from = (SELECT max(effective_from) FROM price_versions WHERE model = m.model)
LEFT JOIN offers o ON o.id = (SELECT max(id) FROM offers WHERE model = m.model)
LEFT JOIN pending_prices p ON p.model = m.model
LEFT JOIN lapses l ON l.model = m.model"""
STANDING = STANDINGS.replace(
    "FROM (SELECT model FROM price_versions UNION SELECT model FROM pending_prices) m", "FROM (SELECT ? AS model) m"
)

PAST = f"SELECT v.effective_from, v.by_person, {RATES} FROM price_versions v WHERE v.model = ? ORDER BY v.effective_from DESC"

NAMES = """
SELECT model, json_extract(document, '$.name') FROM offers WHERE id IN (SELECT max(id) FROM offers GROUP BY model)"""

APPEND_VERSION = f"""
INSERT INTO price_versions (model, effective_from, by_person, {", ".join(Rates._fields)})
VALUES (?, ?, ?{", ?" * len(Rates._fields)})"""

_WAIT = """
INSERT OR REPLACE INTO pending_prices (model, document, features, seen_at, created, why, changed) VALUES (?, ?, ?, ?, ?, ?, ?)"""
_LAPSE = "INSERT OR REPLACE INTO lapses (model, since, seen) VALUES (?, ?, ?)"
OURSELVES = "control service"
"""Who acts in the audit where no person does."""


LEAST_FREE = 64 * 1024 * 1024
"""Bytes of the volume. SQLite tells of a full one only when it writes, which may be days after the last time that it could."""


class PriceBook:
    """Keeps in *db* every price version of every model, and the prices that wait for a person.

    *bounds* are in its currency, and say which first prices wait; *dollars*: how the lists for others are made of it. *is_certain*:
    whether it is as late as the clock says, since what is written down holds from then on for good.
    """

    def __init__(
        self,
        db: Db,
        clock: Clock,
        bounds: Bounds = DOLLARS,
        dollars: DollarRate | None = None,
        is_certain: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self._db, self._clock, self._is_certain = db, clock, is_certain
        self.bounds: Bounds = bounds
        self.dollars: DollarRate | None = dollars

    def open(self) -> None:
        """Keep the currency and the largest row of usage; raises PriceBookError where the prices in it are in another currency."""
        ours = (self.bounds.currency, to_pico(self.bounds.row))
        kept = self._db.connection.execute("SELECT currency, largest_row FROM price_book").fetchone()
        if kept == ours:
            return
        with self._db.transaction() as db:
            ((currency, has_prices),) = db.execute("SELECT currency, EXISTS (SELECT 1 FROM price_versions) FROM price_book")
            if has_prices and currency not in (None, ours[0]):
                raise PriceBookError(
                    f"the price book in {self._db.path} is in {currency}, and would be read as {ours[0]}: go on with {currency}, "
                    f"or begin a new database for {ours[0]}"
                )
            db.execute("UPDATE price_book SET currency = ?, largest_row = ?", ours)

    def standings(self) -> dict[str, Standing]:
        """Every model that ever had a price, or has one that waits."""
        return {row[0]: _standing(row) for row in self._db.connection.execute(STANDINGS).fetchall()}

    def names(self) -> dict[str, str]:
        """What every model that was ever for sale is called, by its id, as it was accepted last; also while models cannot be read."""
        return dict(self._db.connection.execute(NAMES).fetchall())

    def notice(self, model: Model, offer: Offer | None, seen: Standing | None) -> Standing | None:
        """Take over what *model*'s annotation offers (None: nothing good), and return how the model stands then.

        *seen* is how it stood before the annotation was read: if another process has changed that since, nothing is done,
        for the annotation may be older than the change. Neither is it while the clock is not certain: the last good price stays, and
        no sale ends. The first version is in force from the model's creation.
        """
        with self._db.transaction() as db:
            last = _newest(db, model.name)
            if last != seen or (last is None and offer is None):
                return last
            now = microseconds(self._clock())
            if not self._is_certain(now):
                return last
            if offer is None:
                _lapse(db, model.name, last, now)
                return _newest(db, model.name)
            db.execute("DELETE FROM lapses WHERE model = ?", [model.name])
            if why := self._why_it_waits(db, offer, last, now):
                _wait(db, model, Pending(offer, now, why, _words(model.edit)))
                if not (last and last.is_ended):  # else nothing changed but that a person ended it
                    record(db, now, Act(model.edit.by or OURSELVES, "price waits", model.name, _because(why, model.edit)))
            else:
                _put_in_force(db, offer, last, _since(last, now, model.created))
                _keep(db, offer, last, now)
                _note_change(db, model, offer, last, now)
            return _newest(db, model.name)

    def accept(self, model: str, by: str, reason: str) -> None:
        """Put the price that waits in force, now, a first one from its model's creation; raises PriceBookError where none waits."""
        with self._db.transaction() as db:
            last = _newest(db, model)
            if last is None or last.pending is None:
                raise PriceBookError(f"no price of {model} waits to be accepted")
            now = self._now()
            ((created,),) = db.execute("SELECT created FROM pending_prices WHERE model = ?", [model])
            _put_in_force(db, last.pending.offer, last, _since(last, now, created), by_person=True)
            _keep(db, last.pending.offer, last, now)
            record(db, now, Act(by, "accept price", model, reason))

    def withdraw(self, model: str, by: str, reason: str) -> None:
        """End the model's sale, now: usage after it has no price. Raises PriceBookError where it is not sold, or a person ended that."""
        with self._db.transaction() as db:
            last = _newest(db, model)
            if last is None or last.version is None or last.is_ended:
                raise PriceBookError(f"{model} has no price to withdraw")
            now = self._now()
            _end_sale(db, model, last, now, by_person=True)
            record(db, now, Act(by, "withdraw price", model, reason))

    def check(self) -> None:
        """Raises sqlite3.Error where a price could not be written, OSError where the volume is as good as full."""
        if (free := shutil.disk_usage(self._db.path.parent).free) < LEAST_FREE:
            raise OSError(f"the volume has {free:,} bytes left, and {LEAST_FREE:,} are wanted: enlarge it, or free some")
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

    def _now(self) -> int:
        """From when on a person's decision holds; raises PriceBookError where that is not certain."""
        now = microseconds(self._clock())
        if not self._is_certain(now):
            raise PriceBookError("a price would hold from now on, and the clocks are not known to agree: control doctor says why")
        return now

    def _why_it_waits(self, db: sqlite3.Connection, offer: Offer, last: Standing | None, now: int) -> str | None:
        if last and last.is_ended:
            return "a person ended its sale: only a person begins it again"
        past = [PastPrice(since, _rates(rates), bool(by_person)) for since, by_person, *rates in db.execute(PAST, [offer.model])]
        return why_it_waits(offer.prices, past, now, self.bounds)


def _newest(db: sqlite3.Connection, model: str) -> Standing | None:
    found = _standing(db.execute(STANDING, [model]).fetchone())
    return found if found.version is not None or found.pending else None


def _standing(row: tuple[Any, ...]) -> Standing:
    model, version, effective_from, by_person, *rates, document, features, pending, pending_features, seen_at, why, changed, since, seen = (
        row
    )
    in_force = _rates(rates)
    waits = stored_offer(model, pending, pending_features)
    return Standing(
        version=version,
        effective_from=effective_from or 0,
        rates=in_force,
        by_person=bool(by_person),
        offer=stored_offer(model, document, features) if in_force else None,
        features=_features(features),
        pending=Pending(waits, seen_at, why, changed) if waits else None,
        lapse=Lapse(since, seen) if since is not None else None,
    )


def _rates(values: list[Any]) -> Rates | None:
    return Rates(*values) if values[0] is not None else None


def stored_offer(model: str, document: str | None, features: str | None) -> Offer | None:
    """A stored offer, by today's rules: what they no longer take cannot be published."""
    try:
        return parse_offer(Model(model, document, _features(features)), UNBOUNDED) if document else None
    except AnnotationError:
        return None


def _features(text: str | None) -> tuple[str, ...]:
    return tuple(simplejson.loads(text)) if text else ()


def _text(offer: Offer) -> tuple[str, str]:
    return simplejson.dumps(offer.document, use_decimal=True), simplejson.dumps(list(offer.features))


def _words(edit: Edit) -> str:
    return " at ".join(part for part in edit if part)


def _wait(db: sqlite3.Connection, model: Model, pending: Pending) -> None:
    db.execute(_WAIT, (model.name, *_text(pending.offer), pending.since, model.created, pending.why, pending.changed))


def _note_change(db: sqlite3.Connection, model: Model, offer: Offer, last: Standing | None, now: int) -> None:
    """Write down that a price changed without a person's word, and who changed the annotation."""
    if last is None:
        return
    old = last.rates.decimals() if last.rates else {}
    new = resolve(offer.prices).decimals()
    if changed := [f"{kind} {_shown(old.get(kind))} -> {_shown(price)}" for kind, price in new.items() if price != old.get(kind)]:
        act = Act(model.edit.by or OURSELVES, "price by annotation", model.name, _because(", ".join(changed), model.edit))
        record(db, now, act)


def _because(what: str, edit: Edit) -> str:
    return f"{what}; annotation changed by {_words(edit)}" if edit.by else what


def _shown(price: Decimal | None) -> str:
    return "none" if price is None else f"{price.normalize():f}"


def _lapse(db: sqlite3.Connection, model: str, last: Standing | None, now: int) -> None:
    """The annotation offers nothing good: nothing waits any more, and the sale goes on for a while."""
    db.execute("DELETE FROM pending_prices WHERE model = ?", [model])
    if last is None or last.offer is None:
        return
    lapse = last.lapse.seen_again(now) if last.lapse else Lapse(now, now)
    if not lapse.is_over(now):
        db.execute(_LAPSE, (model, *lapse))
        return
    _end_sale(db, model, last, now, by_person=False)
    reason = f"its annotation is broken or gone since {time_of(lapse.since):%Y-%m-%d %H:%M:%S} UTC, {GRACE.days} days or more"
    record(db, now, Act(OURSELVES, "end sale", model, reason))


def _end_sale(db: sqlite3.Connection, model: str, last: Standing, now: int, *, by_person: bool) -> None:
    db.execute("DELETE FROM pending_prices WHERE model = ?", [model])
    db.execute("DELETE FROM lapses WHERE model = ?", [model])
    _append_version(db, model, _since(last, now, 0), None, by_person=by_person)


def _since(last: Standing | None, now: int, created: int) -> int:
    """From when a price is in force: the first one from the model's creation."""
    # Later than every earlier version, also where the clock was set back.
    return created if last is None or last.version is None else max(now, last.effective_from + 1)


def _put_in_force(db: sqlite3.Connection, offer: Offer, last: Standing | None, since: int, *, by_person: bool = False) -> None:
    db.execute("DELETE FROM pending_prices WHERE model = ?", [offer.model])
    rates = resolve(offer.prices)
    if last is None or last.rates != rates:
        _append_version(db, offer.model, since, rates, by_person=by_person)


def _keep(db: sqlite3.Connection, offer: Offer, last: Standing | None, now: int) -> None:
    if last is None or last.offer != offer:
        row = (offer.model, time_of(now).astimezone(UTC).isoformat(), *_text(offer))
        db.execute("INSERT INTO offers (model, accepted_at, document, features) VALUES (?, ?, ?, ?)", row)


def _append_version(db: sqlite3.Connection, model: str, at: int, rates: Rates | None, *, by_person: bool) -> None:
    db.execute(APPEND_VERSION, (model, at, by_person, *(rates or (None,) * len(Rates._fields))))
