"""Who may see a page and who may send a form: the guard that stands before every page."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import abort, request

from control_app.web.context import services

READING = ("GET", "HEAD", "OPTIONS")


def operators_only() -> None:
    """Refuse a request by nobody who logged in, where the service stands behind a login."""
    header = services().settings.access.login_header
    if header and not request.headers.get(header):
        abort(403, "this page is for operators, who log in at the service's address")


def own_pages_only() -> None:
    """Refuse a form that another site's page sends with the login of the person who looks at that page.

    There are no cookies of ours that could carry a token, but every browser says where a POST comes from.
    """
    if request.method in READING:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    is_said = site is not None or origin is not None
    if not is_said or site not in (None, "same-origin", "none") or (origin is not None and origin.partition("://")[2] != request.host):
        abort(403, "this was not sent by a page of this service; open the page here and try again")
    # A name that somebody else's DNS gives to this machine passes for our own where nobody has to log in.
    if not services().settings.access.login_header and urlsplit(f"//{request.host}").hostname not in _own_names():
        abort(403, "without a login this acts only for who is at this machine: open http://127.0.0.1, or put a login in front")


def _own_names() -> tuple[str, ...]:
    return ("localhost", "127.0.0.1", "::1", services().settings.access.bind.rpartition(":")[0])
