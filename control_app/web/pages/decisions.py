"""What persons decided about a period or an invoice, as the audit log has it. Lines are found by what their subject begins with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NamedTuple

from control_app.core.numbers import Month
from control_app.core.time import month_text
from control_app.invoicing.entry import Entry
from control_app.storage.database import Db

# U+10FFFF, char(1114111), is no character: nothing that begins with a text comes after the text and it.
BEGINNING = """SELECT at, who, what, subject, reason FROM audit WHERE id IN (
  SELECT audit.id FROM json_each(?) AS beginning CROSS JOIN audit
  ON subject >= beginning.value AND subject < beginning.value || char(1114111)
) ORDER BY at DESC, id DESC"""


class AuditLine(NamedTuple):
    """A line of the log. `at`: microseconds since 1970 UTC."""

    at: int
    who: str
    what: str
    subject: str
    reason: str


def lines_of_month(db: Db, month: Month, refs: Iterable[str]) -> list[AuditLine]:
    """What was decided about a period and about its invoices, by their *refs*; the newest first."""
    period = month_text(month)
    return _lines(db, [period, *refs], rf"(^|/){period}\b")


def lines_of_invoice(db: Db, entry: Entry, customer_id: str) -> list[AuditLine]:
    """What was decided about an invoice: by its name, its credit notes included, or of a hold that was released; the newest first."""
    period = month_text(entry.month)
    by_name = rf"(?<!\S){re.escape(entry.ref)}(?![0-9])"
    # What is decided of several invoices at once names them after their period.
    return _lines(db, [period, entry.ref], rf"{by_name}|^{period} (everybody|{re.escape(customer_id)}) ")


def _lines(db: Db, beginnings: list[str], about: str) -> list[AuditLine]:
    """Lines whose subject has one of *beginnings*, and in which *about*, a regular expression, is found."""
    rows = db.connection.execute(BEGINNING, [json.dumps(beginnings)])
    return [line for line in map(AuditLine._make, rows) if re.search(about, line.subject)]
