"""The shapes of the JSON answers, from which the OpenAPI document is made. Answers are not built from these: tests hold them to it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel
from pydantic.config import JsonDict


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
    """The answer of a process that lives."""

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
