"""The API's description, from the code: `/openapi.json`, and `/docs` for people."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeVar, cast

import msgspec
from flask import Blueprint, Flask, Response, current_app, render_template
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from control_app.web.api.examples import EXAMPLES
from control_app.web.api.shapes import Problem
from control_app.web.errors import PROBLEM

VERSION = "3.1.0"
JSON, CSV = "application/json", "text/csv"
METHODS = ("GET", "POST")
SECURITY: Mapping[str, Mapping[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A virtual key of the gateway, or an admin key."},
    "bare": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "The same key, without `Bearer`."},
    "x-bf-vk": {"type": "apiKey", "in": "header", "name": "x-bf-vk", "description": "The same, as the gateway takes it first."},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same, where there is none in the others."},
}
_REF = "#/components/schemas/"
blueprint = Blueprint("openapi", __name__)
View = TypeVar("View", bound=Callable[..., Any])
Shape = type[BaseModel] | type[msgspec.Struct]
"""Of what is asked, and of what is answered."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operation. `where` it stands: in the `query`, the `header` or the `path`."""

    name: str
    description: str
    schema: Mapping[str, Any]
    required: bool = False
    where: str = "query"
    example: str | None = None


@dataclass(frozen=True)
class Answer:
    """An answer of an operation. `content`: by media type a shape, or a schema. `headers`: what each of them says."""

    description: str
    content: Mapping[str, Shape | Mapping[str, Any]] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Operation:
    """How a view is described, beside its docstring. `problems`: when which status is answered with problem details; `body`: JSON."""

    summary: str
    answers: Mapping[int, Answer]
    problems: Mapping[int, str] = field(default_factory=dict[int, str])
    shapes: Mapping[int, type[BaseModel]] = field(default_factory=dict[int, type[BaseModel]])
    parameters: Sequence[Parameter] = ()
    needs_key: bool = False
    body: type[BaseModel] | None = None


_OPERATIONS: dict[Callable[..., Any], Operation] = {}


def describe(operation: Operation) -> Callable[[View], View]:
    """Put the decorated view into the document."""

    def decorate(view: View) -> View:
        _OPERATIONS[view] = operation
        return view

    return decorate


def describe_all(app: Flask) -> None:
    """Let *app* serve the description of all of its views that are described; called when they are all registered."""
    app.extensions["openapi"] = document(app)


@blueprint.get("/openapi.json")
@describe(Operation("This description", {200: Answer("An OpenAPI 3.1 document.", {JSON: {"type": "object", "required": ["openapi"]}})}))
def openapi_json() -> Response:
    """OpenAPI 3.1, made from the code that answers."""
    return Response(json.dumps(current_app.extensions["openapi"], indent=1) + "\n", mimetype=JSON)


@blueprint.get("/docs")
def docs() -> str:
    """The same, to read."""
    return render_template("docs.html", api=current_app.extensions["openapi"])


def document(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of *app*."""
    operations = dict(_described(app))
    schemas = _schemas({shape for operation in operations.values() for shape in _shapes(operation)})
    return {
        "openapi": VERSION,
        "info": {
            "title": "Control service",
            "version": "1",
            "description": "Prices of a location's models, usage and invoices. Times are UTC. Errors are problem details (RFC 9457).",
        },
        "paths": {
            path: {method: _operation(app, endpoint, method, operations[endpoint]) for method in methods}
            for path, methods, endpoint in _paths(app)
            if endpoint in operations
        },
        "components": {"schemas": schemas, "securitySchemes": SECURITY},
    }


def _schemas(shapes: Collection[Shape]) -> dict[str, Any]:
    """The schemas of *shapes* and of what they consist of, by name."""
    named: list[tuple[type[BaseModel], Literal["validation"]]] = [(shape, "validation") for shape in shapes if issubclass(shape, BaseModel)]
    _, found = models_json_schema(named, ref_template=f"{_REF}{{model}}", schema_generator=_Schemas)
    structs = [shape for shape in shapes if not issubclass(shape, BaseModel)]
    _, others = msgspec.json.schema_components(structs, ref_template=f"{_REF}{{name}}")
    known: dict[str, Any] = found["$defs"] | others
    return {name: known[name] | ({"examples": [EXAMPLES[name]]} if name in EXAMPLES else {}) for name in sorted(known)}


class _Schemas(GenerateJsonSchema):
    """Without the titles of fields, which only repeat their names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def _paths(app: Flask) -> Iterator[tuple[str, Sequence[str], str]]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        methods = sorted(method.lower() for method in (rule.methods or ()) if method in METHODS)
        yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), methods, rule.endpoint


def _described(app: Flask) -> Iterator[tuple[str, Operation]]:
    for endpoint, view in app.view_functions.items():
        if operation := _OPERATIONS.get(view):
            yield endpoint, operation


def _shapes(operation: Operation) -> Iterator[Shape]:
    yield Problem
    if operation.body:
        yield operation.body
    yield from operation.shapes.values()
    for answer in operation.answers.values():
        for shape in answer.content.values():
            if isinstance(shape, type):
                yield shape


def _operation(app: Flask, endpoint: str, method: str, operation: Operation) -> dict[str, Any]:
    view = app.view_functions[endpoint]
    answers = {str(status): _answer(answer) for status, answer in operation.answers.items()}
    problems = {str(status): _problem(status, when, operation.shapes.get(status, Problem)) for status, when in operation.problems.items()}
    described: dict[str, Any] = {
        "operationId": view.__name__ if method == "get" else f"{method}_{view.__name__}",
        "summary": operation.summary,
        "description": inspect.getdoc(view) or "",
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": answers | problems,
    }
    if operation.body:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": _schema(operation.body)}}}
    if operation.needs_key:
        described["security"] = [{scheme: cast("list[str]", [])} for scheme in SECURITY]
    return described


def _answer(answer: Answer) -> dict[str, Any]:
    content = {media_type: {"schema": _schema(shape)} for media_type, shape in answer.content.items()}
    headers = {name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()}
    return {"description": answer.description} | ({"content": content} if content else {}) | ({"headers": headers} if headers else {})


def _problem(status: int, when: str, shape: type[BaseModel]) -> dict[str, Any]:
    headers = {
        401: {"WWW-Authenticate": "`Bearer`"},
        429: {"Retry-After": "Seconds"},
        503: {"Retry-After": "Seconds"},
    }
    return _answer(Answer(f"{HTTPStatus(status).phrase}: {when}", {PROBLEM: shape}, headers=headers.get(status, {})))


def _schema(shape: Shape | Mapping[str, Any]) -> Mapping[str, Any]:
    return {"$ref": f"{_REF}{shape.__name__}"} if isinstance(shape, type) else shape


def _parameter(parameter: Parameter) -> dict[str, Any]:
    found = {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        "required": parameter.required,
        "schema": parameter.schema,
    }
    return found | ({"example": parameter.example} if parameter.example else {})
