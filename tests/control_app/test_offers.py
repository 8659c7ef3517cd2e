"""An annotation is an offer, or broken for reasons that are all named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from control_app.offers import AnnotationError, parse_offer
from tests.control_app.models import ANNOTATION, annotated, model, priced


def test_the_missions_example_is_an_offer() -> None:
    offer = parse_offer(model())
    assert offer.document == ANNOTATION
    assert offer.prices["prompt"] == Decimal("0.000008")
    assert offer.prices["completion"] == Decimal("0.000024")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("{", "openrouter.ai/json is not JSON"),
        ("[]", "openrouter.ai/json is not a JSON object but list"),
        ('{"a": NaN}', "openrouter.ai/json is not JSON"),
        ('{"id": "a", "id": "b"}', "the key 'id' stands twice in one object"),
        ('{"x": 1e9999999999999999999}', "openrouter.ai/json is not JSON"),
        ('{"x": 1e400}', "too large for JSON readers"),
        ('{"x": "\\ud800"}', "surrogates not allowed"),
        (annotated(deprecation_date="2027-01-31T"), "deprecation_date: should be a day like"),
        ("[" * 100_000, "openrouter.ai/json is not JSON"),
        ('{"created": ' + "9" * 5_000 + "}", "openrouter.ai/json is not JSON"),
        (annotated(input_modalities=["text", "text"]), "input_modalities: names something twice"),
        (annotated(created=2**53), "created: input should be less than or equal to"),
        (annotated(datacenters="RO"), "datacenters: input should be a valid list"),
        (annotated(datacenters=[{"country_code": "ro"}]), "datacenters.0.country_code: string should match pattern"),
        (annotated(openrouter={}), "openrouter.slug: missing"),
        (annotated(deprecation_date="2027-02-30"), "deprecation_date: day"),
        (annotated(deprecation_date="2027-01-31T13:30:00Z"), "deprecation_date: should be a day like"),
        (annotated(is_ready="yes"), "is_ready: input should be a valid boolean"),
        (annotated(description=5), "description: input should be a valid string"),
        (priced(prompt=["0.1"]), "pricing.prompt is ['0.1'], not a string"),
        (priced(prompt="1" * 5_000), "a price is USD for one token or request"),
        (annotated(id=None), "id: missing"),
        (annotated(id=""), "id: string should have at least 1 character"),
        (annotated(input_modalities=[]), "input_modalities: list should have at least 1 item"),
        (annotated(input_modalities=["smell"]), "input_modalities.0: input should be"),
        (annotated(quantization="q4_k_m"), "quantization: input should be"),
        (annotated(context_length="4096"), "context_length: input should be a valid integer"),
        (annotated(context_length=0), "context_length: input should be greater than 0"),
        (annotated(pricing=None), "pricing: missing"),
        (annotated(discount_to_user=0.2), "discount_to_user: input should be"),
        (priced(prompt=None), "pricing.prompt is missing"),
        (priced(prompt=0.000008), "pricing.prompt is"),
        (priced(image="0.01"), "pricing.image"),
        (priced(overrides=[{"min_prompt_tokens": 200000}]), "pricing.overrides is not supported"),
    ],
)
def test_a_broken_annotation_is_refused_with_the_reason(document: dict[str, Any] | str, reason: str) -> None:
    with pytest.raises(AnnotationError) as refused:
        parse_offer(model(document))
    assert reason in str(refused.value)


def test_all_reasons_are_named_at_once() -> None:
    broken = priced(prompt="free")
    del broken["name"]
    with pytest.raises(AnnotationError) as refused:
        parse_offer(model(broken))
    assert "name: missing" in str(refused.value)
    assert "pricing.prompt is 'free'" in str(refused.value)


def test_giving_cached_tokens_away_is_warned_about_and_leaving_the_price_out_is_not() -> None:
    assert "cached prompt tokens are given away" in " ".join(parse_offer(model()).warnings)
    assert parse_offer(model(priced(input_cache_read=None))).warnings == ()
    assert parse_offer(model(priced(prompt="0"))).warnings == ()


def test_an_id_other_than_the_models_name_is_warned_about() -> None:
    (warning,) = parse_offer(model(priced(input_cache_read=None), name="other")).warnings
    assert warning == "id 'qwen25-05b-instruct' differs from the model's name 'other', by which the gateway knows it"


def test_a_context_that_the_engine_does_not_take_is_warned_about() -> None:
    document = priced(input_cache_read=None)
    (warning,) = parse_offer(model(document, args=("--dtype=half", "--max-model-len=1024"))).warnings
    assert warning == "context_length 4096 is more than the engine takes (--max-model-len 1024)"
    assert len(parse_offer(model(document, args=("--max-model-len", "1024"))).warnings) == 1
    for argument in ("--max-model-len=4096", "--max-model-len=\u00b2", "--max-model-len=" + "9" * 5_000, "--max-model-len"):
        assert parse_offer(model(document, args=(argument,))).warnings == ()
