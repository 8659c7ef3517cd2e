"""An answer that does not end, in bytes or in time, is given up; any other is read whole."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator

import httpx2
import pytest

from control_app.network.bounds import PLAIN, bounded

MOST, SECONDS = 1000, 5


class Body(httpx2.SyncByteStream):
    """Parts of a body; whoever reads them closes them."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self.parts, self.is_closed = parts, False

    def __iter__(self) -> Iterator[bytes]:
        return self.parts

    def close(self) -> None:
        self.is_closed = True


def client(body: Callable[[], Iterator[bytes]], **headers: str) -> tuple[httpx2.Client, list[Body]]:
    """One that is answered so, and what it was sent."""
    bodies: list[Body] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        bodies.append(Body(body()))
        return httpx2.Response(200, headers=headers, stream=bodies[-1])

    return httpx2.Client(headers=PLAIN, event_hooks=bounded(MOST, SECONDS), transport=httpx2.MockTransport(answer)), bodies


def endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 100


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    return passes


@pytest.mark.parametrize("size", [0, 1, MOST])
def test_an_answer_within_its_bounds_is_read_whole(size: int) -> None:
    asked, _ = client(lambda: iter([b"x"] * size))
    assert asked.get("http://engine").content == b"x" * size


def test_an_answer_without_an_end_is_given_up() -> None:
    asked, bodies = client(endless)
    with pytest.raises(httpx2.ReadError, match="the answer has more than 1000 bytes"):
        asked.get("http://engine")
    assert [body.is_closed for body in bodies] == [True]


@pytest.mark.parametrize(("pause", "is_read"), [(0.4, True), (0.6, False)])
def test_an_answer_that_comes_byte_by_byte_is_given_up_when_its_time_is_over(
    pass_time: Callable[[float], None], pause: float, *, is_read: bool
) -> None:
    def slowly() -> Iterator[bytes]:
        for _ in range(10):
            pass_time(pause)
            yield b"x"

    asked, bodies = client(slowly)
    if is_read:
        assert asked.get("http://engine").content == b"x" * 10
        return
    with pytest.raises(httpx2.ReadTimeout, match="the answer did not end within 5 s"):
        asked.get("http://engine")
    assert [body.is_closed for body in bodies] == [True]


def test_a_compressed_answer_whose_size_nobody_knows_is_not_read() -> None:
    small = gzip.compress(b"x" * 10**6)
    asked, bodies = client(lambda: iter([small]), **{"Content-Encoding": "gzip"})
    with pytest.raises(httpx2.DecodingError, match=r"the answer is compressed \(gzip\)"):
        asked.get("http://engine")
    assert [body.is_closed for body in bodies] == [True]
