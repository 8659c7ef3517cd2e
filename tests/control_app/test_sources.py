"""Models from files. From a real Kubernetes API: the engines tier."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse

import pytest

from control_app.catalog import SourceError
from control_app.settings import EXAMPLES
from control_app.sources import FileModels, KubernetesModels
from tests.control_app.models import ANNOTATION, NAME, write


class Quiet(WSGIRequestHandler):
    """A handler that writes no log."""

    def log_message(self, format: str, *args: object) -> None: ...


def test_the_example_model_ships_with_the_service() -> None:
    (model,) = FileModels(EXAMPLES).models()
    assert model.name == NAME
    assert model.features == ("TextGeneration",)
    assert "--max-model-len=1024" in model.args


def test_other_kinds_and_models_without_annotation_are_no_problem(tmp_path: Path) -> None:
    write(tmp_path, None, "internal")
    (tmp_path / "other.yaml").write_text("kind: ConfigMap\nmetadata: {name: x}\n---\n---\n- a list\n")
    assert [(model.name, model.annotation) for model in FileModels(tmp_path).models()] == [("internal", None)]


@pytest.mark.parametrize(
    ("created", "microseconds"),
    [
        ("creationTimestamp: 2026-11-24T10:00:00Z", 1_795_514_400_000_000),
        ("creationTimestamp: '2026-11-24T12:00:00+02:00'", 1_795_514_400_000_000),
        ("creationTimestamp: null", 0),
        ("namespace: kubeai", 0),
    ],
)
def test_a_models_creation_is_read_and_a_file_that_does_not_say_means_since_ever(tmp_path: Path, created: str, microseconds: int) -> None:
    (tmp_path / "model.yaml").write_text(f"kind: Model\nmetadata: {{name: x, {created}}}\n")
    assert [model.created for model in FileModels(tmp_path).models()] == [microseconds]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kind: Model\nmetadata: {name: [", "cannot be read"),
        ("kind: Model\nmetadata: {name: x, creationTimestamp: 2026-11-24T10:00:00}\n", "metadata.creationTimestamp"),
        ("kind: Model\nmetadata: {}\n", "metadata.name: Field required"),
        ("kind: Model\n", "metadata: Field required"),
        ("kind: Model\nmetadata: {name: x, day: 2024-13-45}\n", "cannot be read"),
        ("kind: Model\nmetadata: {name: x, annotations: {openrouter.ai/json: {id: x}}}\n", "annotations.openrouter.ai/json"),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_reading_for_no_model_may_vanish_by_a_slip(tmp_path: Path, text: str, reason: str) -> None:
    write(tmp_path, ANNOTATION)
    (tmp_path / "slip.yaml").write_text(text)
    with pytest.raises(SourceError) as refused:
        FileModels(tmp_path).models()
    assert "slip.yaml" in str(refused.value)
    assert reason in str(refused.value)


def test_a_model_described_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, ANNOTATION)
    (tmp_path / "again.yaml").write_text((tmp_path / f"{NAME}.yaml").read_text())
    with pytest.raises(SourceError, match="described twice"):
        FileModels(tmp_path).models()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}, "SourceError: too old resource version"),
        ({"type": "ERROR", "object": {}}, "without a reason"),
        ({"what": "ever"}, "KeyError"),
    ],
)
def test_a_watch_that_the_api_ends_with_an_error_says_which(tmp_path: Path, answer: dict[str, object], reason: str) -> None:
    def api(_: object, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode() + b"\n"]

    server = make_server("127.0.0.1", 0, api, handler_class=Quiet)
    threading.Thread(target=server.handle_request).start()
    config = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    with server, pytest.raises(SourceError) as failed:
        KubernetesModels("kubeai", tmp_path / "kubeconfig").watch(lambda: None)
    assert "models of namespace kubeai cannot be watched" in str(failed.value)
    assert reason in str(failed.value)


def test_a_kubeconfig_without_a_current_context_is_named(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(json.dumps({"clusters": [], "users": [], "contexts": []}))
    with pytest.raises(SourceError, match="models of namespace kubeai cannot be watched"):
        KubernetesModels("kubeai", tmp_path / "kubeconfig").watch(lambda: None)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        FileModels(tmp_path / "nowhere").models()
