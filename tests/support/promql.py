"""What a PromQL query reads: its metrics, the labels it selects them by, the labels it groups by."""

from __future__ import annotations

from dataclasses import dataclass, field

import promql_parser
from promql_parser import AggregateExpr, BinaryExpr, Call, Expr, StringLiteral, VectorSelector

RATE_INTERVAL = "$__rate_interval"
"""The one variable that Grafana puts outside a string; any duration does in its place."""


@dataclass(frozen=True)
class Selector:
    """A metric and the labels by which its series are chosen."""

    metric: str
    labels: frozenset[str]


@dataclass(frozen=True)
class Query:
    """`groups`: labels that are grouped by, matched on or read by a function; `made`: labels that a function writes."""

    selectors: tuple[Selector, ...]
    groups: frozenset[str]
    made: frozenset[str]


@dataclass
class _Found:
    """What was found so far on the way through a query."""

    selectors: list[Selector] = field(default_factory=list[Selector])
    groups: set[str] = field(default_factory=set[str])
    made: set[str] = field(default_factory=set[str])

    def visit(self, part: Expr) -> None:
        """Note what *part* itself is about; the parts within it are visited on their own."""
        match part:
            case VectorSelector():
                if part.name is None:
                    raise ValueError("a selector without the name of a metric")
                self.selectors.append(Selector(part.name, frozenset(matcher.name for matcher in part.matchers.matchers)))
            case AggregateExpr(modifier=modifier, param=param):
                self.groups.update(modifier.labels if modifier else ())
                self.made.update([param.val] if isinstance(param, StringLiteral) else ())
            case BinaryExpr(modifier=modifier):
                self.groups.update(modifier.matching.labels if modifier and modifier.matching else ())
                self.groups.update(modifier.group_labels or () if modifier else ())
            case Call() if part.func.name in {"label_replace", "label_join"}:
                _, written, _, *read = (argument.val if isinstance(argument, StringLiteral) else "" for argument in part.args)
                self.made.add(written)
                self.groups.update(read[:1] if part.func.name == "label_replace" else read)
            case _:
                pass


def parse(text: str) -> Query:
    """Read *text*; raises ValueError for what is no PromQL, or names no metric.

    Whether Prometheus takes the query is promtool's to say; this tells what it is about.
    """
    found = _Found()
    try:
        promql_parser.walk(promql_parser.parse(text.replace(RATE_INTERVAL, "5m")), found.visit)
    except ValueError as error:
        raise ValueError(f"{error}: {text}") from error
    return Query(tuple(found.selectors), frozenset(found.groups), frozenset(found.made))
