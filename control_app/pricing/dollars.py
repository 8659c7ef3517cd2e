"""The price lists for OpenRouter and the gateway, which are in dollars by their formats, of a book in another currency."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_UP, Decimal

from control_app.pricing.offers import Offer
from control_app.pricing.prices import MAX_DECIMALS, plain

DOLLAR = "USD"


@dataclass(frozen=True)
class DollarRate:
    """How many dollars one unit of the price book's currency is, as a person gave it, and of which day."""

    rate: Decimal
    of: date

    def of_price(self, price: Decimal) -> Decimal:
        """*price* in dollars, to 12 decimals, upwards: nothing is listed for less than it costs, and nothing that costs as free."""
        return (price * self.rate).quantize(Decimal(1).scaleb(-MAX_DECIMALS), ROUND_UP)

    def of_offer(self, offer: Offer) -> Offer:
        """*offer* with its prices in dollars, in its document too."""
        prices = {kind: self.of_price(price) for kind, price in offer.prices.items()}
        pricing = {**offer.document["pricing"], **{kind: plain(price) for kind, price in prices.items()}}
        return replace(offer, prices=prices, document={**offer.document, "pricing": pricing})


def listed_in_dollars(offer: Offer, rate: DollarRate | None) -> Offer:
    """*offer* as the lists have it; without a *rate* the price book is in dollars."""
    return rate.of_offer(offer) if rate else offer


def currency_of_lists(currency: str, rate: DollarRate | None) -> str:
    """What the lists are in, and by which rate: `USD`, or `USD, 1 EUR = 1.08 USD of 2026-11-30`."""
    return f"{DOLLAR}, 1 {currency} = {plain(rate.rate)} {DOLLAR} of {rate.of.isoformat()}" if rate else DOLLAR
