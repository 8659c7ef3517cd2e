"""Where models are read from: a cluster's API, or a folder of YAML files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import httpx2
import yaml
from lightkube import Client, KubeConfig
from lightkube.generic_resource import create_namespaced_resource  # pyright: ignore[reportUnknownVariableType] # its own gap
from pydantic import BaseModel, ValidationError

from control_app.catalog import SourceError
from control_app.offers import ANNOTATION, Model


class _Metadata(BaseModel):
    name: str
    annotations: dict[str, str] | None = None


class _Spec(BaseModel):
    features: list[str] | None = None
    args: list[str] | None = None


class _ModelObject(BaseModel):
    """The part of a KubeAI `Model` that we read (kubeai.org/v1)."""

    metadata: _Metadata
    spec: _Spec = _Spec()


KubeAiModel: Any = create_namespaced_resource("kubeai.org", "v1", "Model", "models")
TIMEOUT_SEC = 10


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
        where = f"models of namespace {self._namespace}"
        try:
            # Each time anew, so that a changed kubeconfig or authority is seen.
            config = KubeConfig.from_file(self._kubeconfig) if self._kubeconfig else KubeConfig.from_service_account()
            with Client(config=config, timeout=httpx2.Timeout(TIMEOUT_SEC)) as client:
                return [_model(dict(item), where) for item in client.list(KubeAiModel, namespace=self._namespace)]
        except SourceError:
            raise
        except Exception as error:  # kubeconfigs, certificates, answers: each has its own ways to be wrong
            raise SourceError(f"{where} cannot be read: {type(error).__name__}: {error}") from error


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
    )
