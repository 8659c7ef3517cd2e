"""What a model's annotation offers for sale. Pure functions: text in, an offer or the reason why not out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

import simplejson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from control_app.prices import PriceError, parse_prices

ANNOTATION = "openrouter.ai/json"

InputModality = Literal["text", "image", "file", "audio", "video"]
OutputModality = Literal["text", "image", "embeddings", "audio", "video", "rerank", "speech", "transcription"]
Quantization = Literal["int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32"]
Text = Annotated[str, Field(min_length=1)]
MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps."""
Tokens = Annotated[int, Field(gt=0, le=MAX_INTEGER)]


class AnnotationError(ValueError):
    """An annotation that cannot be published, with all reasons."""


@dataclass(frozen=True)
class Model:
    """A KubeAI `Model` object, as far as it matters here.

    `annotation` is None where there is none; `created`: microseconds since 1970 UTC, 0 where a file does not say.
    """

    name: str
    annotation: str | None
    features: Sequence[str] = ()
    args: Sequence[str] = ()
    created: int = 0


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


class _Part(BaseModel):
    # Fields that we do not know are published in the flat list as they are, and left out of schema 2.4.
    model_config = ConfigDict(extra="allow", strict=True)


class _Slug(_Part):
    slug: Text


class _Datacenter(_Part):
    country_code: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    region: str = ""


def _unique(values: list[str]) -> list[str]:
    if len(values) != len(set(values)):
        raise ValueError("names something twice")
    return values


def _date(value: str) -> str:
    said = re.fullmatch("([0-9]{4}-[0-9]{2}-[0-9]{2})(T([01][0-9]|2[0-3]):00:00Z)?", value)
    if not said:
        raise ValueError("should be a day like 2027-01-31, or a whole hour like 2027-01-31T13:00:00Z")
    date.fromisoformat(said[1])
    return value


class FlatDocument(_Part):
    """OpenRouter's flat provider format (openrouter.ai/docs/guides/providers/integration-legacy)."""

    id: Text
    name: Text
    created: Annotated[int, Field(ge=0, le=MAX_INTEGER)]
    input_modalities: Annotated[list[InputModality], Field(min_length=1), AfterValidator(_unique)]
    output_modalities: Annotated[list[OutputModality], Field(min_length=1), AfterValidator(_unique)]
    quantization: Quantization | None
    context_length: Tokens
    max_output_length: Tokens
    pricing: dict[str, object]
    supported_sampling_parameters: list[Text]
    supported_features: list[Text]
    hugging_face_id: str = ""
    description: str = ""
    deprecation_date: Annotated[str, AfterValidator(_date)] | None = None
    is_ready: bool | None = None
    is_free: bool | None = None
    discount_to_user: Literal[0, "0"] | None = None
    openrouter: _Slug | None = None
    datacenters: list[_Datacenter] | None = None


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
        document = simplejson.loads(text, use_decimal=True, allow_nan=False, object_pairs_hook=_without_duplicates)
        _check_readable(document)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise AnnotationError(f"{ANNOTATION} is not JSON that can be published: {error}") from None
    if not isinstance(document, dict):
        raise AnnotationError(f"{ANNOTATION} is not a JSON object but {type(document).__name__}")
    return cast(dict[str, Any], document)


def _check_readable(value: object) -> None:
    """Raises ValueError for text and numbers that JSON readers refuse or alter: they would lose the whole list."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, Decimal):
        if not math.isfinite(float(value)):
            raise ValueError("a number is too large for JSON readers")
    elif isinstance(value, dict):
        for key, item in cast(dict[str, Any], value).items():
            _check_readable(key)
            _check_readable(item)
    elif isinstance(value, list):
        for item in cast(Sequence[Any], value):
            _check_readable(item)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON readers disagree on which of two equal keys counts; with prices that may not be."""
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return document


def _describe(loc: tuple[int | str, ...], message: str, value: object) -> str:
    path = ".".join(str(part) for part in loc)
    if message == "Field required":
        return f"{path}: missing"
    message = message.removeprefix("Value error, ")
    return f"{path}: {message[0].lower()}{message[1:]}, got {repr(value)[:80]}"


def _warnings(model: Model, document: Mapping[str, Any], prices: Mapping[str, Decimal]) -> list[str]:
    warnings: list[str] = []
    if document["id"] != model.name:
        warnings.append(f"id {document['id']!r} differs from the model's name {model.name!r}, by which the gateway knows it")
    if prices["prompt"] and prices.get("input_cache_read") == 0:
        warnings.append('input_cache_read is "0": cached prompt tokens are given away; leave it out to charge the prompt price')
    taken = re.search(r"(?:^|\n)--max-model-len[=\n]([0-9]{1,15})(?:\n|$)", "\n".join(model.args))
    if taken and int(taken[1]) < document["context_length"]:
        warnings.append(f"context_length {document['context_length']} is more than the engine takes (--max-model-len {taken[1]})")
    return warnings
