"""What a customer's month would come to if it ended now, by the same lines and the same rounding as the invoice."""

from __future__ import annotations

from typing import Any

from control_app.invoicing.bodies import Who
from control_app.invoicing.invoice import Invoice
from control_app.invoicing.planning import Planning
from control_app.periods import time_text
from control_app.spans import SECOND
from control_app.sync import complete_through


def pro_forma(planning: Planning, month: int, customer: int) -> dict[str, Any]:
    """As JSON has it. `complete_through`: usage before it is complete."""
    db, now = planning.db, planning.clock()
    row = db.connection.execute("SELECT gateway_id, name FROM customers WHERE id = ?", [customer]).fetchone()
    invoice = planning.bills.of_customer(month, customer) or Invoice(customer, month, ())
    through = complete_through(db)
    document = planning.bodies.document(invoice, Who(*row), "pro-forma", now - now % SECOND)
    return document | {"pro_forma": True, "complete_through": None if through is None else time_text(through - through % SECOND)}
