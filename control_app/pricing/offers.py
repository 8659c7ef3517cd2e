"""What a model's annotation offers for sale. Pure functions: text in, an offer or the reason why not out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, cast

import simplejson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from control_app.pricing.bounds import DOLLARS, Bounds
from control_app.pricing.kinds import KINDS
from control_app.pricing.prices import PriceError, parse_prices
from control_app.pricing.spelling import did_you_mean, is_promise, nearest

ANNOTATION = "openrouter.ai/json"
FORCE_USAGE = "--enable-force-include-usage"
"""Has vLLM tell usage in each chunk of a stream (docs/models.md)."""
PREFIX = "kubeai/"
"""The gateway's, of a model's name: it takes the name with it and without."""

InputModality = Literal["text", "image", "file", "audio", "video"]
OutputModality = Literal["text", "image", "embeddings", "audio", "video", "rerank", "speech", "transcription"]
Quantization = Literal["int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32"]
Text = Annotated[str, Field(min_length=1)]
MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps."""
Tokens = Annotated[int, Field(gt=0, le=MAX_INTEGER)]


class AnnotationError(ValueError):
    """An annotation that cannot be published, with all reasons."""


class Edit(NamedTuple):
    """Who changed an annotation last, and when, as text; empty where that is not told."""

    by: str = ""
    at: str = ""


@dataclass(frozen=True)
class Model:
    """A KubeAI `Model` object, as far as it matters here.

    `annotation` is None where there is none; `created`: microseconds since 1970 UTC, 0 where a file does not say; `edit`: the
    last one of the annotation; `is_asleep`: it has no replica, and needs none: the next request wakes it.
    `tells_usage_late`: at a stream's end only, though its engine could on the way. `asks_for_several_shares`: of
    shared cards, so that none of its pods can start.
    """

    name: str
    annotation: str | None
    features: Sequence[str] = ()
    args: Sequence[str] = ()
    created: int = 0
    edit: Edit = field(default=Edit(), compare=False)
    is_asleep: bool = False
    tells_usage_late: bool = False
    asks_for_several_shares: bool = False


@dataclass(frozen=True)
class Offer:
    """A model for sale.

    `document`: the annotation, unchanged; `prices`: a unit by kind, in the price book's currency; `warnings`: what a person should look at.
    """

    model: str
    document: Mapping[str, Any]
    prices: Mapping[str, Decimal]
    features: Sequence[str] = ()
    warnings: Sequence[str] = field(default=(), compare=False)

    @property
    def writes_tokens(self) -> bool:
        """Whether tokens come out of it, which have a price."""
        return _writes_tokens(self.document)

    @property
    def called(self) -> str:
        """The model that a buyer asks for who sends the published id."""
        return str(self.document["id"]).removeprefix(PREFIX)


def _writes_tokens(document: Mapping[str, Any]) -> bool:
    return not {"embeddings", "rerank"}.issuperset(document["output_modalities"])


class _Part(BaseModel):
    # Keys that are not here `_strangers` looks at.
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


def parse_offer(model: Model, bounds: Bounds = DOLLARS) -> Offer:
    """The offer of *model*'s annotation; raises AnnotationError with every reason against it. *bounds*: of what is no slip."""
    if model.annotation is None:
        raise AnnotationError(f"the annotation {ANNOTATION} is gone")
    document = _load(model.annotation)
    problems: list[str] = []
    try:
        FlatDocument.model_validate(document)
    except ValidationError as error:
        problems += [_describe(detail["loc"], detail["msg"], detail["input"]) for detail in error.errors()]
    strangers = [*_strangers(document)]
    problems += [stranger.said for stranger in strangers if stranger.is_refused]
    prices: dict[str, Decimal] = {}
    if isinstance(document.get("pricing"), dict):
        try:
            prices = parse_prices(document["pricing"], bounds)
        except PriceError as error:
            problems.append(str(error))
    if document.get("is_free") is True and (paid := [kind for kind, price in prices.items() if price]):
        problems.append(f'is_free is true, which makes buyers pay nothing, but pricing.{paid[0]} is not "0"; correct one of them')
    if problems:
        raise AnnotationError("; ".join(problems))
    warnings = [*(stranger.said for stranger in strangers), *_warnings(model, document, prices)]
    return Offer(model.name, document, prices, tuple(model.features), tuple(warnings))


class _Stranger(NamedTuple):
    """A key that OpenRouter's format does not have; one that is refused costs or promises something, or is misspelt."""

    said: str
    is_refused: bool


def _strangers(document: Mapping[str, Any]) -> Iterator[_Stranger]:
    """What the annotation says that nobody would read: it is published in the flat list alone."""
    parts: list[tuple[str, object, type[_Part]]] = [("", document, FlatDocument), ("openrouter.", document.get("openrouter"), _Slug)]
    datacenters = document.get("datacenters")
    if isinstance(datacenters, list):
        parts += [(f"datacenters.{at}.", entry, _Datacenter) for at, entry in enumerate(cast(list[object], datacenters))]
    for path, part, shape in parts:
        present: Mapping[str, object] = cast(Mapping[str, object], part) if isinstance(part, dict) else {}
        for key in sorted(present.keys() - shape.model_fields.keys()):
            said = f"{path}{key[:40]}: not a key of the format"
            near = nearest(key, shape.model_fields)
            if is_promise(key) or (near and near not in present):
                yield _Stranger(f"{said}, and nobody would keep what it says; remove it{did_you_mean(key, shape.model_fields)}", True)
            else:
                yield _Stranger(f"{said}; it is in the flat list only", False)


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
    if document["id"] not in (model.name, PREFIX + model.name):
        warnings.append(f"id {document['id']!r} differs from the model's name {model.name!r}, by which the gateway knows it")
    warnings += [
        f'{kind.name} is "0": {kind.things} are given away; leave it out to charge the {kind.fallback} price'
        for kind in KINDS.values()
        if kind.is_given_away(prices)
    ]
    if not _writes_tokens(document):
        idle = [kind.name for kind in KINDS.values() if kind.side == "output" and prices.get(kind.name)]
        warnings += [f"{kind} is not listed: a model that gives {document['output_modalities'][0]} writes no tokens" for kind in idle]
    taken = re.search(r"(?:^|\n)--max-model-len[=\n]([0-9]{1,15})(?:\n|$)", "\n".join(model.args))
    if taken and int(taken[1]) < document["context_length"]:
        warnings.append(f"context_length {document['context_length']} is more than the engine takes (--max-model-len {taken[1]})")
    if model.tells_usage_late and _writes_tokens(document):
        warnings.append(
            f"a client that hangs up before a stream's end is not billed, since usage is told there only; put {FORCE_USAGE} among its args"
        )
    if model.asks_for_several_shares:
        warnings.append("no pod of it can start: nobody is given two shares of cards; ask for whole ones (docs/models.md)")
    return warnings
