"""Files of a month: the usage that goes with an invoice, and the month as the accountant wants it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from control_app.database import Db
from control_app.invoicing.book import Entry, InvoiceBook
from control_app.invoicing.currency import decimals_of, minor_text
from control_app.money import from_pico, plain_amount
from control_app.periods import day_text
from control_app.prices import plain
from control_app.spans import month_range, month_text, parse_month
from control_app.usage import Usage, UsageReader
from control_app.usage_report import safe

USAGE_COLUMNS = (
    *("date_utc", "model_id", "requests", "prompt_tokens", "cached_read_tokens", "cached_write_tokens", "completion_tokens"),
    *("reasoning_tokens", "exact_cost", "currency"),
)
MONTH_COLUMNS = (
    *("period", "invoice_ref", "kind", "state", "customer_id", "customer_name", "odoo_id", "odoo_number", "invoice_date_utc"),
    *("line", "model_id", "usage_period", "price_kind", "quantity", "price", "exact", "rounded", "rounded_minus_exact", "currency"),
)


def usage_csv(db: Db, entry: Entry) -> bytes:
    """Days x models of what *entry* bills: they add up to its exact amount. UTF-8, RFC 4180."""
    models: dict[int, str] = dict(db.connection.execute("SELECT id, name FROM models").fetchall())
    body = json.loads(entry.body)
    months = {entry.month, *(parse_month(model["late_usage_of"]) for model in body["models"] if "late_usage_of" in model)}
    rows: list[Sequence[Any]] = []
    for month in sorted(month for month in months if month is not None):
        used = UsageReader(db).by(("day", "model", "billed_in"), month_range(month), customer=entry.customer)
        own = {(day, models[model]): usage for (day, model, billed_in), usage in used.items() if billed_in == entry.month}
        rows += [
            (day_text(day), *safe([name]), *_counts(own[day, name]), entry.currency) for day, name in sorted(own) if own[day, name].requests
        ]
    return _csv(USAGE_COLUMNS, rows).encode()


def _counts(usage: Usage) -> tuple[Any, ...]:
    tokens = (usage.prompt, usage.cached_read, usage.cached_write, usage.completion, usage.reasoning)
    return (usage.requests, *tokens, plain_amount(usage.amount))


def month_csv(book: InvoiceBook, month: int) -> Iterator[str]:
    """The month for the accountant: a row a line, and one a total, of every invoice and credit note.

    Without what was skipped, and drafts that were cancelled: what was posted and voided has its credit note.
    """
    yield _csv(MONTH_COLUMNS, ())
    for entry in book.entries(month):
        if entry.state != "skipped" and not (entry.state == "void" and entry.number is None):
            yield _csv((), _rows(entry))


def _rows(entry: Entry) -> Iterator[Sequence[Any]]:
    """Amounts of credit notes are negative."""
    body, decimals, sign = json.loads(entry.body), decimals_of(entry.currency), -1 if entry.credit else 1
    head = (
        *(month_text(entry.month), entry.ref, "credit note" if entry.credit else "invoice", entry.state),
        *safe((body["customer_id"], body["customer_name"], entry.odoo_id or "", entry.number or "", day_text(entry.invoice_day))),
    )
    number = 0
    for correction in body.get("corrections", ()):
        number += 1
        yield (
            *head,
            number,
            *safe([correction["reason"]]),
            *("",) * 4,
            *_amounts(sign, Decimal(correction["amount"]), correction["amount"], entry),
        )
    for model in body["models"]:
        for line in model["lines"]:
            number += 1
            exact = Decimal(line["quantity"]) * Decimal(line["price"])
            what = (
                model["model_id"],
                model.get("late_usage_of", body["period"]["start"][:7]),
                line["kind"],
                line["quantity"],
                line["price"],
            )
            yield (*head, number, *safe(what), *_amounts(sign, exact, line["amount"], entry))
    yield (*head, "total", *("",) * 5, *_amounts(sign, from_pico(entry.exact), minor_text(entry.total, decimals), entry))


def _amounts(sign: int, exact: Decimal, amount: str, entry: Entry) -> tuple[str, str, str, str]:
    rounded = Decimal(amount)
    # Plus 0, or nothing would be -0.
    return plain(sign * exact + 0), format(sign * rounded + 0, "f"), plain(sign * (rounded - exact) + 0), entry.currency


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    if header:
        writer.writerow(header)
    for row in rows:
        writer.writerow(row)
    return text.getvalue()
