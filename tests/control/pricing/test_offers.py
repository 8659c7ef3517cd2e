"""An annotation is an offer, or broken for reasons that are all named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from control_app.gateway.port import PROVIDER
from control_app.pricing.offers import PREFIX, AnnotationError, parse_offer
from tests.control.support.models import ANNOTATION, annotated, model, priced


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
        (
            priced(input_cache_reads="0"),
            "pricing.input_cache_reads is no kind of price, correct or remove it; did you mean 'input_cache_read'?",
        ),
        (priced(Prompt="0"), "pricing.Prompt is no kind of price, correct or remove it; did you mean 'prompt'?"),
        (priced(tokens="0"), "pricing.tokens is no kind of price, correct or remove it"),
        (annotated(service_tier="flex"), "service_tier: not a key of the format, and nobody would keep what it says; remove it"),
        (annotated(capacity_tpm=100_000), "capacity_tpm: not a key of the format"),
        (annotated(serviceTier="flex"), "serviceTier: not a key of the format"),
        (annotated(discount_to_users="0.5"), "did you mean 'discount_to_user'?"),
        (
            annotated(is_redy=False),
            "is_redy: not a key of the format, and nobody would keep what it says; remove it; did you mean 'is_ready'?",
        ),
        (annotated(datacenters=[{"country_code": "RO", "uptime": "99.9"}]), "datacenters.0.uptime: not a key of the format"),
        (annotated(openrouter={"slug": "a/b", "price": "1"}), "openrouter.price: not a key of the format"),
        (annotated(is_free=True), 'is_free is true, which makes buyers pay nothing, but pricing.prompt is not "0"'),
    ],
)
def test_a_broken_annotation_is_refused_with_the_reason(document: dict[str, Any] | str, reason: str) -> None:
    with pytest.raises(AnnotationError) as refused:
        parse_offer(model(document))
    assert reason in str(refused.value)


@pytest.mark.parametrize("date", ["2027-01-31", "2028-02-29T13:00:00Z"])
def test_the_end_of_an_offer_is_a_day_or_a_whole_hour(date: str) -> None:
    assert parse_offer(model(annotated(deprecation_date=date))).document["deprecation_date"] == date


def test_all_reasons_are_named_at_once() -> None:
    broken = priced(prompt="free")
    del broken["name"]
    with pytest.raises(AnnotationError) as refused:
        parse_offer(model(broken))
    assert "name: missing" in str(refused.value)
    assert "pricing.prompt is 'free'" in str(refused.value)


def test_a_kind_that_openrouter_has_may_cost_nothing_though_no_row_measures_it() -> None:
    assert parse_offer(model(priced(image="0", web_search="0"))).prices.keys() == parse_offer(model(priced(image=None))).prices.keys()


@pytest.mark.parametrize(
    ("key", "document"),
    [
        ("created_at", annotated(created_at=1)),
        ("x", annotated(x="y")),
        ("openrouter.comment", annotated(openrouter={"slug": "a/b", "comment": "c"})),
        ("datacenters.0.city", annotated(datacenters=[{"country_code": "RO", "city": "Stâlpeni"}])),
    ],
)
def test_a_key_that_costs_and_promises_nothing_is_told_as_one_that_only_the_flat_list_has(key: str, document: dict[str, Any]) -> None:
    offer = parse_offer(model(document))
    assert f"{key}: not a key of the format; it is in the flat list only" in offer.warnings
    assert offer.document == document


def test_a_free_model_may_say_that_it_is_one() -> None:
    assert parse_offer(model({**priced(prompt="0", completion="0"), "is_free": True})).document["is_free"] is True


@pytest.mark.parametrize(
    ("kind", "prices"),
    [
        ("input_cache_read", {"input_cache_read": "0", "input_cache_write": None}),
        ("input_cache_write", {"input_cache_read": None, "input_cache_write": "0"}),
        ("internal_reasoning", {"input_cache_read": None, "input_cache_write": None, "internal_reasoning": "0.000"}),
    ],
)
def test_what_is_given_away_beside_a_price_is_warned_about_kind_by_kind(kind: str, prices: dict[str, Any]) -> None:
    (warning,) = parse_offer(model(priced(**prices))).warnings
    assert warning.startswith(f'{kind} is "0": ')
    assert "tokens are given away; leave it out to charge the " in warning


def test_what_is_left_out_or_free_beside_a_free_price_is_not_warned_about() -> None:
    assert parse_offer(model(priced(input_cache_read=None, input_cache_write=None))).warnings == ()
    assert parse_offer(model(priced(prompt="0", completion="0", internal_reasoning="0"))).warnings == ()


def test_an_id_other_than_the_models_name_is_warned_about() -> None:
    (warning,) = parse_offer(model(priced(input_cache_read=None, input_cache_write=None), name="other")).warnings
    assert warning == "id 'qwen25-05b-instruct' differs from the model's name 'other', by which the gateway knows it"


def test_an_id_is_what_the_gateway_takes_with_its_prefix_and_without() -> None:
    quiet = priced(input_cache_read=None, input_cache_write=None)
    for said in ("other", "kubeai/other"):
        offer = parse_offer(model({**quiet, "id": said}, name="other"))
        assert (offer.called, list(offer.warnings)) == ("other", [])
    for said in ("KubeAI/other", "openai/other", "Other"):
        assert len(parse_offer(model({**quiet, "id": said}, name="other")).warnings) == 1


def test_the_prefix_is_the_gateways() -> None:
    assert f"{PROVIDER}/" == PREFIX


def test_a_context_that_the_engine_does_not_take_is_warned_about() -> None:
    document = priced(input_cache_read=None, input_cache_write=None)
    (warning,) = parse_offer(model(document, args=("--dtype=half", "--max-model-len=1024"))).warnings
    assert warning == "context_length 4096 is more than the engine takes (--max-model-len 1024)"
    assert len(parse_offer(model(document, args=("--max-model-len", "1024"))).warnings) == 1
    for argument in ("--max-model-len=4096", "--max-model-len=\u00b2", "--max-model-len=" + "9" * 5_000, "--max-model-len"):
        assert parse_offer(model(document, args=(argument,))).warnings == ()


@pytest.mark.parametrize("several", [False, True])
def test_a_model_that_asks_for_several_shares_of_cards_is_warned_of(*, several: bool) -> None:
    warnings = parse_offer(model(ANNOTATION, asks_for_several_shares=several)).warnings
    assert any("ask for whole ones" in warning for warning in warnings) is several


def test_a_model_whose_usage_comes_at_a_streams_end_only_is_warned_of_unless_no_tokens_are_written() -> None:
    embeds = annotated(output_modalities=["embeddings"])
    for document, late, expected in ((ANNOTATION, True, 1), (ANNOTATION, False, 0), (embeds, True, 0)):
        warnings = parse_offer(model(document, tells_usage_late=late)).warnings
        assert sum("put --enable-force-include-usage among its args" in warning for warning in warnings) == expected
