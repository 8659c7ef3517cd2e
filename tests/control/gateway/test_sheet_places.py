"""A price sheet's places take it as a whole or leave the one before it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from control_app.gateway.bifrost.sheet_places import SheetFile
from control_app.gateway.port import PublicationError


def test_a_file_is_replaced_as_a_whole_and_readable_for_the_gateway(tmp_path: Path) -> None:
    path = tmp_path / "sheet.json"
    place = SheetFile(path)
    assert place.write("one")
    with path.open() as reader:
        assert place.write("two")
        assert reader.read() == "one", "who reads sees the old sheet to its end"
    assert path.read_text() == "two"
    assert not place.write("two")
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_replacement_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sheet.json"
    SheetFile(path).write("one")

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PublicationError, match="no space left on device"):
        SheetFile(path).write("two")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("one", [path])
