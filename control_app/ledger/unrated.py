"""Usage that is not rated, a line a cause: whose requests of which model, and what of money is at stake, by a method that is named.

What is at stake is billed to nobody: it says how much it matters that somebody gives the model its price.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from operator import mul
from typing import Literal

from control_app.core.money import plain_amount
from control_app.core.numbers import CustomerNo, Month, Pico
from control_app.core.time import Range, month_of, month_range, month_text
from control_app.ledger.columns import MEASURED, listed
from control_app.ledger.hold import REASONS
from control_app.ledger.names import own_keys
from control_app.ledger.reader import UsageReader
from control_app.ledger.statements import BILLED_NOW, RATES
from control_app.ledger.usage import Usage, total
from control_app.pricing.kinds import KINDS
from control_app.pricing.known import newest_rates, waiting_rates
from control_app.pricing.rates import Rates
from control_app.storage.database import Db

Code = Literal["unrated", "too-dear"]
WHY: Mapping[Code, str] = {"unrated": "have no price", "too-dear": "would each cost more than the largest row that is rated"}
"""Why requests are not rated, by the code of the hold that they make."""


@dataclass(frozen=True)
class Stake:
    """Pico-units of the price book's currency, by a `method` that says in words what `amount` is."""

    amount: Pico
    method: str

    def __str__(self) -> str:
        return f"{plain_amount(self.amount)} at stake, {self.method}"


@dataclass(frozen=True)
class Cause:
    """Requests of a *model* that are not rated, by customer (0 is nobody), and why. `stakes`: None where no price is known by any means.

    `code`: of the hold. `late_usage_of`: the month, like `2026-10`, in which they were made, where that is told.
    """

    model: str
    code: Code
    requests: Mapping[CustomerNo, int]
    stakes: Mapping[CustomerNo, Stake] | None
    late_usage_of: str | None = None

    @property
    def why(self) -> str:
        """In words."""
        return WHY[self.code]

    @property
    def remedy(self) -> str:
        """What a person can do."""
        return REASONS[self.code].remedy

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
        late = f" in {self.late_usage_of}" if self.late_usage_of else ""
        at_stake = stake or "what is at stake is not known, since no model has a price"
        return f"{requests} requests of {self.model!r}{late} {self.why}; {at_stake}"


def causes(db: Db, within: Range, billed_in: Month | None = None) -> list[Cause]:
    """What is not rated of the requests that started *within*; calls of our own keys are nobody's usage.

    *billed_in*: only of what is billed in that month, which is another: it came late, and says so.
    """
    with db.snapshot() as connection:
        own, models = own_keys(db), dict(connection.execute("SELECT id, name FROM models").fetchall())
        priced = {version for (version,) in connection.execute("SELECT id FROM price_versions WHERE prompt IS NOT NULL")}
        found = defaultdict[tuple[str, Code, int], defaultdict[CustomerNo, Usage]](lambda: defaultdict(Usage))
        parts = UsageReader(db).by(("key", "customer", "model", "price", "billed_in"), within)
        for (key, customer, model, price, billed), used in parts.items():
            if used.unrated and key not in own and billed_in in (None, billed):
                found[models[model], "too-dear" if price in priced else "unrated", model][customer] += used
        prices = _Prices(newest_rates(db), waiting_rates(db))
        return [
            Cause(
                name,
                code,
                {customer: used.unrated for customer, used in customers.items()},
                _by_own_prices(db, model, within, billed_in) if code == "too-dear" else prices.stakes(name, customers),
                None if billed_in is None else month_text(month_of(within.start)),
            )
            for (name, code, model), customers in sorted(found.items())
        ]


def late_causes(db: Db, month: Month) -> list[Cause]:
    """What is not rated of the requests that are billed in *month* because they came when their own was closed."""
    query = "SELECT DISTINCT month FROM months INDEXED BY months_late WHERE billed_in = ?1 AND billed_in != month AND unrated > 0"
    late: list[tuple[Month]] = db.connection.execute(query, [month]).fetchall()
    return [cause for (used,) in sorted(late) for cause in causes(db, month_range(used), month)]


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
            return self.waiting[model], f"by the price that waits for a person: control prices accept {model}"
        if base in self.newest:
            return self.newest[base], f"about, by the newest price of {base!r}, whose adapter it is"
        if base in self.waiting:
            waits = f"that waits for a person: control prices accept {base}"
            return self.waiting[base], f"by the price of {base!r}, whose adapter it is, {waits}"
        if not self.newest:
            return None
        dearest = max(sorted(self.newest), key=lambda name: _amount(used, self.newest[name]))
        return self.newest[dearest], f"if it costs as much as {dearest!r}, the dearest of all models for it"


# Multiplied in Python: past 2^63 SQLite goes on in floating point.
_TOO_DEAR = f"""SELECT key, coalesce(r.customer, 0), {listed(MEASURED[kind.measure] for kind in KINDS.values())},
    {listed(f"p.{name}_rate" for name in KINDS)}
  FROM requests r JOIN ({RATES}) p ON p.id = r.price WHERE r.model = :model AND r.at >= :start AND r.at < :end AND r.amount IS NULL
  AND p.prompt_rate IS NOT NULL AND (:billed_in IS NULL OR {BILLED_NOW} = :billed_in)"""


def _by_own_prices(db: Db, model: int, within: Range, billed_in: Month | None) -> Mapping[CustomerNo, Stake]:
    """What the rows of *model*, by our number, that are too dear would come to."""
    own, amounts = own_keys(db), defaultdict[CustomerNo, list[int]](list)
    asked = {"model": model, "start": within.start, "end": within.end, "billed_in": billed_in}
    for key, customer, *numbers in db.connection.execute(_TOO_DEAR, asked):
        if key not in own:
            amounts[customer].append(sum(map(mul, numbers[: len(KINDS)], numbers[len(KINDS) :])))
    dearest = plain_amount(Pico(max(map(max, amounts.values()))))
    method = f"by their prices, of which the dearest costs {dearest}"
    return {customer: Stake(Pico(sum(found)), method) for customer, found in amounts.items()}


def _amount(used: Usage, rates: Rates) -> Pico:
    return Pico(sum(getattr(used, kind.measure) * getattr(rates, name) for name, kind in KINDS.items()))
