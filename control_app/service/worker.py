"""gunicorn's worker with threads, for which a request is one only when all of it has come.

gunicorn's own gives a thread to a connection at its first byte, and closes connections in the loop that all of them wait for: as many
half-sent requests as there are threads, or a few clients that do not hang up, would stop the service. Here the loop collects requests
without a thread, and lets connections end beside the others.
"""

from __future__ import annotations

import contextlib
import json
import re
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors, wsgi
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import TConn, ThreadWorker

ARRIVAL_SEC = 5
"""From its first byte on a request has so long to come, and so long may a client leave a connection open that we have ended."""
STALL_SEC = 10
"""So long a thread waits for a client that takes nothing of its answer."""
MOST_HEAD, MOST_BODY = 64 * 1024, 1024 * 1024
"""Bytes of a request; forms and decisions are far smaller."""
ANSWER_BUFFER = 1024 * 1024
"""Bytes that the kernel may hold for a client who reads slowly, so that no thread waits for one; it may allow less."""
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*(?:\r\n|$)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_STATUSES = {errors.LimitRequestLine: 414, errors.LimitRequestHeaders: 431, errors.UnsupportedTransferCoding: 501}


class Arrival:
    """A request on its way in. `refused`: the HTTP status with which it is, before the rest of it has come."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.refused: HTTPStatus | None = None
        self._end: int | None = None

    def take(self, data: bytes) -> bool:
        """Add *data*; whether the request is whole now, or refused."""
        seen = max(0, len(self.bytes) - 3)
        self.bytes += data
        if self._end is None and (head := self.bytes.find(b"\r\n\r\n", seen)) >= 0:
            self._end = head + 4 + self._length(bytes(self.bytes[:head]))
        if self._end is None and len(self.bytes) > MOST_HEAD:
            self.refused = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        return self.refused is not None or (self._end is not None and len(self.bytes) >= self._end)

    def _length(self, head: bytes) -> int:
        """Bytes of the body. A length that is none is left to gunicorn, which refuses it."""
        if _CHUNKED.search(head):
            self.refused = HTTPStatus.LENGTH_REQUIRED
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        if length > MOST_BODY:
            self.refused = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return length


class Connection(TConn):
    """A client's connection, and what of its next request has come. *linger* ends it without haste."""

    def __init__(self, *given: Any, linger: Callable[[Connection], None]) -> None:
        super().__init__(*given)
        self.arrival = Arrival()
        self._linger = linger
        patience = struct.pack("ll", STALL_SEC, 0)
        # By the kernel: gunicorn makes the socket a blocking one again for each request, which forgets Python's timeouts.
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.sock.setsockopt(socket.SOL_SOCKET, option, patience)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ANSWER_BUFFER)

    def close(self, graceful: bool = False) -> None:  # noqa: FBT001, FBT002 # as gunicorn calls it
        """Close it; *graceful*: only when the client has taken the answer and hung up, or has had time to."""
        if graceful:
            self._linger(self)
        else:
            super().close()


class Worker(ThreadWorker):
    """Gives threads to whole requests. How many connections there may be is gunicorn's `worker_connections`; each is a Connection."""

    def in_every_thread(self, task: Callable[[], None]) -> None:
        """Do *task* once in each thread, and return when all of them have."""
        together = threading.Barrier(self.cfg.threads)

        def do() -> None:
            together.wait()
            task()

        for done in [self.tpool.submit(do) for _ in range(self.cfg.threads)]:
            done.result()

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection, and wait for its first request."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        self._collect(Connection(self.cfg, client, address, listener.getsockname(), linger=self._linger))

    def enqueue_req(self, conn: Any) -> None:
        """Have the next request of *conn* answered, once it is whole: some of it may have come behind the one before."""
        ahead = conn.parser.unreader.take_buffered()
        if conn.arrival.take(ahead):
            super().enqueue_req(conn)
        else:
            self._collect(conn)

    def on_client_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """The next request begins on a connection that was kept."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._collect(conn)

    def on_pending_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """More of a request has come, or the client has hung up."""
        if (data := _received(client)) is None:
            return
        if data and not conn.arrival.take(data):
            return
        self._forget(conn)
        if data:
            super().enqueue_req(conn)
        else:
            self.nr_conns -= 1
            conn.close()

    def handle(self, conn: Any) -> Any:
        """Answer the request of *conn*, which is whole; in a thread."""
        arrival, conn.arrival = conn.arrival, Arrival()
        if arrival.refused:
            _tell(conn.sock, arrival.refused)
            return False
        conn.data_ready = True
        conn.init()
        conn.parser.unreader.unread(bytes(arrival.bytes))
        return super().handle(conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that gunicorn itself cannot read with problem details (RFC 9457)."""
        if isinstance(exc, errors.ParseException):
            status = next((status for kind, status in _STATUSES.items() if isinstance(exc, kind)), 400)
            self.log.warning("request refused: %s", exc)
            _tell(client, HTTPStatus(status))
        else:
            super().handle_error(req, client, addr, exc)

    def _collect(self, conn: Any) -> None:
        """Wait for the rest of the request without a thread, for a while (`murder_pending`)."""
        self._wait(conn, self.on_pending_socket_readable)

    def _linger(self, conn: Any) -> None:
        """End *conn* when the client has: what it still sends would have the kernel throw away the answer's end (RFC 9112, 9.6)."""
        with contextlib.suppress(OSError):  # it is gone already, which the loop sees
            conn.sock.shutdown(socket.SHUT_WR)
        self.nr_conns += 1  # who ends a connection has counted it out
        self._wait(conn, self._until_hung_up)

    def _until_hung_up(self, conn: Any, client: socket.socket) -> None:
        if _received(client) == b"":
            self._forget(conn)
            self.nr_conns -= 1
            conn.close()

    def _wait(self, conn: Any, readable: Callable[[Connection, socket.socket], None]) -> None:
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + ARRIVAL_SEC
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(readable, conn))

    def _forget(self, conn: Any) -> None:
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)


def _received(client: socket.socket) -> bytes | None:
    """What a client has sent; empty where nothing comes any more, None where nothing is there now."""
    try:
        return client.recv(MOST_HEAD)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _tell(client: socket.socket, status: HTTPStatus) -> None:
    body = json.dumps({"type": "about:blank", "title": status.phrase, "status": status, "detail": status.description or status.phrase})
    head = (
        f"HTTP/1.1 {status} {status.phrase}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body) + 1}",
        "Cache-Control: no-store",
        "Connection: close",
    )
    with contextlib.suppress(OSError):  # the client is gone
        write_nonblock(client, "\r\n".join((*head, "", f"{body}\n")).encode("latin-1"))


def _without_server(self: wsgi.Response) -> list[str]:
    return [header for header in _headers(self) if not header.startswith("Server:")]


# Which program of which version answers helps only who looks for its holes, and gunicorn has no setting for it.
_headers = wsgi.Response.default_headers
wsgi.Response.default_headers = _without_server  # type: ignore[method-assign]
