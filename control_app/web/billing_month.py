"""A period as the person who bills it sees it: who has an invoice, who has none yet, what holds whom, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from control_app.invoicing.book import Entry
from control_app.invoicing.currency import decimals_of
from control_app.invoicing.findings import Finding
from control_app.invoicing.outcomes import told
from control_app.invoicing.planning import Planning
from control_app.money import DECIMALS
from control_app.overview import NOBODY, customer_names
from control_app.web.seen_holds import Hold, SeenHolds, kept_holds

Outcome = Literal["held", "to be billed", "nothing to pay after rounding"]


@dataclass(frozen=True)
class Amount:
    """`total`: minor units, `exact`: pico-units; `decimals`: of the currency."""

    total: int
    exact: int
    decimals: int

    @property
    def difference(self) -> int:
        """What rounding added, in pico-units."""
        unit: int = 10 ** (DECIMALS - self.decimals)
        return self.total * unit - self.exact

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.total + other.total, self.exact + other.exact, self.decimals)

    def __neg__(self) -> Amount:
        return Amount(-self.total, -self.exact, self.decimals)


@dataclass(frozen=True)
class Billed:
    """An invoice or a credit note, whose `amount` is negative."""

    entry: Entry
    name: str
    amount: Amount


@dataclass(frozen=True)
class Unbilled:
    """A customer who has usage and no invoice. `state`: what a run would come to, as far as can be told without Odoo."""

    customer: int
    name: str
    amount: Amount
    state: Outcome


@dataclass(frozen=True)
class BillingMonth:
    """All of a period. `held`: how many customers are."""

    billed: Sequence[Billed]
    unbilled: Sequence[Unbilled]
    holds: Sequence[Hold]
    held: int
    zero: Amount

    @property
    def posted(self) -> Sequence[Billed]:
        """Invoices that Odoo has given a number, also those that were taken back."""
        return [one for one in self.billed if one.entry.number and not one.entry.credit]

    @property
    def credit_notes(self) -> Sequence[Billed]:
        """Those that are posted."""
        return [one for one in self.billed if one.entry.number and one.entry.credit]

    @property
    def drafts(self) -> Sequence[Billed]:
        """Those that wait for approval."""
        return [one for one in self.billed if one.entry.waits_for_approval]

    @property
    def to_bill(self) -> Sequence[Unbilled]:
        """Whom a run would bill."""
        return [one for one in self.unbilled if one.state == "to be billed"]

    def sum(self, ones: Iterable[Billed | Unbilled]) -> Amount:
        """What they come to."""
        return sum((one.amount for one in ones), self.zero)


def billing_month(planning: Planning, month: int) -> BillingMonth:
    """What is known of *month* without asking Odoo."""
    plan, names = planning.plan(month, ask=False), customer_names(planning.db)
    decimals = decimals_of(planning.book.currency)
    found: dict[int, Sequence[Finding]] = {}
    amounts: dict[int, Amount] = {}
    for invoice in planning.bills.of_month(month):
        if invoice.customer not in plan.closed:
            found[invoice.customer] = plan.findings(invoice)
            amounts[invoice.customer] = Amount(invoice.total, invoice.exact, decimals)
    holds = SeenHolds(planning, plan, kept_holds(planning, month), found)
    held = holds.customers
    unbilled = [Unbilled(who, names.get(who, NOBODY), amount, _outcome(amount, who in held)) for who, amount in amounts.items()]
    billed = [Billed(entry, names[entry.customer], amount_of(entry)) for entry in planning.book.entries(month)]
    return BillingMonth(
        billed=sorted(billed, key=lambda one: (one.name, one.entry.customer, one.entry.n, one.entry.credit)),
        unbilled=sorted(unbilled, key=lambda one: (one.name, one.customer)),
        holds=holds.rows(),
        held=len(held),
        zero=Amount(0, 0, decimals),
    )


def holds_of(planning: Planning, entry: Entry) -> Sequence[Hold]:
    """What holds one invoice that there is."""
    kept = kept_holds(planning, entry.month, entry.customer)
    return SeenHolds(planning, planning.plan(entry.month, ask=False), kept).rows() if kept else []


def state_of(entry: Entry) -> str:
    """How far an invoice is, and where it goes by itself."""
    if entry.target == "void" and entry.state not in ("void", "skipped"):
        return f"{told(entry)}; is being voided" if entry.number else "is being voided"
    if (entry.state, entry.target) == ("created", "sent"):
        return "a draft in Odoo, about to be posted"
    return told(entry)


def amount_of(entry: Entry) -> Amount:
    """Of a credit note it is negative."""
    amount = Amount(entry.total, entry.exact, decimals_of(entry.currency))
    return -amount if entry.credit else amount


def _outcome(amount: Amount, is_held: bool) -> Outcome:  # noqa: FBT001 (of one customer)
    if is_held:
        return "held"
    return "to be billed" if amount.total else "nothing to pay after rounding"
