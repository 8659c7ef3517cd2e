"""Why a customer may not be invoiced for a time: each reason with what to do about it. A hold on one stops no other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from control_app.core.numbers import NOBODY_NO, CustomerNo, KeyNo
from control_app.core.time import HOUR, SECOND, Range, time_of
from control_app.gateway.port import Outcome
from control_app.ledger.cancels import DEFAULT, CancelBrake, cancels
from control_app.ledger.clocks import clock_holds
from control_app.ledger.completeness import Completeness, KeyVerdict, Verdict
from control_app.ledger.contradictions import contradictions
from control_app.ledger.counters import counting_since
from control_app.ledger.gaps import tolerance
from control_app.ledger.hold import Hold, hold_for
from control_app.ledger.names import own_keys
from control_app.ledger.reader import UsageReader
from control_app.ledger.unrated import causes
from control_app.ledger.usage import Usage
from control_app.storage.database import Db

_Customers = Mapping[KeyNo, set[CustomerNo]]
_Names = Mapping[KeyNo, tuple[str, bool]]
UNCOUNTED = HOUR
"""Of a range; a gateway that starts again is not counted for seconds."""


class Holds:
    """Finds the holds of a range in *db*, anew at each call; *brake*: from when on a customer's cancelled requests hold it."""

    def __init__(self, db: Db, brake: CancelBrake = DEFAULT) -> None:
        self._db, self._brake = db, brake
        self._completeness, self._reader = Completeness(db), UsageReader(db)

    def within(self, within: Range) -> list[Hold]:
        """All holds on usage that started *within*; those on everybody first."""
        return self.of(self._completeness.verdict(within))

    def of(self, verdict: Verdict) -> list[Hold]:
        """The same, where there is a verdict on the range already."""
        within = verdict.within
        customers: defaultdict[KeyNo, set[CustomerNo]] = defaultdict(set)
        for key, customer in verdict.usage:
            customers[key].add(customer)
        found: list[Hold] = []
        found += [*clock_holds(self._db), *self._set_back(within), *_by_model(verdict)]
        if not verdict.is_read:
            found.append(hold_for("not-read", "not all rows were read yet", _second(within.end), None))
        query = "SELECT id, name, coalesce(lost_customer_at < ?, 0) FROM keys"
        names = {key: (name, bool(lost)) for key, name, lost in self._db.connection.execute(query, [within.end])}
        own = own_keys(self._db)
        # Before the first reading there was no service; which month is the first to be billed, a person said.
        since = counting_since(self._db) or 0
        uncounted = [(start, end) for start, end in verdict.uncounted if start >= since]
        is_counted = sum(end - start for start, end in uncounted) <= UNCOUNTED
        if not is_counted:
            spans = ", ".join(f"{time_of(start):%Y-%m-%d %H:%M} to {time_of(end):%Y-%m-%d %H:%M}" for start, end in uncounted)
            found.append(hold_for("not-counted", f"not counted beside the log: {spans}", _second(uncounted[0][0]), None))
        for (key, customer), used in verdict.usage.items():
            if key in own:
                continue
            found += _of_usage(customer, names[key], used, within)
        contradicting = contradictions(self._db, within)
        keys, cancelled = ([key for key in one if key.key not in own] for one in (verdict.keys, verdict.cancelled))
        for key_verdict in keys:
            name, against = names[key_verdict.key][0], contradicting[key_verdict.key]
            for customer in self._used_by(key_verdict.key, customers, within.end):
                found += _of_verdict(customer, name, key_verdict, against, within)
                if is_counted and since <= within.start and not key_verdict.counted and key_verdict.logged > key_verdict.tolerance:
                    message = f"{key_verdict.logged} requests with key {name!r} were logged, and none was counted"
                    found.append(hold_for("not-counted", message, _second(within.start), customer))
        # No success makes up for what clients cancelled, and the other way round.
        found += [*self._lost(keys, customers, names, within.end), *self._lost(cancelled, customers, names, within.end)]
        found += [*self._unrated(verdict), *self._differences(within), *self._cancelled(verdict), *self._set_aside(within, customers)]
        return sorted(set(found), key=lambda hold: (hold.customer is not None, hold.customer or 0, hold.code, hold.message))

    def _lost(self, keys: Sequence[KeyVerdict], customers: _Customers, names: _Names, end: int) -> Iterator[Hold]:
        """Requests of one outcome that are not in the log, by key, and by customer over all keys."""
        found: defaultdict[CustomerNo, list[KeyVerdict]] = defaultdict(list)
        for key in keys:
            for customer in self._used_by(key.key, customers, end):
                found[customer].append(key)
                yield from _of_missing(customer, names[key.key][0], key)
        for customer, used in found.items():
            yield from _of_all_keys(customer, used, names)

    def _used_by(self, key: KeyNo, customers: _Customers, end: int) -> Collection[CustomerNo]:
        """Whose requests with a *key* are here, else who held it."""
        return customers.get(key) or {self._holder(key, end)}

    def _holder(self, key: KeyNo, end: int) -> CustomerNo:
        """Who held a key of which not one row is here."""
        query = "SELECT customer FROM holders WHERE key = ? AND since < ? ORDER BY since DESC LIMIT 1"
        found = self._db.connection.execute(query, [key, end]).fetchone()
        return (found and found[0]) or NOBODY_NO

    def _set_back(self, within: Range) -> Iterator[Hold]:
        """Times that there were twice, and in which there were requests."""
        query = """SELECT since, until FROM set_back s WHERE until > ?1 AND since < ?2
          AND EXISTS (SELECT 1 FROM requests WHERE at >= max(s.since, ?1) AND at < min(s.until, ?2))"""
        for since, until in self._db.connection.execute(query, within):
            message = f"a clock was set back from {time_of(until):%Y-%m-%d %H:%M} to {time_of(since):%Y-%m-%d %H:%M}"
            yield hold_for("clock-set-back", message, _second(since), None)

    def _unrated(self, verdict: Verdict) -> Iterator[Hold]:
        """A line a model: it is what a person gives a price."""
        if not any(used.unrated for used in verdict.usage.values()):
            return
        for cause in causes(self._db, verdict.within):
            for customer in cause.requests:
                yield hold_for(cause.code, cause.message(customer), _second(verdict.within.start), customer)

    def _cancelled(self, verdict: Verdict) -> Iterator[Hold]:
        if not any(used.cancelled for used in verdict.usage.values()):
            return
        for customer, found in cancels(self._reader.by(("customer", "model"), verdict.within)).items():
            if found.is_above(self._brake):
                yield hold_for("cancelled", found.message, _second(verdict.within.start), customer)

    def _set_aside(self, within: Range, customers: Mapping[KeyNo, set[CustomerNo]]) -> Iterator[Hold]:
        for key, name, rows, since, first, reason in self._db.connection.execute(_SET_ASIDE, within).fetchall():
            message = f"{rows} rows with key {name!r} were set aside; the first is {first!r}: {reason}"
            for customer in customers.get(key) or {self._holder(key, within.end)}:
                yield hold_for("set-aside", message, _second(since), customer)

    def _differences(self, within: Range) -> Iterator[Hold]:
        query = """SELECT coalesce(q.customer, 0), count(*), min(d.seen_at)
          FROM differences d JOIN requests q ON q.at = d.at AND q.id = d.id WHERE d.at >= ? AND d.at < ? GROUP BY 1"""
        for customer, rows, seen_at in self._db.connection.execute(query, within):
            yield hold_for("read-differently", f"{rows} rows came again with other tokens", _second(seen_at), customer)


