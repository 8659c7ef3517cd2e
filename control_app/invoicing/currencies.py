"""In which currency each customer is billed, where it is another than the price book's, or a person said so."""

from __future__ import annotations

import re
import sqlite3

from control_app.core.numbers import CustomerNo
from control_app.storage.database import Db

CODE = re.compile("[A-Z]{3}")


def currencies(db: Db) -> dict[CustomerNo, str]:
    """By our numbers of the customers for whom a person said it."""
    return dict(db.connection.execute("SELECT customer, currency FROM customer_currencies").fetchall())


def keep_currency(db: sqlite3.Connection, customer: CustomerNo, currency: str | None) -> None:
    """Bill *customer* in *currency* from now on, or None: in the price book's; in the transaction that runs.

    Raises ValueError for what is no code of ISO 4217.
    """
    if currency is None:
        db.execute("DELETE FROM customer_currencies WHERE customer = ?", [customer])
        return
    if not CODE.fullmatch(currency):
        raise ValueError(f"{currency!r} is no currency: write a code like EUR")
    db.execute("INSERT OR REPLACE INTO customer_currencies (customer, currency) VALUES (?, ?)", [customer, currency])
