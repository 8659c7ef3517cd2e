"""What an invoice comes to does not depend on how the usage was spread over keys, pages and time."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from control_app.invoicing.bills import Bills
from control_app.invoicing.invoice import Invoice
from tests.control.support.ledgers import RATES, Books, row
from tests.control.support.world import OCTOBER

DAYS = st.integers(1, 31)
CALLS = st.lists(st.tuples(DAYS, st.sampled_from(["llama", "qwen"]), st.integers(0, 10**7), st.integers(0, 10**6)), min_size=1, max_size=12)
KEYS = ("k1", "k2", "k3")


def billed(calls: Sequence[tuple[int, str, int, int]], keys: Sequence[str]) -> Invoice | None:
    """The invoice of the one customer who made *calls*, each with the key at its place."""
    with tempfile.TemporaryDirectory() as folder:
        books = Books(Path(folder))
        for model in ("llama", "qwen"):
            books.price(model, 0, RATES)
            books.price(model, "2026-10-16T00:00", RATES | {"prompt": Decimal("0.0000013"), "request": Decimal("0.001")})
        books.holders(dict.fromkeys(KEYS, "acme"), 1)
        for number, ((day, model, prompt, completion), key) in enumerate(zip(calls, keys, strict=True)):
            tokens = {"prompt": prompt, "cached_read": prompt // 3, "completion": completion, "reasoning": completion // 4}
            books.take(row(f"2026-10-{day:02}T12:00", key, model, id=f"r{number}", **tokens))
        found = Bills(books.db, "USD").of_customer(OCTOBER, books.customer("acme"), {})
        books.db.close()
        return found


@given(CALLS, st.data())
@settings(max_examples=25, deadline=None)
def test_spreading_a_customers_usage_over_keys_changes_nothing(calls: list[tuple[int, str, int, int]], data: st.DataObject) -> None:
    keys = data.draw(st.lists(st.sampled_from(KEYS), min_size=len(calls), max_size=len(calls)))
    assert billed(calls, keys) == billed(calls, ["k1"] * len(calls))


@given(CALLS, st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_the_order_in_which_usage_came_changes_nothing(calls: list[tuple[int, str, int, int]], dice: random.Random) -> None:
    shuffled = [*calls]
    dice.shuffle(shuffled)
    assert billed(shuffled, ["k1"] * len(calls)) == billed(calls, ["k1"] * len(calls))
