"""Prints what others rely on, so that a change of the code's layout can be compared before and after.

`python tools/contracts.py > before.txt`, change, again, `diff`. Terraform's part is that of the last `make synth`.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(ROOT := Path(__file__).parent.parent))

import click
from prometheus_client import generate_latest

from control_app import create_app
from control_app.cli.main import control
from control_app.invoicing.exports import USAGE_COLUMNS
from control_app.service.settings import Settings

KEY = "contracts"
SETTINGS = {"admin_keys": f"contracts:usage+prices+invoices:{hashlib.sha256(KEY.encode()).hexdigest()}", "odoo": "double"}


def commands(command: click.Command, path: str) -> Iterator[str]:
    """The help of *command* and of all below it."""
    yield f"--- {path}"
    yield command.get_help(click.Context(command, info_name=path, terminal_width=140))
    if isinstance(command, click.Group):
        for name, one in sorted(command.commands.items()):
            yield from commands(one, f"{path} {name}")


def csv_headers(client: Any) -> Iterator[str]:
    """The first line of every CSV."""
    headers = {"Authorization": KEY}
    for group in ("", "&group_by=day", "&group_by=key"):
        answer = client.get(f"/usage?start_date=2026-10-01&end_date=2026-11-01&format=csv{group}", headers=headers)
        yield answer.text.splitlines()[0]
    yield client.get("/invoicing/months/2026-10.csv", headers=headers).text.splitlines()[0]
    yield ",".join(USAGE_COLUMNS)


def tables(connection: Any) -> Iterator[str]:
    """Migrations in their order, and what they made."""
    yield from (name for (name,) in connection.execute("SELECT name FROM _sqlite_migrations ORDER BY rowid"))
    yield from (sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"))


def terraform() -> Iterator[str]:
    """Every stack's addresses, its outputs, and a hash of all that it says; hashes of what is sent along."""
    for stack in sorted((ROOT / "cdktf.out" / "stacks").glob("*")):
        found = json.loads((stack / "cdk.tf.json").read_text())
        found.pop("//", None)
        for kind in ("resource", "data"):
            for type_, ones in found.get(kind, {}).items():
                for name, one in ones.items():
                    one.pop("//", None)
                    yield f"{stack.name}: {kind} {type_}.{name}"
        yield from (f"{stack.name}: output {name}" for name in found.get("output", {}))
        text = json.dumps(found, sort_keys=True).replace(str(ROOT), "")
        yield f"{stack.name}: {hashlib.sha256(text.encode()).hexdigest()}"
        for file in sorted((stack / "assets").rglob("*")):
            if file.is_file():
                yield f"{stack.name}: {file.relative_to(stack)} {hashlib.sha256(file.read_bytes()).hexdigest()}"


def control_service() -> Iterator[str]:
    """The control service's."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings.of(database=Path(folder) / "control.sqlite3", sheet_file=Path(folder) / "sheet.json", **SETTINGS))
        client = app.test_client()
        services = app.extensions["services"]
        yield "=== OpenAPI"
        yield json.dumps(client.get("/openapi.json").json, indent=1, sort_keys=True)
        yield "=== routes"
        yield from sorted(f"{rule.rule} {','.join(sorted(rule.methods or ()))}" for rule in app.url_map.iter_rules())
        yield "=== metrics"
        yield from (line for line in generate_latest(services.metrics.registry).decode().splitlines() if line.startswith("#"))
        yield from sorted(
            {
                line.partition(" ")[0].partition("=")[0]
                for line in generate_latest(services.metrics.registry).decode().splitlines()
                if "{" in line
            }
        )
        yield "=== CSV"
        yield from csv_headers(client)
        yield "=== tables"
        yield from tables(services.db.connection)
    yield "=== command line"
    yield from commands(control, "control")


if __name__ == "__main__":
    print("\n".join([*control_service(), "=== Terraform", *terraform()]).replace(str(ROOT), ""))
