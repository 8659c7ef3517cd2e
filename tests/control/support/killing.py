"""Processes that tell what they do, line by line, and are killed -9 in the middle of it."""

from __future__ import annotations

import subprocess
import sys


def ran_to_its_end(module: str, *arguments: str, lines: int | None) -> bool:
    """Run a module that says `done` at its end, and kill it after so many *lines*; whether it came to its end."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        for number, line in enumerate(process.stdout):
            if line == "done\n":
                return True
            if number == lines:
                process.kill()
                break
    return False
