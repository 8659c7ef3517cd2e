"""Models from files. From a real Kubernetes API: the engines tier."""

from __future__ import annotations

import contextlib
import copy
import json
import threading
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse

import pytest
import yaml

from control_app.pricing.offers import Edit
from control_app.pricing.port import SourceError
from control_app.pricing.sources import FileModels, KubernetesModels
from control_app.service.settings import EXAMPLES
from tests.control.support.models import ANNOTATION, EXAMPLE, NAME, write


class Quiet(WSGIRequestHandler):
    """A handler that writes no log."""

    def log_message(self, format: str, *args: object) -> None: ...


@contextlib.contextmanager
def api(folder: Path, lines: Sequence[object], status: str = "200 OK") -> Generator[KubernetesModels]:
    """The models of a Kubernetes API that answers one request, with *lines* of JSON."""

    def answer(_: object, start_response: StartResponse) -> list[bytes]:
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(line).encode() + b"\n" for line in lines]

    server = make_server("127.0.0.1", 0, answer, handler_class=Quiet)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    config = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    with server:
        yield KubernetesModels("kubeai", folder / "kubeconfig")
        thread.join()


def test_the_example_model_ships_with_the_service() -> None:
    (model,) = FileModels(EXAMPLES).models()
    assert model.name == NAME
    assert model.features == ("TextGeneration",)
    assert "--max-model-len=1024" in model.args


@pytest.mark.parametrize(
    ("spec", "is_asleep"),
    [
        ({"minReplicas": 1}, False),
        ({"minReplicas": 0}, True),
        ({"minReplicas": 0, "replicas": 2}, False),
        ({"minReplicas": 1, "replicas": 0}, False),
        ({}, True),
    ],
)
def test_a_model_sleeps_that_has_no_replica_and_needs_none(tmp_path: Path, spec: dict[str, int], is_asleep: bool) -> None:  # noqa: FBT001
    manifest = {"kind": "Model", "metadata": {"name": "m"}, "spec": spec}
    (tmp_path / "m.yaml").write_text(json.dumps(manifest))
    assert [model.is_asleep for model in FileModels(tmp_path).models()] == [is_asleep]


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


@pytest.mark.parametrize("kind", ["List", "ModelList"])
def test_a_list_is_read_as_the_models_in_it_also_a_list_of_lists(tmp_path: Path, kind: str) -> None:
    one, other, third = ({"kind": "Model", "metadata": {"name": name}} for name in ("one", "other", "third"))
    inner: dict[str, Any] = {"kind": "List", "items": [other, {"kind": "ConfigMap", "metadata": {"name": "x"}}, "text"]}
    text = json.dumps({"apiVersion": "v1", "kind": kind, "metadata": {"resourceVersion": ""}, "items": [one, inner]})
    (tmp_path / "models.yaml").write_text(f"{text}\n---\n{json.dumps(third)}\n---\nkind: List\nitems:\n")
    assert [model.name for model in FileModels(tmp_path).models()] == ["one", "other", "third"]


def test_a_slip_in_a_list_fails_the_reading(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("kind: List\nitems: [{kind: Model, metadata: {}}]\n")
    with pytest.raises(SourceError, match=r"models\.yaml: not a Model: metadata\.name"):
        FileModels(tmp_path).models()


def test_who_changed_an_annotation_is_told_by_the_file(tmp_path: Path) -> None:
    write(tmp_path, ANNOTATION)
    assert [model.edit for model in FileModels(tmp_path).models()] == [Edit(f"file {NAME}.yaml")]


OF_IT: dict[str, Any] = {"f:metadata": {"f:annotations": {".": {}, "f:openrouter.ai/json": {}}}}


MANAGED: list[tuple[Any, Edit]] = [
    (
        [
            {"manager": "helm", "time": "2026-11-24T10:00:00Z", "fieldsV1": OF_IT},
            {"manager": "kubectl-edit", "time": "2026-11-24T12:00:00+01:00", "fieldsV1": OF_IT},
            {"manager": "kubeai", "time": "2026-11-30T10:00:00Z", "fieldsV1": {"f:status": {}}, "subresource": "status"},
            {"manager": "label", "time": "2026-11-30T10:00:00Z", "fieldsV1": {"f:metadata": {"f:annotations": {"f:other": {}}}}},
        ],
        Edit("kubectl-edit", "2026-11-24 11:00:00 UTC"),
    ),
    ([{"manager": "helm", "fieldsV1": OF_IT}], Edit("helm")),
    ([{"manager": "kubeai", "time": "2026-11-30T10:00:00Z"}], Edit()),
    ([], Edit()),
    (None, Edit()),
]


@pytest.mark.parametrize(("managed", "edit"), MANAGED)
def test_who_changed_an_annotation_last_is_read_from_the_fields_managers(tmp_path: Path, managed: object, edit: Edit) -> None:
    item: dict[str, Any] = {**EXAMPLE, "metadata": {**EXAMPLE["metadata"], "managedFields": managed}}
    with api(tmp_path, [{"kind": "ModelList", "metadata": {}, "items": [item]}]) as models:
        assert [model.edit for model in models.models()] == [edit]


@pytest.mark.parametrize(
    ("spec", "late"),
    [
        ({"engine": "VLLM", "args": ["--dtype=half"], "resourceProfile": "nvidia-unlimited:1"}, True),
        ({"engine": "VLLM"}, True),
        ({"engine": "VLLM", "args": ["--enable-force-include-usage"], "resourceProfile": "nvidia-unlimited:1"}, False),
        ({"engine": "VLLM", "resourceProfile": "nvidia-older-unlimited:1"}, False),
        ({"engine": "OLlama", "resourceProfile": "nvidia-unlimited:1"}, False),
        ({}, False),
    ],
)
def test_an_engine_that_could_tell_usage_on_the_way_and_is_not_told_to_is_noticed(
    tmp_path: Path, spec: dict[str, Any], *, late: bool
) -> None:
    manifest = {"kind": "Model", "metadata": {"name": "one"}, "spec": spec}
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(manifest))
    assert [model.tells_usage_late for model in FileModels(tmp_path).models()] == [late]


