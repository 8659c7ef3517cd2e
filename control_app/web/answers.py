"""The shapes of the JSON answers, from which the OpenAPI document is made. Answers are not built from these: tests hold them to it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel
from pydantic.config import JsonDict

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]*[1-9])?$", description="Exact, in plain notation, in the currency's units.")]
_UTC = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z$"
Time = Annotated[str, Field(pattern=_UTC, json_schema_extra={"format": "date-time"})]
Date = Annotated[str, Field(json_schema_extra={"format": "date"})]


def example(value: JsonValue) -> JsonDict:
    """What a shape looks like."""
    return {"examples": [value]}


def _problem(status: int, title: str, detail: str) -> JsonDict:
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(extra="allow", json_schema_extra=example(_problem(404, "Not Found", "there is no such page")))

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str


class ParameterProblem(_Shape):
    """What is wrong with a parameter."""

    parameter: str
    detail: str


class BadRequest(Problem):
    """Problem details that name each parameter at fault."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                **_problem(400, "Bad Request", "group_by: 'week' is none of day, key"),
                "errors": [{"parameter": "group_by", "detail": "'week' is none of day, key"}],
            }
        )
    )

    errors: Annotated[list[ParameterProblem], Field(min_length=1)]


class NotReady(Problem):
    """Why the service is not ready."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {**_problem(503, "Service Unavailable", "not ready"), "problems": ["the database /data/control.sqlite3 cannot be written"]}
        )
    )

    problems: Annotated[list[str], Field(min_length=1)]


class Health(_Shape):
    """The process answers."""

    status: Literal["ok"]


class Ready(_Shape):
    """Prices can be served and kept."""

    status: Literal["ready"]


class Offer(BaseModel):
    """A model for sale, in OpenRouter's flat format or, with `schema_version`, as a document of its schema 2.4."""

    model_config = ConfigDict(extra="allow")

    id: str
    name: str


class PriceList(_Shape):
    """The models for sale."""

    model_config = ConfigDict(json_schema_extra=example({"data": [{"id": "llama-3.1-8b", "name": "Llama 3.1 8B"}]}))

    data: list[Offer]


class SheetEntry(BaseModel):
    """USD a unit, as numbers."""

    model_config = ConfigDict(extra="allow")

    provider: str
    mode: str
    input_cost_per_token: Annotated[float, Field(ge=0)]
    output_cost_per_token: Annotated[float, Field(ge=0)]


class PricingSheet(RootModel[dict[str, SheetEntry]]):
    """Bifrost's price sheet: `<provider>/<model>` to prices."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "kubeai/llama-3.1-8b": {
                    "provider": "kubeai",
                    "mode": "chat",
                    "input_cost_per_token": 0.000008,
                    "output_cost_per_token": 0.000024,
                }
            }
        )
    )


class Period(_Shape):
    """From `start` on and before `end`, UTC."""

    start: Time
    end: Time


class Totals(_Shape):
    """`total_tokens`: prompt and completion; cached and reasoning tokens are parts of these."""

    total_tokens: Count
    total_requests: Count
    total_cost: Amount


class Summary(Totals):
    """The sum of `models`, exactly."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class ModelUsage(Totals):
    """What was used of a model. `model_name`: what the price list calls it, else its id."""

    model_id: str
    model_name: str
    prompt_tokens: Count
    cached_tokens: Count
    completion_tokens: Count
    reasoning_tokens: Count


class DayUsage(Totals):
    """A day, UTC."""

    date: Date
    models: list[ModelUsage]


class KeyUsage(Totals):
    """A virtual key. `key_id`: the gateway's."""

    key_id: str
    key_name: str
    models: list[ModelUsage]


class Notice(_Shape):
    """`unrated`: requests without a price; `unused`: without reported usage; `not-complete`: not all of the range was read yet."""

    code: Literal["unrated", "unused", "not-complete"]
    message: str


class Usage(_Shape):
    """`models`: the costliest first. `days`, `keys`: with `group_by`. `complete_through`: usage before it is complete; null at first."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "period": {"start": "2026-10-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"},
                "complete_through": "2026-11-02T00:00:07Z",
                "summary": {"total_tokens": 120, "total_requests": 1, "total_cost": "0.000104", "currency": "USD"},
                "models": [
                    {
                        "model_id": "llama-3.1-8b",
                        "model_name": "Llama 3.1 8B",
                        "prompt_tokens": 100,
                        "cached_tokens": 40,
                        "completion_tokens": 20,
                        "reasoning_tokens": 5,
                        "total_tokens": 120,
                        "total_requests": 1,
                        "total_cost": "0.000104",
                    }
                ],
                "notices": [],
            }
        )
    )

    period: Period
    complete_through: Time | None
    summary: Summary
    models: list[ModelUsage]
    days: list[DayUsage] = Field(default_factory=list[DayUsage])
    keys: list[KeyUsage] = Field(default_factory=list[KeyUsage])
    notices: list[Notice]
