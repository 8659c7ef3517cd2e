"""The shapes of what `/usage` answers; its CSV is written of the same."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from control_app.core.periods import Period, UtcText

Count = Annotated[int, msgspec.Meta(ge=0)]
Amount = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(\.[0-9]*[1-9])?$", description="Exact, in plain notation, in the currency's units.")]
Date = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date"})]
Code = Annotated[Literal["unrated", "unused", "cancelled", "not-complete"], msgspec.Meta(extra_json_schema={"type": "string"})]


class Summary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sum of `models`, exactly."""

    total_tokens: Count
    total_requests: Count
    total_cost: Amount
    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")]


class ModelUsage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was used of a model. `model_name`: what the price list calls it, else its id."""

    model_id: str
    model_name: str
    prompt_tokens: Count
    cached_tokens: Count
    completion_tokens: Count
    reasoning_tokens: Count
    total_tokens: Count
    total_requests: Count
    total_cost: Amount


class DayUsage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was used on a day, UTC."""

    date: Date
    models: list[ModelUsage]
    total_tokens: Count
    total_requests: Count
    total_cost: Amount


class KeyUsage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A virtual key. `key_id`: the gateway's."""

    key_id: str
    key_name: str
    models: list[ModelUsage]
    total_tokens: Count
    total_requests: Count
    total_cost: Amount


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that the sums lack.

    `unrated`: requests without a price; `unused`: without reported usage; `cancelled`: by the client, before there was usage;
    `not-complete`: not all of the range was read yet.
    """

    code: Code
    message: str


class Usage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`models`: the costliest first. `days`, `keys`: with `group_by`. `complete_through`: usage before it is complete; null at first."""

    period: Period
    complete_through: UtcText | None
    summary: Summary
    models: list[ModelUsage]
    days: list[DayUsage] | msgspec.UnsetType = msgspec.UNSET
    keys: list[KeyUsage] | msgspec.UnsetType = msgspec.UNSET
    notices: list[Notice]
