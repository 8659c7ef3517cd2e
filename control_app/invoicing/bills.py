"""The invoices of a month, from the ledger: what each customer has to pay, also for usage that came late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import attrgetter

from control_app.database import Db
from control_app.invoicing.currency import decimals_of
from control_app.invoicing.invoice import Cell, Invoice, invoice_of
from control_app.rates import Rates
from control_app.spans import Range
from control_app.usage import UsageReader

AT_ONCE = 256
"""Customers whose sums are in memory together."""
_RATES = f"SELECT id, {', '.join(Rates._fields)} FROM price_versions WHERE prompt IS NOT NULL"


class Bills:
    """Reads the ledger in *db*; amounts are in *currency*."""

    def __init__(self, db: Db, currency: str) -> None:
        self._db, self._decimals = db, decimals_of(currency)
        self._reader = UsageReader(db)

    def of_month(self, month: int) -> Iterator[Invoice]:
        """Everybody's with billable usage, by our numbers of the customers; 0 is nobody, who holds keys that no customer has."""
        with self._db.snapshot():
            rates, models = self._rates(), self._models()
            last: int = self._db.connection.execute("SELECT coalesce(max(id), 0) FROM customers").fetchone()[0]
            for first in range(0, last + 1, AT_ONCE):
                yield from self._invoices(month, Range(first, min(first + AT_ONCE, last + 1)), rates, models)

    def of_customer(self, month: int, customer: int) -> Invoice | None:
        """One *customer*'s; None where nothing was used."""
        return next(self._invoices(month, Range(customer, customer + 1), self._rates(), self._models()), None)

    def exact_totals(self, month: int) -> dict[int, int]:
        """Exact amounts (pico-units) by customer."""
        return self._reader.billed_to(month)

    def _invoices(self, month: int, customers: Range, rates: Mapping[int, Rates], models: Mapping[int, str]) -> Iterator[Invoice]:
        cells = (Cell(*row) for row in self._reader.billed(month, customers))
        billable = (cell for cell in cells if cell.usage.requests or cell.usage.unrated)
        for customer, own in groupby(billable, key=attrgetter("customer")):
            yield invoice_of(customer, month, own, rates, models, self._decimals)

    def _rates(self) -> dict[int, Rates]:
        return {number: Rates(*rates) for number, *rates in self._db.connection.execute(_RATES)}

    def _models(self) -> dict[int, str]:
        return dict(self._db.connection.execute("SELECT id, name FROM models").fetchall())
