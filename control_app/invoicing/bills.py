"""The invoices of a month, from the ledger: what each customer has to pay, also for usage that came late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import attrgetter

from control_app.core.exchange import Tender, in_book_currency
from control_app.core.numbers import CustomerNo, Month, Pico
from control_app.core.time import Range
from control_app.invoicing.invoice import Cell, Invoice, invoice_of
from control_app.ledger.reader import UsageReader
from control_app.pricing.rates import Rates
from control_app.storage.database import Db

AT_ONCE = 256
"""Customers whose sums are in memory together."""
_RATES = f"SELECT id, {', '.join(Rates._fields)} FROM price_versions WHERE prompt IS NOT NULL"


class Bills:
    """Reads the ledger in *db*, whose amounts are in *currency*; invoices are paid in it, but for customers with a tender of their own."""

    def __init__(self, db: Db, currency: str) -> None:
        self._db, self._tender = db, in_book_currency(currency)
        self._reader = UsageReader(db)

    def of_month(self, month: Month, tenders: Mapping[CustomerNo, Tender]) -> Iterator[Invoice]:
        """The invoices of all customers with billable usage, by our numbers of them; NOBODY_NO's is that of keys without a customer."""
        with self._db.snapshot():
            rates, models = self._rates(), self._models()
            last: int = self._db.connection.execute("SELECT coalesce(max(id), 0) FROM customers").fetchone()[0]
            for first in range(0, last + 1, AT_ONCE):
                yield from self._invoices(month, Range(first, min(first + AT_ONCE, last + 1)), rates, models, tenders)

    def of_customer(self, month: Month, customer: CustomerNo, tenders: Mapping[CustomerNo, Tender]) -> Invoice | None:
        """The invoice of one *customer*; None where nothing was used."""
        return next(self._invoices(month, Range(customer, customer + 1), self._rates(), self._models(), tenders), None)

    def exact_totals(self, month: Month) -> dict[CustomerNo, Pico]:
        """Exact amounts (pico-units) by customer."""
        return self._reader.billed_to(month)

    def nothing(self, month: Month, customer: CustomerNo, tenders: Mapping[CustomerNo, Tender]) -> Invoice:
        """The invoice of a *customer* who used nothing."""
        return Invoice(customer, month, tenders.get(customer, self._tender))

    def _invoices(
        self, month: Month, customers: Range, rates: Mapping[int, Rates], models: Mapping[int, str], tenders: Mapping[CustomerNo, Tender]
    ) -> Iterator[Invoice]:
        cells = (Cell(*row) for row in self._reader.billed(month, customers))
        billable = (cell for cell in cells if cell.usage.requests or cell.usage.unrated)
        for customer, own in groupby(billable, key=attrgetter("customer")):
            yield invoice_of(customer, month, own, rates, models, tenders.get(customer, self._tender))

    def _rates(self) -> dict[int, Rates]:
        return {number: Rates(*rates) for number, *rates in self._db.connection.execute(_RATES)}

    def _models(self) -> dict[int, str]:
        return dict(self._db.connection.execute("SELECT id, name FROM models").fetchall())
