"""What must hold for any rows: every way of adding up gives one total, and order, repetition and page size change nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_app.core.money import from_pico, to_pico
from control_app.core.numbers import KeyNo, Pico
from control_app.core.time import Range
from control_app.gateway.port import UsageRow
from control_app.ledger.columns import KEPT, usage_of
from control_app.ledger.recount import recount
from control_app.ledger.usage import Usage, total
from tests.control.support import recomputation
from tests.control.support.ledgers import ALWAYS, Books
from tests.control.support.recomputation import Price, World, at

START, END = at("2026-09-28T00:00"), at("2026-11-03T00:00")
KEYS, MODELS, CUSTOMERS = (
    ("k1", "k2", "stray"),
    ("llama", "qwen", "unpriced", "llama_colorist", "llama_plain", "unpriced_adapter"),
    ("acme", "globex"),
)


def _time(change: tuple[int, object]) -> int:
    return change[0]


counts = st.just(0) | st.integers(0, 100_000)
prices = st.decimals(0, 9, places=12, allow_nan=False)
times = st.integers(START, END - 1)

logged = st.builds(
    UsageRow,
    id=st.integers(0, 30).map(lambda number: f"r{number}"),
    at=times,
    key=st.sampled_from(KEYS),
    key_name=st.just("name"),
    customer=st.sampled_from([None, None, None, "globex"]),
    model=st.sampled_from(MODELS),
    prompt=counts,
    cached_read=counts,
    cached_write=counts,
    completion=counts,
    reasoning=counts,
    cost=st.none(),
    succeeded=st.sampled_from([True, True, True, False]),
    total=st.integers(0, 300_000),
)


def _agreeing(row: UsageRow, how: str) -> UsageRow:
    """Half of all totals agree with the counts in one way or the other."""
    totals = {"sum": row.prompt + row.completion, "beside": row.prompt + row.completion + row.reasoning, "none": 0}
    return row._replace(total=totals.get(how, row.total))


rows = st.builds(_agreeing, logged, st.sampled_from(["sum", "beside", "none", "odd"]))
# The gateway's primary key is the id: a row has one time.
pages = st.lists(rows, max_size=25).map(lambda found: list({row.id: row for row in found}.values()))
rates = st.fixed_dictionaries({"prompt": prices, "completion": prices}, optional={"input_cache_read": prices, "request": prices})
versions = st.dictionaries(times, st.none() | rates, max_size=3).map(
    lambda found: [Price(*one) for one in sorted(found.items(), key=_time)]
)
histories = st.dictionaries(times, st.sampled_from([None, *CUSTOMERS]), max_size=3).map(lambda found: sorted(found.items(), key=_time))
worlds = st.builds(
    World,
    prices=st.fixed_dictionaries({"llama": versions, "qwen": versions, "llama_colorist": versions}),
    holders=st.fixed_dictionaries({"k1": histories, "k2": histories}),
)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def books_of(world: World) -> Generator[Books]:
    with tempfile.TemporaryDirectory() as folder:
        books = Books(Path(folder))
        books.fill(world)
        yield books
        recount(books.db.connection)
        books.db.close()


@quick
@given(worlds, pages)
def test_the_ledger_equals_an_independent_recomputation(world: World, page: list[UsageRow]) -> None:
    with books_of(world) as books:
        books.take(*page)
        assert books.costs() == dict(recomputation.ledger(page, world))


@quick
@given(worlds, pages)
def test_days_models_keys_and_customers_add_up_to_the_total(world: World, page: list[UsageRow]) -> None:
    with books_of(world) as books:
        books.take(*page)
        used = books.used()
        for dimension in ("day", "model", "key", "customer", "price", "billed_in"):
            assert total(books.reader.by((dimension,), ALWAYS).values()) == used
        sums = ", ".join(f"coalesce(sum({name}), 0)" for name in KEPT)
        for table in ("days", "months", "model_days"):
            assert usage_of(books.db.connection.execute(f"SELECT {sums} FROM {table}").fetchone()) == used  # noqa: S608


@quick
@given(worlds, pages, st.lists(times, max_size=3))
def test_any_split_of_a_range_adds_up_to_it(world: World, page: list[UsageRow], cuts: list[int]) -> None:
    edges = [START, *sorted(cuts), END]
    with books_of(world) as books:
        books.take(*page)
        parts = [books.used(Range(start, end)) for start, end in pairwise(edges)]
        assert total(parts) == books.used(Range(START, END)) == books.used()
        for start, end in pairwise(edges):
            assert books.used(Range(start, end)).tokens == sum(recomputation.tokens(row) for row in page if start <= row.at < end)


@quick
@given(worlds, pages, st.randoms(use_true_random=False), st.integers(1, 9))
def test_order_repetition_and_size_of_pages_change_nothing(world: World, page: list[UsageRow], shuffled: Random, size: int) -> None:
    again = page * 2
    shuffled.shuffle(again)
    with books_of(world) as once, books_of(world) as often:
        once.take(*page)
        for start in range(0, len(again), size):
            often.take(*again[start : start + size])
        assert once.costs() == often.costs()
        assert once.used() == often.used()


@quick
@given(worlds, pages)
def test_what_is_known_late_gives_the_same_as_what_was_known_before(world: World, page: list[UsageRow]) -> None:
    with books_of(world) as before, books_of(World({}, {})) as after:
        before.take(*page)
        after.take(*page)
        after.fill(world)
        for key in after.names("keys"):
            after.ledger.correct(key=KeyNo(key))
        for model in after.names("models"):
            after.ledger.correct(model=model)
        assert after.costs() == before.costs()
        assert after.used() == before.used()


@quick
@given(rates, rows, st.sampled_from(["prompt", "completion"]), st.integers(1, 10_000))
def test_more_tokens_never_cost_less(price: dict[str, Decimal], row: UsageRow, which: str, more: int) -> None:
    world = World({"llama": [Price(0, price)]}, {})
    # A total would say that reasoning stands beside the completion of the one, and within that of the other.
    first = row._replace(id="less", model="llama", total=0)
    second = first._replace(id="more", **{which: getattr(first, which) + more})
    with books_of(world) as books:
        books.take(first)
        less = books.cost()
        books.take(second)
        # What costs more than any request costs is held, not billed.
        assert books.used().unrated or books.cost() - less >= less


@given(st.decimals(0, 999_999, places=12, allow_nan=False))
def test_amounts_survive_the_ledger_exactly(amount: Decimal) -> None:
    assert from_pico(to_pico(amount)) == amount


def test_adding_usage_keeps_every_count() -> None:
    once, twice = Usage(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, Pico(11)), Usage(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, Pico(22))
    assert total([once, once]) == twice


@pytest.mark.parametrize("amount", [Decimal("0.0000000000001"), Decimal("1e-13"), Decimal("NaN")])
def test_an_amount_finer_than_the_ledger_is_refused(amount: Decimal) -> None:
    with pytest.raises(ValueError, match=r"decimals|no amount"):
        to_pico(amount)
