"""What a PromQL query reads: its metrics, the labels it selects them by, the labels it groups by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

TOKEN = re.compile(
    r"""
    (?P<space>\s+|\#[^\n]*)
    |(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    |(?P<range>\[[^\]]*\])
    |(?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?:ms|[smhdwy])?)
    |(?P<name>[a-zA-Z_:][\w:]*)
    |(?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^(){},=<>@])
    """,
    re.VERBOSE,
)
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
OPERATORS = {"and", "or", "unless", "bool", "offset", "atan2"}


@dataclass(frozen=True)
class Selector:
    """A metric and the labels by which its series are chosen."""

    metric: str
    labels: frozenset[str]


@dataclass(frozen=True)
class Query:
    """`groups`: labels that are grouped by or matched on; `made`: labels that `label_replace` may write."""

    selectors: tuple[Selector, ...]
    groups: frozenset[str]
    made: frozenset[str]


def parse(text: str) -> Query:
    """Read *text*; raises ValueError for what is no PromQL, or names no metric.

    Whether the query is well formed is promtool's to say; this tells what it is about.
    """
    tokens = list(_tokens(text))
    selectors: list[Selector] = []
    groups: set[str] = set()
    made: set[str] = set()
    while tokens:
        kind, word = tokens.pop(0)
        following = tokens[0][1] if tokens else ""
        if kind == "string":
            made.add(word[1:-1])
        elif word == "{":
            raise ValueError(f"a selector without the name of a metric: {text}")
        elif kind != "name" or word in OPERATORS:
            continue
        elif word in GROUPING:
            groups |= _names_until(")", tokens) if following == "(" else set()
        elif following == "(" or following in ("by", "without"):
            continue
        else:
            selectors.append(Selector(word, frozenset(_names_until("}", tokens) if following == "{" else ())))
    return Query(tuple(selectors), frozenset(groups), frozenset(made))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if not match:
            raise ValueError(f"not PromQL at {text[position : position + 20]!r}: {text}")
        position = match.end()
        if match.lastgroup and match.lastgroup != "space":
            yield match.lastgroup, match.group()


def _names_until(end: str, tokens: list[tuple[str, str]]) -> set[str]:
    names: set[str] = set()
    while tokens and tokens[0][1] != end:
        kind, word = tokens.pop(0)
        if kind == "name":
            names.add(word)
    return names
