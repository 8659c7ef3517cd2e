"""The lines of an invoice, as a page shows them: exact amounts beside rounded ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from control_app.core.money import to_pico
from control_app.core.numbers import Pico
from control_app.invoicing.document import InvoiceBody, InvoiceLine, InvoiceModel
from control_app.pricing.kinds import KINDS


@dataclass(frozen=True)
class Line:
    """`late`: the month of usage that was not billed with it; `unit`: of what the `price` is. `price`, `exact`: pico-units.

    A credit note over an amount has neither kind nor quantity: `what` is its reason. Nor have the small amounts, whose exact
    ones stand in the lines that round to nothing.
    """

    what: str
    exact: Pico
    amount: str
    late: str | None = None
    kind: str | None = None
    quantity: int | None = None
    price: Pico | None = None
    unit: str | None = None


def lines_of(body: InvoiceBody) -> Iterator[Line]:
    """The lines of an invoice, and the corrections of a credit note."""
    for correction in body.corrections:
        yield Line(correction.reason, to_pico(Decimal(correction.amount)), correction.amount)
    for model in body.models:
        for line in model.lines:
            yield _line(model, line)
    if body.small_amounts:
        yield Line("Small amounts together", Pico(0), body.small_amounts)


def _line(model: InvoiceModel, line: InvoiceLine) -> Line:
    each, kind = to_pico(Decimal(line.price)), KINDS[line.kind]
    return Line(
        what=model.model_name,
        exact=Pico(each * line.quantity),
        amount=line.amount,
        late=model.late_usage_of,
        kind=kind.line_word,
        quantity=line.quantity,
        price=Pico(each * kind.unit.per),
        unit=kind.unit.price_words,
    )
