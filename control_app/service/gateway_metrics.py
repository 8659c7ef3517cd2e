"""What Prometheus is told about the gateway: prices, what is missing in its log, and how its sheet stands."""

from __future__ import annotations

from collections import Counter

from control_app.core.clock import Clock
from control_app.core.time import HOUR, SECOND, Range, microseconds, month_of, month_range, previous_month
from control_app.gateway.proofs import proofs
from control_app.gateway.publication import sheet_state
from control_app.ledger.cancels import DEFAULT, CancelBrake
from control_app.ledger.clocks import NAMES, compared
from control_app.ledger.completeness import Completeness, told_of
from control_app.ledger.engines import unread
from control_app.ledger.hold import LEDGER_CODES
from control_app.ledger.holds import Holds
from control_app.ledger.progress import complete_through
from control_app.pricing.catalog import Catalog
from control_app.storage.collector import Collector, Samples
from control_app.storage.database import Db


class GatewayMetrics:
    """Reads *catalog* and *db*; "this month" is the *clock*'s, UTC. *brake*: see ledger/holds.py."""

    def __init__(self, catalog: Catalog, db: Db, clock: Clock, brake: CancelBrake = DEFAULT) -> None:
        self._catalog, self._db, self._clock, self._holds = catalog, db, clock, Holds(db, brake)

    def register(self, collector: Collector) -> None:
        """Add the metrics to *collector*."""
        collector.gauge("control_models", "Models by what became of their annotations.", self.models, ("state",))
        broken = "1 for each model whose annotation is broken or gone; its last good price stays in force for a while."
        collector.gauge("control_price_annotation_broken", broken, self.broken, ("model",))
        in_sync = "1 while the gateway has the prices that the control service published."
        collector.gauge("control_price_sheet_in_sync", in_sync, self.in_sync)
        written = "control_price_sheet_published_timestamp_seconds"
        collector.gauge(written, "When the price sheet last changed.", self.written)
        callable_ = "1 while the last call of a model for sale was good, 0 while it was not; nothing of one that was not tried."
        collector.gauge("control_model_callable", callable_, self.callable, ("model",))
        missing = "Requests of this month that the gateway counted and the ledger does not have."
        unlogged = "Requests of this month that the engines of a model answered and the ledger does not have."
        told = ("control_ledger_missing_requests", missing, ["tolerated"]), ("control_engine_missing_requests", unlogged, ["model"])
        collector.gauges(self.missing, *told)
        silent = "Engines whose own count could not be read at the last reading."
        collector.gauge("control_engines_unread", silent, self.unread)
        held = "Reasons for which customers are held, of last month and of this one so far."
        collector.gauge("control_holds", held, self.holds, ("code",))
        ahead = "How far our clock was ahead of another one when they were compared last."
        collector.gauge("control_clock_ahead_seconds", ahead, self.clocks, ("of",))
        collector.counter("control_gateway_dropped_logs_total", "Log rows that the gateway says it dropped.", self.dropped)

    def models(self) -> Samples:
        """How many models there are by state: `published`, `refused`, or `pending`, where another price waits for a person."""
        current = self._catalog.current()
        states = Counter(change.state for change in current.changes)
        return {("published",): len(current.offers), ("refused",): len(current.problems), ("pending",): states["pending"]}

    def broken(self) -> Samples:
        """1 for each model whose annotation is broken or gone; nothing for the others."""
        return {(model,): 1 for model in self._catalog.current().problems if model}

    def in_sync(self) -> Samples:
        """1 or 0; nothing before the sheet was first compared."""
        state = sheet_state(self._db)
        return {(): float(state.in_sync)} if state else {}

    def written(self) -> Samples:
        """The time of the last change, in seconds since 1970 UTC; nothing before the first."""
        state = sheet_state(self._db)
        return {(): state.written_at.timestamp()} if state and state.written_at else {}

    def callable(self) -> Samples:
        """1 or 0 of each model for sale that was tried."""
        tried, offers = proofs(self._db), self._catalog.current().offers
        return {(offer.model,): float(tried[offer.model].error is None) for offer in offers if offer.model in tried}

    def missing(self) -> tuple[Samples, Samples]:
        """Requests by whether so many of a key are tolerated, and by model, of those that engines count.

        The hour that runs is left out, since its last answers are not logged yet.
        """
        now = microseconds(self._clock())
        verdict = Completeness(self._db).verdict(Range(month_range(month_of(now)).start, now // HOUR * HOUR))
        keys = [*verdict.keys, *verdict.cancelled]
        tolerated = sum(key.missing for key in keys if key.missing <= key.tolerance)
        by_model: Samples = {(model.model,): model.missing for model in verdict.models if model.counted is not None}
        return {("yes",): tolerated, ("no",): sum(key.missing for key in keys) - tolerated}, by_model

    def unread(self) -> Samples:
        """How many engines could not be read."""
        return {(): len(list(unread(self._db)))}

    def holds(self) -> Samples:
        """How many holds there are of each code; 0 of a code that holds nobody."""
        now = microseconds(self._clock())
        through, month = complete_through(self._db), month_of(now)
        ranges = [within for number in (previous_month(month), month) if (within := told_of(number, now, through))]
        counts = Counter(hold.code for within in ranges for hold in self._holds.within(within))
        return {(code,): counts[code] for code in LEDGER_CODES}

    def clocks(self) -> Samples:
        """Seconds, by `gateway` and `odoo`; nothing for one that never told its time."""
        known = [compared(self._db, name) for name in NAMES]
        return {(one.name,): one.ahead / SECOND for one in known if one and one.ahead is not None}

    def dropped(self) -> Samples:
        """How many rows the gateway dropped, of all time, over all of its restarts."""
        return {(): self._db.connection.execute("SELECT coalesce(sum(requests), 0) FROM dropped").fetchone()[0]}
