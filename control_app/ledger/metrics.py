"""What the ledger tells Prometheus: revenue by customer, tokens and requests by model (both at once would be too many series)."""

from __future__ import annotations

from control_app.core.clock import Clock
from control_app.core.money import PICO
from control_app.core.time import SECOND, Range, microseconds, month_of, month_range
from control_app.ledger.names import NOBODY, customer_names
from control_app.ledger.progress import complete_through
from control_app.ledger.reader import UsageReader
from control_app.ledger.usage import Usage
from control_app.storage.collector import Collector, Samples
from control_app.storage.database import Db

_KINDS = {"prompt": "prompt", "cached": "cached_read", "completion": "completion", "reasoning": "reasoning"}


class LedgerMetrics:
    """Reads *db*; "this month" is the *clock*'s, UTC."""

    def __init__(self, db: Db, currency: str, clock: Clock) -> None:
        self._db, self._currency, self._clock = db, currency, clock
        self._reader = UsageReader(db)

    def register(self, collector: Collector) -> None:
        """Add the metrics to *collector*."""
        collector.gauge("control_usage_tokens", "Tokens of this month so far.", self.tokens, ("model", "kind"))
        collector.gauge("control_usage_requests", "Billed requests of this month so far.", self.requests, ("model",))
        collector.gauge("control_revenue", "Revenue of this month so far, exact.", self.revenue, ("customer", "currency"))
        through = "control_ledger_complete_through_timestamp_seconds"
        collector.gauge(through, "Everything before this time is in the ledger.", self.complete_through)
        collector.gauge("control_ledger_rows", "Billed rows in the ledger, of all time.", self.rows)

    def tokens(self) -> Samples:
        """By model and kind; `cached` is a part of `prompt`, `reasoning` of `completion`."""
        return {(model, kind): getattr(used, name) for model, used in self._models() for kind, name in _KINDS.items()}

    def requests(self) -> Samples:
        """Billed requests of this month, by model."""
        return {(model,): used.requests for model, used in self._models()}

    def revenue(self) -> Samples:
        """Revenue of this month in units of the currency, by customer."""
        names, found = customer_names(self._db), self._reader.by(("customer",), self._month())
        return {(names.get(customer, NOBODY), self._currency): used.amount / PICO for (customer,), used in found.items()}

    def complete_through(self) -> Samples:
        """Seconds since 1970 UTC; nothing before the first pass."""
        through = complete_through(self._db)
        return {} if through is None else {(): through / SECOND}

    def rows(self) -> Samples:
        """Billed rows of all months."""
        return {(): self._db.connection.execute("SELECT coalesce(sum(requests), 0) FROM model_days").fetchone()[0]}

    def _models(self) -> list[tuple[str, Usage]]:
        names = dict(self._db.connection.execute("SELECT id, name FROM models").fetchall())
        return [(names[model], used) for (model,), used in self._reader.by(("model",), self._month()).items()]

    def _month(self) -> Range:
        return month_range(month_of(microseconds(self._clock())))
