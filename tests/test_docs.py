"""The documentation names what there is, and nothing that is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ib_constructs
from control_app.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "constructs/README.md", ROOT / "perf/README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_first_lines_of_the_readme_are_the_two_commands() -> None:
    commands = re.findall(r"^make \w+", README, re.MULTILINE)
    assert commands[:2] == ["make demo", "make test"]
    assert README.index("make demo") < 60


def test_every_command_of_the_makefile_is_in_the_readme_and_the_other_way_round() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"setup", "demo", "synth", "test", "lint", "bench", "tools"} <= targets
    assert set(re.findall(r"^\| `make (\w+)", README, re.MULTILINE)) == targets - {"help"}


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "control-service.md").read_text()
    rows = [row for row in text.splitlines() if row.startswith("| `CONTROL_")]
    assert {name for row in rows for name in re.findall(r"`(CONTROL_\w+)`", row.split(" | ")[0])} == {
        f"CONTROL_{name.upper()}" for name in Settings.model_fields
    }
    for name in ("bind", "database", "models", "location"):
        assert f"| `{Settings.model_fields[name].default}` |" in text


def test_every_construct_is_documented() -> None:
    text = (ROOT / "constructs" / "README.md").read_text()
    constructs = {name for name in ib_constructs.__all__ if f"{name}Props" in ib_constructs.__all__} | {"Kubeconfig"}
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == constructs


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {path.name for path in folder.glob("0*.md")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    linked = [page.parent / target for target in re.findall(r"\]\(([^)#:]+)\)", text)]
    named = [ROOT / name for name in re.findall(r"`((?:stacks|constructs|control_app|tests|docs|tools|perf)/[\w./]*)`", text)]
    assert [str(path) for path in linked + named if not path.exists() and "override" not in path.name] == []
