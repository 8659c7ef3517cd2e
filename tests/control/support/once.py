"""What every service makes anew at its start and is the same each time: made once for all tests, which start a thousand services."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlite_utils import Migrations

from control_app.service.tables import migrations, open_database
from control_app.storage import database
from control_app.web.api import openapi


@contextmanager
def made_once(folder: Path) -> Generator[None]:
    """In the block, with what is kept in *folder*."""
    with pytest.MonkeyPatch.context() as patch:
        _copy_databases(patch, folder / "control.sqlite3")
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": _Compiled()})
        _describe_once(patch)
        yield


def _copy_databases(patch: pytest.MonkeyPatch, template: Path) -> None:
    """A new database is a copy of *template*, which went through all migrations: that takes a tenth of their time."""
    with closing(open_database(template)) as db:
        db.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    migrate = database.migrate

    def copy(path: Path, given: Migrations, *, replicated: bool = False) -> None:
        if given is migrations and not path.exists():
            shutil.copyfile(template, path)
        else:
            migrate(path, given, replicated=replicated)

    patch.setattr(database, "migrate", copy)


class _Compiled(BytecodeCache):
    """Templates, compiled when they are asked for first."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if found := self._code.get(bucket.key + bucket.checksum):
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key + bucket.checksum] = bucket.bytecode_to_string()


def _describe_once(patch: pytest.MonkeyPatch) -> None:
    """The description of the routes, which are the same whatever the settings."""
    document, made = openapi.document, list[dict[str, Any]]()

    def describe(app: Flask) -> dict[str, Any]:
        if not made:
            made.append(document(app))
        return made[0]

    patch.setattr(openapi, "document", describe)
