"""What people send from pages: only from our own, by somebody, and with a reason; what is refused is told on a page."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import abort, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from control_app.invoicing.accounting import AccountingError
from control_app.invoicing.actions import ActionError, Decision
from control_app.invoicing.book import HaltedError
from control_app.invoicing.lease import BusyError, LostError
from control_app.invoicing.orders import EarlyError
from control_app.web.context import services

LOCAL = "local"
"""Who acts where no proxy in front names anybody: whoever is at this machine."""
LONGEST = 500
"""Of what is typed into one field."""
READING = ("GET", "HEAD", "OPTIONS")
View = TypeVar("View", bound=Callable[..., Response])


class FormError(Exception):
    """What was typed cannot be taken; the message says why, and what can."""


def own_pages_only() -> None:
    """Refuse what another site's page sends with the login of who looks at it; `before_request` of what has forms.

    There are no cookies of ours that could carry a token, but every browser says where a POST comes from.
    """
    if request.method in READING:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    told = site is not None or origin is not None
    if not told or site not in (None, "same-origin", "none") or (origin is not None and origin.partition("://")[2] != request.host):
        abort(403, "this was not sent by a page of this service; open the page here and try again")
    # A name that somebody else's DNS gives to this machine passes for our own where nobody has to log in.
    if not services().settings.login_header and urlsplit(f"//{request.host}").hostname not in _own_names():
        abort(403, "without a login this acts only for who is at this machine: open http://127.0.0.1, or put a login in front")


def _own_names() -> tuple[str, ...]:
    return ("localhost", "127.0.0.1", "::1", services().settings.bind.rpartition(":")[0])


def who() -> str:
    """Whoever logged in at the proxy in front."""
    header = services().settings.login_header
    return request.headers[header] if header else LOCAL


def decision() -> Decision:
    """Who decides, and the reason that was typed; raises FormError."""
    return Decision(who(), field("reason", "Say why: the reason stands in the audit log."))


def field(name: str, otherwise: str) -> str:
    """What was typed; raises FormError, which says *otherwise*, where that is nothing."""
    text = request.form.get(name, "").strip()
    if not text:
        raise FormError(otherwise)
    if len(text) > LONGEST:
        raise FormError(f"The {name.replace('_', ' ')} has {len(text)} characters; at most {LONGEST} are kept.")
    return text


def amount(name: str) -> Decimal:
    """A decimal number; raises FormError."""
    text = field(name, "Type an amount, like 12.50.")
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise FormError(f"{text!r} is no amount; write it like 12.50.")
    return found


def number(name: str) -> int:
    """A whole number from 1; raises FormError."""
    text = field(name, "Type a number, like 42.")
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise FormError(f"{text!r} is no number; write it like 42.")
    return int(text)


def act(view: View) -> View:
    """Of a view that acts: what the form or the domain refuses is a page with the way back and what was typed."""

    @wraps(view)
    def acting(*args: object, **given: str) -> Response:
        try:
            return view(*args, **given)
        except FormError as error:
            return _refused(400, str(error), given)
        except (ActionError, BusyError, HaltedError, EarlyError, LostError) as error:
            return _refused(409, str(error), given)
        except AccountingError as error:
            return _refused(503, str(error), given)

    return acting  # type: ignore[return-value] # it takes and returns the same


def done(endpoint: str, code: str, **given: Any) -> Response:
    """Back to a page, which tells in words of its own what was done; a reload does it no second time."""
    return redirect(url_for(endpoint, **given, done=code), 303)


def _refused(status: int, message: str, given: dict[str, str]) -> Response:
    """*given*: of the page that had the form."""
    back = url_for("invoices.invoice", ref=given["ref"]) if "ref" in given else url_for("invoices.month", month=given["month"])
    typed = {name.replace("_", " "): value for name, value in request.form.items() if value.strip() and name not in HIDDEN}
    return make_response(render_template("refused.html", status=status, message=message, back=back, typed=typed), status)


HIDDEN = ("message", "code", "customer_id")
"""Fields that nobody types."""
