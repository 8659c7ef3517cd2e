"""The commands on a running location, before any server is asked: what names nothing stops there."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from stacks.config.loader import LOCATIONS, location_names
from stacks.config.schema import Server
from stacks.operations import __main__ as operations
from stacks.operations.preflight import preflight
from stacks.operations.remote import Remote
from tests.support.locations import locations


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


def test_a_recovery_without_a_server_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "make recover LOCATION=<name> SERVER=<name>" in said(monkeypatch, capsys, "recover", "local", "--server", "")


def test_a_restore_that_nobody_can_agree_to_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(operations, "restore", _restored)
    monkeypatch.setattr("builtins.input", _no_terminal)
    monkeypatch.setattr(operations, "recover", _restored)
    shutil.copy(LOCATIONS / "local.toml", tmp_path)
    location = str(tmp_path / "local.toml")
    for command in (("restore", location, "--snapshot", str(tmp_path / "snapshot")), ("recover", location, "--server", "s1")):
        assert "nobody is at a terminal to agree" in said(monkeypatch, capsys, *command)


def _restored(*_: object) -> None:
    pytest.fail("restored")


def _no_terminal(_: str) -> str:
    raise EOFError


class Ran:
    """Stands in for `subprocess.run`: what ssh was told, and what it answers."""

    def __init__(self, code: int = 0, said: bytes = b"") -> None:
        self.code, self.said, self.commands = code, said, list[list[str]]()

    def __call__(self, command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        self.commands.append(command)
        return subprocess.CompletedProcess(command, self.code, b"", self.said)


def server_of(user: str) -> Server:
    return locations()["local"].servers[0].model_copy(update={"ssh_user": user})


@pytest.mark.parametrize(
    ("user", "told"),
    [("root", ["root@192.168.1.11", "id -u; 'x'"]), ("ana", ["ana@192.168.1.11", """sudo -n sh -c 'id -u; '"'"'x'"'"''"""])],
)
def test_what_is_done_on_a_server_is_roots_whoever_logs_in(monkeypatch: pytest.MonkeyPatch, user: str, told: list[str]) -> None:
    ran = Ran()
    monkeypatch.setattr(subprocess, "run", ran)
    Remote(server_of(user), ()).run("id -u; 'x'")
    assert ran.commands[0][-2:] == told


@pytest.mark.parametrize("said", [b"sudo: a password is required\n", b"sh: 1: sudo: not found\n"])
def test_the_preflight_says_that_sudo_asks_for_a_password_and_how_it_will_not(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(subprocess, "run", Ran(1, said))
    told = io.StringIO()
    problems = preflight(locations()["local"], [Remote(server_of("ana"), ())], Console(file=told, width=1000))
    assert problems == 1
    assert "ana may not use sudo without a password" in told.getvalue()
    assert "echo 'ana ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ana" in told.getvalue()


def test_another_failure_of_ssh_is_not_called_sudos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", Ran(255, b"ssh: connect to host 192.168.1.11 port 22: No route to host\n"))
    told = io.StringIO()
    preflight(locations()["local"], [Remote(server_of("ana"), ())], Console(file=told, width=1000))
    assert "sudo" not in told.getvalue()
    assert "No route to host" in told.getvalue()
