"""Credit notes: what is taken back of a posted invoice, in whole or in part. Never a negative line (docs/billing-rules.md, Periods)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

import msgspec

from control_app.core.currency import minor_text
from control_app.core.money import PICO
from control_app.core.numbers import Minor, Pico
from control_app.core.periods import time_text
from control_app.invoicing.document import Correction, InvoiceBody, read_body
from control_app.invoicing.entry import Entry, Intent
from control_app.invoicing.refs import credit_ref

DIGITS = 60
"""More than any exact amount has."""


def standing(notes: Iterable[Entry]) -> list[Entry]:
    """Of *notes* those that take something back: not what a person has cancelled or deleted."""
    return [note for note in notes if note.state != "void"]


def left_of(entry: Entry, notes: Sequence[Entry]) -> Minor:
    """What the invoice *entry* bills, less what *notes* take back of it; minor units."""
    return Minor(entry.total - sum(note.total for note in notes))


def to_be_credited(entry: Entry, notes: Sequence[Entry], amount: Decimal) -> Minor:
    """What a credit note over exactly *amount* comes to, minor units: what is billed less what is owed then, rounded once.

    *notes*: what takes something back of the invoice *entry* already. Nothing is owed where more is taken back than was.
    """
    with localcontext(prec=DIGITS):
        owed = _exact_left(entry, notes) - amount
    return Minor(left_of(entry, notes) - entry.tender.rounded(max(owed, Decimal(0))))


def full_credit(entry: Entry, notes: Sequence[Entry], number: int, now: int) -> Intent:
    """Takes back all of an invoice that *notes* have not taken back yet, by its *number*-th credit note."""
    if notes:
        return partial_credit(entry, notes, _exact_left(entry, notes), "the rest of the invoice", number, now)
    return _intent(entry, entry.total, entry.exact, read_body(entry.body), number, now)


def partial_credit(  # noqa: PLR0913, PLR0917 (what a credit note is made of)
    entry: Entry, notes: Sequence[Entry], amount: Decimal, reason: str, number: int, now: int
) -> Intent:
    """Takes back exactly *amount*, without tax, by the *number*-th credit note of the invoice; *reason* stands on it."""
    total = to_be_credited(entry, notes, amount)
    text = minor_text(total, entry.tender.decimals)
    body = msgspec.structs.replace(
        read_body(entry.body),
        models=[],
        corrections=[Correction(reason, text)],
        small_amounts=None,
        total_tokens=0,
        total_requests=0,
        exact_cost=f"{amount:f}",
        total_cost=text,
    )
    return _intent(entry, total, _booked(entry, amount), body, number, now)


def is_whole(note: Entry) -> bool:
    """Whether the credit note takes back an invoice line by line, and not an amount of it."""
    return not read_body(note.body).corrections


def _exact_left(entry: Entry, notes: Sequence[Entry]) -> Decimal:
    with localcontext(prec=DIGITS):
        return _exact(entry) - sum(map(_exact, notes), Decimal(0))


def _booked(entry: Entry, amount: Decimal) -> Pico:
    """An exact *amount* of what the invoice *entry* is paid in, in the price book's currency, to the nearest pico-unit."""
    rate = entry.tender.rate
    return Pico(round(Fraction(amount) * PICO / Fraction(rate.value if rate else 1)))


def _exact(entry: Entry) -> Decimal:
    return Decimal(read_body(entry.body).exact_cost)


def _intent(entry: Entry, total: Minor, exact: Pico, body: InvoiceBody, number: int, now: int) -> Intent:  # noqa: PLR0913, PLR0917
    ref = credit_ref(entry.ref, number)
    text = msgspec.json.encode(msgspec.structs.replace(body, invoice_id=ref, issued_at=time_text(now))).decode()
    return Intent(ref, entry.customer, entry.month, entry.n, entry.tender, total, exact, text, entry.partner, credit=number)
