"""An invoice or a credit note as we keep it, and the intent that it begins with."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple, TypedDict

from control_app.accounting.port import Kind
from control_app.core.currency import decimals_of, rounded
from control_app.core.exchange import Rate, Tender
from control_app.core.numbers import CustomerNo, Minor, Month, Pico

State = Literal["draft", "created", "posted", "sent", "skipped", "carried", "void"]
Target = Literal["created", "sent", "void"]
Opened = Literal["draft", "skipped", "carried"]
"""What a month is when it closes: an invoice that is about to be made, nothing to pay, or too little, which the next month has too."""
WITHOUT_INVOICE = ("skipped", "carried")
"""Months that were closed without one."""
ENDED = ("sent", *WITHOUT_INVOICE, "void")


class Changes(TypedDict, total=False):
    """Columns of a row of `invoices` that steps change; the others stay as they were intended."""

    state: State
    target: Target
    invoice_day: int
    due_day: int
    partner: int | None
    odoo_id: int | None
    number: str | None
    checked: int
    failed_mails: int
    rebill: int
    attempt: str | None
    attempted_at: int | None
    not_before: int
    tries: int
    error: str | None


class Entry(NamedTuple):
    """A row of `invoices` (invoicing/tables.py)."""

    id: int
    ref: str
    customer: CustomerNo
    month: Month
    n: int
    credit: int
    state: State
    target: Target
    currency: str
    total: Minor
    exact: Pico
    invoice_day: int
    due_day: int
    partner: int | None
    body: str
    odoo_id: int | None
    number: str | None
    checked: int
    failed_mails: int
    rebill: int
    attempt: str | None
    attempted_at: int | None
    not_before: int
    tries: int
    error: str | None
    run: str
    created_at: int
    updated_at: int
    unit: str
    rate: str | None
    rate_base: str | None
    rate_source: str | None
    rate_day: int | None

    @property
    def tender(self) -> Tender:
        """What it is paid in, as it was fixed when it was intended."""
        rate = self.rate and Rate(self.rate_base or "", Decimal(self.rate), self.rate_source or "", self.rate_day or 0)
        return Tender(self.currency, Decimal(self.unit), rate or None)

    @property
    def booked(self) -> Minor:
        """The total in the price book's currency, minor units."""
        return self.total if self.rate_base is None else rounded(self.exact, decimals_of(self.rate_base))

    @property
    def kind(self) -> Kind:
        """What it is to the accounting system."""
        return "credit note" if self.credit else "invoice"

    @property
    def is_where_it_may_be(self) -> bool:
        """Whether nothing is left to do before a person says so."""
        if self.target == "void":
            return self.state in (*WITHOUT_INVOICE, "void")
        return self.state in ENDED or (self.target == "created" and bool(self.checked))

    @property
    def waits_for_approval(self) -> bool:
        """Whether it is a draft that goes on when a person approves it."""
        return (self.state, self.target, self.checked) == ("created", "created", 1)


@dataclass(frozen=True)
class Intent:
    """What is to become of a month, or a credit note. `body`: as it is told; `total`: minor units of `tender`, in which it is paid."""

    ref: str
    customer: CustomerNo
    month: Month
    n: int
    tender: Tender
    total: Minor
    exact: Pico
    body: str
    partner: int | None
    state: Opened = "draft"
    credit: int = 0
