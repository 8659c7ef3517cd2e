"""CPU time of a whole process tree."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Sequence

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Make this process the parent of its descendants' orphans (jsii's Node among them), so that they are counted."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def cpu_seconds(command: Sequence[str]) -> float:
    """User and system seconds of *command* and all that it started.

    Raises CalledProcessError where it fails: a program that stops early is fast for no good reason.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    total, status = 0.0, 0
    while True:
        try:
            pid, ended, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        total += usage.ru_utime + usage.ru_stime
        if pid == process.pid:
            status = os.waitstatus_to_exitcode(ended)
    process.returncode = status
    if status:
        raise subprocess.CalledProcessError(status, command)
    return total
