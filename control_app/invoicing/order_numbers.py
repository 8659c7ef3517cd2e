"""Customers' own order numbers, which their invoices name."""

from __future__ import annotations

import sqlite3

from control_app.core.numbers import CustomerNo
from control_app.storage.database import Db

LONGEST = 64


def order_numbers(db: Db) -> dict[CustomerNo, str]:
    """By our numbers of the customers who have one."""
    return dict(db.connection.execute("SELECT customer, number FROM order_numbers").fetchall())


def keep_order_number(db: sqlite3.Connection, customer: CustomerNo, number: str | None) -> None:
    """From now on the invoices of *customer* name *number*, or none; in the transaction that runs. Raises ValueError for what is none."""
    if number is None:
        db.execute("DELETE FROM order_numbers WHERE customer = ?", [customer])
        return
    if not number.strip() or not number.isprintable() or len(number) > LONGEST:
        raise ValueError(f"{number!r} is no order number: write up to {LONGEST} characters in one line")
    db.execute("INSERT OR REPLACE INTO order_numbers (customer, number) VALUES (?, ?)", [customer, number.strip()])
