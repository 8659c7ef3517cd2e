"""What was used, added up over rows."""

from __future__ import annotations

from collections.abc import Iterable
from operator import add

import msgspec
from msgspec.structs import astuple

from control_app.core.numbers import Pico

_NOTHING = Pico(0)


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Sums over rows.

    `requests`: billed ones; `unused`: successes without tokens, of which at most a price a request is billed; `cancelled`: what
    clients cancelled before there were tokens, not billed; `unrated`: rows without a price, whose amount is not in `amount`
    (pico-units). `plain_…`: tokens at the plain rate, without cached and reasoning ones.
    """

    requests: int = 0
    unused: int = 0
    cancelled: int = 0
    unrated: int = 0
    prompt: int = 0
    cached_read: int = 0
    cached_write: int = 0
    completion: int = 0
    reasoning: int = 0
    plain_prompt: int = 0
    plain_completion: int = 0
    amount: Pico = _NOTHING

    @property
    def tokens(self) -> int:
        """Prompt and completion; cached and reasoning tokens are parts of these."""
        return self.prompt + self.completion

    def __add__(self, other: Usage) -> Usage:
        return Usage(*map(add, astuple(self), astuple(other)))


def total(parts: Iterable[Usage]) -> Usage:
    """The sum of *parts*, added in Python, whose integers do not overflow."""
    found = Usage()
    for part in parts:
        found += part
    return found
