"""The service's own key is found or made at the gateway, calls with the smallest request, and is kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
import pytest

from control_app.gateway.bifrost.api import GatewayApi
from control_app.gateway.bifrost.own_key import NAME, OwnKey, SecretKey, smallest_call
from control_app.gateway.double.entities import INACTIVE_KEY, Failure
from control_app.gateway.double.gateway import GatewayDouble
from control_app.gateway.port import GatewayError, KeyRefusedError
from tests.control.support.clocks import Clock
from tests.control.support.gateways import Says, serving


@pytest.fixture
def double() -> GatewayDouble:
    made = GatewayDouble(Clock(), upstream=lambda: ["llama", "embed"])
    for number in range(120):
        made.add_key(f"k{number}")
    return made


@pytest.fixture
def own(double: GatewayDouble) -> OwnKey:
    return own_key(double)


def own_key(double: GatewayDouble) -> OwnKey:
    return OwnKey(GatewayApi("http://gateway", *double.credentials, transport=httpx2.WSGITransport(app=double)))


def test_the_key_is_made_once_with_a_budget_and_our_provider_and_belongs_to_nobody(double: GatewayDouble, own: OwnKey) -> None:
    assert own.id == own.id == own_key(double).id
    (key,) = [key for key in double.keys.values() if key.name == NAME]
    assert (key.id, key.providers, key.customer, key.team) == (own.id, ["kubeai"], None, None)
    assert key.budgets == [{"max_limit": 1.0, "reset_duration": "1d"}]


def test_a_model_is_called_by_the_key_with_the_smallest_request(double: GatewayDouble, own: OwnKey) -> None:
    own.call("llama", ["TextGeneration"])
    own.call("embed", ["TextEmbedding"])
    assert {(series.model, series.method, series.virtual_key_name) for series in double.successes} == {
        ("llama", "chat_completion", NAME),
        ("embed", "embedding", NAME),
    }


@pytest.mark.parametrize(
    ("features", "asked"),
    [
        (["TextGeneration"], ("/v1/chat/completions", {"max_tokens": 1, "messages": [{"role": "user", "content": "1"}]})),
        ([], ("/v1/chat/completions", {"max_tokens": 1, "messages": [{"role": "user", "content": "1"}]})),
        (["TextEmbedding"], ("/v1/embeddings", {"input": "1"})),
        (["SpeechToText"], None),
    ],
)
def test_the_smallest_request_is_by_what_a_model_does(features: list[str], asked: tuple[str, Mapping[str, Any]] | None) -> None:
    expected = asked and (asked[0], {"model": "kubeai/m", **asked[1]})
    assert smallest_call("m", features) == expected


def test_a_model_whose_smallest_request_is_a_file_is_not_called(double: GatewayDouble, own: OwnKey) -> None:
    own.call("whisper", ["SpeechToText"])
    assert not double.requests


def test_models_that_came_later_are_told_once_the_list_was_read_again(double: GatewayDouble, own: OwnKey) -> None:
    double.upstream = lambda: ["llama", "embed", "new"]
    assert own.callable_models() == {"llama", "embed"}
    with pytest.raises(GatewayError, match="answered 403: model_blocked Model 'new' is not allowed for this virtual key"):
        own.call("new", ["TextGeneration"])
    own.reload_models()
    assert own.callable_models() == {"llama", "embed", "new"}
    own.call("new", ["TextGeneration"])


def test_what_the_upstream_says_against_a_call_is_repeated(double: GatewayDouble, own: OwnKey) -> None:
    double.failing["llama"] = Failure(503, "no engine " + 300 * "x")
    with pytest.raises(GatewayError, match=r"^POST /v1/chat/completions: answered 503: no engine x{190}$"):
        own.call("llama", ["TextGeneration"])


@pytest.mark.parametrize("failure", [Failure(402, "over"), Failure(429, "slow down"), INACTIVE_KEY])
def test_what_is_the_keys_fault_is_not_the_models(double: GatewayDouble, own: OwnKey, failure: Failure) -> None:
    double.failing["llama"] = failure
    with pytest.raises(KeyRefusedError, match=f"answered {failure.status_code}"):
        own.call("llama", [])


def test_a_key_that_cannot_be_made_is_to_be_made_by_hand(own: OwnKey, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object, **__: object) -> object:
        raise GatewayError("POST /api/governance/virtual-keys: answered 400")

    monkeypatch.setattr(GatewayApi, "ask", refuses)
    with pytest.raises(GatewayError, match="answered 400; make a virtual key 'control-proof' at the gateway by hand"):
        own.call("llama", [])


def test_a_key_that_was_deleted_is_made_anew(double: GatewayDouble, own: OwnKey) -> None:
    first = own.id
    double.delete_key(first)
    with pytest.raises(GatewayError, match="virtual_key_not_found"):
        own.call("llama", [])
    own.call("llama", [])
    assert own.id != first


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (Says('{"choices": []}'), "model 'llama': answered without a choice or an embedding"),
        (Says("<html>", kind="text/html"), "answered text/html"),
        (Says("bad gateway", status="502 Bad Gateway"), "answered 502: 'bad gateway'"),
        (Says("{"), "not its contract"),
    ],
)
def test_an_answer_that_is_none_is_refused(says: Says, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(_: OwnKey) -> SecretKey:
        return SecretKey("k", NAME, {"value": "sk-bf-1"})

    monkeypatch.setattr(OwnKey, "_found", found)
    with serving(says) as url, GatewayApi(url, "admin", "admin") as api, pytest.raises(GatewayError) as error:
        OwnKey(api).call("llama", [])
    assert reason in str(error.value)
    assert says.asked[0]["HTTP_X_BF_VK"] == "sk-bf-1", "some versions wrap it"


def test_the_secret_is_in_no_text(double: GatewayDouble, own: OwnKey) -> None:
    own.call("llama", [])
    (key,) = [key for key in double.keys.values() if key.name == NAME]
    assert key.secret not in repr(vars(own)) + str(SecretKey("k", NAME, key.secret))
