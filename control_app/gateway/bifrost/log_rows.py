"""A row of the gateway's log, as its API and its database tell it, and what becomes of one that breaks the contract."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from control_app.core.time import microseconds
from control_app.gateway.port import FREE, PROVIDER, Row, Unreadable, UsageRow

STATUSES = ("success", "cancelled", "error")
"""Of rows that may be billed: what a client cancelled is an error in 1.5, and `cancelled` in 2."""
CANCELLED_STATUS, CANCELLED_TYPE = 499, "request_cancelled"
"""How the gateway names the error where the client hung up."""
MOST_TEXT = 2_000
"""Characters that are kept of a row that cannot be read."""
Tokens = Annotated[int, msgspec.Meta(le=2**63 - 1)]
"""Whether so many are credible, the ledger asks (ledger/absurd.py)."""


class PromptDetails(msgspec.Struct):
    """Which of a prompt's tokens were cached. Zeros may be left out."""

    cached_read_tokens: Tokens | None = None
    cached_write_tokens: Tokens | None = None
    cached_tokens: Tokens = 0

    def cached_read(self) -> int:
        """Some versions count writes into `cached_tokens` (maximhq/bifrost#4816): it stands in only where neither is told apart."""
        if self.cached_read_tokens is None and self.cached_write_tokens is None:
            return self.cached_tokens
        return self.cached_read_tokens or 0


class CompletionDetails(msgspec.Struct):
    """Which of a completion's tokens were reasoning. Zeros may be left out."""

    reasoning_tokens: Tokens = 0


_NO_PROMPT, _NO_COMPLETION = PromptDetails(), CompletionDetails()


class TokenUsage(msgspec.Struct):
    """What the upstream said that it used."""

    prompt_tokens: Tokens = 0
    completion_tokens: Tokens = 0
    total_tokens: Tokens = 0
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None

    def counts(self) -> tuple[int, int, int, int, int]:
        """Prompt, cached reads and writes, completion and reasoning, as a UsageRow has them; below 0 is 0."""
        prompt = self.prompt_tokens_details or _NO_PROMPT
        completion = self.completion_tokens_details or _NO_COMPLETION
        return (
            max(self.prompt_tokens, 0),
            max(prompt.cached_read(), 0),
            max(prompt.cached_write_tokens or 0, 0),
            max(self.completion_tokens, 0),
            max(completion.reasoning_tokens, 0),
        )


NOTHING = TokenUsage()
usage_of = msgspec.json.Decoder(TokenUsage).decode
"""What the text of a row's usage says; raises ValueError."""


class _Error(msgspec.Struct):
    type: str | None = None


class _ErrorDetails(msgspec.Struct):
    status_code: int | None = None
    error: _Error | None = None


_error_details = msgspec.json.Decoder(_ErrorDetails).decode


def is_billed(status: str, details: bytes | str) -> bool:
    """Whether a row of this *status* may be billed; *details*: of its error, as JSON. A client's own cancel is no failure of ours."""
    if status != "error":
        return status in STATUSES
    try:
        told = _error_details(details)
    except ValueError:
        return False
    return told.status_code == CANCELLED_STATUS or (told.error is not None and told.error.type == CANCELLED_TYPE)


class LogRow(msgspec.Struct):
    """A row as the API tells it; the flat token columns of the database are not in the API's."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    timestamp: str
    status: str
    provider: str
    model: str
    object: str = ""
    virtual_key_id: str | None = None
    virtual_key_name: str | None = None
    customer_id: str | None = None
    customer_name: str | None = None
    token_usage: TokenUsage | None = None
    cost: msgspec.Raw = msgspec.Raw(b"null")
    error_details: msgspec.Raw = msgspec.Raw(b"null")

    def is_usage(self) -> bool:
        """Whether it is inference that may be billed."""
        return self.object != FREE and is_billed(self.status, self.error_details)

    def usage(self, at: int) -> UsageRow:
        """The row as the ledger takes it, with its start *at*."""
        used = self.token_usage or NOTHING
        return UsageRow(
            self.id,
            at,
            self.virtual_key_id or "",
            self.virtual_key_name or "",
            self.customer_id or None,
            self.model if self.provider == PROVIDER else f"{self.provider}/{self.model}",
            *used.counts(),
            self._cost(),
            self.status == "success",
            max(used.total_tokens, 0),
            self.customer_name or None,
        )

    def _cost(self) -> str | None:
        text = bytes(self.cost)
        if text == b"null":
            return None
        if text[:1] not in b"-0123456789":
            raise ValueError("cost is no number")
        return text.decode()


_row = msgspec.json.Decoder(LogRow).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Start(msgspec.Struct):
    timestamp: str


_start = msgspec.json.Decoder(_Start).decode


def read(raw: msgspec.Raw, before: int) -> tuple[int, Row | None]:
    """When a row of the API started, and the row; None where it is not billed.

    *before*: the start of the row before it, which stands for a time that cannot be read.
    """
    try:
        row = _row(raw)
        at = _time(row.timestamp)
        return at, row.usage(at) if row.is_usage() else None
    except ValueError as error:
        at = _start_of(raw, before)
        return at, _unreadable(raw, at, str(error))


def _start_of(raw: msgspec.Raw, before: int) -> int:
    try:
        return _time(_start(raw).timestamp)
    except ValueError:
        return before


def _time(text: str) -> int:
    """Digits after the sixth are cut off, not rounded, so that a page from this time on has this row."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError(f"timestamp {text!r} is no time with a zone")
    return microseconds(time)


def _unreadable(raw: msgspec.Raw, at: int, reason: str) -> Unreadable | None:
    """Of the row nothing is kept that billing does not read: the gateway tells prompts and secrets too. None for one that is not billed."""
    try:
        told = {name: value for name, value in _members(raw).items() if name in LogRow.__struct_fields__}
    except ValueError:
        told = {}
    status = _text(told.get("status"))
    if status and not is_billed(status, told.get("error_details", b"null")):
        return None
    key, name = _text(told.get("virtual_key_id")), _text(told.get("virtual_key_name"))
    text = msgspec.json.encode(told or raw).decode(errors="replace")
    return Unreadable(_text(told.get("id")), at, key, name or key, reason, text[:MOST_TEXT])


def _text(value: msgspec.Raw | None) -> str:
    """A member that is text; "" for one that is not."""
    try:
        return "" if value is None else msgspec.json.decode(value, type=str)
    except ValueError:
        return ""
