"""What customers are called, their numbers here, and which keys are our own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from control_app.core.numbers import CustomerNo, KeyNo
from control_app.storage.database import Db

NOBODY = "(nobody)"
"""What people read in place of the name of NOBODY_NO (core/numbers.py)."""


def customer_names(db: Db) -> Mapping[CustomerNo, str]:
    """By our numbers: the name, with the gateway's id where two have one name."""
    customers = db.connection.execute("SELECT id, name, gateway_id FROM customers").fetchall()
    named = Counter(name for _, name, _ in customers)
    return {number: name if named[name] == 1 else f"{name} ({gateway_id})" for number, name, gateway_id in customers}


def customer_number(db: Db, gateway_id: str) -> CustomerNo | None:
    """Our number of a customer, by the gateway's id; also of one that was deleted."""
    found = db.connection.execute("SELECT id FROM customers WHERE gateway_id = ?", [gateway_id]).fetchone()
    return found[0] if found else None


def own_keys(db: Db) -> set[KeyNo]:
    """Keys of ours, whose calls prove that models can be called: they are nobody's usage."""
    return {key for (key,) in db.connection.execute("SELECT k.id FROM keys k JOIN own_keys o ON o.gateway_id = k.gateway_id")}
