"""The commands on a running location, before any server is asked: what names nothing stops there."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from stacks.config.loader import LOCATIONS, location_names
from stacks.operations import __main__ as operations


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Why the command did not go on."""
    monkeypatch.setattr(sys, "argv", ["stacks.operations", *arguments])
    with pytest.raises(SystemExit) as ended:
        operations.main()
    assert ended.value.code
    return f"{ended.value.code}{capsys.readouterr().err}"


@pytest.mark.parametrize("name", ["nope", "example", "minimal", "local.override", "../local", "stacks/locations/example.toml", ""])
def test_a_name_that_no_location_has_is_told_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    text = said(monkeypatch, capsys, "preflight", name)
    assert f"no location is named {name!r}; there are {', '.join(location_names())}" in text


def test_a_restore_without_a_snapshot_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "SNAPSHOT=<name or ./file>; make snapshots lists them" in said(monkeypatch, capsys, "restore", "local", "--snapshot", "")


def test_a_restore_that_nobody_can_agree_to_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(operations, "restore", _restored)
    monkeypatch.setattr("builtins.input", _no_terminal)
    shutil.copy(LOCATIONS / "local.toml", tmp_path)
    text = said(monkeypatch, capsys, "restore", str(tmp_path / "local.toml"), "--snapshot", str(tmp_path / "snapshot"))
    assert "nobody is at a terminal to agree" in text


def _restored(*_: object) -> None:
    pytest.fail("restored")


def _no_terminal(_: str) -> str:
    raise EOFError
