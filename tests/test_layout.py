"""The layout that makes `from constructs import Construct` mean the library, everywhere."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONTROL_APP = ROOT / "control_app"


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


def test_the_control_service_and_the_infrastructure_do_not_know_each_other() -> None:
    infra = {"cdktf", "constructs", "ib_constructs", "stacks", "main"}
    assert [path.name for path in CONTROL_APP.rglob("*.py") if imports(path) & infra] == []
    for folder in ("stacks", "constructs"):
        assert [path.name for path in (ROOT / folder).rglob("*.py") if "control_app" in imports(path)] == []


def test_constructs_do_not_know_stacks() -> None:
    assert [path.name for path in (ROOT / "constructs").rglob("*.py") if "stacks" in imports(path)] == []


def test_the_domain_knows_no_web_database_or_network() -> None:
    outside = {"flask", "sqlite3", "sqlite_utils", "lightkube", "httpx2", "gunicorn", "psycopg", "prometheus_client", "click"}
    domain = ["prices.py", "offers.py", "catalog.py", "openrouter.py", "pricing_sheet.py", "money.py", "rates.py", "standing.py"]
    domain += ["snapshot.py", "documents.py", "gateway.py", "periods.py", "refresher.py"]
    assert [name for name in domain if imports(CONTROL_APP / name) & outside] == []


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
