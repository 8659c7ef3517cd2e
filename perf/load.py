"""Open-loop load: requests are sent when their time has come, whether or not the earlier ones were answered.

A latency counts from the time at which its request was due, so that a server that stalls is not let off the requests it
would have had.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Answers:
    """`latencies`: seconds, sorted; `statuses`: how often each came."""

    latencies: Sequence[float]
    statuses: dict[int, int]

    def percentile(self, part: float) -> float:
        """Milliseconds under which that *part* of the answers came."""
        return round(1000 * self.latencies[min(len(self.latencies) - 1, int(part * len(self.latencies)))], 2)


def open_loop(url: str, paths: Sequence[str], rate: float, seconds: float, headers: Sequence[str] = ()) -> Answers:
    """GET *paths* in turn, *rate* a second, over connections that are kept; *headers* go with path number i modulo their count."""
    return asyncio.run(_Loop(url, paths, headers).run(rate, seconds))


class _Loop:
    def __init__(self, url: str, paths: Sequence[str], headers: Sequence[str]) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        extra = headers or [""]
        self._requests = [
            f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n{extra[number % len(extra)]}\r\n".encode() for number, path in enumerate(paths)
        ]
        self._idle: list[Connection] = []
        self._latencies: list[float] = []
        self._statuses: dict[int, int] = {}

    async def run(self, rate: float, seconds: float) -> Answers:
        began = time.perf_counter() + 0.1
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(rate * seconds)):
                due = began + number / rate
                await asyncio.sleep(max(0, due - time.perf_counter()))
                tasks.create_task(self._ask(self._requests[number % len(self._requests)], due))
        for _, writer in self._idle:
            writer.close()
        return Answers(sorted(self._latencies), self._statuses)

    async def _ask(self, request: bytes, due: float) -> None:
        try:
            reader, writer, head = await self._send(request, self._idle.pop() if self._idle else None)
        except (asyncio.IncompleteReadError, ConnectionError):
            # The server closed a connection that was kept.
            reader, writer, head = await self._send(request, None)
        fields = head.lower().split(b"\r\n")
        length = next((int(field[15:]) for field in fields if field.startswith(b"content-length:")), 0)
        if length:
            await reader.readexactly(length)
        self._latencies.append(time.perf_counter() - due)
        status = int(head[9:12])
        self._statuses[status] = self._statuses.get(status, 0) + 1
        if b"connection: close" in fields:
            writer.close()
        else:
            self._idle.append((reader, writer))

    async def _send(self, request: bytes, kept: Connection | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
        reader, writer = kept or await asyncio.open_connection(self._host, self._port)
        writer.write(request)
        return reader, writer, await reader.readuntil(b"\r\n\r\n")
