"""An invoice as JSON tells it: amounts as strings in plain notation, exact and rounded ones beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import msgspec

from control_app.invoicing.currency import decimals_of, minor_text
from control_app.invoicing.invoice import Invoice, ModelLines
from control_app.money import plain_amount
from control_app.periods import time_text
from control_app.spans import month_range, month_text

_plain = lru_cache(maxsize=4096)(plain_amount)


@dataclass(frozen=True)
class Who:
    """A customer, by the gateway's id."""

    id: str
    name: str


@dataclass(frozen=True)
class Bodies:
    """Writes invoices of a *location*. `model_names`: what models are called that are for sale."""

    location: str
    currency: str
    model_names: Callable[[], Mapping[str, str]]

    def settled(self) -> Bodies:
        """With the names as they are now: to read them for each invoice takes time, and inside of a transaction it may fail."""
        names = self.model_names()
        return replace(self, model_names=lambda: names)

    def write(self, invoice: Invoice, who: Who, ref: str, issued_at: int) -> bytes:
        """JSON, in UTF-8. *issued_at*: of the run, microseconds since 1970 UTC."""
        return msgspec.json.encode(self.document(invoice, who, ref, issued_at))

    def document(self, invoice: Invoice, who: Who, ref: str, issued_at: int) -> dict[str, Any]:
        """The same, as JSON has it."""
        decimals, names, period = decimals_of(self.currency), self.model_names(), month_range(invoice.month)
        return {
            "invoice_id": ref,
            "customer_id": who.id,
            "customer_name": who.name,
            "currency": self.currency,
            "issued_at": time_text(issued_at),
            "location": self.location,
            "period": {"start": time_text(period.start), "end": time_text(period.end)},
            "total_cost": minor_text(invoice.total, decimals),
            "exact_cost": _plain(invoice.exact),
            "total_tokens": invoice.tokens,
            "total_requests": invoice.requests,
            "models": [_model(part, invoice.month, names, decimals) for part in invoice.models],
        }


def _model(part: ModelLines, month: int, names: Mapping[str, str], decimals: int) -> dict[str, Any]:
    document: dict[str, Any] = {
        "model_id": part.model,
        "model_name": names.get(part.model, part.model),
        "total_tokens": part.usage.tokens,
        "total_requests": part.usage.requests,
        "lines": [
            {"kind": kind, "price": _plain(rate), "quantity": quantity, "amount": minor_text(amount, decimals)}
            for kind, rate, quantity, _, amount in part.lines
        ],
    }
    # Usage that came after its own month was closed.
    return document if part.month == month else document | {"late_usage_of": month_text(part.month)}
