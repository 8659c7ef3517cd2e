"""What all answers share: one shape of error, security headers, a log line."""

from __future__ import annotations

import json

import structlog
from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from control_app.catalog import SourceError

# Pages are server-rendered, without scripts or foreign content.
POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
log = structlog.stdlib.get_logger("control_app.web")


def register(app: Flask) -> None:
    """Add the handlers to *app*."""
    app.register_error_handler(HTTPException, _refuse)
    app.register_error_handler(SourceError, _source_failed)
    app.register_error_handler(Exception, _broken)
    app.after_request(_finish)


def _refuse(error: HTTPException) -> Response:
    response = _answer(error.code or 500, error.description or error.name)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _source_failed(error: SourceError) -> Response:
    response = _answer(503, str(error))
    response.headers["Retry-After"] = "15"
    return response


def _broken(error: Exception) -> Response:
    log.error("request failed", path=request.path, exc_info=error)
    return _answer(500, "the service failed to answer; its log names the reason")


def _answer(status: int, message: str) -> Response:
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        return Response(render_template("error.html", status=status, message=message), status)
    text = json.dumps({"error": {"status": status, "message": message}})
    return Response(text + "\n", status, mimetype="application/json")


def _finish(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    if request.path not in ("/healthz", "/readyz"):
        log.info("request", method=request.method, path=request.path, status=response.status_code)
    return response
