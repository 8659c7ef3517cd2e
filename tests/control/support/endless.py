"""An answer of another program that does not end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import httpx2


class Endless(httpx2.SyncByteStream):
    """Lines without an end, a megabyte at a time."""

    def __iter__(self) -> Iterator[bytes]:
        return itertools.repeat(b"# nothing but this\n" * 2**16)


def endless() -> httpx2.Response:
    """A good answer that begins, in JSON it seems."""
    return httpx2.Response(200, headers={"Content-Type": "application/json"}, stream=Endless())
