"""A query's parameters: each known, given once, and one of what may be chosen; and what stands for times and customers in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import abort, request

from control_app.core.numbers import CustomerNo
from control_app.ledger.names import customer_number
from control_app.web.context import services

TIME_SCHEMA: Mapping[str, Any] = {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
"""An ISO 8601 date, which means its midnight, or a date-time."""


def query_parameters(names: Sequence[str], choices: Mapping[str, Sequence[str]]) -> tuple[dict[str, str], dict[str, str]]:
    """The values that the query has for *names*, and what is wrong with it, both by name. *choices*: values that a name may have."""
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


def customer_or_404(id: str) -> CustomerNo:
    """Our number of the customer whom the gateway knows by *id*; 404 where there is none."""
    number = customer_number(services().db, id)
    if number is None:
        abort(404, f"the gateway has no customer {id[:80]!r}")
    return number
