"""Why a customer may not be invoiced for a time: each reason with what to do about it. A hold on one stops no other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from control_app.completeness import Completeness, KeyVerdict, Verdict
from control_app.counters import counting_since
from control_app.database import Db
from control_app.spans import HOUR, Range, time_of
from control_app.usage import Usage

Code = Literal[
    "unrated", "unmapped-key", "lost-customer", "missing-requests", "without-usage", "read-differently", "not-read", "not-counted"
]
"""Documented in docs/control-service.md."""
REMEDIES: dict[Code, str] = {
    "unrated": "give the model a price (its annotation), or accept the one that waits; rows since its creation are rated then",
    "unmapped-key": "give the key to a customer at the gateway; its rows follow",
    "lost-customer": "give the key its customer again at the gateway, or delete it; a partial PUT that deactivates it clears the customer",
    "missing-requests": "look into the gateway's log for that time; a person decides, since lost rows cannot be had again",
    "without-usage": "look whether the engine reports usage for streams; a person decides, since what was not counted cannot be billed",
    "read-differently": "compare the rows in the gateway's log; the first reading is billed",
    "not-counted": "look why the gateway's metrics were not read or do not count; a person decides, since nothing tells what is missing",
    "not-read": "wait for the next pass, or look why it fails (control doctor)",
}


@dataclass(frozen=True)
class Hold:
    """`customer`: our number, 0 for a key of nobody, None for all; `since`: UTC."""

    customer: int | None
    code: Code
    message: str
    since: datetime

    @property
    def remedy(self) -> str:
        """What a person can do."""
        return REMEDIES[self.code]


UNCOUNTED = HOUR
"""Of a range; a gateway that starts again is not counted for seconds."""


class Holds:
    """Finds the holds of a range in *db*, anew at each call."""

    def __init__(self, db: Db) -> None:
        self._db, self._completeness = db, Completeness(db)

    def within(self, within: Range) -> list[Hold]:
        """All holds on usage that started *within*; those on everybody first."""
        return self.of(self._completeness.verdict(within))

    def of(self, verdict: Verdict) -> list[Hold]:
        """The same, where there is a verdict on the range already."""
        within = verdict.within
        customers: defaultdict[int, set[int]] = defaultdict(set)
        for key, customer in verdict.usage:
            customers[key].add(customer)
        found: list[Hold] = []
        if not verdict.is_read:
            found.append(Hold(None, "not-read", "not all rows were read yet", _time(within.end)))
        query = "SELECT id, name, coalesce(lost_customer_at < ?, 0) FROM keys"
        names = {key: (name, bool(lost)) for key, name, lost in self._db.connection.execute(query, [within.end])}
        # Before the first reading there was no service; which month is the first to be billed, a person said.
        since = counting_since(self._db) or 0
        uncounted = [(start, end) for start, end in verdict.uncounted if start >= since]
        is_counted = sum(end - start for start, end in uncounted) <= UNCOUNTED
        if not is_counted:
            spans = ", ".join(f"{_time(start):%Y-%m-%d %H:%M} to {_time(end):%Y-%m-%d %H:%M}" for start, end in uncounted)
            found.append(Hold(None, "not-counted", f"not counted beside the log: {spans}", _time(uncounted[0][0])))
        for (key, customer), used in verdict.usage.items():
            found += _of_usage(customer, names[key], used, within)
        for key_verdict in verdict.keys:
            for customer in customers[key_verdict.key] or {self._holder(key_verdict.key, within.end)}:
                found += _of_verdict(customer, names[key_verdict.key][0], key_verdict, within)
                if is_counted and since <= within.start and not key_verdict.counted and key_verdict.logged > key_verdict.tolerance:
                    message = f"{key_verdict.logged} requests with key {names[key_verdict.key][0]!r} were logged, and none was counted"
                    found.append(Hold(customer, "not-counted", message, _time(within.start)))
        found += self._differences(within)
        return sorted(set(found), key=lambda hold: (hold.customer is not None, hold.customer or 0, hold.code, hold.message))

    def _holder(self, key: int, end: int) -> int:
        """Who held a key of which not one row is here."""
        query = "SELECT customer FROM holders WHERE key = ? AND since < ? ORDER BY since DESC LIMIT 1"
        found = self._db.connection.execute(query, [key, end]).fetchone()
        return (found and found[0]) or 0

    def _differences(self, within: Range) -> Iterator[Hold]:
        query = """SELECT coalesce(q.customer, 0), count(*), min(d.seen_at)
          FROM differences d JOIN requests q ON q.at = d.at AND q.id = d.id WHERE d.at >= ? AND d.at < ? GROUP BY 1"""
        for customer, rows, seen_at in self._db.connection.execute(query, within):
            yield Hold(customer, "read-differently", f"{rows} rows came again with other tokens", _time(seen_at))


def _of_usage(customer: int, key: tuple[str, bool], used: Usage, within: Range) -> Iterator[Hold]:
    name, lost_customer = key
    since = _time(within.start)
    if used.unrated:
        yield Hold(customer, "unrated", f"{used.unrated} requests with key {name!r} have no price", since)
    # Anyone can send garbage for a key; only tokens cost something.
    if customer == 0 and used.tokens:
        yield Hold(0, "unmapped-key", f"{used.requests} requests were made with key {name!r}, which no customer holds", since)
    if lost_customer and used.requests:
        yield Hold(customer, "lost-customer", f"key {name!r} was deactivated and lost its customer", since)


def _of_verdict(customer: int, name: str, verdict: KeyVerdict, within: Range) -> Iterator[Hold]:
    if verdict.missing > verdict.tolerance:
        spans = ", ".join(f"{_time(gap.start):%Y-%m-%d %H:%M} to {_time(gap.end):%H:%M} ({gap.missing})" for gap in verdict.gaps)
        message = f"{verdict.missing} requests with key {name!r} were counted but not logged: {spans}"
        yield Hold(customer, "missing-requests", message, _time(verdict.gaps[0].start))
    if verdict.unused > verdict.tolerance:
        yield Hold(customer, "without-usage", f"{verdict.unused} successes with key {name!r} have no tokens", _time(within.start))


def _time(at: int) -> datetime:
    return time_of(at).replace(microsecond=0)
