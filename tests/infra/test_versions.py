"""Versions stand in one file, each with the line that lets a bot raise it."""

from __future__ import annotations

import functools
import http.server
import re
import runpy
import sys
import threading
from pathlib import Path

import pytest

from ib_constructs import versions
from ib_constructs.versions import K3S_VERSION

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "constructs" / "ib_constructs"
SOURCE = (PACKAGE / "versions.py").read_text()


def test_nothing_else_pins_a_version() -> None:
    pins = re.compile(r"""["':@ ]v?\d+\.\d+\.\d+(\+\w+)?["']""")
    found = [
        f"{path.name}: {line}"
        for path in PACKAGE.rglob("*.py")
        if path.name != "versions.py"
        for line in path.read_text().splitlines()
        if pins.search(line) and not re.search(r"\d+\.\d+\.\d+\.\d+", line)
    ]
    assert found == []


def test_nothing_is_latest() -> None:
    assert "latest" not in "".join(path.read_text() for path in PACKAGE.rglob("*") if path.suffix in {".py", ".sh", ".yaml"})


def test_each_version_can_be_raised_by_a_bot() -> None:
    pinned = re.findall(r"^[A-Z0-9_]+ = .*\d+\.\d+.*$", SOURCE, re.MULTILINE)
    commented = re.findall(r"^# renovate: datasource=\S+ depName=\S+.*\n[A-Z0-9_]+ = ", SOURCE, re.MULTILINE)
    assert pinned
    assert len(commented) == len(pinned)


def test_make_pin_writes_the_checksum_of_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = tmp_path / "mirror" / K3S_VERSION
    release.mkdir(parents=True)
    (release / "sha256sum-amd64.txt").write_text(f"{'b' * 64}  k3s-airgap-images-amd64.tar.zst\n{'a' * 64}  k3s\n")
    copy = tmp_path / "versions.py"
    copy.write_text(SOURCE)

    _pin(tmp_path / "mirror", copy, monkeypatch)

    assert f'K3S_SHA256: str | None = "{"a" * 64}"' in copy.read_text()
    assert len(copy.read_text().splitlines()) == len(SOURCE.splitlines())


def test_make_pin_writes_nothing_where_the_release_names_no_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "versions.py"
    copy.write_text(SOURCE)
    with pytest.raises(SystemExit, match=r"sha256sum-amd64\.txt cannot be read"):
        _pin(tmp_path, copy, monkeypatch)
    assert copy.read_text() == SOURCE


def test_the_charts_of_the_pins_are_named_with_their_repository() -> None:
    charts = [value for value in vars(versions).values() if isinstance(value, versions.Chart)]
    assert charts
    assert all(chart.repository.startswith(("https://", "oci://")) and re.match(r"v?\d+\.\d+\.\d+$", chart.version) for chart in charts)


def _pin(mirror: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the tool in this process, which has the constructs: another would spend ten seconds on their import."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(mirror))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            base, tool = f"http://127.0.0.1:{server.server_port}", str(ROOT / "tools" / "pin.py")
            monkeypatch.setattr(sys, "argv", [tool, "--releases", base, "--versions", str(target)])
            runpy.run_path(tool, run_name="__main__")
        finally:
            server.shutdown()
            thread.join()
