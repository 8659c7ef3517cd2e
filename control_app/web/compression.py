"""Answers as gzip, for who takes it: lists and exports shrink to a tenth."""

from __future__ import annotations

import gzip
from functools import lru_cache
from http import HTTPStatus

from flask import Response, request

LEAST = 1024
"""Bytes; less fits into a packet or two anyway."""
# Pages have forms, and show what the address says: their length, compressed, could tell secrets (BREACH).
TYPES = ("application/json", "text/csv", "text/css")
_LEVEL = 6


def compress(response: Response) -> Response:
    """*response* as gzip, where that is worth it and asked for. Its tag becomes a weak one: the bytes are others."""
    if response.status_code == HTTPStatus.NOT_MODIFIED:
        response.vary.add("Accept-Encoding")
    if response.mimetype not in TYPES or response.status_code != HTTPStatus.OK or response.is_streamed or response.direct_passthrough:
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] and len(body := response.get_data()) >= LEAST:
        tag, is_weak = response.get_etag()
        response.set_data(_published(body) if tag else gzip.compress(body, _LEVEL, mtime=0))
        response.content_encoding = "gzip"
        if tag and not is_weak:
            response.set_etag(tag, weak=True)
    return response


@lru_cache(maxsize=8)
def _published(body: bytes) -> bytes:
    """What has a tag is asked for again and again, and changes seldom."""
    return gzip.compress(body, mtime=0)
