"""How the double of Odoo says no: Odoo's exceptions and their statuses (docs/facts/odoo.md, Answers)."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 (an answer, not a fault of ours)
    """An answer with *status*, in the name of Odoo's exception *name*."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name, self.message = status, name, message

    @property
    def arguments(self) -> list[str | int]:
        """What the exception was made of; those of HTTP have their status among it."""
        return [self.message, self.status] if self.name.startswith("werkzeug.") else [self.message]


def user_error(message: str) -> Refusal:
    """A rule of the business was broken."""
    return Refusal(422, "odoo.exceptions.UserError", message)


def bad_request(message: str) -> Refusal:
    """The body cannot be read."""
    return Refusal(400, "werkzeug.exceptions.BadRequest", message)


def wrong_call(message: str) -> Refusal:
    """The method was not called as it wants to be."""
    return Refusal(422, "werkzeug.exceptions.UnprocessableEntity", message)


def unauthorized(message: str) -> Refusal:
    """Nobody is known by what was shown."""
    return Refusal(401, "werkzeug.exceptions.Unauthorized", message)


def no_access(message: str) -> Refusal:
    """The key's user may not."""
    return Refusal(403, "odoo.exceptions.AccessError", message)


def denied(message: str) -> Refusal:
    """What was shown does not prove who one is."""
    return Refusal(403, "odoo.exceptions.AccessDenied", message)


def missing(model: str, id: int, user: int) -> Refusal:
    """There is no such record, and the method needs one."""
    message = f"Record does not exist or has been deleted.\n(Record: {model}({id},), User: {user})"
    return Refusal(404, "odoo.exceptions.MissingError", message)


def not_found(message: str) -> Refusal:
    """There is no such model or method."""
    return Refusal(404, "werkzeug.exceptions.NotFound", message)


def broken(name: str, message: str) -> Refusal:
    """Whatever Odoo did not foresee, such as a field that it does not have."""
    return Refusal(500, name, message)


def no_field(message: str) -> Refusal:
    """The model has no such field."""
    return broken("builtins.ValueError", f"Invalid field {message}")
