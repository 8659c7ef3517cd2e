"""Files of a month: the usage that goes with an invoice, and the month as the accountant wants it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, localcontext
from typing import Any

from control_app.core.money import plain_amount, to_pico
from control_app.core.numbers import Month
from control_app.core.periods import day_text, time_text
from control_app.core.time import DAY, month_range, month_text, parse_month
from control_app.invoicing.book import InvoiceBook
from control_app.invoicing.credits import DIGITS
from control_app.invoicing.document import InvoiceBody, read_body
from control_app.invoicing.entry import WITHOUT_INVOICE, Entry
from control_app.invoicing.payments import Reading, payment_state, readings, told
from control_app.ledger.reader import UsageReader
from control_app.ledger.report import safe
from control_app.ledger.usage import Usage
from control_app.pricing.prices import plain
from control_app.storage.chain import link
from control_app.storage.database import Db

USAGE_COLUMNS = (
    *("date_utc", "model_id", "requests", "prompt_tokens", "cached_read_tokens", "cached_write_tokens", "completion_tokens"),
    *("reasoning_tokens", "exact_cost", "currency"),
)
MONTH_COLUMNS = (
    *("period", "invoice_ref", "kind", "state", "customer_id", "customer_name", "odoo_partner_id", "odoo_id", "odoo_number"),
    *("invoice_date_utc", "due_date_utc", "delivery_date_utc", "chain_sha256"),
    *("line", "model_id", "usage_period", "price_kind", "quantity", "price", "exact", "rounded", "rounded_minus_exact", "currency"),
    *("price_currency", "exchange_rate", "exchange_rate_source", "exchange_rate_date_utc"),
    *("tax", "total_with_tax", "unpaid", "payment_state", "days_overdue", "payment_as_of_utc"),
)


def usage_csv(db: Db, entry: Entry) -> bytes:
    """Days x models of what *entry* bills: they add up to its exact amount in the price book's currency. UTF-8, RFC 4180."""
    models: dict[int, str] = dict(db.connection.execute("SELECT id, name FROM models").fetchall())
    body = read_body(entry.body)
    months = {entry.month, *(parse_month(late) for late in body.late_months)}
    rows: list[Sequence[Any]] = []
    for month in sorted(month for month in months if month is not None):
        used = UsageReader(db).by(("day", "model", "billed_in"), month_range(month), customer=entry.customer)
        own = {(day, models[model]): usage for (day, model, billed_in), usage in used.items() if billed_in == entry.month}
        rows += [
            (day_text(day), *safe([name]), *_counts(own[day, name]), body.price_currency)
            for day, name in sorted(own)
            if own[day, name].requests
        ]
    return _csv(USAGE_COLUMNS, rows).encode()


def _counts(usage: Usage) -> tuple[Any, ...]:
    tokens = (usage.prompt, usage.cached_read, usage.cached_write, usage.completion, usage.reasoning)
    return (usage.requests, *tokens, plain_amount(usage.amount))


def month_csv(book: InvoiceBook, month: Month) -> Iterator[str]:
    """The month for the accountant: a row a line of every invoice and credit note. What its rows add up to is its total.

    `chain_sha256`: the link of the invoice in the chain over what never changes (storage/chain.py), which stands for all before it.
    Without months that came to no invoice, and drafts that were cancelled: what was posted and voided has its credit note.
    Tax, total with tax and what is unpaid are the whole document's: they stand on its first row, so that each column adds up.
    """
    yield _csv(MONTH_COLUMNS, ())
    paid = readings(book.db, month)
    for entry in book.entries(month):
        if entry.state not in WITHOUT_INVOICE and not (entry.state == "void" and entry.number is None):
            rows = _rows(entry, link(book.db.connection, "invoices", entry.id))
            yield _csv((), ((*row, *_paid(entry, paid.get(entry.id), is_first=not number)) for number, row in enumerate(rows)))


def _rows(entry: Entry, sha256: str) -> Iterator[Sequence[Any]]:
    """The rows of an invoice or a credit note; amounts of credit notes are negative."""
    body, tender, sign = read_body(entry.body), entry.tender, -1 if entry.credit else 1
    delivery = month_range(entry.month).end // DAY - 1
    head = (
        *(month_text(entry.month), entry.ref, "credit note" if entry.credit else "invoice", entry.state),
        *safe((body.customer_id, body.customer_name, entry.partner or "", entry.odoo_id or "", entry.number or "")),
        *(day_text(entry.invoice_day), day_text(entry.due_day), day_text(delivery), sha256),
    )
    number = 0
    for correction in body.corrections:
        number += 1
        yield (
            *head,
            number,
            *safe([correction.reason]),
            *("",) * 4,
            *_amounts(sign, Decimal(body.exact_cost), correction.amount, body),
        )
    for model in body.models:
        for line in model.lines:
            number += 1
            what = (
                model.model_id,
                model.late_usage_of or body.period.start[:7],
                line.kind,
                line.quantity,
                line.price,
            )
            yield (*head, number, *safe(what), *_amounts(sign, tender.exact(to_pico(line.exact)), line.amount, body))
    if body.small_amounts:
        # The lines that it rounds have their exact amounts themselves.
        yield (*head, number + 1, "small amounts", *("",) * 4, *_amounts(sign, Decimal(0), body.small_amounts, body))


def _paid(entry: Entry, reading: Reading | None, *, is_first: bool) -> tuple[object, ...]:
    """What of it was paid as Odoo was read last, or that this is not known; the document's amounts stand on its first row."""
    payment = reading.payment if reading and is_first else None
    amounts = [told(amount, entry) for amount in (payment.tax, payment.total, payment.unpaid)] if payment else [""] * 3
    since = (reading.days_overdue(entry) or "", time_text(reading.at)) if reading else ("", "")
    return (*amounts, payment_state(entry, reading), *since)


def _amounts(sign: int, exact: Decimal, amount: str, body: InvoiceBody) -> tuple[str, ...]:
    rounded, paid = Decimal(amount), body.exchange
    exchange = (paid.rate, *safe([paid.source]), paid.date) if paid else ("",) * 3
    with localcontext(prec=DIGITS):
        # Plus 0, or nothing would be -0.
        told = plain(sign * exact + 0), format(sign * rounded + 0, "f"), plain(sign * (rounded - exact) + 0)
    return (*told, body.currency, body.price_currency, *exchange)


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    if header:
        writer.writerow(header)
    for row in rows:
        writer.writerow(row)
    return text.getvalue()
