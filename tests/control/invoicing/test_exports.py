"""The usage that goes with an invoice: days x models, which add up to it."""

from __future__ import annotations

import base64
import csv
import io
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from tests.control.invoicing.test_period_rules import THIRD_OF_DECEMBER, big
from tests.control.support.ledgers import RATES, row
from tests.control.support.world import NOVEMBER, World


def attached(company: World) -> list[list[dict[str, str]]]:
    found = [file for file in company.odoo.records("ir.attachment") if file["mimetype"] == "text/csv"]
    return [list(csv.DictReader(io.StringIO(base64.b64decode(file["datas"]).decode()))) for file in found]


def test_the_attached_usage_has_a_row_a_day_and_model_and_adds_up_to_the_exact_amount(tmp_path: Path) -> None:
    company = World(tmp_path, ["acme", "umbra"])
    company.books.price("=evil", 0, RATES)
    company.use(
        row("2026-10-05T12:00", "k-acme"),
        row("2026-10-05T13:00", "k-acme"),
        row("2026-10-05T12:00", "k-acme", "=evil"),
        row("2026-10-06T00:00", "k-acme"),
        row("2026-10-06T00:00", "k-umbra"),
        big("2026-10-07T00:00"),
    )
    company.run()
    rows = attached(company)[0]
    assert [(row["date_utc"], row["model_id"], row["requests"]) for row in rows] == [
        ("2026-10-05", "'=evil", "1"),
        ("2026-10-05", "llama", "2"),
        ("2026-10-06", "llama", "1"),
        ("2026-10-07", "llama", "1"),
    ]
    assert (rows[1]["prompt_tokens"], rows[1]["cached_read_tokens"], rows[1]["completion_tokens"], rows[1]["reasoning_tokens"]) == (
        *("200", "80", "40"),
        "10",
    )
    assert sum(Decimal(row["exact_cost"]) for row in rows) == Decimal(company.entries()[0].exact) / 10**12
    assert {row["currency"] for row in rows} == {"USD"}


def test_usage_that_came_late_is_attached_to_the_invoice_that_bills_it(tmp_path: Path) -> None:
    company = World(tmp_path)
    company.use(big())
    company.run()
    company.use(big("2026-10-31T23:00"), big("2026-11-05T00:00"))
    company.now = THIRD_OF_DECEMBER + timedelta(hours=1)
    company.read()
    company.run(NOVEMBER)
    first, second = attached(company)
    assert [row["date_utc"] for row in first] == ["2026-10-05"]
    assert [row["date_utc"] for row in second] == ["2026-10-31", "2026-11-05"]
