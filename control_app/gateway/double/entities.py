"""What the gateway's double keeps: who holds keys, what models cost, why a request failed, what was counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import msgspec

from control_app.gateway.port import PROVIDER


@dataclass
class Owner:
    """A customer, or a team, which may have a *customer*."""

    id: str
    name: str
    updated_at: datetime
    customer: str | None = None


@dataclass
class VirtualKey:
    """A key, and the customer or team that holds it. `number`: of its providers' entry; `budgets`: as they were asked for."""

    id: str
    name: str
    secret: str = field(repr=False)
    customer: str | None
    team: str | None
    created_at: datetime
    updated_at: datetime
    number: int
    providers: Sequence[str] = (PROVIDER,)
    budgets: Sequence[object] = ()
    is_active: bool = True


class Holder(NamedTuple):
    """Who holds the key of a request at its start, by ids and names; None where nobody does."""

    team: str | None = None
    team_name: str | None = None
    customer: str | None = None
    customer_name: str | None = None


class Failure(NamedTuple):
    """Why a request got no answer. `type`: the gateway's own word; `refused`: by the gateway itself, before it asked its upstream."""

    status_code: int
    message: str
    type: str | None = None
    refused: bool = False


def refusal(status_code: int, type: str, message: str) -> Failure:
    """What the gateway itself refuses."""
    return Failure(status_code, message, type, refused=True)


NO_KEY = refusal(401, "virtual_key_required", "virtual key is required. Provide a virtual key via the x-bf-vk header.")
UNKNOWN_KEY = refusal(401, "virtual_key_not_found", "virtual key not found. The provided virtual key does not exist or has been revoked.")
INACTIVE_KEY = refusal(403, "virtual_key_blocked", "Virtual key is inactive")
HUNG_UP = Failure(499, "Request cancelled: client disconnected", "request_cancelled")
BROKEN_UPSTREAM = Failure(502, "the upstream failed")


class Tokens(NamedTuple):
    """What an upstream says that it used."""

    prompt: int = 0
    cached_read: int = 0
    cached_write: int = 0
    completion: int = 0
    reasoning: int = 0


class Price(msgspec.Struct):
    """The part of a sheet's entry that is rated and told here, in the binary numbers that the gateway keeps."""

    provider: str = ""
    mode: str = ""
    input_cost_per_token: float | None = None
    output_cost_per_token: float | None = None
    cache_read_input_token_cost: float | None = None
    cache_creation_input_token_cost: float | None = None
    context_length: int | None = None
    max_output_tokens: int | None = None

    def cost(self, used: Tokens) -> float:
        """A cache's rate that is missing is the prompt's; reasoning and requests have no column."""
        base = self.input_cost_per_token or 0.0
        read = base if self.cache_read_input_token_cost is None else self.cache_read_input_token_cost
        write = base if self.cache_creation_input_token_cost is None else self.cache_creation_input_token_cost
        fresh = used.prompt - used.cached_read - used.cached_write
        return fresh * base + used.cached_read * read + used.cached_write * write + used.completion * (self.output_cost_per_token or 0.0)


class Series(NamedTuple):
    """The labels of a count that are not empty here. `routing_engine_used`: who chose the provider, where the request named none."""

    provider: str
    model: str
    method: str
    virtual_key_id: str = ""
    virtual_key_name: str = ""
    team_id: str = ""
    team_name: str = ""
    customer_id: str = ""
    customer_name: str = ""
    routing_engine_used: str = ""
