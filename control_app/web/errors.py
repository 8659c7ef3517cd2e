"""What all answers share: problem details for programs and a page for people, security headers, a log line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, render_template, request
from werkzeug.exceptions import BadRequest, HTTPException, ServiceUnavailable

from control_app.pricing.port import SourceError
from control_app.web.compression import compress

# Pages are server-rendered, without scripts or foreign content.
POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
PROBLEM = "application/problem+json"
RETRY_MODELS_SEC = 15
log = structlog.stdlib.get_logger("control_app.web")


class BadParametersError(BadRequest):
    """The request has bad parameters (400); *problems* says by parameter what is wrong."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = problems


def register(app: Flask) -> None:
    """Let *app* answer errors with these, and send their headers with every answer."""
    app.before_request(_refuse_bad_host)
    app.register_error_handler(HTTPException, _refuse)
    app.register_error_handler(SourceError, _source_failed)
    app.register_error_handler(Exception, _broken)
    app.after_request(compress)
    app.after_request(_finish)


def _refuse_bad_host() -> None:
    # Werkzeug has no host where the header's is none.
    if request.headers.get("Host") and not request.host:
        raise BadRequest("the header Host names no host")


def problem(status: int, detail: str, **extension: Any) -> Response:
    """Problem details (RFC 9457); *extension*: members that this problem has besides."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **extension}
    return Response(f"{json.dumps(body)}\n", status, {"Cache-Control": "no-store"}, mimetype=PROBLEM)


def _refuse(error: HTTPException) -> Response:
    extension: dict[str, Any] = {}
    if isinstance(error, BadParametersError):
        extension["errors"] = [{"parameter": name, "detail": detail} for name, detail in error.problems.items()]
    response = _answer(error.code or 500, error.description or error.name, **extension)
    # What a status demands: Allow, Retry-After, WWW-Authenticate.
    response.headers.extend((name, value) for name, value in error.get_headers() if name != "Content-Type")
    return response


def _source_failed(error: SourceError) -> Response:
    return _refuse(ServiceUnavailable(str(error), retry_after=RETRY_MODELS_SEC))


def _broken(error: Exception) -> Response:
    log.error("request failed", path=request.path, exc_info=error)
    return _answer(500, "the service failed to answer; its log names the reason")


def _answer(status: int, detail: str, **extension: Any) -> Response:
    if request.accept_mimetypes.best_match([PROBLEM, "application/json", "text/html"]) == "text/html":
        return Response(render_template("error.html", status=status, message=detail), status)
    return problem(status, detail, **extension)


def _finish(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    if request.path not in ("/healthz", "/readyz"):
        log.info("request", method=request.method, path=request.path, status=response.status_code)
    return response
