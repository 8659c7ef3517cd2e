"""The API's description, from the code: `/openapi.json`, and `/docs` for people."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeVar, cast

from flask import Blueprint, Flask, Response, current_app, render_template
from markupsafe import Markup, escape
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from control_app.web.answers import Problem
from control_app.web.errors import PROBLEM

VERSION = "3.1.0"
JSON = "application/json"
METHODS = ("GET", "POST")
SECURITY: Mapping[str, Mapping[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A virtual key of the gateway, or an admin key."},
    "bare": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "The same key, without `Bearer`."},
}
_REF = "#/components/schemas/"
blueprint = Blueprint("openapi", __name__)
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Parameter:
    """A parameter; `where` it stands: `query`, or `header`."""

    name: str
    description: str
    schema: Mapping[str, Any]
    required: bool = False
    where: str = "query"
    example: str | None = None


@dataclass(frozen=True)
class Answer:
    """`content`: by media type a shape, or a schema. `headers` and what they say."""

    description: str
    content: Mapping[str, type[BaseModel] | Mapping[str, Any]] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Operation:
    """What is told of a view, beside its docstring. `problems`: when which status is answered with problem details; `body`: JSON."""

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


def register(app: Flask) -> None:
    """Serve the description of all of *app*'s views that are described; the last of its blueprints."""
    app.register_blueprint(blueprint)
    app.extensions["openapi"] = document(app)


@blueprint.get("/openapi.json")
@describe(Operation("This description", {200: Answer("An OpenAPI 3.1 document.", {JSON: {"type": "object", "required": ["openapi"]}})}))
def openapi_json() -> Response:
    """OpenAPI 3.1, made from the code that answers."""
    return Response(json.dumps(current_app.extensions["openapi"], indent=1) + "\n", mimetype=JSON)


@blueprint.app_template_filter()
def with_code(text: str) -> Markup:
    """What stands in backticks is code."""
    plain = str(escape(text))  # else re would escape what it puts in
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", plain))  # noqa: S704


@blueprint.get("/docs")
def docs() -> str:
    """The same, to read."""
    return render_template("docs.html", api=current_app.extensions["openapi"])


def document(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of *app*."""
    operations = dict(_described(app))
    shapes = sorted({shape for operation in operations.values() for shape in _shapes(operation)}, key=lambda shape: shape.__name__)
    named: list[tuple[type[BaseModel], Literal["validation"]]] = [(shape, "validation") for shape in shapes]
    _, schemas = models_json_schema(named, ref_template=f"{_REF}{{model}}", schema_generator=_Schemas)
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
        "components": {"schemas": schemas["$defs"], "securitySchemes": SECURITY},
    }


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


def _shapes(operation: Operation) -> Iterator[type[BaseModel]]:
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


def _schema(shape: type[BaseModel] | Mapping[str, Any]) -> Mapping[str, Any]:
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
