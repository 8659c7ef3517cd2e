"""Answers end: another program that answers slowly or without an end stops nothing of ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import httpx2

PLAIN: Mapping[str, str] = {"Accept-Encoding": "identity"}
"""What a client of bounded answers sends: of a compressed answer nobody knows how large it is."""


def bounded(most: int, seconds: float) -> dict[str, list[Callable[[httpx2.Response], None]]]:
    """Event hooks of a client by which the body of an answer has *most* bytes, and comes within *seconds* of its headers.

    httpx2's own time-outs are for each piece of it. Reading another answer raises httpx2.ReadError or httpx2.ReadTimeout, and one
    that is compressed nevertheless raises httpx2.DecodingError.
    """

    def bound(response: httpx2.Response) -> None:
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise httpx2.DecodingError(f"the answer is compressed ({encoding[:20]}), which was not asked for", request=response.request)
        assert isinstance(response.stream, httpx2.SyncByteStream), "of a client that is no asynchronous one"  # noqa: S101
        response.stream = _Bounded(response.stream, most, seconds)

    return {"response": [bound]}


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, most: int, seconds: float) -> None:
        self._stream, self._most, self._seconds = stream, most, seconds
        self._until = time.monotonic() + seconds

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for part in self._stream:
            size += len(part)
            if size > self._most:
                raise httpx2.ReadError(f"the answer has more than {self._most} bytes")
            if time.monotonic() > self._until:
                raise httpx2.ReadTimeout(f"the answer did not end within {self._seconds} s")
            yield part

    def close(self) -> None:
        self._stream.close()
