"""How pages write prices, amounts, months and times: the filters of their templates, and what every template knows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from decimal import Decimal

from markupsafe import Markup, escape

from control_app.core.currency import decimals_of, minor_text
from control_app.core.money import from_pico, plain_amount
from control_app.core.numbers import Minor, Month, Pico
from control_app.core.time import month_range, month_text, time_of
from control_app.invoicing.entry import Entry
from control_app.pricing.kinds import KINDS
from control_app.pricing.prices import plain
from control_app.pricing.snapshot import Change
from control_app.web.context import services
from control_app.web.pages.billing_month import state_of

VERBS = {"pending": "accept", "ended": "accept", "removed": "withdraw", "over": "withdraw"}
"""What a person decides about a price, by the state of its change."""


def surroundings() -> dict[str, str]:
    """The location of which a page tells, and the currency of its amounts."""
    settings = services().settings
    return {"location": settings.cluster.location, "currency": settings.invoicing.currency}


def as_shown(price: Decimal | None, kind: str) -> str:
    """A price as the table of prices shows its kind, exact: for a million as `8.00` or `0.125`, for one as `0.5`; — for None."""
    if price is None:
        return "—"
    unit = KINDS[kind].unit
    amount = price * unit.per
    return f"{amount:.2f}" if unit.in_millions and amount == amount.quantize(Decimal("0.01")) else plain(amount)


def remedy(change: Change) -> str:
    """The command by which a person decides about a change of a price."""
    return f"control prices {VERBS[change.state]} {shlex.quote(change.model)} --reason …"


def month_name(number: Month) -> str:
    """A month for people, like `October 2026`."""
    return f"{time_of(month_range(number).start):%B %Y}"


def moment(at: int) -> str:
    """A time (microseconds since 1970 UTC) to the minute, UTC."""
    return f"{time_of(at):%Y-%m-%d %H:%M}"


def count(number: int) -> str:
    """A number with thousands apart: `1,234`."""
    return f"{number:,}"


def money(pico: Pico) -> str:
    """An exact amount in pico-units, with at least cents: `12.50`, `0.000104`."""
    amount = from_pico(pico)
    return f"{amount:.2f}" if amount == amount.quantize(Decimal("0.01")) else plain_amount(pico)


def signed(pico: Pico) -> str:
    """What was added or taken off, in pico-units, exact: `+0.000104`."""
    return f"+{money(pico)}" if pico > 0 else money(pico)


def minor(total: Minor, currency: str) -> str:
    """An amount in the currency's minor units: `-12.30`."""
    return minor_text(total, decimals_of(currency))


def paid(total: Minor, entry: Entry) -> str:
    """An amount in minor units of what *entry* is paid in: `-12.30`."""
    return minor_text(total, entry.tender.decimals)


def with_code(text: str) -> Markup:
    """A text whose parts in backticks are shown as code."""
    plain_text = str(escape(text))  # else re would escape what it puts in
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", plain_text))  # noqa: S704


FILTERS: tuple[Callable[..., str], ...] = (
    *(as_shown, remedy),
    *(month_name, month_text, moment, count),
    *(money, signed, minor, paid, state_of, with_code),
)
