"""Which prices wait for a person, and what they are held against."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_app.core.time import DAY, HOUR
from control_app.pricing.bounds import DOLLARS
from control_app.pricing.prices import parse_prices
from control_app.pricing.rates import Rates, resolve
from control_app.pricing.waiting import PastPrice, why_it_waits

NOW = 1_000 * DAY


def priced(prompt: str = "0.000008", **prices: str) -> dict[str, Decimal]:
    return parse_prices({"prompt": prompt, "completion": "0.000008", **prices})


def version(days_ago: float, prompt: str | None = "0.000008", *, by_person: bool = False, **prices: str) -> PastPrice:
    """A price that came so many days ago; None: the sale ended."""
    rates = None if prompt is None else resolve(priced(prompt, **prices))
    return PastPrice(NOW - int(days_ago * DAY), rates, by_person)


def why(prompt: str, *past: PastPrice, **prices: str) -> str | None:
    """Why a new price waits; *past*: the newest first."""
    return why_it_waits(priced(prompt, **prices), past, NOW, DOLLARS)


@pytest.mark.parametrize("prompt", ["0.000008", "0.000012", "0.000004", "0.0000100001"])
def test_a_change_of_at_most_half_does_not_wait(prompt: str) -> None:
    assert why(prompt, version(100)) is None


@pytest.mark.parametrize("kind", Rates._fields)
@pytest.mark.parametrize(
    ("old", "new"),
    [("0.000002", "0.000003000001"), ("0.000002", "0.000000999999"), ("0.000002", "0"), ("0", "0.000000000001"), ("0.000002", "0.01")],
)
def test_a_change_of_any_kind_above_half_or_to_zero_or_from_zero_waits(kind: str, old: str, new: str) -> None:
    base = dict.fromkeys(Rates._fields, "0.000002")
    before = PastPrice(0, resolve(parse_prices({**base, kind: old})), by_person=False)
    assert (
        why_it_waits(parse_prices({**base, kind: new}), [before], NOW, DOLLARS)
        == f"{kind} goes from {old} to {new}, by more than half, to 0 or from 0, against the price now"
    )


def test_a_change_that_comes_by_a_fallback_counts() -> None:
    before = version(100, input_cache_read="0")
    assert (why("0.000008", before) or "").startswith("input_cache_read goes from 0 to 0.000008")
    assert why("0.000008", version(100), input_cache_read="0.000008") is None


@pytest.mark.parametrize("seconds_apart", [20, 3_600, 86_399])
def test_steps_that_are_small_one_by_one_wait_once_they_add_up_within_a_day(seconds_apart: int) -> None:
    step = seconds_apart / 86_400
    first, second = version(step, "0.0000041"), version(400, "0.000008")
    assert (why("0.0000021", first, second) or "").endswith("against the price a day ago")


def test_fourteen_cuts_by_nearly_half_do_not_take_a_price_to_nothing() -> None:
    past, price = [version(400, "0.001")], Decimal("0.001")
    for cut in range(14):
        price = (price * Decimal("0.51")).quantize(Decimal("1E-12"))
        rates = priced(f"{price:f}")
        if why_it_waits(rates, past, NOW + cut * 20_000_000, DOLLARS) is None:
            past.insert(0, PastPrice(NOW + cut * 20_000_000, resolve(rates), by_person=False))
    assert len(past) == 2, "one of them is in force"


def test_steps_over_weeks_wait_once_they_add_up_within_thirty_days() -> None:
    past = [version(2, "0.000006"), version(20, "0.000007"), version(400, "0.000008")]
    assert (why("0.0000039", *past) or "").endswith("against the price 30 days ago")
    assert why("0.0000041", *past) is None


def test_a_model_that_is_younger_is_held_against_its_first_price() -> None:
    assert "against the price a day ago" in (why("0.0000021", version(0.001, "0.0000041"), version(0.002, "0.000008")) or "")


def test_nothing_older_than_what_a_person_accepted_last_counts() -> None:
    accepted = version(0.5, "0.000080", by_person=True)
    assert why("0.000100", accepted, version(400, "0.000008")) is None
    assert (why("0.000130", accepted, version(400, "0.000008")) or "").endswith("against the price now")


def test_back_to_a_price_in_force_within_the_last_day_is_no_change() -> None:
    accepted, before = version(0.9, "0.000080", by_person=True), version(400, "0.000008")
    assert why("0.000008", accepted, before) is None
    assert why("0.000008", accepted._replace(since=NOW - DAY), before) is not None


def test_a_price_of_the_future_of_a_clock_that_was_wrong_is_the_one_of_now() -> None:
    assert "against the price now" in (why("0.000080", version(-30, "0.000009"), version(400)) or "")


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        ({"prompt": "0.000200000001"}, "prompt 0.000200000001 is a first price above 0.0002 for one token"),
        ({"completion": "0.0032"}, "completion 0.0032 is a first price above 0.0002 for one token"),
        ({"input_cache_write": "0.001"}, "input_cache_write 0.001 is a first price"),
        ({"request": "0.051"}, "request 0.051 is a first price above 0.05 for one request"),
        ({"internal_reasoning": "0"}, 'internal_reasoning is "0", and gives reasoning tokens away that cost the completion price'),
    ],
)
def test_a_first_price_above_the_bounds_or_that_gives_reasoning_away_waits(prices: dict[str, str], said: str) -> None:
    found = why_it_waits(parse_prices({"prompt": "0.000008", "completion": "0.000008", **prices}), [], NOW, DOLLARS)
    assert (found or "").startswith(said)


@pytest.mark.parametrize(
    "prices",
    [
        {"prompt": "0.0002", "completion": "0.0002", "request": "0.05"},
        {"prompt": "0", "completion": "0"},
        {"prompt": "0.000008", "completion": "0", "internal_reasoning": "0"},
        {"prompt": "0.000008", "completion": "0.000008", "input_cache_read": "0", "input_cache_write": "0"},
    ],
)
def test_any_other_first_price_does_not(prices: dict[str, str]) -> None:
    assert why_it_waits(parse_prices(prices), [], NOW, DOLLARS) is None


def test_the_bounds_of_a_first_price_are_the_price_books() -> None:
    assert why_it_waits(priced("0.01"), [], NOW, replace(DOLLARS, first_token=Decimal("0.01"))) is None


def test_a_price_after_an_end_by_itself_is_held_against_those_of_the_last_thirty_days() -> None:
    assert why("0.000008", version(1, None), version(400)) is None
    assert (why("0.000080", version(1, None), version(400)) or "").endswith("against the price 30 days ago")


def test_a_price_long_after_an_end_or_after_a_persons_is_a_first_one() -> None:
    for past in ([version(31, None), version(400)], [version(0.1, None, by_person=True), version(400)]):
        assert why("0.000080", *past) is None
        assert "is a first price" in (why("0.001", *past) or "")


@given(st.lists(st.tuples(st.integers(1, 20 * 24), st.integers(50, 200)), max_size=20))
def test_whatever_the_steps_nobody_comes_further_than_by_half_from_the_price_of_thirty_days_before_but_back(
    steps: list[tuple[int, int]],
) -> None:
    past, now = [version(400, "0.000100")], NOW
    for hours, millionths in steps:
        now += hours * HOUR
        prices = priced(f"0.{millionths:06}")
        if why_it_waits(prices, past, now, DOLLARS) is None:
            new, last_day = (
                resolve(prices),
                [old.rates for old, later in zip(past, [None, *past], strict=False) if _is_in(later, now - DAY)],
            )
            month_ago = next((old.rates for old in past if old.since <= now - 30 * DAY), past[-1].rates)
            assert month_ago
            assert new in last_day or 2 * abs(new.prompt - month_ago.prompt) <= month_ago.prompt
            past.insert(0, PastPrice(now, new, by_person=False))


def _is_in(later: PastPrice | None, start: int) -> bool:
    """Whether a version was in force after *start*, by the one that came after it."""
    return later is None or later.since > start
