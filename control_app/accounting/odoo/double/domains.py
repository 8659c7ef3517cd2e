"""Conditions on records in the prefix notation of Odoo's domains."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from control_app.accounting.odoo.double.errors import Refusal, broken, no_field
from control_app.accounting.odoo.double.store import Record
from control_app.accounting.odoo.shapes import is_list

Test = Callable[[Record], bool]
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "like": lambda value, part: bool(value) and part in value,
}
SETS: Mapping[str, bool] = {"=": True, "in": True, "parent_of": True, "!=": False, "not in": False}
"""Whether the value is to be among those that are named, which may be one; nothing here has a parent."""


def test_of(model: str, domain: Sequence[Any], fields: Collection[str]) -> Test:
    """What *domain* says of a record of *model*, which has those *fields*."""
    terms = list(domain)
    tests: list[Test] = []
    while terms:
        tests.append(_next(model, terms, fields))
    return lambda record: all(test(record) for test in tests)


def asked(domain: Sequence[Any]) -> set[str]:
    """The fields that *domain* says something of."""
    return {term[0] for term in domain if is_list(term)}


def plain(value: Any) -> Any:
    """A reference as its id, and nothing as False."""
    if is_list(value) and len(value) == 2 and isinstance(value[1], str):  # noqa: PLR2004 (id and name)
        return value[0]
    return False if value is None else value


def _next(model: str, terms: list[Any], fields: Collection[str]) -> Test:
    term = terms.pop(0) if terms else None
    if term == "!":
        inner = _next(model, terms, fields)
        return lambda record: not inner(record)
    if term in ("&", "|"):
        first, second = _next(model, terms, fields), _next(model, terms, fields)
        join = all if term == "&" else any
        return lambda record: join(test(record) for test in (first, second))
    if not is_list(term) or len(term) != 3:  # noqa: PLR2004 (field, operator, value)
        raise _malformed(term)
    name, sign, value = term
    if name != "id" and name not in fields:
        raise no_field(f"{model}.{name} in condition {(name, sign, value)!r}")
    if sign in SETS:
        values, wanted = [plain(one) for one in (value if is_list(value) else [value])], SETS[sign]
        return lambda record: (plain(record.get(name, False)) in values) is wanted
    if sign not in OPERATORS:
        raise broken("builtins.ValueError", f"Invalid operator in condition {(name, sign, value)!r}")
    return lambda record: OPERATORS[sign](plain(record.get(name, False)), value)


def _malformed(term: object) -> Refusal:
    return broken("builtins.ValueError", f"Domain() invalid item in domain: {term!r}")
