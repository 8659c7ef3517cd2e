"""Metrics whose values are read from the database when Prometheus asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as PrometheusCollector

from control_app.core.failures import words_of
from control_app.storage.database import Db

Samples = Mapping[tuple[str, ...], float]
"""Values of a metric by the values of its labels, in their order; without labels by `()`. Empty: there is nothing to tell yet."""
log = structlog.stdlib.get_logger("control_app.metrics")


Told = tuple[str, str, Sequence[str]]
"""A metric: its name, a text that explains it, and its labels."""


@dataclass(frozen=True)
class _Source:
    """Metrics that one reading tells."""

    kind: type[GaugeMetricFamily | CounterMetricFamily]
    told: Sequence[Told]
    read: Callable[[], Sequence[Samples]]


class Collector(PrometheusCollector):
    """Metrics whose values are read when they are asked for. One that cannot be read is left out, and logged."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._sources: list[_Source] = []

    def gauge(self, name: str, text: str, read: Callable[[], Samples], labels: Sequence[str] = ()) -> None:
        """Add the gauge *name*, whose values are what *read* returns; *text* explains it."""
        self.gauges(lambda: [read()], (name, text, labels))

    def gauges(self, read: Callable[[], Sequence[Samples]], *told: Told) -> None:
        """Add several gauges, whose values one *read* returns in their order."""
        self._sources.append(_Source(GaugeMetricFamily, told, read))

    def counter(self, name: str, text: str, read: Callable[[], Samples], labels: Sequence[str] = ()) -> None:
        """Add the counter *name*, which ends with `_total`; its values are what *read* returns."""
        self._sources.append(_Source(CounterMetricFamily, [(name, text, labels)], lambda: [read()]))

    def collect(self) -> Iterator[Metric]:
        """Read all of them."""
        try:
            for source in self._sources:
                try:
                    read = source.read()
                except Exception as error:  # noqa: BLE001 # whatever it is, the other metrics are told
                    log.warning("metric cannot be read", metric=source.told[0][0], error=words_of(error))
                    continue
                for (name, text, names), samples in zip(source.told, read, strict=True):
                    family = source.kind(name, text, labels=names)
                    for labels, value in samples.items():
                        family.add_metric(labels, value)
                    yield family
        finally:
            # Every scrape is a thread of its own, whose connection nobody else would close.
            self._db.close()

    def describe(self) -> Iterator[Metric]:
        """Nothing, or registering would read all of them."""
        return iter(())
