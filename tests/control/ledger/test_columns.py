"""Statements name their columns, by names that the tables have, and money is one formula in the ledger and on an invoice."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_app.core.exchange import in_book_currency
from control_app.core.numbers import CustomerNo, Month, Pico
from control_app.gateway.port import UsageRow
from control_app.invoicing.invoice import Cell, invoice_of
from control_app.ledger.columns import CELL, COUNTED, INCOMING, KEPT, MEASURED, ROW, TOKENS
from control_app.ledger.statements import STAGES
from control_app.ledger.usage import Usage
from control_app.pricing.kinds import KINDS
from control_app.pricing.rates import Rates
from control_app.service.tables import open_database
from tests.control.support.ledgers import ALWAYS, PICO, Books, row
from tests.control.support.recomputation import Price, World, cost

ROOT = Path(__file__).parents[3] / "control_app"
ROOMS = ("ledger", "storage", "pricing", "gateway")
counts = st.integers(0, 10**6)


def statements(room: str) -> list[str]:
    """What stands in the modules of a *room* and inserts: the table, and the first character after it."""
    sources = [path.read_text() for path in sorted((ROOT / room).rglob("*.py"))]
    return [found[0] for source in sources for found in re.finditer(r"\bINSERT(?: OR [A-Z]+)? INTO\s+[\w.{}]+\s*.", source)]


def test_whatever_inserts_into_the_ledger_is_looked_at() -> None:
    assert len(statements("ledger")) > 20


@pytest.mark.parametrize("room", ROOMS)
def test_no_statement_inserts_without_naming_its_columns(room: str) -> None:
    assert [statement for statement in statements(room) if not statement.endswith("(")] == []


def test_no_statement_of_the_ledger_reads_a_tables_columns_by_their_order() -> None:
    assert [path.name for path in (ROOT / "ledger").glob("*.py") if "SELECT *" in path.read_text()] == []


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("requests", ROW),
        ("days", (*CELL, *KEPT)),
        ("months", ("month", "key", "model", "customer", "price", "billed_in", *KEPT)),
        ("model_days", ("day", "part", "model", *KEPT)),
        ("incoming", (*INCOMING, "logged")),
        ("moving", ROW),
        ("cells", (*CELL, *KEPT)),
    ],
)
def test_a_table_has_these_columns(tmp_path: Path, table: str, names: tuple[str, ...]) -> None:
    connection = open_database(tmp_path / "control.sqlite3").connection
    for stage in STAGES:
        connection.execute(stage)
    found = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", [table])}
    assert (found, len(found)) == (set(names), len(names))


def test_a_row_counts_in_every_sum_of_usage_and_in_no_other() -> None:
    assert tuple(name for name in COUNTED if name != "amount_high") == Usage.__struct_fields__
    assert set(TOKENS) < set(UsageRow._fields)


def evaluated(expressions: list[str], *tokens: int) -> list[int]:
    """SQL *expressions* over a row of so many *tokens*."""
    used = int(tokens[0] + tokens[3] > 0)
    values = dict(zip(TOKENS, tokens, strict=True)) | {"used": used, "unused": 0, "amount": 0, "succeeded": 1}
    source = ", ".join(f"{value} AS {name}" for name, value in values.items())
    return list(sqlite3.connect(":memory:").execute(f"SELECT {', '.join(expressions)} FROM (SELECT {source})").fetchone())  # noqa: S608


@given(st.tuples(*[counts] * 5))
def test_what_a_price_kind_bills_of_a_row_is_what_the_row_adds_to_the_sum(tokens: tuple[int, ...]) -> None:
    billed, added = evaluated(list(MEASURED.values()), *tokens), evaluated([COUNTED[name] for name in MEASURED], *tokens)
    is_used = tokens[0] + tokens[3] > 0
    assert added == (billed if is_used else [0] * len(MEASURED))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[counts] * 5), min_size=1, max_size=8), st.tuples(*[st.integers(1, 10**7)] * 6))
def test_the_ledger_and_an_invoice_and_the_rules_come_to_the_same_amount(
    tmp_path_factory: pytest.TempPathFactory, used: list[tuple[int, ...]], rates: tuple[int, ...]
) -> None:
    books = Books(tmp_path_factory.mktemp("formula"))
    prices = {kind: rate / PICO for kind, rate in zip(KINDS, rates, strict=True)}
    books.price("llama", 0, prices)
    told: list[dict[str, Any]] = [dict(zip(TOKENS, tokens, strict=True)) for tokens in used]
    rows = [row(**tokens) for tokens in told]
    books.take(*rows)
    ((version, usage),) = ((price, usage) for (price,), usage in books.reader.by(("price",), ALWAYS).items())
    cell = Cell(CustomerNo(1), Month(0), 1, version, usage)
    bill = invoice_of(CustomerNo(1), Month(0), [cell], {version: Rates(*map(Pico, rates))}, {1: "llama"}, in_book_currency("USD"))
    assert bill.exact == usage.amount
    world = World({"llama": [Price(0, prices)]}, {})
    assert usage.amount == sum(int((cost(one, world) or 0) * PICO) for one in rows)
    books.db.close()
