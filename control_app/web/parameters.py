"""A query's parameters: each known, given once, and one of what may be chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import request


def given(names: Sequence[str], choices: Mapping[str, Sequence[str]]) -> tuple[dict[str, str], dict[str, str]]:
    """What was given of *names*, and what is wrong with it, both by name; *choices*: of those that have some."""
    values: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name, texts in request.args.lists():
        if name not in names:
            problems[name[:40]] = f"no such parameter; there {'are ' + ', '.join(names) if names else 'is none'}"
        elif len(texts) > 1:
            problems[name] = "given more than once"
        elif name in choices and texts[0] not in choices[name]:
            problems[name] = f"{texts[0][:40]!r} is none of {', '.join(choices[name])}"
        else:
            values[name] = texts[0]
    return values, problems
