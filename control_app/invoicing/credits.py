"""Credit notes: what is taken back of a posted invoice, in whole or in part. Never a negative line (docs/billing-rules.md, Periods)."""

from __future__ import annotations

import json
from typing import Any

from control_app.invoicing.book import Entry, Intent, InvoiceBook
from control_app.invoicing.currency import decimals_of, minor_text
from control_app.invoicing.refs import credit_ref
from control_app.money import DECIMALS
from control_app.periods import time_text


def full_credit(book: InvoiceBook, entry: Entry, left: int) -> Intent:
    """Takes back all of an invoice, *left* minor units of which no credit note has taken back yet."""
    if left != entry.total:
        return partial_credit(book, entry, left, "the rest of the invoice")
    return _intent(book, entry, left, json.loads(entry.body), entry.exact)


def partial_credit(book: InvoiceBook, entry: Entry, amount: int, reason: str) -> Intent:
    """Takes back *amount* minor units, without tax; *reason* stands on the credit note."""
    text = minor_text(amount, decimals_of(entry.currency))
    body = json.loads(entry.body) | {"models": [], "corrections": [{"reason": reason, "amount": text}]}
    body |= {"total_tokens": 0, "total_requests": 0, "exact_cost": text, "total_cost": text}
    return _intent(book, entry, amount, body, amount * 10 ** (DECIMALS - decimals_of(entry.currency)))


def _intent(book: InvoiceBook, entry: Entry, amount: int, body: dict[str, Any], exact: int) -> Intent:
    number = len(book.credits(entry)) + 1
    ref = credit_ref(entry.ref, number)
    body |= {"invoice_id": ref, "issued_at": time_text(book.clock())}
    return Intent(ref, entry.customer, entry.month, entry.n, amount, exact, json.dumps(body), entry.partner, number)
