"""What Prometheus reads, on a port of its own. The names are a contract with dashboards and alerts (tests/infra/metrics/control.prom)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import prometheus_client
import structlog
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as PrometheusCollector

from control_app.database import Db

METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
Samples = Mapping[tuple[str, ...], float]
"""Values by those of the labels, in their order; without labels by `()`. Empty: there is nothing to tell yet."""
log = structlog.stdlib.get_logger("control_app.metrics")


@dataclass(frozen=True)
class _Source:
    kind: type[GaugeMetricFamily | CounterMetricFamily]
    name: str
    text: str
    labels: Sequence[str]
    read: Callable[[], Samples]


class Collector(PrometheusCollector):
    """Metrics whose values are read when they are asked for. One that cannot be read is left out, and logged."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._sources: list[_Source] = []

    def gauge(self, name: str, text: str, read: Callable[[], Samples], labels: Sequence[str] = ()) -> None:
        """Tell *read*'s values as the gauge *name*; *text* explains it."""
        self._sources.append(_Source(GaugeMetricFamily, name, text, labels, read))

    def counter(self, name: str, text: str, read: Callable[[], Samples], labels: Sequence[str] = ()) -> None:
        """Tell *read*'s values as a counter; *name* ends with `_total`."""
        self._sources.append(_Source(CounterMetricFamily, name, text, labels, read))

    def collect(self) -> Iterator[Metric]:
        """Read all of them."""
        try:
            for source in self._sources:
                try:
                    samples = source.read()
                except Exception as error:  # noqa: BLE001 # whatever it is, the other metrics are told
                    log.warning("metric cannot be read", metric=source.name, error=f"{type(error).__name__}: {error}")
                    continue
                family = source.kind(source.name, source.text, labels=source.labels)
                for labels, value in samples.items():
                    family.add_metric(labels, value)
                yield family
        finally:
            # Every scrape is a thread of its own, whose connection nobody else would close.
            self._db.close()

    def describe(self) -> Iterator[Metric]:
        """Nothing: or registering would read all of them."""
        return iter(())


class Metrics:
    """The metrics of one application; others add theirs to `collector`."""

    def __init__(self, db: Db) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.collector = Collector(db)
        self.registry.register(self.collector)
        labels = ("route", "method", "status")
        self._requests = Counter("control_http_requests", "Requests answered.", labels, registry=self.registry)
        told = "Time to answer a request."
        self._durations = Histogram("control_http_request_duration_seconds", told, ["route"], registry=self.registry, buckets=BUCKETS)

    def serve(self, bind: str) -> Callable[[], None]:
        """Answer Prometheus at *bind*, in the background; what is returned ends it."""
        host, _, port = bind.rpartition(":")
        server, thread = prometheus_client.start_http_server(int(port), host, self.registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop

    def watch(self, app: Flask) -> None:
        """Count and time what *app* answers, by route: paths that callers make up are one route, `none`."""

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
