"""An invoice as lines of the accounting system: each is one amount, with tokens and price in its text.

Only so do all ways to round, and electronic invoices, say what ours says (docs/facts/odoo.md, Rounding).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from control_app.accounting.port import Draft, Line
from control_app.core.periods import day_text
from control_app.core.time import DAY, month_range
from control_app.invoicing.document import InvoiceBody, InvoiceLine, read_body
from control_app.invoicing.entry import Entry
from control_app.pricing.kinds import KINDS
from control_app.pricing.prices import plain

SMALL_AMOUNTS = "Small amounts, each of which rounds to nothing: the usage that is attached tells them"


def draft_of(entry: Entry, partner: int, against: int | None = None) -> Draft:
    """What is created in the accounting system. The body tells the lines, so that it is the same at every try."""
    body = read_body(entry.body)
    return Draft(
        ref=entry.ref,
        kind=entry.kind,
        partner=partner,
        currency=entry.currency,
        invoice_date=date_of(entry.invoice_day),
        due_date=date_of(entry.due_day),
        delivery_date=date_of(month_range(entry.month).end // DAY - 1),
        # A line of nothing says nothing to who pays.
        lines=_with_order([line for line in _lines(body) if line.amount], body.order_number),
        note=". ".join(filter(None, (_order(body.order_number), _exchange(body)))),
        against=against,
    )


def _with_order(lines: Sequence[Line], number: str | None) -> Sequence[Line]:
    """The customer's own order number stands in the first line too: electronic invoices have only ours as the buyer's order."""
    first, *others = lines
    return [replace(first, text=f"{_order(number)}. {first.text}"), *others] if number else lines


def _order(number: str | None) -> str:
    return f"Your order: {number}" if number else ""


def _exchange(body: InvoiceBody) -> str:
    paid = body.exchange
    return f"1 {paid.base} = {paid.rate} {body.currency} ({paid.source}, {paid.date})" if paid else ""


def _lines(body: InvoiceBody) -> Iterator[Line]:
    for correction in body.corrections:
        yield Line(correction.reason, Decimal(correction.amount))
    for model in body.models:
        name = f"{model.model_name} ({model.late_usage_of}, not billed before)" if model.late_usage_of else model.model_name
        for line in model.lines:
            yield _line(name, line, body.price_currency)
    yield Line(SMALL_AMOUNTS, Decimal(body.small_amounts or 0))


def _line(name: str, line: InvoiceLine, currency: str) -> Line:
    price, kind = Decimal(line.price), KINDS[line.kind]
    told = f"{plain(price * kind.unit.per)} {currency} {kind.unit.price_words}"
    return Line(f"{name}: {line.quantity:,} {kind.invoice_text} at {told}", Decimal(line.amount))


def date_of(day: int) -> date:
    """The date of a day since 1970 UTC."""
    return date.fromisoformat(day_text(day))
