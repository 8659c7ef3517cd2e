"""An invoice that cannot go on before a person looked at it."""

from __future__ import annotations

from control_app.core.numbers import CustomerNo
from control_app.ledger.hold import Hold, hold_for


class HeldError(Exception):
    """The invoice cannot go on; *code* is one of the reasons for holds that a run finds."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def hold(self, customer: CustomerNo, now: int) -> Hold:
        """The hold on *customer*, as it was found *now* (microseconds since 1970 UTC)."""
        return hold_for(self.code, str(self), now, customer)
