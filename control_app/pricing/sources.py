"""Where models are read from: a cluster's API, or a folder of YAML files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any, cast

import httpx2
import yaml
from lightkube import Client, KubeConfig, SingleConfig
from lightkube.config import client_adapter
from lightkube.generic_resource import create_namespaced_resource  # pyright: ignore[reportUnknownVariableType] # its own gap
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from control_app.core.failures import words_of
from control_app.core.time import EPOCH, microseconds
from control_app.pricing.offers import ANNOTATION, FORCE_USAGE, Edit, Model
from control_app.pricing.port import SourceError


class _ManagedFields(BaseModel):
    """Who set which fields of an object last, as the API keeps it: a tree of keys like `f:annotations`."""

    manager: str = ""
    time: AwareDatetime | None = None
    fields: dict[str, dict[str, Any]] | None = Field(default=None, alias="fieldsV1")

    def has(self, annotation: str) -> bool:
        return f"f:{annotation}" in ((self.fields or {}).get("f:metadata", {}).get("f:annotations") or {})


class _Metadata(BaseModel):
    name: str
    annotations: dict[str, str] | None = None
    created: AwareDatetime | None = Field(default=None, alias="creationTimestamp")
    managed: list[_ManagedFields] | None = Field(default=None, alias="managedFields")

    def edit(self, annotation: str) -> Edit:
        """The newest of that annotation; of one that is gone nothing is kept."""
        of_it = [entry for entry in self.managed or () if entry.has(annotation)]
        newest = max(of_it, key=lambda entry: entry.time or EPOCH, default=_ManagedFields())
        return Edit(newest.manager, f"{newest.time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if newest.time else "")


class _Adapter(BaseModel):
    name: str


class _Spec(BaseModel):
    adapters: list[_Adapter] | None = None
    features: list[str] | None = None
    args: list[str] | None = None
    replicas: int | None = None
    min_replicas: int | None = Field(default=None, alias="minReplicas")
    engine: str | None = None
    profile: str | None = Field(default=None, alias="resourceProfile")

    @property
    def tells_usage_late(self) -> bool:
        """Older cards run a vLLM that does not know the argument, and would not start with it."""
        return self.engine == "VLLM" and FORCE_USAGE not in (self.args or ()) and not (self.profile or "").startswith(OLDER)

    @property
    def asks_for_several_shares(self) -> bool:
        """Of cards that models share in turns, of which nobody is given two (docs/models.md)."""
        return re.fullmatch(r"nvidia-(older-)?unlimited:0*([2-9]|[1-9][0-9]+)", self.profile or "") is not None

    @property
    def is_asleep(self) -> bool:
        """KubeAI's autoscaler writes `replicas`; the status is not trusted, since it stays as it was where pods cannot be made."""
        return not self.replicas and not self.min_replicas


class _ModelObject(BaseModel):
    """The part of a KubeAI `Model` that we read (kubeai.org/v1)."""

    metadata: _Metadata
    spec: _Spec = _Spec()


GROUP, VERSION, PLURAL = "kubeai.org", "v1", "models"
KubeAiModel: Any = create_namespaced_resource(GROUP, VERSION, "Model", PLURAL)
OLDER = "nvidia-older-"
"""How the resource profiles of cards begin that the engine's current releases left behind (docs/models.md)."""
TIMEOUT_SEC = 10
WATCH_SEC = 60
"""After which the API ends a watch; a connection that died in silence is noticed not much later."""