@pytest.mark.parametrize(
    ("profile", "several"),
    [
        ("nvidia-unlimited:2", True),
        ("nvidia-older-unlimited:10", True),
        (f"nvidia-unlimited:{'9' * 5_000}", True),
        ("nvidia-older-unlimited:1", False),
        ("nvidia-unlimited:01", False),
        ("nvidia-whole-unlimited:2", False),
        ("cpu-unlimited:4", False),
        ("nvidia-unlimited", False),
        ("nvidia-unlimited:two", False),
        ("nvidia-unlimited:-2", False),
        (None, False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_model_that_asks_for_several_shares_of_cards_is_told_from_one_that_asks_for_whole_ones(
    tmp_path: Path, profile: str | None, *, several: bool
) -> None:
    manifest = {"kind": "Model", "metadata": {"name": "one"}, "spec": {"resourceProfile": profile}}
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(manifest))
    assert [model.asks_for_several_shares for model in FileModels(tmp_path).models()] == [several]


def test_an_adapter_with_an_annotation_of_its_own_is_a_model_for_sale_and_one_without_is_none(tmp_path: Path) -> None:
    manifest = copy.deepcopy(EXAMPLE)
    manifest["metadata"]["annotations"]["openrouter.ai/json_colorist"] = '{"id": "mine"}'
    manifest["metadata"]["annotations"]["openrouter.ai/json_gone"] = '{"id": "of no adapter"}'
    manifest["spec"]["adapters"] = [{"name": name, "url": f"hf://acme/{name}"} for name in ("colorist", "plain")]
    (tmp_path / "models.yaml").write_text(yaml.safe_dump(manifest))
    base, colorist = FileModels(tmp_path).models()
    assert base.name == NAME
    assert colorist == replace(base, name=f"{NAME}_colorist", annotation='{"id": "mine"}')


def test_who_changed_an_adapters_annotation_is_told_apart_from_who_changed_its_models(tmp_path: Path) -> None:
    annotations = {**EXAMPLE["metadata"]["annotations"], "openrouter.ai/json_colorist": "{}"}
    of_the_adapter: dict[str, Any] = {"f:metadata": {"f:annotations": {"f:openrouter.ai/json_colorist": {}}}}
    managed = [{"manager": "helm", "fieldsV1": OF_IT}, {"manager": "kubectl-edit", "fieldsV1": of_the_adapter}]
    item: dict[str, Any] = {
        **EXAMPLE,
        "metadata": {**EXAMPLE["metadata"], "annotations": annotations, "managedFields": managed},
        "spec": {**EXAMPLE["spec"], "adapters": [{"name": "colorist", "url": "hf://x/y"}]},
    }
    with api(tmp_path, [{"kind": "ModelList", "metadata": {}, "items": [item]}]) as models:
        assert [(model.name, model.edit.by) for model in models.models()] == [(NAME, "helm"), (f"{NAME}_colorist", "kubectl-edit")]


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
    with api(tmp_path, [answer]) as models, pytest.raises(SourceError) as failed:
        models.watch(lambda: None)
    assert "models of namespace kubeai cannot be watched" in str(failed.value)
    assert reason in str(failed.value)


def test_a_watch_tells_of_every_model_and_change_until_the_api_ends_it(tmp_path: Path) -> None:
    seen: list[str] = []
    with api(tmp_path, [{"type": "ADDED", "object": {}}, {"type": "MODIFIED", "object": {}}]) as models:
        models.watch(lambda: seen.append("changed"))
    assert seen == ["changed", "changed"]


def test_the_models_of_a_cluster_are_those_of_its_api(tmp_path: Path) -> None:
    item: dict[str, Any] = {**EXAMPLE, "metadata": {**EXAMPLE["metadata"], "namespace": "kubeai"}}
    with api(tmp_path, [{"kind": "ModelList", "metadata": {}, "items": [item]}]) as models:
        (found,) = models.models()
    assert (found.name, json.loads(found.annotation or "")) == (NAME, ANNOTATION)


def test_a_model_that_lacks_what_every_model_has_fails_the_reading(tmp_path: Path) -> None:
    with (
        api(tmp_path, [{"kind": "ModelList", "metadata": {"resourceVersion": "1"}, "items": [{"kind": "Model"}]}]) as models,
        pytest.raises(SourceError) as failed,
    ):
        models.models()
    assert str(failed.value).startswith("models of namespace kubeai")


def test_an_api_that_refuses_is_named_with_what_it_says(tmp_path: Path) -> None:
    refusal = {"kind": "Status", "message": "models.kubeai.org is forbidden", "code": 403}
    with (
        api(tmp_path, [refusal], "403 Forbidden") as models,
        pytest.raises(SourceError, match=r"models of namespace kubeai cannot be read: .*forbidden"),
    ):
        models.models()


def test_a_kubeconfig_without_a_current_context_is_named(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(json.dumps({"clusters": [], "users": [], "contexts": []}))
    with pytest.raises(SourceError, match="models of namespace kubeai cannot be watched"):
        KubernetesModels("kubeai", tmp_path / "kubeconfig").watch(lambda: None)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        FileModels(tmp_path / "nowhere").models()
