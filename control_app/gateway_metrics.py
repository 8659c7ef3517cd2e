"""What the gateway's side tells Prometheus: prices, what is missing in its log, and how its sheet stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from control_app.catalog import Catalog
from control_app.completeness import Completeness, told_of
from control_app.database import Db
from control_app.holds import REMEDIES, Holds
from control_app.metrics import Collector, Samples
from control_app.publication import sheet_state
from control_app.spans import HOUR, Range, microseconds, month_of, month_range
from control_app.sync import complete_through


class GatewayMetrics:
    """Reads *catalog* and *db*; "this month" is the *clock*'s, UTC."""

    def __init__(self, catalog: Catalog, db: Db, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._catalog, self._db, self._clock = catalog, db, clock

    def register(self, collector: Collector) -> None:
        """Add the metrics to *collector*."""
        collector.gauge("control_models", "Models by what became of their annotations.", self.models, ("state",))
        broken = "1 for each model whose annotation is broken; its last good price stays in force."
        collector.gauge("control_price_annotation_broken", broken, self.broken, ("model",))
        in_sync = "1 while the gateway has the prices that the control service published."
        collector.gauge("control_price_sheet_in_sync", in_sync, self.in_sync)
        written = "control_price_sheet_published_timestamp_seconds"
        collector.gauge(written, "When the price sheet last changed.", self.written)
        missing = "Requests of this month that the gateway counted and the ledger does not have."
        collector.gauge("control_ledger_missing_requests", missing, self.missing, ("tolerated",))
        held = "Reasons for which customers are held, of last month and of this one so far."
        collector.gauge("control_holds", held, self.holds, ("code",))
        collector.counter("control_gateway_dropped_logs_total", "Log rows that the gateway says it dropped.", self.dropped)

    def models(self) -> Samples:
        """By state: `published`, `refused`, or `pending`, where another price waits for a person."""
        current = self._catalog.current()
        states = Counter(change.state for change in current.changes)
        return {("published",): len(current.offers), ("refused",): len(current.problems), ("pending",): states["pending"]}

    def broken(self) -> Samples:
        """By model."""
        return {(model,): 1 for model in self._catalog.current().problems if model}

    def in_sync(self) -> Samples:
        """Nothing before the first look."""
        state = sheet_state(self._db)
        return {(): float(state.in_sync)} if state else {}

    def written(self) -> Samples:
        """Seconds since 1970 UTC."""
        state = sheet_state(self._db)
        return {(): state.written_at.timestamp()} if state and state.written_at else {}

    def missing(self) -> Samples:
        """By whether a key's are tolerated; up to the last whole hour, since what was answered just now is not logged yet."""
        now = microseconds(self._clock())
        keys = Completeness(self._db).verdict(Range(month_range(month_of(now)).start, now // HOUR * HOUR)).keys
        tolerated = sum(key.missing for key in keys if key.missing <= key.tolerance)
        return {("yes",): tolerated, ("no",): sum(key.missing for key in keys) - tolerated}

    def holds(self) -> Samples:
        """By code, each of them."""
        now = microseconds(self._clock())
        through, month = complete_through(self._db), month_of(now)
        told = [within for number in (month - 1, month) if (within := told_of(number, now, through))]
        counts = Counter(hold.code for within in told for hold in Holds(self._db).within(within))
        return {(code,): counts[code] for code in REMEDIES}

    def dropped(self) -> Samples:
        """Of all time, over all restarts."""
        return {(): self._db.connection.execute("SELECT coalesce(sum(requests), 0) FROM dropped").fetchone()[0]}
