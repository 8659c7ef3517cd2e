"""The sheet that Bifrost reads."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
import simplejson

from control_app.offers import parse_offer
from control_app.pricing_sheet import sheet, to_json
from tests.control_app.models import model, priced


def text(**prices: str | None) -> str:
    return to_json(sheet([parse_offer(model(priced(**prices)))]))


def test_the_example_is_an_entry_of_numbers_under_provider_and_model() -> None:
    assert json.loads(text()) == {
        "kubeai/qwen25-05b-instruct": {
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
    }


def test_no_price_is_a_string_for_one_would_void_the_whole_sheet() -> None:
    (entry,) = json.loads(text()).values()
    assert {key for key, value in entry.items() if isinstance(value, str)} == {"provider", "mode"}


def test_a_price_keeps_its_very_digits() -> None:
    price = "0.003456789012"
    (entry,) = simplejson.loads(text(prompt=price), use_decimal=True).values()
    assert entry["input_cost_per_token"] == Decimal(price)
    assert price in text(prompt=price)


def test_a_cache_price_left_out_stays_out_so_that_the_gateway_charges_the_prompts() -> None:
    (entry,) = json.loads(text(input_cache_read=None)).values()
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
    (entry,) = sheet([parse_offer(model(features=features))]).values()
    assert entry["mode"] == mode


def test_without_offers_the_sheet_is_an_empty_object() -> None:
    assert json.loads(to_json(sheet([]))) == {}
