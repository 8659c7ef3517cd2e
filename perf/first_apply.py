"""The critical path of a first deployment, from the table of step times in first_apply.toml."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent / "first_apply.toml"


def critical_path(steps: dict[str, dict[str, Any]]) -> tuple[float, list[str]]:
    """Seconds from the beginning to the end of the last step, and the steps that make it so long, in order.

    Raises ValueError where a step waits for one that is not there.
    """
    unknown = {before for step in steps.values() for before in step["after"]} - steps.keys()
    if unknown:
        raise ValueError(f"steps that are waited for and not described: {', '.join(sorted(unknown))}")

    @cache
    def until(name: str) -> tuple[float, tuple[str, ...]]:
        seconds, path = max((until(before) for before in steps[name]["after"]), default=(0.0, ()))
        return seconds + steps[name]["seconds"], (*path, name)

    seconds, path = max(until(name) for name in steps)
    return seconds, list(path)


def first_apply() -> dict[str, object]:
    """Row of the benchmark: minutes until all servers are ready, computed."""
    seconds, path = critical_path(tomllib.loads(TABLE.read_text()))
    return {
        "name": "first_apply",
        "figure": seconds,
        "unit": "s, computed from first_apply.toml",
        "bar": 300,
        "ok": seconds <= 300,
        "control": {"critical_path": path},
    }
