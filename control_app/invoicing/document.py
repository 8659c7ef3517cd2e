"""An invoice as it is told: amounts are strings in plain notation, exact and rounded ones beside each other.

This is what the ledger's numbers become once, before anything is asked of anybody: it is kept with the invoice as JSON, and
lines in Odoo, CSV and pages are made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from control_app.core.currency import minor_text
from control_app.core.exchange import Tender
from control_app.core.money import plain_amount
from control_app.core.numbers import Month
from control_app.core.periods import Period, UtcText, day_text, time_text, written_period
from control_app.core.time import month_range, month_text
from control_app.invoicing.invoice import Invoice, ModelLines
from control_app.ledger.answer import Count

Money = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="In plain notation, in the currency's units.")]
MonthText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", description="A billing period, like `2026-10`.")]
_plain = lru_cache(maxsize=4096)(plain_amount)


class InvoiceLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A price kind: `price` times `quantity`. `amount`: its part of the invoice's total, 0 where it is among the small amounts."""

    kind: str
    price: Money
    quantity: Count
    amount: Money

    @property
    def exact(self) -> Decimal:
        """What it comes to exactly, in units of the currency."""
        return Decimal(self.quantity) * Decimal(self.price)


class InvoiceModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A model at one price version. `late_usage_of`: the month in which it was used, where it was not billed with that."""

    model_id: str
    model_name: str
    total_tokens: Count
    total_requests: Count
    lines: list[InvoiceLine]
    late_usage_of: MonthText | None = None


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a credit note takes back."""

    reason: str
    amount: Money


class ExchangeRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At which rate an invoice is paid in another currency: units of it for one of the price book's, `base`."""

    base: str
    rate: Money
    source: str
    date: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="For which it was published.")]


class InvoiceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An invoice. `total_cost` is `exact_cost`, rounded once; both are without tax.

    `small_amounts`: what all lines that round to nothing by themselves come to together. `order_number`: the customer's own.
    `exchange`: where `currency` is not the price book's; `price` of lines is in the price book's all the same.
    """

    invoice_id: str
    customer_id: str
    customer_name: str
    currency: str
    issued_at: UtcText
    location: str
    period: Period
    total_cost: Money
    exact_cost: Money
    total_tokens: Count
    total_requests: Count
    models: list[InvoiceModel]
    corrections: list[Correction] = []
    small_amounts: Money | None = None
    order_number: str | None = None
    exchange: ExchangeRate | None = None

    @property
    def price_currency(self) -> str:
        """The currency of prices, and of what lines come to exactly."""
        return self.exchange.base if self.exchange else self.currency

    @property
    def late_months(self) -> set[str]:
        """Earlier months, like `2026-10`, usage of which is on it."""
        return {model.late_usage_of for model in self.models if model.late_usage_of}


class ProForma(InvoiceBody, frozen=True, kw_only=True):
    """What a customer's month would come to if it ended now. It is no invoice. `complete_through`: usage before it is complete."""

    pro_forma: Literal[True]
    complete_through: UtcText | None


def read_body(text: str) -> InvoiceBody:
    """The invoice that was kept as JSON *text*."""
    return msgspec.json.decode(text, type=InvoiceBody)


@dataclass(frozen=True)
class Who:
    """A customer, by the gateway's id. `order_number`: the customer's own, which its invoices name."""

    id: str
    name: str
    order_number: str | None = None


@dataclass(frozen=True)
class Writer:
    """Writes invoices of a *location*. `model_names`: what models are called, by their ids."""

    location: str
    model_names: Callable[[], Mapping[str, str]]

    def settled(self) -> Writer:
        """With the names as they are now: to read them for each invoice would take time."""
        names = self.model_names()
        return replace(self, model_names=lambda: names)

    def body(self, invoice: Invoice, who: Who, ref: str, issued_at: int) -> InvoiceBody:
        """*invoice* as it is told under the name *ref*. *issued_at*: of the run, microseconds since 1970 UTC."""
        tender, decimals, names = invoice.tender, invoice.tender.decimals, self.model_names()
        return InvoiceBody(
            invoice_id=ref,
            customer_id=who.id,
            customer_name=who.name,
            currency=tender.currency,
            issued_at=time_text(issued_at),
            location=self.location,
            period=written_period(month_range(invoice.month)),
            total_cost=minor_text(invoice.total, decimals),
            exact_cost=_written(tender.exact(invoice.exact)),
            total_tokens=invoice.tokens,
            total_requests=invoice.requests,
            models=[_model(part, invoice.month, names, decimals) for part in invoice.models],
            small_amounts=minor_text(invoice.small, decimals) if invoice.small else None,
            order_number=who.order_number,
            exchange=_exchange(tender),
        )


def _exchange(tender: Tender) -> ExchangeRate | None:
    rate = tender.rate
    return ExchangeRate(rate.base, _written(rate.value), rate.source, day_text(rate.day)) if rate else None


def _written(amount: Decimal) -> str:
    """In plain notation, with all its digits and no zeros at the end."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _model(part: ModelLines, month: Month, names: Mapping[str, str], decimals: int) -> InvoiceModel:
    return InvoiceModel(
        model_id=part.model,
        model_name=names.get(part.model, part.model),
        total_tokens=part.usage.tokens,
        total_requests=part.usage.requests,
        lines=[InvoiceLine(kind, _plain(rate), quantity, minor_text(amount, decimals)) for kind, rate, quantity, _, amount in part.lines],
        # Usage that came after its own month was closed.
        late_usage_of=None if part.month == month else month_text(part.month),
    )
