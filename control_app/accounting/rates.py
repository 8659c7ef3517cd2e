"""Rates of exchange that are known: read from central banks now and then, or given by a person."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import httpx2

from control_app.accounting.published_rates import Bank, bank_for, read
from control_app.core.exchange import Rate
from control_app.core.failures import raise_all, words_of
from control_app.network.bounds import PLAIN, bounded
from control_app.storage.database import Db

RATES = """CREATE TABLE rates (
  base TEXT NOT NULL, currency TEXT NOT NULL, day INTEGER NOT NULL, source TEXT NOT NULL, value TEXT NOT NULL, given INTEGER NOT NULL,
  PRIMARY KEY (base, currency, day, source)
) STRICT, WITHOUT ROWID"""
DAYS = 5
"""As old as a rate may be: banks publish none at weekends and on holidays."""
TIMEOUT_SEC = 30
WITHIN_SEC = 60
MOST_BYTES = 16 * 2**20
"""Of a bank's file; one of 90 days has some hundred kilobytes."""


def keep_rate(db: sqlite3.Connection, currency: str, rate: Rate, *, is_given: bool) -> None:
    """Know *rate* from now on, in the transaction that runs; *is_given*: by a person, which wins over what is published for that day."""
    row = [rate.base, currency, rate.day, rate.source, f"{rate.value:f}", int(is_given)]
    db.execute("INSERT OR REPLACE INTO rates (base, currency, day, source, value, given) VALUES (?, ?, ?, ?, ?, ?)", row)


def newest_rate(db: Db, base: str, currency: str, today: int) -> Rate | None:
    """The newest rate that is not of a later day than *today* (days since 1970 UTC), however old; None where there is none."""
    query = "SELECT value, source, day FROM rates WHERE base = ? AND currency = ? AND day <= ? ORDER BY day DESC, given DESC LIMIT 1"
    row = db.connection.execute(query, [base, currency, today]).fetchone()
    return Rate(base, Decimal(row[0]), row[1], row[2]) if row else None


@dataclass(frozen=True)
class RateReader:
    """Reads rates for the currency *base* of those that are *wanted*, from each bank's address, into *db*."""

    db: Db
    base: str
    addresses: Mapping[Bank, str]
    wanted: Callable[[], Collection[str]]
    transport: httpx2.BaseTransport | None = field(default=None, repr=False)

    def look(self) -> None:
        """Ask the banks whose rates are wanted; nobody where every invoice is in the price book's currency.

        Raises ConnectionError where one does not answer, ValueError for what is not its file, or both (core/failures.py); what the
        others told is kept.
        """
        failures: list[Exception] = []
        wanted = sorted(set(self.wanted()) - {self.base})
        banks: set[Bank] = {bank_for(self.base, currency) for currency in wanted}
        for bank in banks:
            try:
                self._read(bank, [currency for currency in wanted if bank_for(self.base, currency) == bank])
            except (ConnectionError, ValueError) as error:
                failures.append(error)
        raise_all("rates", failures)

    def _read(self, bank: Bank, currencies: Collection[str]) -> None:
        try:
            hooks = bounded(MOST_BYTES, WITHIN_SEC)
            with httpx2.Client(
                timeout=TIMEOUT_SEC, headers=PLAIN, event_hooks=hooks, transport=self.transport, follow_redirects=True
            ) as client:
                answer = client.get(self.addresses[bank]).raise_for_status()
        except httpx2.HTTPError as error:
            raise ConnectionError(f"{bank} at {self.addresses[bank]}: {words_of(error)}") from None
        published = read(bank, answer.content)
        with self.db.transaction() as db:
            for currency in currencies:
                if rate := published.rate(self.base, currency):
                    keep_rate(db, currency, rate, is_given=False)
