"""What Prometheus reads, on a port of its own. The names are a contract with dashboards and alerts (tests/infra/metrics/control.prom)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import prometheus_client
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram

from control_app.storage.collector import Collector
from control_app.storage.database import Db

PROBES = ("/healthz", "/readyz")
PATIENCE_SEC = 5
METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of one application; others add theirs to `collector`."""

    def __init__(self, db: Db) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.collector = Collector(db)
        self.registry.register(self.collector)
        labels = ("route", "method", "status")
        self._requests = Counter("control_http_requests", "Requests answered.", labels, registry=self.registry)
        text = "Time to answer a request."
        self._durations = Histogram("control_http_request_duration_seconds", text, ["route"], registry=self.registry, buckets=BUCKETS)

    def serve(self, bind: str, service: WSGIApplication) -> Callable[[], None]:
        """Answer at the address *bind*, in the background; the function that is returned ends that.

        Prometheus is answered, and of the *service* the PROBES: they get through also where its own listener is besieged.
        """
        metrics = cast("WSGIApplication", prometheus_client.make_wsgi_app(self.registry))

        def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            return (service if environ["PATH_INFO"] in PROBES else metrics)(environ, start)

        host, _, port = bind.rpartition(":")
        server = make_server(host, int(port), answer, _Server, _Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True, name="metrics")
        thread.start()

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop

    def watch(self, app: Flask) -> None:
        """Count and time what *app* answers, by route. All paths that callers make up are one route, `none`."""

        def begin() -> None:
            g.began = time.perf_counter()

        def end(response: Response) -> Response:
            route = request.url_rule.rule if request.url_rule else "none"
            method = request.method if request.method in METHODS else "other"
            self._requests.labels(route, method, str(response.status_code)).inc()
            self._durations.labels(route).observe(time.perf_counter() - g.began)
            return response

        app.before_request(begin)
        app.after_request(end)


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a connection."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    """Who asks is no news; who sends nothing is not waited for."""

    timeout = PATIENCE_SEC

    def log_message(self, format: str, *args: object) -> None:  # named as the standard library names them
        pass
