"""The lines of an invoice, as a page shows them: exact amounts beside rounded ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from control_app.money import to_pico

KINDS = {
    "prompt": "Prompt",
    "input_cache_read": "Cache read",
    "input_cache_write": "Cache write",
    "completion": "Completion",
    "internal_reasoning": "Reasoning",
    "request": "Requests",
}
MILLION = 1_000_000


@dataclass(frozen=True)
class Line:
    """`late`: the month of usage that came after it was billed; `unit`: of what the `price` is. `price`, `exact`: pico-units.

    A credit note over an amount has neither kind nor quantity: `what` is its reason.
    """

    what: str
    exact: int
    amount: str
    late: str | None = None
    kind: str | None = None
    quantity: int | None = None
    price: int | None = None
    unit: str | None = None


def lines_of(body: Mapping[str, Any]) -> Iterator[Line]:
    """Of an invoice as JSON tells it."""
    for correction in body.get("corrections", ()):
        yield Line(correction["reason"], to_pico(Decimal(correction["amount"])), correction["amount"])
    for model in body["models"]:
        for line in model["lines"]:
            yield _line(model, line)


def _line(model: Mapping[str, Any], line: Mapping[str, Any]) -> Line:
    each, is_request = to_pico(Decimal(line["price"])), line["kind"] == "request"
    return Line(
        what=model["model_name"],
        exact=each * line["quantity"],
        amount=line["amount"],
        late=model.get("late_usage_of"),
        kind=KINDS[line["kind"]],
        quantity=line["quantity"],
        price=each if is_request else each * MILLION,
        unit="each" if is_request else "a million",
    )
