"""Keys that an annotation may not have, and what was probably meant. A key that is not understood is never dropped in silence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

MONEY_OR_PROMISE = frozenset(
    (
        *("price", "prices", "pricing", "cost", "costs", "fee", "fees", "charge", "charges", "surcharge", "usd", "eur", "currency"),
        *("discount", "discounts", "markup", "override", "overrides", "free", "tax", "vat", "credit", "credits", "minimum"),
        *("tier", "tiers", "priority", "capacity", "limit", "limits", "quota", "rpm", "rpd", "tpm", "tpd", "concurrency", "throughput"),
        *("latency", "uptime", "sla", "guarantee", "guaranteed", "ready", "deprecation", "compliance", "zdr", "hipaa", "retention"),
    )
)
"""Words of a key by which it says what something costs, or what a buyer may count on."""


def nearest(key: str, known: Iterable[str]) -> str | None:
    """The one of the *known* keys that *key* is probably meant for; None where none is near."""
    return next(iter(get_close_matches(key.lower(), known, n=1, cutoff=0.75)), None)


def did_you_mean(key: str, known: Iterable[str]) -> str:
    """`; did you mean 'prompt'?` where one of the *known* keys is near; else nothing."""
    near = nearest(key, known)
    return f"; did you mean {near!r}?" if near else ""


def is_promise(key: str) -> bool:
    """Whether a key speaks of money, or promises something."""
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", key).lower()
    return not MONEY_OR_PROMISE.isdisjoint(re.split(r"[^a-z]+", words))
