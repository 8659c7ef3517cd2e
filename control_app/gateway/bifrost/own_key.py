"""The service's own virtual key at Bifrost, with which models are called to see whether they can be.

It is found by its name at each start, so that its secret is kept nowhere (docs/decisions/0022-a-call-proves-a-model.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from control_app.gateway.bifrost.answers import ModelList
from control_app.gateway.bifrost.api import KEYS, MODELS, GatewayApi
from control_app.gateway.port import PROVIDER, GatewayError

NAME = "control-proof"
BUDGET = {"max_limit": 1.0, "reset_duration": "1d"}
"""USD; a call costs a few tokens. A secret that got out would buy no more than this a day."""
PROVIDER_PATH = f"/api/providers/{PROVIDER}"


class SecretKey(msgspec.Struct):
    """A key with its secret, which some versions wrap. No error tells it, and it is kept in memory only."""

    id: str
    name: str
    value: str | dict[str, Any]

    def __repr__(self) -> str:
        return f"SecretKey({self.id!r})"

    @property
    def secret(self) -> str:
        """What is sent with a request."""
        return self.value if isinstance(self.value, str) else str(self.value.get("value", ""))


class _Keys(msgspec.Struct):
    limit: int
    total_count: int
    entries: list[SecretKey] | None = msgspec.field(name="virtual_keys")


class _Made(msgspec.Struct):
    virtual_key: SecretKey


class _Answer(msgspec.Struct):
    """What an answer of a model has at least: `choices` of text, or `data` of embeddings."""

    choices: list[msgspec.Raw] | None = None
    data: list[msgspec.Raw] | None = None


def smallest_call(model: str, features: Sequence[str]) -> tuple[str, Mapping[str, Any]] | None:
    """Path and body of the cheapest request that a model with these *features* answers; None where there is none without a file."""
    name = f"{PROVIDER}/{model}"
    if "TextGeneration" in features or not features:
        return "/v1/chat/completions", {"model": name, "messages": [{"role": "user", "content": "1"}], "max_tokens": 1}
    if "TextEmbedding" in features:
        return "/v1/embeddings", {"model": name, "input": "1"}
    return None


class OwnKey:
    """Finds the key by its name behind *api*, makes it where there is none, and calls with it."""

    def __init__(self, api: GatewayApi) -> None:
        self._api = api
        self._key: SecretKey | None = None

    @property
    def id(self) -> str:
        """The gateway's id of the key."""
        return self._found().id

    def callable_models(self) -> frozenset[str]:
        """The models that the gateway lists for the key now: those that it lets be called, and its upstream has."""
        listed = self._asked("GET", MODELS, ModelList)
        prefix = f"{PROVIDER}/"
        return frozenset(model.id.removeprefix(prefix) for model in listed.data or () if model.id.startswith(prefix))

    def reload_models(self) -> None:
        """Have the gateway ask its upstream for its list again, which it does when its provider is written, with whatever."""
        told = self._api.ask("GET", PROVIDER_PATH, msgspec.Raw)
        self._api.ask("PUT", PROVIDER_PATH, msgspec.Raw, body=told)

    def call(self, model: str, features: Sequence[str]) -> None:
        """The smallest call of *model*; nothing is asked where it would take a file. Raises GatewayError where it is not answered."""
        if question := smallest_call(model, features):
            path, body = question
            answer = self._asked("POST", path, _Answer, body)
            if not (answer.choices or answer.data):
                raise GatewayError(f"POST {path}, model {model!r}: answered without a choice or an embedding")

    def _asked(self, method: str, path: str, kind: type[Any], body: Mapping[str, Any] | None = None) -> Any:
        try:
            return self._api.ask(method, path, kind, secret=self._found().secret, body=body)
        except GatewayError:
            # It may have been deleted or changed meanwhile.
            self._key = None
            raise

    def _found(self) -> SecretKey:
        if self._key is None:
            self._key = self._listed() or self._made()
        return self._key

    def _listed(self) -> SecretKey | None:
        return next((key for key in self._api.entries(KEYS, _Keys) if key.name == NAME), None)

    def _made(self) -> SecretKey:
        config = {"provider": PROVIDER, "weight": 1.0, "allowed_models": ["*"], "key_ids": ["*"]}
        body = {"name": NAME, "is_active": True, "provider_configs": [config], "budgets": [BUDGET]}
        try:
            made = self._api.ask("POST", KEYS, _Made, body=body)
        except GatewayError as error:
            raise GatewayError(f"{error}; make a virtual key {NAME!r} at the gateway by hand (docs/control-service.md)") from error
        return made.virtual_key