class FileModels:
    """Models of `*.yaml` files in *folder*, for a laptop without a cluster."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def models(self) -> Sequence[Model]:
        """All models; raises SourceError where a file cannot be read: a model must not vanish for a slip in its file."""
        try:
            # Not glob(), which finds nothing in a folder that it may not read.
            paths = sorted(path for path in self._folder.iterdir() if path.suffix in (".yaml", ".yml"))
        except OSError as error:
            raise SourceError(f"the models' folder cannot be read: {error}") from error
        found: dict[str, Model] = {}
        for path in paths:
            for item in _documents(path):
                for model in _models(item, str(path)):
                    if model.name in found:
                        raise SourceError(f"{path}: a model {model.name!r} is described twice")
                    found[model.name] = replace(model, edit=Edit(f"file {path.name}"))
        return list(found.values())


class KubernetesModels:
    """Models of a cluster's *namespace*, by kubeconfig or, without one, as the pod's service account."""

    def __init__(self, namespace: str, kubeconfig: Path | None = None) -> None:
        self._namespace = namespace
        self._kubeconfig = kubeconfig

    def models(self) -> Sequence[Model]:
        """All models; raises SourceError where the API does not answer or refuses."""
        where = self._where
        try:
            # Each time anew, so that a changed kubeconfig or authority is seen.
            with Client(config=cluster_config(self._kubeconfig), timeout=httpx2.Timeout(TIMEOUT_SEC)) as client:
                items = client.list(KubeAiModel, namespace=self._namespace)
                return [model for item in items for model in _models(dict(item), where)]
        except SourceError:
            raise
        except Exception as error:  # kubeconfigs, certificates, answers: each has its own ways to be wrong
            raise SourceError(f"{where} cannot be read: {words_of(error)}") from error

    def watch(self, changed: Callable[[], None]) -> None:
        """Call *changed* for every model there is, and after every change, until the API ends the watch."""
        # One request. lightkube's own watch asks again at once and for ever, also where each answer ends at once.
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{self._namespace}/{PLURAL}"
        timeout = httpx2.Timeout(TIMEOUT_SEC, read=WATCH_SEC + TIMEOUT_SEC)
        try:
            client = client_adapter.Client(cluster_config(self._kubeconfig), client_adapter.ConnectionParams(timeout=timeout))
            with client, client.stream("GET", path, params={"watch": "true", "timeoutSeconds": WATCH_SEC}) as answer:
                answer.raise_for_status()
                for line in answer.iter_lines():
                    _check_event(json.loads(line))
                    changed()
        except Exception as error:  # as above
            raise SourceError(f"{self._where} cannot be watched: {words_of(error)}") from error

    @property
    def _where(self) -> str:
        return f"models of namespace {self._namespace}"


def _check_event(event: dict[str, Any]) -> None:
    if event["type"] == "ERROR":
        raise SourceError(event["object"].get("message", "the API ended the watch without a reason"))


def cluster_config(kubeconfig: Path | None) -> SingleConfig:
    """The cluster of the file's current context, or without a file the pod's own."""
    config = (KubeConfig.from_file(kubeconfig) if kubeconfig else KubeConfig.from_service_account()).get()
    assert config, "lightkube raises where there is no current context"  # noqa: S101
    return config


def _documents(path: Path) -> Iterator[object]:
    try:
        documents: list[Any] = list(yaml.safe_load_all(path.read_text()))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    for document in documents:
        yield from _of_kind_model(document)


def _of_kind_model(document: object) -> Iterator[object]:
    """*document*, or what a `kind: List` has in it: `kubectl get -o yaml` writes one."""
    if not isinstance(document, dict):
        return
    found = cast(dict[str, Any], document)
    if found.get("kind") == "Model":
        yield found
    elif found.get("kind") in ("List", "ModelList"):
        for item in found.get("items") or ():
            yield from _of_kind_model(item)


def _models(item: object, where: str) -> Iterator[Model]:
    """A `Model`, and those of its adapters that have an annotation of their own; customers call these `<model>_<adapter>`."""
    try:
        parsed = _ModelObject.model_validate(item)
    except ValidationError as error:
        detail = error.errors()[0]
        raise SourceError(f"{where}: not a Model: {'.'.join(map(str, detail['loc']))}: {detail['msg']}") from error
    annotations = parsed.metadata.annotations or {}
    model = Model(
        name=parsed.metadata.name,
        annotation=annotations.get(ANNOTATION),
        features=tuple(parsed.spec.features or ()),
        args=tuple(parsed.spec.args or ()),
        created=microseconds(parsed.metadata.created) if parsed.metadata.created else 0,
        edit=parsed.metadata.edit(ANNOTATION),
        is_asleep=parsed.spec.is_asleep,
        tells_usage_late=parsed.spec.tells_usage_late,
        asks_for_several_shares=parsed.spec.asks_for_several_shares,
    )
    yield model
    for adapter in parsed.spec.adapters or ():
        key = f"{ANNOTATION}_{adapter.name}"
        if annotation := annotations.get(key):
            yield replace(model, name=f"{model.name}_{adapter.name}", annotation=annotation, edit=parsed.metadata.edit(key))
