"""Where models are read from: a cluster's API, or a folder of YAML files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import httpx2
import yaml
from lightkube import Client, KubeConfig, SingleConfig
from lightkube.config import client_adapter
from lightkube.generic_resource import create_namespaced_resource  # pyright: ignore[reportUnknownVariableType] # its own gap
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from control_app.catalog import SourceError
from control_app.offers import ANNOTATION, Model
from control_app.spans import microseconds


class _Metadata(BaseModel):
    name: str
    annotations: dict[str, str] | None = None
    created: AwareDatetime | None = Field(default=None, alias="creationTimestamp")


class _Spec(BaseModel):
    features: list[str] | None = None
    args: list[str] | None = None


class _ModelObject(BaseModel):
    """The part of a KubeAI `Model` that we read (kubeai.org/v1)."""

    metadata: _Metadata
    spec: _Spec = _Spec()


GROUP, VERSION, PLURAL = "kubeai.org", "v1", "models"
KubeAiModel: Any = create_namespaced_resource(GROUP, VERSION, "Model", PLURAL)
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
                model = _model(item, str(path))
                if model.name in found:
                    raise SourceError(f"{path}: a model {model.name!r} is described twice")
                found[model.name] = model
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
                return [_model(dict(item), where) for item in client.list(KubeAiModel, namespace=self._namespace)]
        except SourceError:
            raise
        except Exception as error:  # kubeconfigs, certificates, answers: each has its own ways to be wrong
            raise SourceError(f"{where} cannot be read: {type(error).__name__}: {error}") from error

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
            raise SourceError(f"{self._where} cannot be watched: {type(error).__name__}: {error}") from error

    @property
    def _where(self) -> str:
        return f"models of namespace {self._namespace}"


def _check_event(event: dict[str, Any]) -> None:
    if event["type"] == "ERROR":
        raise SourceError(event["object"].get("message", "the API ended the watch without a reason"))


def cluster_config(kubeconfig: Path | None) -> SingleConfig:
    """The cluster of the file's current context, or without a file the pod's own."""
    config = (KubeConfig.from_file(kubeconfig) if kubeconfig else KubeConfig.from_service_account()).get()
    if config is None:
        raise SourceError(f"{kubeconfig} has no current context")
    return config


def _documents(path: Path) -> Iterator[object]:
    try:
        documents: list[Any] = list(yaml.safe_load_all(path.read_text()))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    for document in documents:
        if isinstance(document, dict) and cast(dict[str, Any], document).get("kind") == "Model":
            yield cast(dict[str, Any], document)


def _model(item: object, where: str) -> Model:
    try:
        parsed = _ModelObject.model_validate(item)
    except ValidationError as error:
        detail = error.errors()[0]
        raise SourceError(f"{where}: not a Model: {'.'.join(map(str, detail['loc']))}: {detail['msg']}") from error
    return Model(
        name=parsed.metadata.name,
        annotation=(parsed.metadata.annotations or {}).get(ANNOTATION),
        features=tuple(parsed.spec.features or ()),
        args=tuple(parsed.spec.args or ()),
        created=microseconds(parsed.metadata.created) if parsed.metadata.created else 0,
    )
