"""How the gateway's double answers: JSON, and errors in Bifrost's form."""

from __future__ import annotations

from typing import Any

import msgspec
from werkzeug.wrappers import Response

JSON = "application/json"


def json_of(body: object, status: int = 200) -> Response:
    """*body* as the gateway sends it."""
    return Response(msgspec.json.encode(body), status, mimetype=JSON)


def error(status: int, message: str) -> Response:
    """What the management API refuses."""
    extra: dict[str, Any] = {"routing_info": {}}
    body = {"is_bifrost_error": False, "status_code": status, "error": {"message": message}, "extra_fields": extra}
    return json_of(body, status)
