"""The parts that we read of what the gateway's management API answers. No field holds a secret: what is not named here is not kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Protocol, TypeVar

import msgspec

from control_app.gateway import PROVIDER, GatewayError, UsageRow
from control_app.spans import microseconds

Tokens = Annotated[int, msgspec.Meta(le=2**53)]
T_co = TypeVar("T_co", covariant=True)


class PromptDetails(msgspec.Struct):
    """Zeros may be left out."""

    cached_read_tokens: Tokens | None = None
    cached_write_tokens: Tokens | None = None
    cached_tokens: Tokens = 0

    def cached_read(self) -> int:
        """Some versions count writes into `cached_tokens` (maximhq/bifrost#4816): it stands in only where neither is told apart."""
        if self.cached_read_tokens is None and self.cached_write_tokens is None:
            return self.cached_tokens
        return self.cached_read_tokens or 0


class CompletionDetails(msgspec.Struct):
    """Zeros may be left out."""

    reasoning_tokens: Tokens = 0


class TokenUsage(msgspec.Struct):
    """What the upstream said that it used."""

    prompt_tokens: Tokens = 0
    completion_tokens: Tokens = 0
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class LogRow(msgspec.Struct):
    """A row of the log; the flat token columns of the database are not in the API's."""

    id: str
    timestamp: str
    status: str
    provider: str
    model: str
    object: str = ""
    virtual_key_id: str | None = None
    virtual_key_name: str | None = None
    customer_id: str | None = None
    token_usage: TokenUsage | None = None
    cost: msgspec.Raw = msgspec.Raw(b"null")

    def at(self) -> int:
        """Its start. Digits after the sixth are cut off, not rounded, so that a page from this time on has this row."""
        try:
            time = datetime.fromisoformat(self.timestamp)
        except ValueError:
            time = None
        if time is None or time.tzinfo is None:
            raise GatewayError(f"GET /api/logs, row {self.id!r}: timestamp {self.timestamp!r} is no time with a zone")
        return microseconds(time)

    def usage(self, at: int) -> UsageRow:
        """The row for the ledger."""
        used = self.token_usage or _NOTHING
        prompt = used.prompt_tokens_details or _NO_PROMPT
        completion = used.completion_tokens_details or _NO_COMPLETION
        return UsageRow(
            self.id,
            at,
            self.virtual_key_id or "",
            self.virtual_key_name or "",
            self.customer_id or None,
            self.model if self.provider == PROVIDER else f"{self.provider}/{self.model}",
            max(used.prompt_tokens, 0),
            max(prompt.cached_read(), 0),
            max(prompt.cached_write_tokens or 0, 0),
            max(used.completion_tokens, 0),
            max(completion.reasoning_tokens, 0),
            self._cost(),
            self.status == "success",
        )

    def _cost(self) -> str | None:
        text = bytes(self.cost)
        if text == b"null":
            return None
        if text[:1] not in b"-0123456789":
            raise GatewayError(f"GET /api/logs, row {self.id!r}: cost is no number")
        return text.decode()


_NOTHING, _NO_PROMPT, _NO_COMPLETION = TokenUsage(), PromptDetails(), CompletionDetails()


class LogPagination(msgspec.Struct):
    """`total_count` is 0 or from a view that lags behind, and not read."""

    limit: int


class LogPage(msgspec.Struct):
    """`GET /api/logs`."""

    logs: list[LogRow] | None
    pagination: LogPagination


class Team(msgspec.Struct):
    """A team belongs to a customer, or to none."""

    id: str
    customer_id: str | None = None


class VirtualKey(msgspec.Struct):
    """A key without its `value`, which the gateway sends too."""

    id: str
    name: str
    updated_at: Annotated[datetime, msgspec.Meta(tz=True)]
    is_active: bool | None = None
    team_id: str | None = None
    customer_id: str | None = None


class NamedCustomer(msgspec.Struct):
    """A customer without its `virtual_keys`, which carry their secrets."""

    id: str
    name: str


class Page(Protocol[T_co]):
    """A part of a list. `limit`: how many entries it could have had."""

    @property
    def limit(self) -> int: ...
    @property
    def total_count(self) -> int: ...
    @property
    def entries(self) -> Sequence[T_co] | None: ...


class KeyPage(msgspec.Struct):
    """`GET /api/governance/virtual-keys`."""

    limit: int
    total_count: int
    entries: list[VirtualKey] | None = msgspec.field(name="virtual_keys")


class TeamPage(msgspec.Struct):
    """`GET /api/governance/teams`."""

    limit: int
    total_count: int
    entries: list[Team] | None = msgspec.field(name="teams")


class CustomerList(msgspec.Struct):
    """`GET /api/governance/customers`: all of them, where no limit is asked for."""

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
    """`GET /v1/models`."""

    data: list[ModelEntry] | None
    next_page_token: str = ""


class Dropped(msgspec.Struct):
    """`GET /api/logs/dropped`."""

    dropped_requests: int


class Quota(msgspec.Struct):
    """`GET /api/governance/virtual-keys/quota`: what a key may know of itself."""

    virtual_key_name: str
    is_active: bool | None = None
