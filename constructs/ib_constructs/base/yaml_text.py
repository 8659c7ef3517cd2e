"""YAML for programs written in Go, whose parsers take more texts for numbers and booleans than PyYAML's does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

# What gopkg.in/yaml.v2 and v3 resolve to something other than a string (their resolve.go), as far as PyYAML leaves it bare.
_NUMBER = r"0_*[xX][0-9a-fA-F_]+|0_*[oO][-+]?[0-7_]+|0_*[bB][-+]?[01_]+|(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)(_*[eE][-+_]*[0-9_]+)?"
_DATE = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?"


class GoDumper(yaml.SafeDumper):
    """Puts a string that a Go parser would not read as one into quotes: a server may be named `1e5`, `0o17`, `2026-1-1` or `y`."""


GoDumper.add_implicit_resolver("a number or a date in Go", re.compile(rf"^([-+]?_*({_NUMBER})|{_DATE})$"), list("-+.0123456789"))
GoDumper.add_implicit_resolver("a boolean in Go", re.compile("^[yYnN]$"), list("yYnN"))


def as_yaml(value: Mapping[str, Any], width: int = 80) -> str:
    """*value* as YAML, its keys in the order in which they were written; lines break at about *width* characters."""
    return yaml.dump(dict(value), Dumper=GoDumper, sort_keys=False, width=width)
