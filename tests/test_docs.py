"""The documentation names what there is, and nothing that is not."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_app.service.settings import VARIABLES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "constructs/README.md", "perf/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
NAMED_PAGE = re.compile(r"(?<![\w/.-])[\w/.-]*\w\.md\b")
NAMED_HEADING = re.compile(r"\b(docs/[\w/-]+\.md), ([A-Z][^).,;:`]*)")
NEXT_LINE = re.compile(r"\s*\n\s*(?:#+ |// |-- )?")


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
        f"CONTROL_{name.upper()}" for name in VARIABLES
    }
    for name in ("bind", "database", "models", "location"):
        assert f"| `{VARIABLES[name].default}` |" in text


def exported_names(package: Path) -> set[str]:
    """What `__all__` lists, read without an import: that of the constructs takes ten seconds."""
    lists = [node for node in ast.walk(ast.parse(package.read_text())) if isinstance(node, ast.Assign)]
    (names,) = [ast.literal_eval(node.value) for node in lists if ast.unparse(node.targets[0]) == "__all__"]
    return set(names)


def test_every_construct_is_documented() -> None:
    text = (ROOT / "constructs" / "README.md").read_text()
    exported = exported_names(ROOT / "constructs" / "ib_constructs" / "__init__.py")
    constructs = {name for name in exported if f"{name}Props" in exported} | {"Kubeconfig"}
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == constructs


def test_the_layers_that_contributors_read_of_are_those_that_import_linter_holds() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    rows = re.findall(r"^\| (\d) \| `control_app/(\w+)/` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    expected = [(str(len(layers) - place), name) for place, layer in enumerate(layers) for name in layer.split(" | ")]
    assert sorted(rows) == sorted(expected)
    assert [number for number, _ in rows] == [number for number, _ in expected]


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


def mentions(pattern: re.Pattern[str]) -> Iterator[tuple[Path, re.Match[str]]]:
    """Matches in all that is ours, each with its file; a line that a sentence or comment was broken at does not matter."""
    # Recorded samples of metrics name pages of the projects that they come from.
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", ":!*.prom", ":!*lock*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for path in map(ROOT.joinpath, listed.stdout.splitlines()):
        if path.is_file() and b"\0" not in path.read_bytes():
            yield from ((path, found) for found in pattern.finditer(NEXT_LINE.sub(" ", path.read_text())))


def headings(page: Path) -> set[str]:
    return set(re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE))


def test_every_page_that_is_mentioned_anywhere_is_in_the_repository() -> None:
    lost = {
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path, found in mentions(NAMED_PAGE)
        if not any((place / found[0].lstrip("/")).is_file() for place in (ROOT, ROOT / "docs", path.parent))
    }
    assert lost == set()


def test_every_heading_that_is_mentioned_with_its_page_is_there() -> None:
    found = [(path, match[1], match[2].strip()) for path, match in mentions(NAMED_HEADING)]
    assert {"docs/facts/bifrost.md", "docs/facts/odoo.md"} <= {page for _, page, _ in found}
    assert [f"{path.relative_to(ROOT)}: {page}, {heading}" for path, page, heading in found if heading not in headings(ROOT / page)] == []


def test_every_page_of_facts_is_listed_and_says_when_it_was_written_or_seen() -> None:
    folder = ROOT / "docs" / "facts"
    pages = {path.name for path in folder.glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\((\w+\.md)\)", (folder / "README.md").read_text())) == pages
    assert {page for page in pages if not re.search(r"20\d\d-\d\d-\d\d", (folder / page).read_text())} == set()
