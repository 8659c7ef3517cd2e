"""What the gateway tells us, and is told: who holds which key, what was used and counted, what it charges."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

Outcome = Literal["success", "cancelled", "error"]
"""How a request ended: `cancelled` by the client itself, which is billed by its tokens as a success is; any other error is not."""
FREE = "list_models"
"""Kind of request that is logged as a success, but is no inference."""
PROVIDER = "kubeai"
"""What the gateway calls the provider of our models. In our rows a model of it stands without it."""


class GatewayError(Exception):
    """The gateway did not answer as its contract says; the message says what was asked, what came and what to do."""


class KeyRefusedError(GatewayError):
    """The gateway refused the service's own key, by which nothing is said of the model that was called."""


class UnidentifiedKeyError(Exception):
    """The gateway takes a key and does not tell its id; the message says why and what to do."""


class PublicationError(Exception):
    """The gateway's price sheet cannot be written; the message says where and why."""


class UsageRow(NamedTuple):
    """One log row of the gateway, as it was logged.

    `at`: start of the request, microseconds since 1970 UTC. `key`, `customer`: the gateway's ids; customer is None where
    the row names none. `model`: the `Model`'s name for rows of our provider, `<provider>/<model>` for others. Counts are
    tokens: `prompt` includes both caches, `completion` includes reasoning, `total` is what the upstream added up, 0 where it did
    not; they may contradict each other. `cost`: what the gateway thinks, for comparison. `succeeded`: else its client cancelled it.
    `customer_name`: of the row's time.
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
    total: int = 0
    customer_name: str | None = None


class Unreadable(NamedTuple):
    """A log row that is none of the contract's, though it may be one that is billed.

    `at`: its start, or where that cannot be read the start of the row before it, microseconds since 1970 UTC. `key`: the
    gateway's id, "" where it names none. `reason`: what is wrong; `text`: what billing reads of the row, as it came.
    """

    id: str
    at: int
    key: str
    key_name: str
    reason: str
    text: str


Row = UsageRow | Unreadable


@dataclass(frozen=True)
class Customer:
    """A customer, by the gateway's id and with the name that people gave it there."""

    id: str
    name: str


@dataclass(frozen=True)
class Key:
    """A virtual key without its secret. `customer`: who is billed, the key's own customer or its team's; None for nobody.

    `updated_at`: when the gateway last changed the key, in microseconds since 1970 UTC.
    """

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


@dataclass(frozen=True)
class Reading:
    """What the gateway's process has counted since it started, which its log may lack.

    `counts`: requests that are inference, by the gateway's id of the key ("" where none was shown), by model as in UsageRow
    ("" of errors), and by outcome; `started`: the process, in seconds since 1970 UTC, None where it does not say; `dropped`: log
    rows that it could not write.
    """

    counts: Mapping[tuple[str, str, Outcome], int]
    started: float | None
    dropped: int


class Reader(Protocol):
    """Reads what the gateway keeps. Every method raises GatewayError rather than answer less than there is."""

    def now(self) -> int:
        """The gateway's present by its own clock, which stamps its rows, in microseconds since 1970 UTC; it is asked, whatever was used."""
        ...

    def rows(self, start: int, end: int) -> Iterator[Sequence[Row]]:
        """Pages of successes and of what clients cancelled in `[start, end)`, without FREE ones, in order of time; a row may come twice.

        One that cannot be read comes as Unreadable, and stops no other.
        """
        ...

    def first(self) -> int | None:
        """Start of the oldest row; None where there is none."""
        ...

    def directory(self) -> Directory:
        """All customers and virtual keys there are now."""
        ...

    def prices(self) -> Mapping[str, Sequence[Mapping[str, Decimal]]]:
        """What the gateway charges for each of our models, by price kind, once for each mode of requests that it has a price of.

        Kinds that it cannot tell are left out.
        """
        ...


class Gateway(Reader, Protocol):
    """All that the service asks of a gateway."""

    def counts(self) -> Reading:
        """The gateway's own count, read now; raises GatewayError where it has none: a gateway that counts nothing would look complete."""
        ...

    def publish(self, sheet: str) -> bool:
        """Put the price *sheet* where the gateway reads it, if another is there; whether one was. Raises PublicationError."""
        ...

    def reload(self) -> None:
        """Have the sheet read. That it was follows from `prices` only. Raises GatewayError."""
        ...

    def barred(self) -> Sequence[str]:
        """Names of the active virtual keys with which the gateway lets nobody call a model of ours. Raises GatewayError."""
        ...

    def own_key(self) -> str:
        """The gateway's id of the key with which the service calls models; it is made where it is not there. Raises GatewayError."""
        ...

    def callable_models(self) -> Collection[str]:
        """Our models that the gateway lets that key call, and that are there. None of them is woken. Raises GatewayError."""
        ...

    def reload_models(self) -> None:
        """Have the gateway ask again which models there are: it lets nobody call one that came later. Raises GatewayError."""
        ...

    def call(self, model: str, features: Sequence[str]) -> None:
        """The smallest call of *model* that what it does, by its *features*, allows.

        Raises GatewayError where it is not answered well, KeyRefusedError where that is the key's fault.
        """
        ...

    def key_of(self, secret: str) -> str | None:
        """The id of the active virtual key whose *secret* this is; None where the gateway does not take it.

        Raises GatewayError, and UnidentifiedKeyError where the gateway tells a name only: names pass from one key to another.
        """
        ...
