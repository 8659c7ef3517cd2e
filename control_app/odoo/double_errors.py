"""How the double of Odoo says no: Odoo's exceptions and their statuses (billing.md 3.1)."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 (an answer, not a fault of ours)
    """An answer with *status*, in the name of Odoo's exception *name*."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name, self.message = status, name, message


def user_error(message: str) -> Refusal:
    """A rule of the business was broken."""
    return Refusal(422, "odoo.exceptions.UserError", message)


def wrong_call(message: str) -> Refusal:
    """The method was not called as it wants to be."""
    return Refusal(422, "werkzeug.exceptions.UnprocessableEntity", message)


def no_access(message: str) -> Refusal:
    """The key's user may not."""
    return Refusal(403, "odoo.exceptions.AccessError", message)


def denied(message: str) -> Refusal:
    """What was shown does not prove who one is."""
    return Refusal(403, "odoo.exceptions.AccessDenied", message)


def missing(message: str) -> Refusal:
    """There is no such record."""
    return Refusal(404, "odoo.exceptions.MissingError", message)


def not_found(message: str) -> Refusal:
    """There is no such model or method."""
    return Refusal(404, "werkzeug.exceptions.NotFound", message)


def broken(name: str, message: str) -> Refusal:
    """Whatever Odoo did not foresee, such as a field that it does not have."""
    return Refusal(500, name, message)
