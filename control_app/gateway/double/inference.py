"""What customers call at the gateway's double: models, chat, completions and embeddings, answered by an upstream that is always there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

import msgspec
from werkzeug.routing import Rule
from werkzeug.wrappers import Request, Response

from control_app.core.clock import Clock
from control_app.gateway.double.entities import NO_KEY, UNKNOWN_KEY, Failure, Price, Tokens, VirtualKey
from control_app.gateway.double.responses import error, json_of
from control_app.gateway.double.rows import told
from control_app.gateway.port import FREE, PROVIDER
from control_app.gateway.price_fields import FIELDS


class Kind(NamedTuple):
    """A kind of request: the gateway's word for it, and what its answer has beside usage."""

    name: str
    object: str
    body: Mapping[str, Any]


CHAT = Kind(
    "chat_completion",
    "chat.completion",
    {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}], "system_fingerprint": ""},
)
TEXT = Kind(
    "text_completion", "text_completion", {"choices": [{"index": 0, "finish_reason": "stop", "text": "hello"}], "system_fingerprint": ""}
)
EMBEDDING = Kind("embedding", "list", {"data": [{"index": 0, "object": "embedding", "embedding": [0.1, 0.2]}]})
KINDS = {"chat/completions": CHAT, "completions": TEXT, "embeddings": EMBEDDING}
ENDPOINTS = ("models", *KINDS)
RULES = [
    Rule("/v1/models", endpoint="models", methods=["GET"]),
    *(Rule(f"{prefix}/v1/{path}", endpoint=path, methods=["POST"]) for prefix in ("", "/openai") for path in KINDS),
]
PRICES = {kind: field for kind, field in FIELDS.items() if field in Price.__struct_fields__}
"""What the list of models tells, which is not all that the gateway charges."""


class Serving(Protocol):
    """What requests are answered from: see GatewayDouble."""

    clock: Clock
    keys: dict[str, VirtualKey]
    prices: dict[tuple[str, str, str], Price]
    upstream: Callable[[], Iterable[str]] | None
    answers: Tokens
    failing: dict[str, Failure]
    is_away: bool

    def knows(self, model: str) -> bool: ...

    def refuses(self, key: VirtualKey, provider: str, model: str) -> Failure | None: ...

    def record(  # noqa: PLR0913 (as much as is told of a request)
        self, key: VirtualKey | None, model: str, kind: str, used: Tokens = ..., *, failure: Failure | None = ..., routed: bool = ...
    ) -> str: ...


def answers(double: Serving) -> Mapping[str, Callable[[Request], Response]]:
    """What answers each of ENDPOINTS."""
    return {"models": partial(_models, double)} | {path: partial(_infer, double, kind) for path, kind in KINDS.items()}


def secret_of(request: Request) -> str | None:
    """The virtual key that is shown, in one of the headers that the gateway takes."""
    bearer = request.authorization.token if request.authorization and request.authorization.type == "bearer" else None
    return request.headers.get("x-bf-vk") or bearer or request.headers.get("x-api-key")


def key_of(double: Serving, secret: str) -> VirtualKey | None:
    """The key of that *secret*."""
    return next((key for key in double.keys.values() if key.secret == secret), None)


def _models(double: Serving, request: Request) -> Response:
    """The upstream's models that the key may call, asked now, with or without a price; the question is a row of the log."""
    key, refusal = _shown(double, request)
    refused = refusal or (key and double.refuses(key, "", ""))
    if refused:
        double.record(key, "", FREE, failure=refused)
        return _refused(refused, "", FREE)
    if double.is_away:
        return error(500, "the database does not answer")
    double.record(key, "", FREE)
    data = [_model(double, model) for model in _listed(double) if key and not double.refuses(key, PROVIDER, model)]
    extra: dict[str, Any] = {"request_type": FREE, "routing_info": {}, "latency": 0, "chunk_index": 0}
    status = {"key_id": "", "status": "success", "provider": PROVIDER}
    return json_of({"data": data, "extra_fields": extra, "key_statuses": [status]})


