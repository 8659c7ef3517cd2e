"""The sheet that Bifrost reads."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
import simplejson

from control_app.gateway.bifrost.sheet import sheet, to_json
from control_app.pricing.offers import parse_offer
from tests.control.support.models import model, priced


def text(**prices: str | None) -> str:
    return to_json(sheet([parse_offer(model(priced(**prices)))]))


def test_the_example_is_an_entry_of_numbers_under_provider_and_model() -> None:
    assert json.loads(text())["kubeai/qwen25-05b-instruct"] == {
        "provider": "kubeai",
        "mode": "chat",
        "input_cost_per_token": 0.000008,
        "output_cost_per_token": 0.000024,
        "cache_read_input_token_cost": 0,
        "cache_creation_input_token_cost": 0,
        "cost_per_request": 0,
        "context_length": 4096,
        "max_output_tokens": 1024,
    }


MODES = ("chat", "completion", "embedding", "rerank", "audio_transcription")


@pytest.mark.parametrize("withdrawn", [False, True])
@pytest.mark.parametrize("features", [["TextGeneration"], ["TextEmbedding"], []])
def test_a_model_has_the_same_price_in_every_mode_whatever_it_is_asked_for(features: list[str], withdrawn: bool) -> None:  # noqa: FBT001
    entries = sheet([], {"m": features}) if withdrawn else sheet([parse_offer(model(features=features, name="m"))])
    assert sorted(entry["mode"] for entry in entries.values()) == sorted(MODES)
    assert {name.partition("/")[2] for name in entries} == {"m"}
    assert {entry["provider"] for entry in entries.values()} == {"kubeai"}
    first, *others = ({key: value for key, value in entry.items() if key != "mode"} for entry in entries.values())
    assert others == [first] * 4


def test_no_price_is_a_string_for_that_would_void_it() -> None:
    for entry in json.loads(text()).values():
        assert {key for key, value in entry.items() if isinstance(value, str)} == {"provider", "mode"}


def test_a_price_keeps_its_very_digits() -> None:
    price = "0.003456789012"
    entry, *_ = simplejson.loads(text(prompt=price), use_decimal=True).values()
    assert entry["input_cost_per_token"] == Decimal(price)
    assert price in text(prompt=price)


def test_a_cache_price_left_out_stays_out_so_that_the_gateway_charges_the_prompts() -> None:
    for entry in json.loads(text(input_cache_read=None)).values():
        assert "cache_read_input_token_cost" not in entry


@pytest.mark.parametrize(
    ("features", "mode"),
    [
        (["TextGeneration"], "chat"),
        (["TextEmbedding"], "embedding"),
        (["Reranking"], "rerank"),
        (["SpeechToText"], "audio_transcription"),
        (["TextEmbedding", "TextGeneration"], "chat"),
        ([], "chat"),
    ],
)
def test_the_mode_follows_from_what_the_model_does(features: list[str], mode: str) -> None:
    assert sheet([parse_offer(model(features=features, name="m"))])["kubeai/m"]["mode"] == mode


def test_without_offers_the_sheet_is_an_empty_object() -> None:
    assert json.loads(to_json(sheet([]))) == {}
