"""The double answers what the real gateway was recorded to answer, but for ids, times, counts and texts that are named here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

import httpx2
import pytest

from control_app.gateway.bifrost.counters import METRIC
from control_app.gateway.double.entities import Tokens
from control_app.gateway.double.gateway import GatewayDouble
from tests.control.support.clocks import Clock
from tests.control.support.recordings import CALLS, Call

PER_TOKEN = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2.8e-6, "cache_read_input_token_cost": 2e-7}
LIMITS = {"provider": "kubeai", "context_length": 8192, "max_output_tokens": 1024}
SHEET = {
    "kubeai/embed-a": LIMITS | {"mode": "embedding", "input_cost_per_token": 5e-7, "output_cost_per_token": 0},
    "kubeai/free-a": LIMITS | {"mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0},
    "kubeai/late-a": LIMITS | {"mode": "chat", "input_cost_per_token": 2e-6, "output_cost_per_token": 3e-6},
    "kubeai/llama-a": LIMITS | {"mode": "chat", **PER_TOKEN},
}
LARGE, SMALL = Tokens(prompt=100, cached_read=40, completion=20, reasoning=5), Tokens(prompt=10, completion=5)
OTHERS, BARE, WRONG = "sk-bf-acme-k1", "sk-bf-recorded-bare", "sk-bf-nope"
SHOWN = {
    "quota of a key": OTHERS,
    "quota, wrong key": WRONG,
    "chat with the bare key, kubeai/ prefix": BARE,
    "chat, wrong key": WRONG,
}
"""Whose key a call showed; the others that showed one had that of `make a key with provider kubeai`."""
OWNER = "owned_by"
"""Whose a model is says the upstream, which was a stub where this was recorded."""
IDS = re.compile(r"(^|_)id$|^value$")
TIMES = ("timestamp", "created", "created_at", "updated_at", "latency")
COUNTS = ("total_count", "total_requests", "virtual_key_count", "weight")
TEXTS = {
    "chat, not JSON": "the parser's own words",
    "unknown path": "the user interface",
    "provider kubeai": "how that gateway was set up",
    "virtual keys, wrong password": "the answer to nobody, which is another call",
}
"""Calls whose texts are the recorded installation's: of these, the members are compared and not what they say."""
CUT = ("models, with key", "metrics")
"""Calls whose answers were cut when they were kept: what is left of them is compared below."""


def _stream(double: GatewayDouble, key: str) -> None:
    double.call(key, "llama-a", kind="chat_completion_stream", **LARGE._asdict())
    double.answers = SMALL


def _responses(double: GatewayDouble, key: str) -> None:
    for _ in range(2):
        double.call(key, "llama-a", kind="responses", **SMALL._asdict())


def _hang_up(double: GatewayDouble, key: str) -> None:
    double.hang_up(key, "llama-a")


UNASKED: Mapping[str, Callable[[GatewayDouble, str], None]] = {
    "completions": _stream,
    "models, with key": _responses,
    "log rows, newest first": _hang_up,
}
"""What happened before a call, by paths that the double does not serve: streams, `responses`, Anthropic's; and what its upstream says."""


class Answer(NamedTuple):
    """What the double answered."""

    status: int
    kind: str
    body: Any


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Answer]:
    """The double's answer to each recorded call, asked in their order."""
    clock = Clock()
    double = _as_recorded(clock, tmp_path_factory.mktemp("sheet") / "sheet.json")
    known: dict[str, str] = {}
    found: dict[str, Answer] = {}
    with httpx2.Client(base_url="http://gateway", transport=httpx2.WSGITransport(app=double)) as http:
        for call in CALLS.values():
            clock.now += timedelta(milliseconds=1)
            if happen := UNASKED.get(call.title):
                happen(double, _id_of(double, "recorded-kubeai"))
                clock.now += timedelta(minutes=1)
            found[call.title] = answer = _ask(http, call, known)
            _learn(call.response["body"], answer.body, known)
    return found