# The id and the reason are those of the row of min(at).
_SET_ASIDE = """SELECT s.key, k.name, count(*), min(s.at), s.id, s.reason FROM set_aside s JOIN keys k ON k.id = s.key
  WHERE s.at >= ? AND s.at < ? GROUP BY s.key"""


def _of_usage(customer: CustomerNo, key: tuple[str, bool], used: Usage, within: Range) -> Iterator[Hold]:
    name, lost_customer = key
    since = _second(within.start)
    # Anyone can send garbage for a key; only tokens, or a request that has a price, cost something.
    if customer == NOBODY_NO and (used.tokens or used.amount):
        yield hold_for("unmapped-key", f"{used.requests} requests were made with key {name!r}, which no customer holds", since, NOBODY_NO)
    if lost_customer and used.requests:
        yield hold_for("lost-customer", f"key {name!r} was deactivated and lost its customer", since, customer)


_WHAT: Mapping[Outcome, str] = {"success": "requests", "cancelled": "requests that their clients cancelled"}


def _of_missing(customer: CustomerNo, name: str, verdict: KeyVerdict) -> Iterator[Hold]:
    if verdict.missing > verdict.tolerance:
        spans = ", ".join(f"{time_of(gap.start):%Y-%m-%d %H:%M} to {time_of(gap.end):%H:%M} ({gap.missing})" for gap in verdict.gaps)
        message = f"{verdict.missing} {_WHAT[verdict.outcome]} with key {name!r} were counted but not logged: {spans}"
        yield hold_for("missing-requests", message, _second(verdict.gaps[0].start), customer)


def _of_verdict(customer: CustomerNo, name: str, verdict: KeyVerdict, against: Counter[str], within: Range) -> Iterator[Hold]:
    if verdict.unused > verdict.tolerance:
        yield hold_for("without-usage", f"{verdict.unused} successes with key {name!r} have no tokens", _second(within.start), customer)
    if against.total() > verdict.tolerance:
        told = ", ".join(f"{cause} ({number})" for cause, number in against.items())
        message = f"{against.total()} requests with key {name!r} contradict themselves: {told}"
        yield hold_for("contradictory", message, _second(within.start), customer)


def _of_all_keys(customer: CustomerNo, keys: Sequence[KeyVerdict], names: _Names) -> Iterator[Hold]:
    """What each key lost may be tolerated, and what all of a customer's did not. Of two keys one may have had the other's name."""
    losing = [key for key in keys if key.missing]
    missing = sum(key.missing for key in losing)
    requests = sum(max(key.logged, key.counted) for key in keys)
    if missing > tolerance(requests) and not any(key.missing > key.tolerance for key in losing):
        named = sorted((names[key.key][0], key.missing) for key in losing)
        told = ", ".join(f"{name!r} ({number})" for name, number in named)
        since = min(gap.start for key in losing for gap in key.gaps)
        (what,) = {_WHAT[key.outcome] for key in losing}
        yield hold_for("missing-requests", f"{missing} {what} were counted but not logged, with keys {told}", _second(since), customer)


def _by_model(verdict: Verdict) -> Iterator[Hold]:
    """One for everybody: whose requests an engine answered, nobody can tell."""
    if losing := [model for model in verdict.models if model.holds]:
        since = min(model.gaps[0].start for model in losing)
        yield hold_for("missing-by-model", "; ".join(model.message for model in losing), _second(since), None)


def _second(at: int) -> int:
    return at - at % SECOND
