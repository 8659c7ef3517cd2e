"""How the double taxes a line: by the product, or as the fiscal position of the customer's country has it; and how it rounds.

A Romanian company has the positions of Odoo's chart: within the EU and abroad nothing is charged, whether the customer has a VAT
number or not. Any other company is taken to have the like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from control_app.accounting.odoo.double.numbers import rounded
from control_app.accounting.odoo.double.orm import Orm
from control_app.accounting.odoo.double.store import Record, Store
from control_app.core.countries import EU

INTRA_COMMUNITY, EXPORT = "Exempted Intra-Community Regime", "Non-EU Regime"
PER_LINE = "round_per_line"


@dataclass(frozen=True)
class Taxed:
    """A line: without tax, and its taxes; neither is rounded yet."""

    net: float
    taxes: tuple[float, ...]


class Taxes:
    """Taxes of lines, and what lines come to."""

    def __init__(self, store: Store, orm: Orm) -> None:
        self._store, self._orm = store, orm

    def position(self, company: Record, partner: Record | None) -> int | None:
        """The fiscal position that a document to *partner* gets: the partner's own, or that of its country."""
        if partner is None:
            return None
        if own := partner.get("property_account_position_id"):
            return int(own[0])
        country = partner["country_code"]
        if not country or country == company.get("country_code"):
            return None
        name = INTRA_COMMUNITY if country in EU else EXPORT
        return next((row["id"] for row in self._store.all("account.fiscal.position") if row["name"] == name), None)

    def of_line(self, position: int | None, own: Sequence[int]) -> list[int]:
        """The taxes in the place of a product's *own*."""
        return list(own) if position is None else list(self._orm.get("account.fiscal.position", position)["in_place"])

    def taxed(self, amount: float, taxes: Sequence[int]) -> Taxed:
        """A line of *amount*. A tax that the price includes is taken out of it."""
        rates = [(tax["amount"] / 100, tax["price_include"]) for tax in (self._orm.get("account.tax", tax) for tax in taxes)]
        net = amount / (1 + sum(rate for rate, included in rates if included))
        return Taxed(net, tuple(net * rate for rate, _ in rates))


def line_amounts(line: Taxed, decimals: int) -> Record:
    """What a line shows, rounded by itself under either method."""
    net = rounded(line.net, decimals)
    return {"price_subtotal": net, "price_total": rounded(net + sum(rounded(tax, decimals) for tax in line.taxes), decimals)}


def move_amounts(lines: Sequence[Taxed], decimals: int, method: str) -> Record:
    """What a document comes to: by the company's method the sum of rounded lines, or the rounded sum of lines that were not rounded."""
    keep = decimals if method == PER_LINE else None

    def kept(value: float) -> float:
        return value if keep is None else rounded(value, keep)

    untaxed = rounded(sum(kept(line.net) for line in lines), decimals)
    tax = rounded(sum(kept(tax) for line in lines for tax in line.taxes), decimals)
    total = rounded(untaxed + tax, decimals)
    return {"amount_untaxed": untaxed, "amount_tax": tax, "amount_total": total, "amount_residual": total}
