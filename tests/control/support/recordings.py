"""What the real gateway was asked and answered: Bifrost 1.5.16, recorded 2026-11-30. Secrets are masked, long lists cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment

RECORDED = Path(__file__).parents[1] / "gateway" / "recordings" / "bifrost-1.5.16.json"


class Call(NamedTuple):
    """A request and its answer. `who`: with whose credentials, `admin`, `virtual key` or `nobody`."""

    title: str
    request: dict[str, Any]
    response: dict[str, Any]

    @property
    def text(self) -> str:
        """The answer's body as it came."""
        body = self.response["body"]
        return body if isinstance(body, str) and not self.is_json else json.dumps(body)

    @property
    def is_json(self) -> bool:
        return str(self.response["headers"]["Content-Type"]) == "application/json"


CALLS = {call["title"]: Call(**call) for call in json.loads(RECORDED.read_text())}


class Replay:
    """Answers each request as the recorded call that *chosen* names for it, changed by *adapted* where it was another question's."""

    def __init__(self, chosen: Callable[[str], str], adapted: Callable[[Call, dict[str, str]], object] | None = None) -> None:
        self._chosen, self._adapted = chosen, adapted
        self.asked: list[WSGIEnvironment] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.asked.append(environ)
        call = CALLS[self._chosen(environ["PATH_INFO"])]
        start_response(f"{call.response['status']} Recorded", list(call.response["headers"].items()))
        body = self._adapted and call.is_json and self._adapted(call, dict(parse_qsl(environ["QUERY_STRING"])))
        return [json.dumps(body).encode() if body else call.text.encode()]
