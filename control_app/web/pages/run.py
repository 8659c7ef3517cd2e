"""A run or a dry run as its page tells of it, wherever it stands: under way here, kept in the database, or only in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import itemgetter

import msgspec

from control_app.core.numbers import NOBODY_NO
from control_app.invoicing.desk import Ticket
from control_app.invoicing.document import InvoiceBody
from control_app.invoicing.history import Run
from control_app.invoicing.orders import Order
from control_app.invoicing.results import RunAnswer, SyncResult
from control_app.invoicing.runs import Runs
from control_app.ledger.names import customer_names

STATUSES = {
    "error": "Failed",
    "held": "Held",
    "success": "Invoiced",
    "dry_run_validated_missing": "Would be invoiced",
    "dry_run_skipped": "Would be invoiced",
    "duplicate": "Invoiced before",
    "skipped": "Nothing to pay, or too little",
}
"""In the order in which a person wants to know."""


@dataclass(frozen=True)
class RunPage:
    """`at`: when it began; `progress`: done, and of how many; `error`: what stopped it; `answer`: None while it runs."""

    id: str
    order: Order
    at: int
    is_running: bool
    progress: tuple[int, int]
    error: str | None
    answer: RunAnswer | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Group:
    """Customers who came to the same. `results`: name, invoice, and what became of it."""

    label: str
    results: Sequence[tuple[str, InvoiceBody, SyncResult]]

    @property
    def sum(self) -> Decimal:
        """The sum of their invoices, rounded as each is."""
        return sum((Decimal(invoice.total_cost) for _, invoice, _ in self.results), Decimal(0))


def run_page(runs: Runs, ticket: Ticket | None, id: str) -> RunPage | None:
    """The run of that *id*, if there is one; *ticket*: if it was ordered in this process."""
    if ticket and not ticket.done.is_set():
        return RunPage(id, ticket.order, ticket.at, is_running=True, progress=ticket.progress, error=None)
    if kept := runs.history.find(id):
        return _of_run(runs, kept)
    if ticket is None:
        return None
    text = b"".join(ticket.read())
    answer = msgspec.json.decode(text, type=RunAnswer) if text else None
    error = str(ticket.error) if ticket.error else None
    return RunPage(id, ticket.order, ticket.at, is_running=False, progress=ticket.progress, error=error, answer=answer)


def groups(runs: Runs, page: RunPage) -> list[Group]:
    """What became of each customer."""
    db = runs.book.db
    names, numbers = customer_names(db), dict(db.connection.execute("SELECT gateway_id, id FROM customers").fetchall())
    found: defaultdict[str, list[tuple[str, InvoiceBody, SyncResult]]] = defaultdict(list)
    for detail in page.answer.details if page.answer else ():
        invoice, result = detail.invoice, detail.sync_result
        name = names.get(numbers.get(invoice.customer_id, NOBODY_NO), invoice.customer_name)
        found[STATUSES[result.status]].append((name, invoice, result))
    return [Group(label, sorted(found[label], key=itemgetter(0))) for label in dict.fromkeys(STATUSES.values()) if label in found]


def _of_run(runs: Runs, run: Run) -> RunPage:
    """One that was cut off runs: the automation goes on with it."""
    with runs.answer(run) as file:
        answer = msgspec.json.decode(file.read(), type=RunAnswer)
    progress = (len(answer.details), run.customers)
    return RunPage(run.id, run.order, run.started_at, is_running=run.finished_at is None, progress=progress, error=run.error, answer=answer)
