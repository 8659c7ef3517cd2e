"""A month at a glance: what its days, models and customers add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from control_app.database import Db
from control_app.periods import day_text
from control_app.spans import DAY, Range
from control_app.usage import Usage, UsageReader, total

NOBODY = "(nobody)"
"""Who holds a key that no customer holds."""
Lines = Sequence[tuple[str, Usage]]


@dataclass(frozen=True)
class Overview:
    """Days in their order, all of them; of models and customers the costliest first. Each adds up to `total`."""

    days: Lines
    models: Lines
    customers: Lines
    total: Usage


def overview(db: Db, within: Range) -> Overview:
    """Of the whole days *within*."""
    reader = UsageReader(db)
    with db.snapshot() as connection:
        models = dict(connection.execute("SELECT id, name FROM models").fetchall())
        customers = customer_names(db)
        by_day = reader.by(("day",), within)
        by_model = [(models[model], used) for (model,), used in reader.by(("model",), within).items()]
        by_customer = [(customers.get(customer, NOBODY), used) for (customer,), used in reader.by(("customer",), within).items()]
    days = [(day_text(day), by_day.get((day,), Usage())) for day in range(within.start // DAY, within.end // DAY)]
    return Overview(days, _costliest(by_model), _costliest(by_customer), total(by_day.values()))


def customer_names(db: Db) -> Mapping[int, str]:
    """By our numbers: the name, with the gateway's id where two have one name."""
    customers = db.connection.execute("SELECT id, name, gateway_id FROM customers").fetchall()
    named = Counter(name for _, name, _ in customers)
    return {number: name if named[name] == 1 else f"{name} ({gateway_id})" for number, name, gateway_id in customers}


def _costliest(lines: Lines) -> Lines:
    """Whose requests all failed to report usage are left out."""
    return sorted(((name, used) for name, used in lines if used.requests), key=lambda line: (-line[1].amount, line[0]))
