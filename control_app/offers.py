"""What a model's annotation offers for sale. Pure functions: text in, an offer or the reason why not out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

import simplejson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from control_app.prices import PriceError, parse_prices

ANNOTATION = "openrouter.ai/json"

InputModality = Literal["text", "image", "file", "audio", "video"]
OutputModality = Literal["text", "image", "embeddings", "audio", "video", "rerank", "speech", "transcription"]
Quantization = Literal["int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32"]
Text = Annotated[str, Field(min_length=1)]
Tokens = Annotated[int, Field(gt=0)]


class AnnotationError(ValueError):
    """An annotation that cannot be published, with all reasons."""


@dataclass(frozen=True)
class Model:
    """A KubeAI `Model` object, as far as it matters here. `annotation` is None where there is none."""

    name: str
    annotation: str | None
    features: Sequence[str] = ()
    args: Sequence[str] = ()


@dataclass(frozen=True)
class Offer:
    """A model for sale.

    `document`: the annotation, unchanged; `prices`: USD a unit by kind; `warnings`: what a person should look at.
    """

    model: str
    document: Mapping[str, Any]
    prices: Mapping[str, Decimal]
    features: Sequence[str] = ()
    warnings: Sequence[str] = field(default=(), compare=False)


class FlatDocument(BaseModel):
    """OpenRouter's flat provider format (openrouter.ai/docs/guides/providers/integration-legacy)."""

    model_config = ConfigDict(extra="allow", strict=True)

    id: Text
    name: Text
    created: int
    input_modalities: Annotated[list[InputModality], Field(min_length=1)]
    output_modalities: Annotated[list[OutputModality], Field(min_length=1)]
    quantization: Quantization | None
    context_length: Tokens
    max_output_length: Tokens
    pricing: dict[str, object]
    supported_sampling_parameters: list[Text]
    supported_features: list[Text]
    discount_to_user: Literal[0, "0"] | None = None


def parse_offer(model: Model) -> Offer:
    """The offer of *model*'s annotation; raises AnnotationError with every reason against it."""
    if model.annotation is None:
        raise AnnotationError(f"the annotation {ANNOTATION} is gone")
    document = _load(model.annotation)
    problems: list[str] = []
    try:
        FlatDocument.model_validate(document)
    except ValidationError as error:
        problems += [_describe(detail["loc"], detail["msg"], detail["input"]) for detail in error.errors()]
    prices: dict[str, Decimal] = {}
    if isinstance(document.get("pricing"), dict):
        try:
            prices = parse_prices(document["pricing"])
        except PriceError as error:
            problems.append(str(error))
    if problems:
        raise AnnotationError("; ".join(problems))
    return Offer(model.name, document, prices, tuple(model.features), tuple(_warnings(model, document, prices)))


def _load(text: str) -> dict[str, Any]:
    try:
        document = simplejson.loads(text, use_decimal=True, allow_nan=False)
    except simplejson.JSONDecodeError as error:
        raise AnnotationError(f"{ANNOTATION} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise AnnotationError(f"{ANNOTATION} is not a JSON object but {type(document).__name__}")
    return cast(dict[str, Any], document)


def _describe(loc: tuple[int | str, ...], message: str, value: object) -> str:
    path = ".".join(str(part) for part in loc)
    return f"{path}: missing" if message == "Field required" else f"{path}: {message[0].lower()}{message[1:]}, got {value!r}"


def _warnings(model: Model, document: Mapping[str, Any], prices: Mapping[str, Decimal]) -> list[str]:
    warnings: list[str] = []
    if document["id"] != model.name:
        warnings.append(f"id {document['id']!r} differs from the model's name {model.name!r}, by which the gateway knows it")
    if prices["prompt"] and prices.get("input_cache_read") == 0:
        warnings.append('input_cache_read is "0": cached prompt tokens are given away; leave it out to charge the prompt price')
    for argument in model.args:
        name, _, value = argument.partition("=")
        if name == "--max-model-len" and value.isdigit() and int(value) < document["context_length"]:
            warnings.append(f"context_length {document['context_length']} is more than the engine takes ({argument})")
    return warnings
