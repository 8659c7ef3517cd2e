"""Lines and totals: rounded once over the invoice, exact beside it, and the same however the usage was spread."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from control_app.core.exchange import in_book_currency
from control_app.core.numbers import CustomerNo, Month, Pico
from control_app.invoicing.invoice import Cell, Invoice, invoice_of
from control_app.ledger.usage import Usage
from control_app.pricing.rates import FREE, Rates
from tests.control.support.recomputation import shares

PICO = Decimal(10) ** 12
RATES = Rates._make([1_000_000, 100_000, 1_250_000, 2_000_000, 3_000_000, 5_000_000_000])
DOLLARS = in_book_currency("USD")
CUSTOMER, MONTH = CustomerNo(7), Month(100)
MODELS = {1: "llama", 2: "qwen"}
counts = st.integers(0, 10**9)


def used(rates: Rates, *quantities: int, unrated: int = 0) -> Usage:
    """Usage of so many of each measure, with the amount that its rows add up to."""
    plain_prompt, read, write, plain_completion, reasoning, requests = quantities
    return Usage(
        requests=requests,
        unrated=unrated,
        prompt=plain_prompt + read + write,
        cached_read=read,
        cached_write=write,
        completion=plain_completion + reasoning,
        reasoning=reasoning,
        plain_prompt=plain_prompt,
        plain_completion=plain_completion,
        amount=Pico(sum(rate * quantity for rate, quantity in zip(rates, quantities, strict=True))),
    )


def invoice(*cells: Cell, rates: dict[int, Rates] | None = None) -> Invoice:
    return invoice_of(CUSTOMER, MONTH, cells, {1: RATES, 2: FREE} if rates is None else rates, MODELS, DOLLARS)


def cell(usage: Usage, *, model: int = 1, price: int = 1, month: int = MONTH) -> Cell:
    return Cell(CUSTOMER, Month(month), model, price, usage)


def test_a_line_is_one_model_one_price_kind_and_one_price_version() -> None:
    found = invoice(cell(used(RATES, 1, 2, 3, 4, 5, 6)), cell(used(RATES, 6, 5, 4, 3, 2, 1), price=3), rates={1: RATES, 3: RATES})
    assert [(part.version, line.kind, line.quantity) for part in found.models for line in part.lines] == [
        (version, kind, quantity)
        for version, quantities in ((1, (1, 2, 3, 4, 5, 6)), (3, (6, 5, 4, 3, 2, 1)))
        for kind, quantity in zip(Rates._fields, quantities, strict=True)
    ]


@given(st.lists(st.tuples(*[counts] * 6) | st.tuples(*[st.integers(0, 5_000)] * 6), min_size=1, max_size=5))
def test_the_total_is_the_exact_sum_rounded_once_and_lines_are_as_the_recomputation_has_them(quantities: list[tuple[int, ...]]) -> None:
    found = invoice(*(cell(used(RATES, *part), model=1 + number % 2) for number, part in enumerate(quantities)))
    lines = list(found.lines)
    exact = [Decimal(line.rate) / PICO * line.quantity for line in lines]
    meant = shares(exact, Decimal("0.01"))
    assert [Decimal(line.amount) / 100 for line in lines] == meant.lines
    assert (Decimal(found.small) / 100, Decimal(found.total) / 100) == (meant.small, meant.total)
    assert [Decimal(line.exact) / PICO for line in lines] == exact
    assert found.exact == sum(part.usage.amount for part in found.models)
    assert abs(Decimal(found.total) / 100 - Decimal(found.exact) / PICO) <= Decimal("0.005")


def test_many_lines_that_round_to_nothing_are_small_amounts_together_and_nothing_of_them_is_lost() -> None:
    # 21 models of 0.004 each come to 0.084: rounded line by line that was nothing.
    found = invoice(*(cell(used(RATES, 4_000, 0, 0, 0, 0, 0), price=price) for price in range(21)), rates=dict.fromkeys(range(21), RATES))
    assert (found.total, found.small, {line.amount for line in found.lines}) == (8, 8, {0})


def test_a_line_of_half_a_minor_unit_is_one_of_its_own() -> None:
    found = invoice(cell(used(RATES, 5_000, 0, 0, 0, 0, 0)), cell(used(RATES, 4_999, 0, 0, 0, 0, 0), price=3), rates={1: RATES, 3: RATES})
    # 0.005 and 0.004999 are 0.009999, so 0.01, which goes to the larger one.
    assert ([line.amount for line in found.lines], found.small, found.total) == ([1, 0], 0, 1)


@given(st.tuples(*[counts] * 6), st.tuples(*[counts] * 6))
def test_more_usage_never_costs_less(some: tuple[int, ...], more: tuple[int, ...]) -> None:
    both = tuple(a + b for a, b in zip(some, more, strict=True))
    assert invoice(cell(used(RATES, *both))).total >= invoice(cell(used(RATES, *some))).total


def test_a_free_model_is_rated_and_its_lines_are_left_out() -> None:
    found = invoice(cell(used(FREE, 10, 0, 0, 10, 0, 3), price=2))
    assert (found.total, found.exact, found.requests, list(found.lines)) == (0, 0, 3, [])
    assert [part.model for part in found.models] == ["llama"]


def test_a_price_kind_that_is_free_or_was_not_used_has_no_line() -> None:
    rates = RATES._replace(input_cache_read=Pico(0))
    found = invoice(cell(used(rates, 100, 40, 0, 20, 0, 1)), rates={1: rates})
    assert [line.kind for line in found.lines] == ["prompt", "completion", "request"]


def test_usage_without_a_price_is_told_and_has_no_lines() -> None:
    found = invoice(cell(Usage(requests=2, unrated=2, prompt=50, plain_prompt=50), price=0))
    assert (found.unrated, found.total, found.tokens) == (2, 0, 50)


def test_it_tells_whether_the_lines_are_what_the_rows_add_up_to() -> None:
    right = used(RATES, 1, 1, 1, 1, 1, 1)
    assert invoice(cell(right)).adds_up
    assert not invoice(cell(replace(right, amount=Pico(right.amount + 1)))).adds_up
    assert invoice(cell(Usage(requests=1, unrated=1), price=0)).adds_up, "what has no price is told of as such"


def test_usage_of_the_month_comes_first_then_what_came_late() -> None:
    late, now = used(RATES, 1, 0, 0, 0, 0, 1), used(RATES, 2, 0, 0, 0, 0, 1)
    found = invoice(cell(late, month=98), cell(late, month=99), cell(now, model=2), cell(now))
    assert [(part.month, part.model) for part in found.models] == [(100, "llama"), (100, "qwen"), (99, "llama"), (98, "llama")]
