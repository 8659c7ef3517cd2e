"""An invoice as lines of the accounting system, in one of two shapes: which one depends on the decimals that it keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from control_app.invoicing.accounting import Draft, Line, Preflight
from control_app.invoicing.book import Entry
from control_app.periods import day_text
from control_app.prices import plain
from control_app.spans import DAY, month_range

MILLION = Decimal(1_000_000)
TOKEN_DECIMALS = 6
"""Of a quantity in millions of tokens."""
KINDS: Mapping[str, str] = {
    "prompt": "prompt tokens",
    "input_cache_read": "cached prompt tokens, read",
    "input_cache_write": "cached prompt tokens, written",
    "completion": "completion tokens",
    "internal_reasoning": "reasoning tokens",
    "request": "requests",
}


@dataclass(frozen=True)
class Shape:
    """`exact`: quantity in millions of tokens and the price of a million; else quantity 1 and the amount, already rounded."""

    exact: bool


def shape_of(preflight: Preflight) -> Shape:
    """What Odoo keeps without rounding: six decimals of a quantity, and those of the price of a million (billing.md 3.6)."""
    prices = preflight.price_decimals
    return Shape(preflight.quantity_decimals >= TOKEN_DECIMALS and (prices is None or prices >= TOKEN_DECIMALS))


def draft_of(entry: Entry, partner: int, shape: Shape, reverses: int | None = None) -> Draft:
    """What is created in Odoo. The body tells the lines, so that it is the same at every try."""
    body = json.loads(entry.body)
    return Draft(
        ref=entry.ref,
        type="out_refund" if entry.credit else "out_invoice",
        partner=partner,
        invoice_date=_date(entry.invoice_day),
        due_date=_date(entry.due_day),
        delivery_date=_date(month_range(entry.month).end // DAY - 1),
        lines=list(_lines(body, shape)),
        reverses=reverses,
    )


def _lines(body: Mapping[str, Any], shape: Shape) -> Iterator[Line]:
    for correction in body.get("corrections", ()):
        yield Line(correction["reason"], Decimal(1), Decimal(correction["amount"]))
    for model in body["models"]:
        late = model.get("late_usage_of")
        name = f"{model['model_name']} ({late}, received late)" if late else model["model_name"]
        for line in model["lines"]:
            yield _exact(name, line) if shape.exact else _rounded(name, line, body["currency"])


def _exact(name: str, line: Mapping[str, Any]) -> Line:
    price, quantity = Decimal(line["price"]), Decimal(line["quantity"])
    if line["kind"] == "request":
        return Line(f"{name}: {KINDS['request']}", quantity, price)
    return Line(f"{name}: millions of {KINDS[line['kind']]}", quantity.scaleb(-TOKEN_DECIMALS), price * MILLION)


def _rounded(name: str, line: Mapping[str, Any], currency: str) -> Line:
    price, kind = Decimal(line["price"]), line["kind"]
    each = f"{plain(price)} {currency} each" if kind == "request" else f"{plain(price * MILLION)} {currency} a million"
    return Line(f"{name}: {line['quantity']:,} {KINDS[kind]} at {each}", Decimal(1), Decimal(line["amount"]))


def _date(day: int) -> date:
    return date.fromisoformat(day_text(day))
