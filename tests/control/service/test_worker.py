"""The service under clients that are slow, broken or unkind: it answers the others meanwhile."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from control_app.service.gunicorn_config import threads
from control_app.service.worker import ARRIVAL_SEC, MOST_BODY, MOST_HEAD, Arrival
from tests.support.waiting import until

ROOT = Path(__file__).parents[3]
MANY = 4 * threads
"""More than there are threads."""
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: control\r\n\r\n"
Connect = Callable[[], socket.socket]


def free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ARRIVAL_SEC - 1) as client:
            client.sendall(WHOLE)
            return b" 200 " in client.recv(100)
    except OSError:
        return False


@pytest.fixture(scope="module")
def ports() -> Generator[tuple[int, int]]:
    """Of a service as it runs, and of its metrics."""
    web, metrics = free(), free()
    with tempfile.TemporaryDirectory() as folder:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CONTROL_")}
        settings = {
            "BIND": f"127.0.0.1:{web}",
            "METRICS_BIND": f"127.0.0.1:{metrics}",
            "DATABASE": f"{folder}/c.sqlite3",
            "JOBS": "elsewhere",
        }
        environment = clean | {f"CONTROL_{name}": value for name, value in settings.items()}
        with subprocess.Popen([sys.executable, "-m", "control_app"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as service:
            try:
                until(lambda: answers(web), "the service answers", 120)
                yield web, metrics
            finally:
                service.terminate()


@pytest.fixture
def connect(ports: tuple[int, int]) -> Generator[Connect]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(socket.create_connection(("127.0.0.1", ports[0]), timeout=30))


def whole(client: socket.socket) -> bytes:
    """All that comes until the other side ends."""
    return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"G",
        b"GET /healthz HTTP/1.1\r\nHost: control\r\n",
        b"POST /invoicing/generate HTTP/1.1\r\nHost: control\r\nContent-Length: 100\r\n\r\nhalf",
        WHOLE + b"GET /healthz HTTP/1.1\r\n",
    ],
    ids=["nothing", "a byte", "half a head", "half a body", "half of a second request"],
)
def test_clients_who_send_half_a_request_hold_up_nobody(ports: tuple[int, int], connect: Connect, half: bytes) -> None:
    for _ in range(MANY):
        connect().sendall(half)
    assert answers(ports[0])


def test_clients_who_do_not_hang_up_hold_up_nobody(ports: tuple[int, int], connect: Connect) -> None:
    for _ in range(MANY):
        client = connect()
        client.sendall(WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert whole(client).startswith(b"HTTP/1.1 200 ")
    assert answers(ports[0])


def test_a_request_that_does_not_come_whole_is_ended(connect: Connect) -> None:
    client = connect()
    client.sendall(b"GET /healthz HTTP/1.1\r\n")
    assert whole(client) == b""


def test_a_request_that_comes_byte_by_byte_is_answered(connect: Connect) -> None:
    client = connect()
    for byte in WHOLE:
        client.sendall(bytes([byte]))
    assert b" 200 OK" in client.recv(1000)


def test_requests_may_follow_each_other_at_once_on_a_connection(connect: Connect) -> None:
    client = connect()
    client.sendall(3 * WHOLE + WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert whole(client).count(b"HTTP/1.1 200 OK") == 4


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: control\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: control\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * MOST_HEAD, 431),
        (b"POST /usage HTTP/1.1\r\nHost: control\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST /usage HTTP/1.1\r\nHost: control\r\nContent-Length: %d\r\n\r\n" % (MOST_BODY + 1), 413),
        (b"POST /usage HTTP/1.1\r\nHost: control\r\nContent-Length: many\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: control\r\nHost: other\r\n\r\n", 400),
    ],
)
def test_what_cannot_be_read_is_refused_with_problem_details(ports: tuple[int, int], connect: Connect, sent: bytes, status: int) -> None:
    client = connect()
    client.sendall(sent)
    head, _, body = whole(client).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == status
    assert answers(ports[0])


def test_no_answer_tells_which_program_gave_it(connect: Connect) -> None:
    client = connect()
    client.sendall(WHOLE)
    assert b"server:" not in client.recv(1000).lower()


def test_probes_have_a_listener_of_their_own(ports: tuple[int, int]) -> None:
    with socket.create_connection(("127.0.0.1", ports[1]), timeout=10) as client:
        client.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        assert b'"status": "ready"' in whole(client)


def test_a_request_is_whole_when_its_body_is() -> None:
    arrival = Arrival()
    assert [arrival.take(part) for part in (b"POST / HTTP/1.1\r\ncontent-LENGTH: 3\r", b"\n\r", b"\nab", b"c")] == [
        False,
        False,
        False,
        True,
    ]
