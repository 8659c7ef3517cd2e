"""Habits that all scripts keep."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ib_constructs.cluster.k3s import SCRIPTS

ROOT = Path(__file__).parents[2]
ALL = sorted(SCRIPTS.glob("*.sh"))


def test_nothing_sleeps_but_the_one_loop_that_polls() -> None:
    sleeping = [(path.name, line.strip()) for path in ALL for line in path.read_text().splitlines() if re.search(r"\bsleep\b", line)]
    assert sleeping == [("lib.sh", "sleep 1")]
    lib = (SCRIPTS / "lib.sh").read_text()
    loop = lib[lib.index("  until ") : lib.index("  done", lib.index("  until "))]
    assert "sleep 1" in loop


def test_the_program_sleeps_in_its_polling_loop_only() -> None:
    files = [path for folder in ("stacks", "constructs/ib_constructs") for path in (ROOT / folder).rglob("*.py")]
    assert [(path.name, path.read_text().count("sleep(")) for path in files if "sleep(" in path.read_text()] == [("cluster.py", 1)]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_a_script_is_one_subject_and_plain_posix(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(("#!/bin/sh\n", "# shellcheck shell=sh"))
    assert "[[" not in text
    if text.startswith("#!"):
        assert "set -eu" in text
