"""What invoicing tells Prometheus."""

from __future__ import annotations

from typing import get_args

from control_app.accounting.watch import accounting_state
from control_app.core.time import SECOND
from control_app.invoicing.entry import State
from control_app.storage.collector import Collector, Samples
from control_app.storage.database import Db

STATES = get_args(State)


class InvoiceMetrics:
    """What invoicing tells of the invoices in *db*."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def register(self, collector: Collector) -> None:
        """Add the metrics to *collector*."""
        collector.gauge("control_invoices", "Invoices by state.", self.states, ("state",))
        collector.gauge("control_invoices_held", "Invoices held, by the code of the hold.", self.held, ("code",))
        collector.gauge("control_odoo_key_expires_timestamp_seconds", "When the key to Odoo expires.", self.key_expires)
        collector.gauge("control_run_last_success_timestamp_seconds", "When a run last finished.", self.last_run)

    def states(self) -> Samples:
        """`held`: customers' periods that are held, whatever state their invoice is in."""
        counts: dict[str, float] = dict(self._db.connection.execute("SELECT state, count(*) FROM invoices GROUP BY 1").fetchall())
        held: int = self._db.connection.execute("SELECT count(*) FROM (SELECT DISTINCT customer, month FROM invoice_holds)").fetchone()[0]
        return {(state,): number for state, number in ({state: counts.get(state, 0) for state in STATES} | {"held": held}).items()}

    def held(self) -> Samples:
        """Customers' periods by code."""
        query = "SELECT code, count(*) FROM (SELECT DISTINCT customer, month, code FROM invoice_holds) GROUP BY 1"
        return {(code,): number for code, number in self._db.connection.execute(query)}

    def key_expires(self) -> Samples:
        """Seconds since 1970 UTC; nothing where the key does not end."""
        state = accounting_state(self._db)
        return {} if state is None or state.key_expires is None else {(): state.key_expires / SECOND}

    def last_run(self) -> Samples:
        """Seconds since 1970 UTC, of the last run that came to its end."""
        query = "SELECT max(finished_at) FROM runs WHERE error IS NULL"
        at: int | None = self._db.connection.execute(query).fetchone()[0]
        return {} if at is None else {(): at / SECOND}
