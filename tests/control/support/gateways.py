"""Gateways on loopback: the double, and one that says what a test puts into its mouth."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.serving import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    """A handler that writes no log, and leaves the `Date` to the application, whose clock is another."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...

    def send_response(self, code: int, message: str | None = None) -> None:
        self.send_response_only(code, message)


@contextlib.contextmanager
def serving(app: WSGIApplication) -> Generator[str]:
    """The URL of *app*, served until the end of the block."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Says:
    """Answers everything with *body*, and remembers what it was asked."""

    def __init__(self, body: str = "{}", *, status: str = "200 OK", kind: str = "application/json") -> None:
        self.body, self.status, self.kind = body, status, kind
        self.asked: list[WSGIEnvironment] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.asked.append(environ)
        body = self.body.encode()
        start_response(self.status, [("Content-Type", self.kind), ("Content-Length", str(len(body)))])
        return [body]
