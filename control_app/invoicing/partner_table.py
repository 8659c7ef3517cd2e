"""Which partner a person chose for a customer, and as whom each customer was billed last."""

from __future__ import annotations

from control_app.core.numbers import CustomerNo
from control_app.storage.database import Db


def chosen(db: Db) -> dict[CustomerNo, int]:
    """Partners that a person chose, by customer."""
    return dict(db.connection.execute("SELECT customer, partner FROM partners").fetchall())


def billed(db: Db) -> dict[CustomerNo, int]:
    """As which partner each customer was billed last."""
    query = "SELECT customer, partner, max(id) FROM invoices WHERE partner IS NOT NULL AND state != 'void' GROUP BY customer"
    return {customer: partner for customer, partner, _ in db.connection.execute(query)}
