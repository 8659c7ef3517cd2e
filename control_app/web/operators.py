"""Pages are for people who logged in, where the service stands behind a login."""

from __future__ import annotations

from flask import abort, request

from control_app.web.context import services


def operators_only() -> None:
    """Refuse who did not log in; `before_request` of the pages."""
    header = services().settings.login_header
    if header and not request.headers.get(header):
        abort(403, "this page is for operators, who log in at the service's address")
