"""The parts that we read of what the gateway's management API answers. No field holds a secret: what is not named here is not kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Protocol, TypeVar

import msgspec

T_co = TypeVar("T_co", covariant=True)


class LogPagination(msgspec.Struct):
    """`total_count` is 0 or from a view that lags behind, and not read."""

    limit: int


class LogPage(msgspec.Struct):
    """A page of log rows, as `GET /api/logs` answers; each is read by itself (log_rows.py), so that one stops no other."""

    logs: list[msgspec.Raw] | None
    pagination: LogPagination


class Team(msgspec.Struct):
    """A team belongs to a customer, or to none."""

    id: str
    customer_id: str | None = None


class ProviderConfig(msgspec.Struct):
    """Which models of a provider a key may call: none where the list is empty."""

    provider: str
    allowed_models: list[str] | None = None


class VirtualKey(msgspec.Struct):
    """A key without its `value`, which the gateway sends too. `provider_configs`: None where the gateway does not tell."""

    id: str
    name: str
    updated_at: Annotated[datetime, msgspec.Meta(tz=True)]
    is_active: bool | None = None
    team_id: str | None = None
    customer_id: str | None = None
    provider_configs: list[ProviderConfig] | None = None


class NamedCustomer(msgspec.Struct):
    """A customer without its `virtual_keys`, which carry their secrets."""

    id: str
    name: str


class Entry(Protocol):
    """What a list has."""

    @property
    def id(self) -> str: ...


class Page(Protocol[T_co]):
    """A part of a list. `limit`: how many entries it could have had."""

    @property
    def limit(self) -> int: ...
    @property
    def total_count(self) -> int: ...
    @property
    def entries(self) -> Sequence[T_co] | None: ...


class KeyPage(msgspec.Struct):
    """A page of virtual keys, as `GET /api/governance/virtual-keys` answers."""

    limit: int
    total_count: int
    entries: list[VirtualKey] | None = msgspec.field(name="virtual_keys")


class TeamPage(msgspec.Struct):
    """A page of teams, as `GET /api/governance/teams` answers."""

    limit: int
    total_count: int
    entries: list[Team] | None = msgspec.field(name="teams")


class CustomerList(msgspec.Struct):
    """What `GET /api/governance/customers` answers: all of them, where no limit is asked for."""

    count: int
    entries: list[NamedCustomer] | None = msgspec.field(name="customers")
    total_count: int = 0


class Pricing(msgspec.Struct):
    """USD for one token, of which the gateway writes ten decimals."""

    prompt: Decimal | None = None
    completion: Decimal | None = None
    input_cache_read: Decimal | None = None
    input_cache_write: Decimal | None = None


class ModelEntry(msgspec.Struct):
    """A model; older versions tell no prices."""

    id: str
    pricing: Pricing | None = None


class ModelList(msgspec.Struct):
    """The models with their prices, as `GET /v1/models` answers."""

    data: list[ModelEntry] | None
    next_page_token: str = ""


class Dropped(msgspec.Struct):
    """The count of rows that were not written, as `GET /api/logs/dropped` answers."""

    dropped_requests: int


class OwnProvider(msgspec.Struct):
    """What a key may call of a provider; it names its key."""

    virtual_key_id: str


class Quota(msgspec.Struct):
    """What `GET /api/governance/virtual-keys/quota` answers: what a key may know of itself, which is not its id."""

    virtual_key_name: str
    is_active: bool | None = None
    provider_configs: list[OwnProvider] | None = None


class Reason(msgspec.Struct):
    """Why something is refused, in a sentence."""

    message: str = ""


class Refused(msgspec.Struct):
    """What a refused request is answered; `type` is the gateway's own word for it, where it refused by itself."""

    error: Reason
    type: str | None = None
