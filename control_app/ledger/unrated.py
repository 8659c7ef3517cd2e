"""Usage that is not rated, a line a cause: whose requests of which model, and what of money is at stake, by a method that is named.

What is at stake is billed to nobody: it says how much it matters that somebody gives the model its price.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from control_app.core.money import plain_amount
from control_app.core.numbers import CustomerNo, Pico
from control_app.core.time import Range
from control_app.ledger.names import own_keys
from control_app.ledger.reader import UsageReader
from control_app.ledger.usage import Usage, total
from control_app.pricing.kinds import KINDS
from control_app.pricing.known import newest_rates, waiting_rates
from control_app.pricing.rates import Rates
from control_app.storage.database import Db

Why = Literal["have no price", "would each cost more than the largest row that is rated"]
_NO_PRICE: Why = "have no price"
_TOO_DEAR: Why = "would each cost more than the largest row that is rated"


@dataclass(frozen=True)
class Stake:
    """Pico-units of the price book's currency, by a `method` that says in words what `amount` is."""

    amount: Pico
    method: str

    def __str__(self) -> str:
        return f"{plain_amount(self.amount)} at stake, {self.method}"


@dataclass(frozen=True)
class Cause:
    """Requests of a *model* that are not rated, by customer (0 is nobody), and why. `stakes`: None where no price is known by any means."""

    model: str
    why: Why
    requests: Mapping[CustomerNo, int]
    stakes: Mapping[CustomerNo, Stake] | None

    @property
    def stake(self) -> Stake | None:
        """What all of them come to."""
        if self.stakes is None:
            return None
        first, *_ = self.stakes.values()
        return Stake(Pico(sum(stake.amount for stake in self.stakes.values())), first.method)

    def message(self, customer: CustomerNo | None = None) -> str:
        """What a person reads of it, of one *customer* or of all."""
        requests = sum(self.requests.values()) if customer is None else self.requests[customer]
        stake = self.stake if customer is None or self.stakes is None else self.stakes[customer]
        return f"{requests} requests of {self.model!r} {self.why}; {stake or 'what is at stake is not known, since no model has a price'}"


def causes(db: Db, within: Range) -> list[Cause]:
    """What is not rated of the requests that started *within*; calls of our own keys are nobody's usage."""
    own, models = own_keys(db), dict(db.connection.execute("SELECT id, name FROM models").fetchall())
    priced = {version for (version,) in db.connection.execute("SELECT id FROM price_versions WHERE prompt IS NOT NULL")}
    found = defaultdict[tuple[str, Why], defaultdict[CustomerNo, Usage]](lambda: defaultdict(Usage))
    for (key, customer, model, price), used in UsageReader(db).by(("key", "customer", "model", "price"), within).items():
        if used.unrated and key not in own:
            found[models[model], _TOO_DEAR if price in priced else _NO_PRICE][customer] += used
    prices = _Prices(newest_rates(db), waiting_rates(db))
    ((largest,),) = db.connection.execute("SELECT largest_row FROM price_book")
    return [
        Cause(
            model,
            why,
            {customer: used.unrated for customer, used in customers.items()},
            _at_least(customers, largest) if why == _TOO_DEAR else prices.stakes(model, customers),
        )
        for (model, why), customers in sorted(found.items())
    ]


@dataclass(frozen=True)
class _Prices:
    """By which usage without a price is estimated: prices that were in force last, and those that wait for a person, by model."""

    newest: Mapping[str, Rates]
    waiting: Mapping[str, Rates]

    def stakes(self, model: str, customers: Mapping[CustomerNo, Usage]) -> Mapping[CustomerNo, Stake] | None:
        """What each customer's usage of *model* would come to."""
        if (found := self._price(model, total(customers.values()))) is None:
            return None
        rates, method = found
        return {customer: Stake(_amount(used, rates), method) for customer, used in customers.items()}

    def _price(self, model: str, used: Usage) -> tuple[Rates, str] | None:
        """The price that is nearest to what the model may cost, and how it is found."""
        base = model.partition("_")[0]
        if model in self.newest:
            return self.newest[model], "about, by its newest price"
        if model in self.waiting:
            return self.waiting[model], "by the price that waits for a person"
        if base in self.newest:
            return self.newest[base], f"about, by the newest price of {base!r}, whose adapter it is"
        if not self.newest:
            return None
        dearest = max(sorted(self.newest), key=lambda name: _amount(used, self.newest[name]))
        return self.newest[dearest], f"if it costs as much as {dearest!r}, the dearest of all models for it"


def _at_least(customers: Mapping[CustomerNo, Usage], largest: int) -> Mapping[CustomerNo, Stake]:
    """Of requests whose own amounts are not kept, since they may not even be integers."""
    method = "at least, by the largest row that is rated"
    return {customer: Stake(Pico(used.unrated * largest), method) for customer, used in customers.items()}


def _amount(used: Usage, rates: Rates) -> Pico:
    return Pico(sum(getattr(used, kind.measure) * getattr(rates, name) for name, kind in KINDS.items()))
