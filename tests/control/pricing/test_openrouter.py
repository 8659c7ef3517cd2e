"""Documents of OpenRouter's schema 2.4."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_app.pricing.kinds import KINDS
from control_app.pricing.offers import AnnotationError, parse_offer
from control_app.pricing.openrouter import document
from tests.control.support.models import ANNOTATION, annotated, model, priced

SCHEMA = json.loads((Path(__file__).parent / "schemas" / "openrouter-2.4.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def published(flat: dict[str, Any]) -> dict[str, Any]:
    return document(parse_offer(model(flat)))


def test_the_schema_itself_refuses_what_openrouter_refuses() -> None:
    good = published(annotated())
    text = good["input_modalities"][0]
    for bad in (
        {**good, "context_length": 4096},
        {**good, "schema_version": "2.3"},
        {**good, "datacenters": [{"country_code": "ro"}]},
        {**good, "input_modalities": [{**text, "pricing": [{"type": "prompt", "unit": "token", "cost_usd": "8E-6"}]}]},
        {**good, "input_modalities": [{**text, "pricing": [{"type": "prompt", "unit": "token", "cost_usd": 0.000008}]}]},
        {**good, "output_modalities": [{"type": "text"}]},
    ):
        assert not VALIDATOR.is_valid(bad)


def test_the_example_becomes_a_valid_document() -> None:
    result = published(annotated())
    VALIDATOR.validate(result)
    assert result["input_modalities"] == [
        {
            "type": "text",
            "supported_inputs": {"max_context_length": {"value": 4096, "unit": "token"}},
            "pricing": [
                {"type": "prompt", "unit": "token", "cost_usd": "0.000008"},
                {"type": "cached_prompt", "unit": "token", "cost_usd": "0"},
                {"type": "cache_write", "unit": "token", "cost_usd": "0"},
            ],
        }
    ]
    assert result["output_modalities"][0]["pricing"] == [{"type": "completion", "unit": "token", "cost_usd": "0.000024"}]
    assert list(result["output_modalities"][0]["supported_parameters"]) == [
        "temperature",
        "stop",
        "tools",
        "response_format",
        "structured_outputs",
    ]
    assert "pricing" not in result, "a price of 0 for a request is no price"


@pytest.mark.parametrize("key", ["openrouter", "datacenters"])
def test_what_an_annotation_leaves_out_is_not_published(key: str) -> None:
    assert key in published(annotated())
    assert key not in published(annotated(**{key: None}))


def test_a_request_price_stands_at_the_root() -> None:
    result = published(priced(request="0.002"))
    VALIDATOR.validate(result)
    assert result["pricing"] == [{"type": "request", "unit": "request", "cost_usd": "0.002"}]


def test_every_kind_that_is_rated_is_published_once() -> None:
    result = published(priced(**dict.fromkeys(KINDS, "0.001")))
    VALIDATOR.validate(result)
    sides = (result["input_modalities"][0], result["output_modalities"][0], result)
    entries = [entry for side in sides for entry in side["pricing"]]
    assert sorted(entry["type"] for entry in entries) == sorted(kind.openrouter_type for kind in KINDS.values())
    assert {entry["cost_usd"] for entry in entries} == {"0.001"}


def test_a_small_price_has_no_exponent() -> None:
    result = published(priced(prompt="0.00000015"))
    assert result["input_modalities"][0]["pricing"][0]["cost_usd"] == "0.00000015"


@pytest.mark.parametrize("kind", ["embeddings", "rerank", "image", "speech"])
def test_only_text_is_said_to_stream(kind: str) -> None:
    result = published(annotated(output_modalities=[kind]))
    VALIDATOR.validate(result)
    assert "streaming" not in result["output_modalities"][0]


@pytest.mark.parametrize(("inputs", "outputs"), [(["audio"], ["transcription"]), (["image"], ["text"]), (["text"], ["speech"])])
def test_no_price_is_lost_where_there_is_no_text(inputs: list[str], outputs: list[str]) -> None:
    result = published(annotated(input_modalities=inputs, output_modalities=outputs))
    VALIDATOR.validate(result)
    assert result["input_modalities"][0]["pricing"][0] == {"type": "prompt", "unit": "token", "cost_usd": "0.000008"}
    assert result["output_modalities"][0]["pricing"] == [{"type": "completion", "unit": "token", "cost_usd": "0.000024"}]


@pytest.mark.parametrize("outputs", [["embeddings"], ["rerank"], ["embeddings", "rerank"]])
def test_a_model_that_writes_no_tokens_is_listed_without_a_price_for_them(outputs: list[str]) -> None:
    flat = annotated(output_modalities=outputs)
    result = published(flat)
    VALIDATOR.validate(result)
    assert [modality for modality in result["output_modalities"] if "pricing" in modality] == []
    assert result["input_modalities"][0]["pricing"][0] == {"type": "prompt", "unit": "token", "cost_usd": "0.000008"}
    assert f"completion is not listed: a model that gives {outputs[0]} writes no tokens" in parse_offer(model(flat)).warnings


def test_a_model_that_writes_text_too_is_listed_with_its_price() -> None:
    assert published(annotated(output_modalities=["embeddings", "text"]))["output_modalities"][1]["pricing"][0]["type"] == "completion"


@pytest.mark.parametrize("said", [["json_mode"], ["response_format"], ["json_mode", "response_format"], ["response_format", "json_mode"]])
def test_json_is_called_as_openrouter_calls_it_and_once(said: list[str]) -> None:
    result = published(annotated(supported_sampling_parameters=[], supported_features=said))
    assert result["output_modalities"][0]["supported_parameters"] == {"response_format": {"type": "unknown"}}


def test_several_modalities_are_documents_too() -> None:
    VALIDATOR.validate(published(annotated(input_modalities=["text", "image", "file"], output_modalities=["text", "speech"])))


@given(st.dictionaries(st.sampled_from(list(KINDS)), st.decimals(min_value=0, max_value=Decimal("0.01"), places=12)))
def test_any_prices_give_a_valid_document_with_each_price_once(prices: dict[str, Any]) -> None:
    result = published(priced(**{kind: format(price, "f") for kind, price in prices.items()}))
    VALIDATOR.validate(result)
    entries = result["input_modalities"][0]["pricing"] + result["output_modalities"][0]["pricing"]
    types = [entry["type"] for entry in entries]
    assert len(types) == len({"prompt", "completion", "input_cache_read", "input_cache_write", *prices} - {"request"})
    assert len(types) == len(set(types)), "two entries of one type are invalid, though the schema lets them pass"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["RO", "text", "2027-01-31"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["slug", "country_code", "region", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from([*ANNOTATION, "is_ready", "is_free", "deprecation_date", "new"]), JSON)
def test_whatever_an_annotation_says_it_is_refused_or_published_validly(key: str, value: object) -> None:
    try:
        result = document(parse_offer(model({**ANNOTATION, key: value})))
    except AnnotationError:
        return
    VALIDATOR.validate(result)
