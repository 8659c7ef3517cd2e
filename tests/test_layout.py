"""The layout that makes `from constructs import Construct` mean the library, everywhere."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTROL_APP = ROOT / "control_app"
KNOW_THE_MACHINES_CLOCK = {
    "core/clock.py": "it is the one that the others are handed",
    "service/jobs.py": "turns that the library plans by the machine's clock are pulled back to it",
    "storage/database.py": "a mark by which copies are ordered that were written by processes of whatever clock",
    "web/access.py": "the limiter counts by the machine's clock, and says by it when it lets go on",
}
"""Files of the control service, and why each may ask the machine for the time."""
OWN_TYPES = {"month", "customer", "pico", "minor"}
"""Names under which nothing of the control service takes a bare int: these numbers have types of their own (core/numbers.py)."""
TIMES = {"datetime": {"now", "utcnow", "today"}, "date": {"today"}, "time": {"time", "time_ns", "localtime", "gmtime", "ctime"}}


def test_constructs_is_a_source_root_and_never_a_package() -> None:
    assert not (ROOT / "constructs" / "__init__.py").exists(), "it would take the place of the `constructs` library"


def test_no_folder_of_tests_is_named_constructs() -> None:
    assert list((ROOT / "tests").rglob("constructs/__init__.py")) == [], "it would break the collection of every test"


def imports(path: Path) -> set[str]:
    """Top-level names that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_the_control_services_dependencies_never_include_cdktf() -> None:
    locked = json.loads((ROOT / "Pipfile.lock").read_text())
    assert "flask" in locked["control-app"]
    assert [name for name in locked["control-app"] if "cdktf" in name or name in ("jsii", "constructs")] == []


def test_every_import_of_the_control_service_is_of_its_own_packages() -> None:
    locked = json.loads((ROOT / "Pipfile.lock").read_text())["control-app"]
    own = {name.replace("-", "_") for name in locked} | {"yaml", "control_app"}
    standard = set(sys.stdlib_module_names)
    used = {name for path in CONTROL_APP.rglob("*.py") for name in imports(path)}
    assert used - own - standard == set()


def asks_for_the_time(path: Path) -> bool:
    """Whether a file reads the clock of the machine; one that counts from anywhere is no clock."""
    tree = ast.walk(ast.parse(path.read_text()))
    return any(
        (isinstance(node, ast.Attribute) and node.attr in TIMES.get(ast.unparse(node.value).rpartition(".")[2], ()))
        or (isinstance(node, ast.ImportFrom) and node.module == "time" and any(alias.name in TIMES["time"] for alias in node.names))
        for node in tree
    )


def test_the_control_service_is_handed_its_clock() -> None:
    asking = {path.relative_to(CONTROL_APP).as_posix() for path in CONTROL_APP.rglob("*.py") if asks_for_the_time(path)}
    assert asking == set(KNOW_THE_MACHINES_CLOCK)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("from datetime import UTC, datetime\nnow = datetime.now(UTC)", True),
        ("import datetime\ntoday = datetime.date.today()", True),
        ("from dataclasses import field\nimport time\nat = field(default_factory=time.time)", True),
        ("from time import time_ns", True),
        ("import time\nbegan = time.monotonic()", False),
        ("class A:\n    def today(self):\n        return self.clock.now", False),
    ],
)
def test_a_file_that_asks_the_machine_for_the_time_is_found(tmp_path: Path, text: str, *, asks: bool) -> None:
    path = tmp_path / "module.py"
    path.write_text(text)
    assert asks_for_the_time(path) == asks


def bare_numbers(path: Path) -> list[str]:
    """Parameters and fields of a file that take a bare int under one of the names of OWN_TYPES."""
    named: list[tuple[str, ast.expr | None]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.arg):
            named.append((node.arg, node.annotation))
        elif isinstance(node, ast.ClassDef):
            named += [(ast.unparse(field.target), field.annotation) for field in node.body if isinstance(field, ast.AnnAssign)]
    return [
        f"{name}: {ast.unparse(annotation)}"
        for name, annotation in named
        if name in OWN_TYPES and annotation and any(isinstance(part, ast.Name) and part.id == "int" for part in ast.walk(annotation))
    ]


def test_numbers_that_are_not_to_be_taken_for_each_other_have_types_of_their_own() -> None:
    found = {path.relative_to(CONTROL_APP).as_posix(): bare_numbers(path) for path in CONTROL_APP.rglob("*.py")}
    assert {path: bare for path, bare in found.items() if bare} == {}


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("def run(month: int) -> None: ...", ["month: int"]),
        ("class A:\n    def run(self, *, customer: int | None = None) -> None: ...", ["customer: int | None"]),
        ("class A:\n    minor: int", ["minor: int"]),
        ("def run(month: Month, customers: int) -> int:\n    pico: int = 1", []),
        ("def run(month: str) -> None: ...", []),
    ],
)
def test_a_bare_number_is_found(tmp_path: Path, text: str, bare: list[str]) -> None:
    path = tmp_path / "module.py"
    path.write_text(text)
    assert bare_numbers(path) == bare


def test_each_folder_that_coverage_holds_to_every_line_is_there() -> None:
    report = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["report"]
    patterns = [*report["include"], *report["omit"]]
    assert [pattern for pattern in patterns if not list(ROOT.glob(pattern))] == [], "what is in none of them may be without tests"


def test_the_lock_files_name_no_package_index() -> None:
    tracked = ["Pipfile.lock", "package-lock.json", "Pipfile"]
    assert [name for name in tracked if "https://" in (ROOT / name).read_text() and '"resolved"' in (ROOT / name).read_text()] == []
    assert json.loads((ROOT / "Pipfile.lock").read_text())["_meta"]["sources"] == []


def test_secrets_and_state_are_ignored_by_git() -> None:
    names = [
        "terraform.tfvars",
        "terraform.local.tfstate",
        "x.auto.tfvars",
        "terraform.tfvars.json",
        "stalpeni.tfvars",
        "stacks/locations/local.override.toml",
        "cdktf.out/x",
    ]
    ignored = subprocess.run(["git", "check-ignore", *names], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    assert ignored == names
