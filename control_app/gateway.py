"""What the gateway tells us: who holds which key, and what was used. Two adapters answer it, by HTTP and by SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, Protocol

BILLED = ("success", "cancelled")
"""Statuses of rows that are billed by their tokens (docs/billing-rules.md, Rating a row)."""
FREE = "list_models"
"""Kind of request that is logged as a success, but is no inference."""
PROVIDER = "kubeai"
"""The gateway's name for our models' provider; a row's model stands without it."""


class GatewayError(Exception):
    """The gateway did not answer as its contract says; the message says what was asked, what came and what to do."""


class UsageRow(NamedTuple):
    """One log row of the gateway, as it was logged.

    `at`: start of the request, microseconds since 1970 UTC. `key`, `customer`: the gateway's ids; customer is None where
    the row names none. `model`: the `Model`'s name for rows of our provider, `<provider>/<model>` for others. Counts are
    tokens: `prompt` includes both caches, `completion` includes reasoning. `cost`: what the gateway thinks, for comparison.
    `succeeded`: else it was cancelled, which the gateway's metric of successes does not count.
    """

    id: str
    at: int
    key: str
    key_name: str
    customer: str | None
    model: str
    prompt: int
    cached_read: int
    cached_write: int
    completion: int
    reasoning: int
    cost: str | None
    succeeded: bool = True


@dataclass(frozen=True)
class Customer:
    """A customer of the gateway."""

    id: str
    name: str


@dataclass(frozen=True)
class Key:
    """A virtual key without its secret. `customer`: who is billed, by the key itself or by its team. `updated_at`: microseconds."""

    id: str
    name: str
    customer: str | None
    is_active: bool
    updated_at: int


@dataclass(frozen=True)
class Directory:
    """All customers and keys of the gateway at one time."""

    customers: Sequence[Customer]
    keys: Sequence[Key]


class Gateway(Protocol):
    """Reads the gateway. Every method raises GatewayError rather than answer less than there is."""

    def rows(self, start: int, end: int) -> Iterator[Sequence[UsageRow]]:
        """Pages of the rows in `[start, end)` whose status is BILLED, without FREE ones, in order of time; a row may come twice."""
        ...

    def first(self) -> int | None:
        """Start of the oldest row; None where there is none."""
        ...

    def directory(self) -> Directory:
        """Customers and keys."""
        ...

    def prices(self) -> Mapping[str, Mapping[str, Decimal]]:
        """What the gateway charges for each of our models, by price kind; kinds that it cannot tell are left out."""
        ...
