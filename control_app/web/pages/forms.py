"""What people send from pages: by somebody, and with a reason; what is refused is told on a page."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any, TypeVar

from flask import make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from control_app.accounting.port import AccountingError
from control_app.invoicing.actions import ActionError, Decision
from control_app.invoicing.orders import NotNowError
from control_app.pricing.book import PriceBookError
from control_app.pricing.port import SourceError
from control_app.web.context import services

LOCAL = "local"
"""The name of whoever is at this machine, where no proxy in front names anybody."""
LONGEST = 500
"""Characters that may be typed into one field."""
HIDDEN = ("message", "code", "customer_id")
"""Fields that nobody types."""
View = TypeVar("View", bound=Callable[..., Response])


class FormError(Exception):
    """What was typed cannot be taken; the message says why, and what can."""


def acting_person() -> str:
    """The name of the person who logged in at the proxy in front."""
    header = services().settings.access.login_header
    return request.headers[header] if header else LOCAL


def typed_decision() -> Decision:
    """Who decides, and the reason that was typed; raises FormError."""
    return Decision(acting_person(), typed_text("reason", "Say why: the reason stands in the audit log."))


def typed_text(name: str, otherwise: str) -> str:
    """What was typed into the field *name*; raises FormError, which says *otherwise*, where that is nothing."""
    text = request.form.get(name, "").strip()
    if not text:
        raise FormError(otherwise)
    if len(text) > LONGEST:
        raise FormError(f"The {name.replace('_', ' ')} has {len(text)} characters; at most {LONGEST} are kept.")
    return text


def typed_amount(name: str) -> Decimal:
    """The decimal number that was typed into the field *name*; raises FormError."""
    text = typed_text(name, "Type an amount, like 12.50.")
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise FormError(f"{text!r} is no amount; write it like 12.50.")
    return found


def typed_number(name: str) -> int:
    """The whole number from 1 that was typed into the field *name*; raises FormError."""
    text = typed_text(name, "Type a number, like 42.")
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise FormError(f"{text!r} is no number; write it like 42.")
    return int(text)


def refused_on_a_page(view: View) -> View:
    """Around a view that acts: what the form or the domain refuses is answered by a page with the way back and what was typed."""

    @wraps(view)
    def acting(*args: object, **given: str) -> Response:
        try:
            return view(*args, **given)
        except FormError as error:
            return _refused(400, str(error), given)
        except (ActionError, NotNowError, PriceBookError) as error:
            return _refused(409, str(error), given)
        except (AccountingError, SourceError) as error:
            return _refused(503, str(error), given)

    return acting  # type: ignore[return-value] # it takes and returns the same


def back_to_page(endpoint: str, code: str, **given: Any) -> Response:
    """A redirect to a page, which tells in words of its own what was done, by *code*; a reload does it no second time."""
    return redirect(url_for(endpoint, **given, done=code), 303)


def _refused(status: int, message: str, given: dict[str, str]) -> Response:
    """The page that says why nothing was done; *given*: the month or ref in the form's address, nothing in one about models."""
    if "ref" in given:
        back = url_for("pages.invoices.invoice", ref=given["ref"])
    else:
        back = url_for("pages.invoices.month", month=given["month"]) if "month" in given else url_for("pages.models.models")
    typed = {name.replace("_", " "): value for name, value in request.form.items() if value.strip() and name not in HIDDEN}
    return make_response(render_template("refused.html", status=status, message=message, back=back, typed=typed), status)