def _listed(double: Serving) -> Collection[str]:
    if double.upstream is None:
        return list(dict.fromkeys(model for provider, model, _ in double.prices if provider == PROVIDER))
    return list(double.upstream())


def _model(double: Serving, model: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": f"{PROVIDER}/{model}", "created": 1, "owned_by": "kubeai"}
    price = next((price for (provider, name, _), price in double.prices.items() if (provider, name) == (PROVIDER, model)), None)
    if price is None:
        return entry
    rates = ((kind, getattr(price, name)) for kind, name in PRICES.items())
    limits = {"context_length": price.context_length, "max_output_tokens": price.max_output_tokens}
    entry |= {name: limit for name, limit in limits.items() if limit is not None}
    return entry | {"pricing": {kind: f"{rate:.10f}" for kind, rate in rates if rate is not None}}


def _infer(double: Serving, kind: Kind, request: Request) -> Response:
    try:
        asked = str(msgspec.json.decode(request.get_data(), type=dict[str, Any])["model"])
    except (msgspec.DecodeError, KeyError) as problem:
        return error(400, f"invalid request format: {problem}")
    provider, slash, model = asked.partition("/")
    provider, model, routed = (provider, model, False) if slash else (PROVIDER, asked, True)
    key, failure = _shown(double, request)
    if key and (unresolved := _unresolved(double, provider, model, kind, routed=routed)):
        return unresolved
    failure = failure or (key and double.refuses(key, provider, model)) or double.failing.get(model)
    if failure:
        double.record(key, model, kind.name, failure=failure, routed=routed)
        return _refused(failure, model, kind.name)
    used = Tokens(double.answers.prompt) if kind is EMBEDDING else double.answers
    double.record(key, model, kind.name, used, routed=routed)
    return json_of(_answered(double, kind, model, used))


def _shown(double: Serving, request: Request) -> tuple[VirtualKey | None, Failure | None]:
    """The key that is shown, or why there is none."""
    secret = secret_of(request)
    key = key_of(double, secret) if secret else None
    return key, None if key else UNKNOWN_KEY if secret else NO_KEY


def _unresolved(double: Serving, provider: str, model: str, kind: Kind, *, routed: bool) -> Response | None:
    """What is said, and not logged, of a model that is nowhere: by a provider that is not there, or by none."""
    said: dict[str, Any] = {"routing_info": {}, "original_model_requested": model, "resolved_model_used": model, "request_type": kind.name}
    body: dict[str, Any] = {"is_bifrost_error": False, "extra_fields": said}
    if routed and not double.knows(model):
        message = "could not auto resolve a provider for the request, please specify a provider explicitly"
        return json_of(body | {"error": {"message": message}}, 400)
    if provider != PROVIDER:
        message = f"failed to get config for provider {provider}: not found"
        said["provider"] = provider
        return json_of(body | {"error": {"message": message, "error": message}}, 400)
    return None


def _answered(double: Serving, kind: Kind, model: str, used: Tokens) -> dict[str, Any]:
    usage: dict[str, Any] = {"prompt_tokens": used.prompt, "total_tokens": used.prompt + used.completion}
    if used.completion:
        usage["completion_tokens"] = used.completion
    if used.cached_read:
        usage["prompt_tokens_details"] = {"cached_read_tokens": used.cached_read, "cached_tokens": used.cached_read}
    if used.reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": used.reasoning}
    routing = {"provider": PROVIDER, "model": model}
    extra: dict[str, Any] = {"request_type": kind.name, "routing_info": routing, "provider": PROVIDER, "original_model_requested": model}
    extra |= {"resolved_model_used": model, "latency": 0, "chunk_index": 0}
    body: dict[str, Any] = {"model": model, "object": kind.object, "usage": usage, "extra_fields": extra, **kind.body}
    if kind is not EMBEDDING:
        body["id"] = "cmpl-1"
    if kind is CHAT:
        body["created"] = int(double.clock().timestamp())
    return body


def _refused(failure: Failure, model: str, kind: str) -> Response:
    return json_of(told(failure, PROVIDER, model, kind), failure.status_code)
