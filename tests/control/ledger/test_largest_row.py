"""A row that would cost more than the price book's largest is not rated: no request costs that (docs/billing-rules.md, Rating a row)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_app.core.clock import utc
from control_app.pricing.bounds import DOLLARS
from control_app.pricing.store import PriceBook
from tests.control.support.ledgers import row, small_world

LLAMA: dict[str, Any] = {"prompt": 1_000_000, "cached_read": 0, "completion": 0, "reasoning": 0}
"""Costs 1 at the rates of the small world."""


@pytest.mark.parametrize(("largest", "rated"), [("1000", True), ("1", True), ("0.999999999999", False)])
def test_the_largest_row_is_the_price_books(tmp_path: Path, largest: str, *, rated: bool) -> None:
    books = small_world(tmp_path)
    PriceBook(books.db, utc, replace(DOLLARS, row=Decimal(largest))).open()
    books.take(row(**LLAMA))
    ((amount,),) = books.db.connection.execute("SELECT amount FROM requests")
    assert amount == (10**12 if rated else None)


def test_where_nothing_is_said_it_is_a_thousand(tmp_path: Path) -> None:
    books = small_world(tmp_path)
    books.price("dear", 0, {"prompt": Decimal(1), "completion": Decimal(1)})
    thousand: dict[str, Any] = LLAMA | {"prompt": 1_000}
    more: dict[str, Any] = LLAMA | {"prompt": 1_001}
    books.take(row("2026-10-05T12:00", model="dear", **thousand), row("2026-10-05T13:00", model="dear", **more))
    assert books.db.connection.execute("SELECT amount FROM requests ORDER BY at").fetchall() == [(1_000 * 10**12,), (None,)]
