"""The log of the gateway's double: what was written, what still waits to be, and pages of it in the gateway's way."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from control_app.gateway import PROVIDER, UsageRow
from control_app.spans import time_of

LONGEST_ID = 255
_AT = attrgetter("at")


class Written(NamedTuple):
    """A row as the API sends it, and what it is found by."""

    at: int
    id: str
    key: str
    status: str
    text: bytes


@dataclass(frozen=True)
class Query:
    """Which rows: *start* and *end* are both within; None where the gateway was not told, or did not understand."""

    limit: int
    offset: int
    ascending: bool
    start: int | None
    end: int | None
    statuses: frozenset[str]
    keys: frozenset[str]


class Log:
    """Rows by their id, of which the first stays. Rows wait until the gateway writes its batch."""

    def __init__(self) -> None:
        self._rows: list[Written] = []
        self._ids: set[str] = set()
        self._waiting: dict[str, tuple[datetime, Written]] = {}
        self._odd = False

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Written, visible_at: datetime) -> None:
        """Write *row* at that time; nothing where its id is taken."""
        if row.id not in self._ids:
            self._waiting.setdefault(row.id, (visible_at, row))

    def add_written(self, rows: Iterable[Written]) -> None:
        """Many rows at once, with ids of their own."""
        self._rows.extend(rows)
        self._rows.sort(key=_AT)
        self._ids = {row.id for row in self._rows}

    def write(self, now: datetime | None) -> None:
        """Write what is due; with None, all that waits."""
        due = [row for visible_at, row in self._waiting.values() if now is None or visible_at <= now]
        for row in due:
            del self._waiting[row.id]
            self._rows.insert(bisect_right(self._rows, row.at, key=_AT), row)
            self._ids.add(row.id)

    def lose(self) -> int:
        """Forget what waits, and tell how many rows that was."""
        lost = len(self._waiting)
        self._waiting.clear()
        return lost

    def page(self, query: Query) -> list[bytes]:
        """The texts of a page. Rows of one time come in another order each time."""
        self._odd = not self._odd
        found = (row for row in self._ordered(query) if _wanted(row, query))
        return [row.text for row in islice(found, query.offset, query.offset + query.limit)]

    def _ordered(self, query: Query) -> Iterator[Written]:
        low = 0 if query.start is None else bisect_left(self._rows, query.start, key=_AT)
        high = len(self._rows) if query.end is None else bisect_right(self._rows, query.end, key=_AT)
        numbers = range(low, high) if query.ascending else range(high - 1, low - 1, -1)
        for _, ties in groupby(map(self._rows.__getitem__, numbers), key=_AT):
            rows = list(ties)
            yield from reversed(rows) if self._odd else rows


def _wanted(row: Written, query: Query) -> bool:
    return (not query.statuses or row.status in query.statuses) and (not query.keys or row.key in query.keys)


def written(row: UsageRow, *, kind: str = "chat_completion", status: str = "success") -> Written:
    """*row* as the gateway would send it; no token usage where all counts are 0."""
    provider, model = provider_of(row.model)
    body: dict[str, Any] = {
        "id": row.id,
        "parent_request_id": None,
        "timestamp": _time(row.at),
        "object": kind,
        "provider": provider,
        "model": model,
        "number_of_retries": 0,
        "fallback_index": 0,
        "selected_key_id": "",
        "selected_key_name": "",
        "virtual_key_id": row.key,
        "virtual_key_name": row.key_name,
        "routing_rule_id": None,
        "routing_rule_name": None,
        "latency": 41,
        "status": status,
        "stream": kind.endswith("_stream"),
        "created_at": _time(row.at),
        "virtual_key": {"id": row.key, "name": row.key_name, "value": "", "is_active": True, "provider_configs": None},
    }
    if row.customer:
        body["customer_id"] = row.customer
    if row.cost is not None:
        body["cost"] = msgspec.Raw(row.cost.encode())
    if row.prompt or row.completion:
        body["token_usage"] = _usage(row)
    return Written(row.at, row.id, row.key, status, msgspec.json.encode(body))


def provider_of(model: str) -> tuple[str, str]:
    """Provider and model of a `UsageRow`'s model."""
    provider, slash, name = model.partition("/")
    return (provider, name) if slash else (PROVIDER, model)


def _usage(row: UsageRow) -> dict[str, Any]:
    """Zeros among the details are left out."""
    prompt = {"cached_read_tokens": row.cached_read, "cached_tokens": row.cached_read, "cached_write_tokens": row.cached_write}
    details = {name: count for name, count in prompt.items() if count}
    usage: dict[str, Any] = {"prompt_tokens": row.prompt, "completion_tokens": row.completion, "total_tokens": row.prompt + row.completion}
    if details:
        usage["prompt_tokens_details"] = details
    if row.reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": row.reasoning}
    return usage


def _time(at: int) -> str:
    """UTC with `Z`; zeros at the end of the fraction are cut off."""
    text = time_of(at).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"
