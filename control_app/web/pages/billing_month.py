"""A period as the person who bills it sees it: who has an invoice, who has none yet, what holds whom, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from control_app.core.currency import decimals_of, pico_of
from control_app.core.numbers import CustomerNo, Minor, Month, Pico
from control_app.invoicing.entry import WITHOUT_INVOICE, Entry, Opened
from control_app.invoicing.outcomes import status_text
from control_app.invoicing.payments import payment_text, readings
from control_app.ledger.hold import Hold
from control_app.ledger.names import NOBODY, customer_names
from control_app.service.invoicing import Invoicing
from control_app.web.pages.holds import HoldRow, HoldRows, kept_holds

Outcome = Literal["held", "to be billed", "nothing to pay", "carried into the next month"]
OUTCOMES: Mapping[Opened, Outcome] = {"draft": "to be billed", "skipped": "nothing to pay", "carried": "carried into the next month"}


@dataclass(frozen=True)
class Amount:
    """`total`: minor units, `exact`: pico-units; `decimals`: of the currency."""

    total: Minor
    exact: Pico
    decimals: int

    @property
    def difference(self) -> Pico:
        """What rounding added, in pico-units."""
        return Pico(pico_of(self.total, self.decimals) - self.exact)

    def __add__(self, other: Amount) -> Amount:
        return Amount(Minor(self.total + other.total), Pico(self.exact + other.exact), self.decimals)

    def __neg__(self) -> Amount:
        return Amount(Minor(-self.total), Pico(-self.exact), self.decimals)


@dataclass(frozen=True)
class Billed:
    """An invoice or a credit note, whose `amount` is negative. `payment`: what of it is paid, in words."""

    entry: Entry
    name: str
    amount: Amount
    payment: str


@dataclass(frozen=True)
class Unbilled:
    """A customer who has usage and no invoice. `state`: what a run would come to, as far as can be told without Odoo."""

    customer: CustomerNo
    name: str
    amount: Amount
    state: Outcome


@dataclass(frozen=True)
class BillingMonth:
    """All of a period. `held`: how many customers are."""

    billed: Sequence[Billed]
    unbilled: Sequence[Unbilled]
    holds: Sequence[HoldRow]
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
    def has_failed_mails(self) -> bool:
        """Whether e-mails failed that a person may send again."""
        return any(hold.code == "mail-failed" for hold in self.holds)

    @property
    def to_bill(self) -> Sequence[Unbilled]:
        """Whom a run would bill."""
        return [one for one in self.unbilled if one.state == "to be billed"]

    def sum(self, ones: Iterable[Billed | Unbilled]) -> Amount:
        """What they come to."""
        return sum((one.amount for one in ones), self.zero)


def billing_month(invoicing: Invoicing, month: Month) -> BillingMonth:
    """What is known of *month* without asking Odoo."""
    book, plan = invoicing.book, invoicing.planning.plan(month, ask=False)
    names, decimals = customer_names(book.db), decimals_of(book.currency)
    found: dict[CustomerNo, Sequence[Hold]] = {}
    amounts: dict[CustomerNo, tuple[Amount, Opened]] = {}
    for invoice in invoicing.bills.of_month(month, plan.tenders.of):
        if invoice.customer not in plan.closed:
            found[invoice.customer] = plan.holds(invoice)
            amounts[invoice.customer] = Amount(invoice.booked, invoice.exact, decimals), plan.judge.opens(invoice)
    holds = HoldRows(book.db, plan, kept_holds(book.db, month), found)
    held = holds.customers
    unbilled = [
        Unbilled(who, names.get(who, NOBODY), amount, "held" if who in held else OUTCOMES[opens])
        for who, (amount, opens) in amounts.items()
    ]
    paid = readings(book.db, month)
    billed = [
        Billed(entry, names[entry.customer], amount_of(entry), payment_text(entry, paid.get(entry.id))) for entry in book.entries(month)
    ]
    return BillingMonth(
        billed=sorted(billed, key=lambda one: (one.name, one.entry.customer, one.entry.n, one.entry.credit)),
        unbilled=sorted(unbilled, key=lambda one: (one.name, one.customer)),
        holds=holds.rows(),
        held=len(held),
        zero=Amount(Minor(0), Pico(0), decimals),
    )


def holds_of(invoicing: Invoicing, entry: Entry) -> Sequence[HoldRow]:
    """What holds one invoice that there is."""
    kept = kept_holds(invoicing.book.db, entry.month, entry.customer)
    return HoldRows(invoicing.book.db, invoicing.planning.plan(entry.month, ask=False), kept).rows() if kept else []


def state_of(entry: Entry) -> str:
    """How far an invoice is, and where it goes by itself."""
    if entry.target == "void" and entry.state not in ("void", *WITHOUT_INVOICE):
        return f"{status_text(entry)}; is being voided" if entry.number else "is being voided"
    if (entry.state, entry.target) == ("created", "sent"):
        return "a draft in Odoo, about to be posted"
    return status_text(entry)


def amount_of(entry: Entry) -> Amount:
    """The amount of an invoice in the price book's currency; that of a credit note is negative."""
    amount = Amount(entry.booked, entry.exact, decimals_of(entry.rate_base or entry.currency))
    return -amount if entry.credit else amount
