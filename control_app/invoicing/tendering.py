"""In what each customer's invoice is paid, and what holds whoever's cannot be told (docs/billing-rules.md, Units)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from control_app.accounting.port import Currency, Partner, Preflight, Problem
from control_app.accounting.rates import DAYS, newest_rate
from control_app.core.exchange import Rate, Tender, in_book_currency
from control_app.core.numbers import CustomerNo
from control_app.core.periods import day_text
from control_app.core.time import DAY, SECOND
from control_app.invoicing.document import Who
from control_app.ledger.hold import Hold, hold_for
from control_app.storage.database import Db

LATEST = timedelta(days=DAYS)
"""As old as the accounting system's own rate may be."""


@dataclass(frozen=True)
class Tenders:
    """By our numbers of the customers: in what who is paid in another currency pays, and why somebody's cannot be told."""

    of: Mapping[CustomerNo, Tender]
    holds: Mapping[CustomerNo, Sequence[Hold]]


@dataclass(frozen=True)
class Asked:
    """What the accounting system told: `currencies` and `preflight` are None where it was not asked, `partners` by our numbers."""

    currencies: Mapping[str, Currency] | None = None
    partners: Mapping[CustomerNo, Partner] = field(default_factory=dict[CustomerNo, Partner])
    preflight: Preflight | None = None


@dataclass(frozen=True)
class Tendering:
    """Tells tenders by what is known of a month: *currency* is the price book's.

    *chosen*: by persons; *fixed*: by earlier invoices of the month; *now*: microseconds since 1970 UTC.
    """

    db: Db
    currency: str
    chosen: Mapping[CustomerNo, str]
    fixed: Mapping[CustomerNo, Tender]
    now: int

    def currency_of(self, number: CustomerNo) -> str:
        """In which currency a customer is billed."""
        return self.fixed[number].currency if number in self.fixed else self.chosen.get(number, self.currency)

    def of(self, customers: Mapping[CustomerNo, Who], asked: Asked = Asked()) -> Tenders:
        """The tenders of *customers*, by what the accounting system was *asked*."""
        rates = {currency: newest_rate(self.db, self.currency, currency, self.now // DAY) for currency in set(self.chosen.values())}
        tenders, holds = dict[CustomerNo, Tender](), dict[CustomerNo, Sequence[Hold]]()
        for number, who in customers.items():
            tender, currency = self._tender(number, rates, asked), self.currency_of(number)
            if tender is not None:
                tenders[number] = tender
            found = [*self._not_there(who, currency, asked), *self._undecided(number, who, asked)]
            if tender is None:
                found += self._without_rate(who, currency, rates[currency])
            if found:
                holds[number] = [hold_for(code, message, self.now, number) for code, message in found]
        return Tenders(tenders, holds)

    def _tender(self, number: CustomerNo, rates: Mapping[str, Rate | None], asked: Asked) -> Tender | None:
        """None where there is no rate that is young enough."""
        if number in self.fixed:
            return self.fixed[number]
        currency = self.currency_of(number)
        if currency == self.currency:
            return in_book_currency(currency)
        rate = rates[currency]
        if rate is None or self._age(rate) > DAYS:
            return None
        known = (asked.currencies or {}).get(currency)
        return Tender(currency, known.unit if known else in_book_currency(currency).unit, rate)

    def _age(self, rate: Rate) -> int:
        return self.now // DAY - rate.day

    def _without_rate(self, who: Who, currency: str, rate: Rate | None) -> Iterator[tuple[str, str]]:
        newest = f"the newest is of {day_text(rate.day)}" if rate else "there is none"
        said = f"customer {who.id} is billed in {currency}, and no rate of it for {self.currency} is at most {DAYS} days old: {newest}"
        yield "rate", said

    @staticmethod
    def _not_there(who: Who, currency: str, asked: Asked) -> Iterator[tuple[str, str]]:
        if asked.currencies is not None and currency not in asked.currencies:
            yield "currency-missing", f"customer {who.id} is billed in {currency}, which is not active in Odoo"

    def _undecided(self, number: CustomerNo, who: Who, asked: Asked) -> Iterator[tuple[str, str]]:
        """At home, where the books are in another currency than the prices, the law may want that of the books."""
        partner, company = asked.partners.get(number), asked.preflight
        if partner is None or company is None or number in self.chosen or number in self.fixed:
            return
        if partner.country == company.country and company.currency not in (None, self.currency):
            where = f"customer {who.id} is in {partner.country}, as the company is, whose books are in {company.currency}"
            yield "currency-undecided", f"{where}: say whether it is billed in that or in {self.currency}"


def stale(known: Mapping[str, Currency], currencies: Collection[str], now: int) -> Iterator[Problem]:
    """What is wrong with the accounting system's own rates of *currencies*, by which it converts for its books and taxes."""
    today = datetime.fromtimestamp(now / SECOND, UTC).date()
    for code in sorted(currencies):
        found = known.get(code)
        if found and found.needs_rate and (found.rated_on is None or today - found.rated_on > LATEST):
            newest = f"its newest rate is of {found.rated_on}" if found.rated_on else "it has no rate, so that one is booked as one"
            yield Problem(
                "odoo-rate",
                f"{code} is another currency than the company's, and {newest}",
                f"Accounting > Configuration > Currencies (Invoicing in the community edition): open {code} and give a rate of today",
            )