def _as_recorded(clock: Clock, sheet: Path) -> GatewayDouble:
    """A double as the gateway stood when the recording began."""
    sheet.write_text(json.dumps(SHEET))
    double = GatewayDouble(clock, sheet=sheet, upstream=lambda: [name.removeprefix("kubeai/") for name in SHEET])
    double.answers = LARGE
    acme, globex = double.add_customer("acme"), double.add_customer("globex")
    team = double.add_team("acme-team", acme)
    double.add_key("acme-k1", acme, OTHERS)
    double.add_key("acme-k2", team=team)
    double.add_key("globex-k1", globex)
    double.add_key("recorded-bare", None, BARE, providers=())
    return double


def _id_of(double: GatewayDouble, name: str) -> str:
    return next((key.id for key in double.keys.values() if key.name == name), "")


def _ask(http: httpx2.Client, call: Call, known: Mapping[str, str]) -> Answer:
    asked, path = call.request, call.request["path"]
    headers = {"x-bf-vk": SHOWN.get(call.title, known.get("secret", OTHERS))} if asked["who"] == "virtual key" else {}
    headers |= {name: value.replace("sk-bf-<secret>", known.get("secret", "")) for name, value in asked.get("headers", {}).items()}
    for recorded, ours in known.items():
        path = path.replace(recorded, ours)
    body = asked.get("body")
    content = body if isinstance(body, str) else json.dumps(body) if body else None
    for recorded, ours in known.items():
        content = content and content.replace(recorded, ours)
    auth = ("admin", "admin") if asked["who"] == "admin" else None
    response = http.request(asked["method"], path, headers=headers, auth=auth, content=content)
    kind = response.headers["content-type"]
    return Answer(response.status_code, kind, response.json() if kind == "application/json" else response.text)


def _learn(recorded: Any, told: Any, known: dict[str, str]) -> None:
    """Which of the double's ids stands for which recorded one, of what both have just made."""
    for name in ("customer", "virtual_key"):
        if isinstance(recorded, dict) and name in recorded and isinstance(told, dict) and name in told:
            known[recorded[name]["id"]] = told[name]["id"]
            if name == "virtual_key":
                known["secret"] = told[name]["value"]


def alike(value: Any, name: str = "") -> Any:
    """*value* without what differs from one gateway and hour to another."""
    if isinstance(value, dict):
        told = cast(dict[str, Any], value)
        return {key: alike(member, key) for key, member in told.items() if key not in ("latency", OWNER)}
    if isinstance(value, list):
        return [alike(member) for member in cast(Sequence[Any], value)]
    if value and (IDS.search(name) or name in TIMES or name in COUNTS):
        return f"a {name}"
    return value


def members(value: Any) -> Any:
    """Only which members there are."""
    return sorted(cast(dict[str, Any], value)) if isinstance(value, dict) else type(value).__name__


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_double_answers_as_the_real_gateway_did(call: Call, answers: Mapping[str, Answer]) -> None:
    told, recorded = answers[call.title], call.response
    assert (told.status, told.kind.partition(";")[0]) == (recorded["status"], recorded["headers"]["Content-Type"].partition(";")[0])
    if call.title in TEXTS:
        assert members(told.body) == members(recorded["body"])
    elif call.title not in CUT:
        assert alike(told.body) == alike(recorded["body"])


def test_the_models_are_told_alike(answers: Mapping[str, Answer]) -> None:
    told, recorded = answers["models, with key"].body, CALLS["models, with key"].response["body"]
    assert alike(told | {"data": told["data"][:3]}) == alike(recorded)


def test_the_metrics_have_the_same_labels(answers: Mapping[str, Answer]) -> None:
    def labels(text: str, metric: str) -> set[tuple[str, ...]]:
        return {tuple(re.findall(r'(\w+)="', line)) for line in text.splitlines() if line.startswith(metric + "{")}

    told, recorded = answers["metrics"].body, CALLS["metrics"].text
    assert labels(told, "bifrost_error_requests_total") == labels(recorded, "bifrost_error_requests_total")
    (errors,), (successes,) = labels(told, "bifrost_error_requests_total"), labels(told, METRIC)
    assert successes == tuple(label for label in errors if label != "status_code")
