"""The repository's own locations. Files of somebody's own beside them, overrides too, change no test."""

from __future__ import annotations

import tomllib
from functools import cache

from stacks.config.loader import LOCATIONS, parse_location
from stacks.config.schema import Location

NAMES = ("local", "pr", "stalpeni")


@cache
def locations() -> dict[str, Location]:
    """Each by its name, as its file alone says."""
    told = {name: tomllib.loads((LOCATIONS / f"{name}.toml").read_text()) for name in NAMES}
    return {name: parse_location({**data, "name": name}, f"{name}.toml") for name, data in told.items()}
