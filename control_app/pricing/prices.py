"""Prices as operators write them: decimal strings, for one unit (a token, or a request) in the price book's currency."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from control_app.pricing.bounds import DOLLARS, Bounds
from control_app.pricing.kinds import KINDS, REQUIRED, UNMEASURED
from control_app.pricing.spelling import did_you_mean

MAX_DECIMALS = 12
"""Of a price: the ledger counts in pico-units."""

MAX_DIGITS = 6
"""Of a price before the point. With the decimals these are well below the 28 digits to which Decimal computes without rounding."""

_PLAIN = re.compile(r"[0-9]+(\.[0-9]+)?")  # not \d, which takes the digits of every script


class PriceError(ValueError):
    """A price that cannot be taken; the message says which and what to write."""


def parse_price(kind: str, text: object, bounds: Bounds = DOLLARS) -> Decimal:
    """The exact price; raises PriceError for anything but a plain, non-negative decimal string within the *bounds*.

    A JSON number is refused: JSON readers turn it into a binary fraction.
    """
    shown = f"the number {text}" if isinstance(text, Decimal) else repr(text)
    said = f"pricing.{kind[:40]} is {shown[:80]}"
    if not isinstance(text, str):
        raise PriceError(f'{said}, not a string in quotes; write it like "0.000008"')
    if not _PLAIN.fullmatch(text):
        raise PriceError(f'{said}, not a plain decimal; write it like "0.000008": no sign, exponent, comma or unit')
    whole, _, decimals = text.partition(".")
    if len(decimals.rstrip("0")) > MAX_DECIMALS:
        raise PriceError(f"{said} and has more than {MAX_DECIMALS} decimals; round it")
    if len(whole.lstrip("0")) > MAX_DIGITS:
        raise PriceError(f'{said}; a price is {bounds.currency} for one token or request, write it like "0.000008"')
    if kind in KINDS and Decimal(text) > (most := bounds.most(KINDS[kind].unit)):
        raise PriceError(f'{said}, more than {most}; a price is {bounds.currency} for one token or request, write it like "0.000008"')
    return Decimal(text)


def parse_prices(pricing: Mapping[str, object], bounds: Bounds = DOLLARS) -> dict[str, Decimal]:
    """Prices by kind; raises PriceError with every one that is broken, missing, of a kind that no usage row measures, or of none."""
    problems = [f'pricing.{kind} is missing; "0" would make it free' for kind in REQUIRED if kind not in pricing]
    prices: dict[str, Decimal] = {}
    for kind, text in pricing.items():
        if kind in ("overrides", "discount"):
            problems.append(f"pricing.{kind} is not supported: usage is rated at one price a kind; remove it")
            continue
        if kind not in KINDS and kind not in UNMEASURED:
            problems.append(f"pricing.{kind[:40]} is no kind of price, correct or remove it{did_you_mean(kind, (*KINDS, *UNMEASURED))}")
            continue
        try:
            price = parse_price(kind, text, bounds)
        except PriceError as error:
            problems.append(str(error))
            continue
        if kind in KINDS:
            prices[kind] = price
        elif price:
            problems.append(f'pricing.{kind} is {repr(text)[:80]}, but no usage row measures it; set it to "0" or remove it')
    if problems:
        raise PriceError("; ".join(problems))
    return prices


def plain(amount: Decimal) -> str:
    """Plain notation without an exponent, as OpenRouter's schema demands: `0.000008`."""
    return format(amount.normalize(), "f")
