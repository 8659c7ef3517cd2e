"""A run or a dry run as its page tells of it, wherever it stands: under way here, kept in the database, or only in memory."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import itemgetter
from typing import Any

from control_app.invoicing.desk import Ticket
from control_app.invoicing.orders import Order
from control_app.invoicing.runs import Run, Runs
from control_app.overview import customer_names

STATUSES = {
    "error": "Failed",
    "held": "Held",
    "success": "Invoiced",
    "dry_run_validated_missing": "Would be invoiced",
    "dry_run_skipped": "Would be invoiced",
    "duplicate": "Invoiced before",
    "skipped": "Nothing to pay",
}
"""In the order in which a person wants to know."""
_NONE: Mapping[str, Any] = {"details": ()}


@dataclass(frozen=True)
class SeenRun:
    """`at`: when it began; `progress`: done, and of how many; `error`: what stopped it; `answer`: as JSON has it."""

    id: str
    order: Order
    at: int
    is_running: bool
    progress: tuple[int, int]
    error: str | None
    answer: Mapping[str, Any] = field(default_factory=lambda: _NONE, repr=False)


@dataclass(frozen=True)
class Group:
    """Customers who came to the same. `results`: name, invoice, and what became of it."""

    label: str
    results: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]]

    @property
    def sum(self) -> Decimal:
        """Of their invoices, rounded as each is."""
        return sum((Decimal(invoice["total_cost"]) for _, invoice, _ in self.results), Decimal(0))


def seen_run(runs: Runs, ticket: Ticket | None, id: str) -> SeenRun | None:
    """The run of that *id*, if there is one; *ticket*: if it was ordered in this process."""
    if ticket and not ticket.done.is_set():
        return SeenRun(id, ticket.order, ticket.at, is_running=True, progress=ticket.progress, error=None)
    if kept := runs.find(id):
        return _of_run(runs, kept)
    if ticket is None:
        return None
    answer = json.loads(b"".join(ticket.read()) or b"null") or _NONE
    error = str(ticket.error) if ticket.error else None
    return SeenRun(id, ticket.order, ticket.at, is_running=False, progress=ticket.progress, error=error, answer=answer)


def groups(runs: Runs, seen: SeenRun) -> list[Group]:
    """What became of each customer."""
    db = runs.planning.db
    names, numbers = customer_names(db), dict(db.connection.execute("SELECT gateway_id, id FROM customers").fetchall())
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for detail in seen.answer["details"]:
        invoice, result = detail["invoice"], detail["sync_result"]
        name = names.get(numbers.get(invoice["customer_id"], 0), invoice["customer_name"])
        found[STATUSES[result["status"]]].append((name, invoice, result))
    return [Group(label, sorted(found[label], key=itemgetter(0))) for label in dict.fromkeys(STATUSES.values()) if label in found]


def _of_run(runs: Runs, run: Run) -> SeenRun:
    """One that was cut off runs: the automation goes on with it."""
    with runs.answer(run) as file:
        answer = json.load(file)
    progress = (len(answer["details"]), run.customers)
    return SeenRun(run.id, run.order, run.started_at, is_running=run.finished_at is None, progress=progress, error=run.error, answer=answer)
