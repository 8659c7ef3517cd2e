"""Whether an invoice may go out: the ledger's holds, the brakes, the partner. What holds one customer stops no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from control_app.core.currency import decimals_of, minor_text, rounded, units
from control_app.core.money import from_pico
from control_app.core.numbers import CustomerNo, Month, Pico
from control_app.core.time import month_text
from control_app.invoicing.entry import Opened
from control_app.invoicing.invoice import Invoice
from control_app.ledger.cancels import DEFAULT, CancelBrake
from control_app.ledger.hold import Hold, hold_for


@dataclass(frozen=True)
class Brakes:
    """In units of the price book's currency, exactly; None: no such brake.

    `invoice`: the largest invoice; `run`: the largest month of all customers; `change`: a ratio to a customer's last invoice;
    `cancelled`: see ledger/cancels.py.
    """

    invoice: Decimal | None = None
    run: Decimal | None = None
    change: Decimal | None = None
    cancelled: CancelBrake = DEFAULT


@dataclass(frozen=True)
class Judge:
    """Says what holds invoices of a *month*, as the database had it when the judge was made.

    `smallest`: the smallest invoice, in units of the price book's currency. `everybody`, `own`: what holds all customers, or one;
    `settings`: what is wrong with the accounting system's. `released`: by customer (None: everybody), code and message. `last`:
    what was owed exactly on the last invoice before, pico-units.
    """

    month: Month
    currency: str
    brakes: Brakes
    smallest: Decimal | None
    now: int
    everybody: Sequence[Hold]
    settings: Sequence[Hold]
    own: Mapping[CustomerNo, Sequence[Hold]]
    last: Mapping[CustomerNo, Pico]
    released: frozenset[tuple[CustomerNo | None, str, str]]
    since: Mapping[tuple[CustomerNo, str, str], int] = field(repr=False)

    def holds(self, invoice: Invoice, partner: Sequence[Hold] = ()) -> list[Hold]:
        """Why *invoice* may not go out; *partner*: what is wrong with its partner. Empty: it may."""
        customer = invoice.customer
        found = [*self.everybody, *self.own.get(customer, ())]
        if self.opens(invoice) == "draft":
            found += [*self.settings, *partner, *self._brakes(invoice)]
        found = [hold for hold in found if not self.is_released(customer, hold.words)]
        if not invoice.adds_up:
            found.append(hold_for("lines-differ", "the lines are not what the rows add up to", self.now, customer))
        return [replace(hold, since=self.since.get((customer, *hold.words), hold.since)) for hold in found]

    def opens(self, invoice: Invoice) -> Opened:
        """What closing the month makes of *invoice*, which nothing holds."""
        if not invoice.exact:
            return "skipped"
        decimals = decimals_of(self.currency)
        is_too_small = self.smallest is not None and units(rounded(invoice.exact, decimals), decimals) < self.smallest
        return "carried" if is_too_small or not invoice.total else "draft"

    def is_released(self, customer: CustomerNo, words: tuple[str, str]) -> bool:
        """Whether a person released it, by the words of the hold: if more is missing than a person saw, it is held again."""
        return any((who, *words) in self.released for who in (customer, None))

    def _brakes(self, invoice: Invoice) -> Iterator[Hold]:
        customer, total = invoice.customer, _told(invoice.exact, self.currency)
        if self.brakes.invoice is not None and from_pico(invoice.exact) > self.brakes.invoice:
            message = f"{total} is more than the largest invoice, {self.brakes.invoice:f} {self.currency}"
            yield hold_for("brake-invoice", message, self.now, customer)
        last = self.last.get(customer)
        # A customer's first invoice has only the absolute caps.
        if self.brakes.change is not None and last and invoice.exact > last * self.brakes.change:
            message = f"{total} is more than {self.brakes.change:f} times the last invoice, {_told(last, self.currency)}"
            yield hold_for("brake-change", message, self.now, customer)


def run_brake(currency: str, brakes: Brakes, exact: Mapping[CustomerNo, Pico], month: Month, now: int) -> Iterator[Hold]:
    """What holds everybody where the *exact* totals (pico-units) of a *month*'s customers come to more than the largest run."""
    total = from_pico(Pico(sum(exact.values())))
    if brakes.run is None or total <= brakes.run:
        return
    # In whole units, so that late usage does not undo a release.
    message = f"{month_text(month)} comes to more than the largest run, {brakes.run:f} {currency}: {int(total):,} {currency}"
    yield hold_for("brake-run", message, now, None)


def _told(exact: Pico, currency: str) -> str:
    decimals = decimals_of(currency)
    return f"{minor_text(rounded(exact, decimals), decimals)} {currency}"
