"""A month at a glance: what its days, models and customers add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from control_app.core.periods import day_text
from control_app.core.time import DAY, Range
from control_app.ledger.names import NOBODY, customer_names
from control_app.ledger.reader import UsageReader
from control_app.ledger.usage import Usage, total
from control_app.storage.database import Db

Lines = Sequence[tuple[str, Usage]]


@dataclass(frozen=True)
class Overview:
    """Days in their order, all of them; of models and customers the costliest first. Each adds up to `total`."""

    days: Lines
    models: Lines
    customers: Lines
    total: Usage


def overview(db: Db, within: Range) -> Overview:
    """What the whole days *within* add up to."""
    reader = UsageReader(db)
    with db.snapshot() as connection:
        models = dict(connection.execute("SELECT id, name FROM models").fetchall())
        customers = customer_names(db)
        by_day = reader.by(("day",), within)
        by_model = [(models[model], used) for (model,), used in reader.by(("model",), within).items()]
        by_customer = [(customers.get(customer, NOBODY), used) for (customer,), used in reader.by(("customer",), within).items()]
    days = [(day_text(day), by_day.get((day,), Usage())) for day in range(within.start // DAY, within.end // DAY)]
    return Overview(days, _costliest(by_model), _costliest(by_customer), total(by_day.values()))


def _costliest(lines: Lines) -> Lines:
    """The costliest first, without those whose requests all failed to report usage."""
    return sorted(((name, used) for name, used in lines if used.requests), key=lambda line: (-line[1].amount, line[0]))
