"""Models from files. From a real Kubernetes API: the engines tier."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_app.catalog import SourceError
from control_app.settings import EXAMPLES
from control_app.sources import FileModels
from tests.control_app.models import ANNOTATION, NAME, write


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
    ("text", "reason"),
    [
        ("kind: Model\nmetadata: {name: [", "cannot be read"),
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


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        FileModels(tmp_path / "nowhere").models()
