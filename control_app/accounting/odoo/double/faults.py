"""What may happen between Odoo and who asks it, and the double as a transport that lets it happen."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping

import httpx2

Answer = tuple[int, Mapping[str, str], bytes]
"""Status, headers, body."""


class Fault(enum.Enum):
    """`BEFORE`: nothing was done; `AFTER`: it was."""

    TIMEOUT_BEFORE = enum.auto()
    TIMEOUT_AFTER = enum.auto()
    LATE = enum.auto()
    """A time-out, and it is done when the test says so."""
    TOO_MANY = enum.auto()
    BAD_GATEWAY_BEFORE = enum.auto()
    BAD_GATEWAY_AFTER = enum.auto()
    UNAVAILABLE_BEFORE = enum.auto()
    UNAVAILABLE_AFTER = enum.auto()
    MALFORMED = enum.auto()
    """Done, and half of the answer comes, in the name of a whole one."""
    RESET_BEFORE = enum.auto()
    RESET_AFTER = enum.auto()
    CANNOT_CONNECT = enum.auto()
    SERVER_ERROR = enum.auto()
    LOCKED = enum.auto()
    """Somebody else has the document: one that is to be sent is refused, anything else waits for it."""
    KILLED_MIDWAY = enum.auto()
    """Odoo dies in the call: what it keeps midway stays, the rest is undone."""


DONE = frozenset({Fault.TIMEOUT_AFTER, Fault.BAD_GATEWAY_AFTER, Fault.UNAVAILABLE_AFTER, Fault.MALFORMED, Fault.RESET_AFTER})
STATUS: Mapping[Fault, int] = {
    Fault.TOO_MANY: 429,
    Fault.BAD_GATEWAY_BEFORE: 502,
    Fault.BAD_GATEWAY_AFTER: 502,
    Fault.UNAVAILABLE_BEFORE: 503,
    Fault.UNAVAILABLE_AFTER: 503,
}
"""Answers that the proxy in front of Odoo gives, and not Odoo."""
RAISES: Mapping[Fault, type[httpx2.TransportError]] = {
    Fault.TIMEOUT_BEFORE: httpx2.ReadTimeout,
    Fault.TIMEOUT_AFTER: httpx2.ReadTimeout,
    Fault.LATE: httpx2.ReadTimeout,
    Fault.RESET_BEFORE: httpx2.WriteError,
    Fault.RESET_AFTER: httpx2.RemoteProtocolError,
    Fault.CANNOT_CONNECT: httpx2.ConnectError,
    Fault.KILLED_MIDWAY: httpx2.RemoteProtocolError,
}
"""No answer at all."""


class LostError(Exception):
    """No answer comes to what was asked, whether it was done or not."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


class DoubleTransport(httpx2.BaseTransport):
    """The network to a double in this process, which *answer*s a method, a path, headers and a body, or raises LostError."""

    def __init__(self, answer: Callable[[str, str, Mapping[str, str], bytes], Answer]) -> None:
        self._answer = answer

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, or what httpx2 raises where none comes."""
        try:
            status, headers, body = self._answer(request.method, request.url.path, request.headers, request.read())
        except LostError as lost:
            raise RAISES[lost.fault](lost.fault.name.lower(), request=request) from None
        return httpx2.Response(status, headers=headers, content=body, request=request)
