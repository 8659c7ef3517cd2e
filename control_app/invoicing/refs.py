"""Names of invoices: the same for the same customer, period and number, whatever is lost (docs/billing-rules.md, Invoices)."""

from __future__ import annotations

from control_app.core.numbers import Month
from control_app.core.time import month_text


def invoice_ref(location: str, customer_id: str, month: Month, n: int) -> str:
    """`stalpeni/<customer id>/2026-10-1`; n rises only when an invoice was voided."""
    return f"{location}/{customer_id}/{month_text(month)}-{n}"


def number_of(ref: str) -> int:
    """Which one of its period the invoice *ref* is."""
    return int(ref.rpartition("-")[2])


def credit_ref(invoice: str, number: int) -> str:
    """Of the *number*-th credit note against the *invoice* of that name."""
    return f"{invoice}-credit-{number}"


def credited(ref: str) -> str:
    """The invoice that the credit note *ref* is against."""
    return ref.rpartition("-credit-")[0]


def file_name(ref: str) -> str:
    """Of the usage that is attached to the invoice *ref*."""
    return f"usage-{ref.rpartition('/')[2]}.csv"
