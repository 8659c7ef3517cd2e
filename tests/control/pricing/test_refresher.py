"""With its refresher running the catalog is read in the background, and requests are served from memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from control_app.gateway.bifrost.sheet import sheet_text
from control_app.pricing import refresher
from control_app.pricing.catalog import Catalog
from control_app.pricing.offers import Model
from control_app.pricing.port import SourceError
from control_app.pricing.refresher import Refresher
from control_app.pricing.store import PriceBook
from control_app.service.tables import open_database
from tests.control.support.clocks import Clock, Source
from tests.control.support.models import model, priced
from tests.support.waiting import until

SECONDS = 20
LONG = timedelta(hours=1)


class WatchedSource(Source):
    """A source whose watch lasts until a test ends it, or fails."""

    def __init__(self, *models: Model) -> None:
        super().__init__(*models)
        self.failure: Exception | None = None
        self.changed: Callable[[], None] = lambda: None
        self.watches = 0
        self.watching, self.end = threading.Event(), threading.Event()

    def watch(self, changed: Callable[[], None]) -> None:
        self.watches += 1
        if self.failure:
            raise self.failure
        self.changed = changed
        self.watching.set()
        self.end.wait(SECONDS)


class Counted:
    """A reading that is counted."""

    def __init__(self, enough: timedelta = LONG) -> None:
        self.count, self._enough = 0, enough

    def __call__(self) -> timedelta:
        self.count += 1
        return self._enough


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SETTLE", "WATCH_AGAIN", "WATCH_AFTER_FAILURE"):
        monkeypatch.setattr(refresher, name, timedelta(milliseconds=10))


@pytest.fixture
def source() -> Iterator[WatchedSource]:
    found = WatchedSource(model())
    yield found
    found.end.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def catalog(source: WatchedSource, tmp_path: Path, clock: Clock) -> Iterator[Catalog]:
    found = Catalog(source, PriceBook(open_database(tmp_path / "control.sqlite3"), clock), sheet_text, clock)
    yield found
    found.stop()


def test_a_started_catalog_reads_without_being_asked(catalog: Catalog, source: WatchedSource) -> None:
    catalog.start()
    until(lambda: _prompt(catalog) == "0.000008", "the models are read", SECONDS)


def test_a_catalog_that_is_started_twice_reads_in_one_thread(catalog: Catalog) -> None:
    catalog.start()
    begun = threading.active_count()
    catalog.start()
    assert threading.active_count() == begun


def test_requests_never_read_while_the_refresher_runs(catalog: Catalog, source: WatchedSource, clock: Clock) -> None:
    readers: set[str] = set()
    read = source.models

    def noted() -> Sequence[Model]:
        readers.add(threading.current_thread().name)
        return read()

    source.models = noted  # type: ignore[method-assign]
    catalog.start()
    until(lambda: _prompt(catalog) == "0.000008", "the models are read", SECONDS)
    clock.pass_time()  # due, if a request were to look
    catalog.current()
    assert readers == {"catalog"}


def test_before_the_first_reading_there_is_no_list_rather_than_an_empty_one(catalog: Catalog, source: WatchedSource) -> None:
    entered, release = threading.Event(), threading.Event()

    def slow() -> Sequence[Model]:
        entered.set()
        release.wait(SECONDS)
        return [model()]

    source.models = slow  # type: ignore[method-assign]
    catalog.start()
    assert entered.wait(SECONDS)
    with pytest.raises(SourceError, match="being read for the first time"):
        catalog.current()
    release.set()
    until(lambda: _prompt(catalog) == "0.000008", "the models are read", SECONDS)


def test_a_change_is_seen_when_the_watch_tells_of_it(catalog: Catalog, source: WatchedSource) -> None:
    catalog.start()
    assert source.watching.wait(SECONDS)
    until(lambda: _prompt(catalog) == "0.000008", "the models are read", SECONDS)
    source.answer = [model(priced(prompt="0.000009"))]
    source.changed()
    until(lambda: _prompt(catalog) == "0.000009", "the change is seen", SECONDS)


def test_once_stopped_the_catalog_reads_on_demand_again(catalog: Catalog, source: WatchedSource, clock: Clock) -> None:
    catalog.start()
    until(lambda: _prompt(catalog) == "0.000008", "the models are read", SECONDS)
    catalog.stop()
    clock.pass_time()
    source.answer = [model(priced(prompt="0.000009"))]
    assert _prompt(catalog) == "0.000009"


def test_without_a_watch_models_are_read_periodically() -> None:
    read = Counted(timedelta(milliseconds=20))
    reading = Refresher(read, None)
    reading.start()
    until(lambda: read.count > 3, "several readings", SECONDS)
    reading.stop()


def test_a_watch_that_fails_leaves_the_periodic_readings_is_tried_again_and_complained_of_once(source: WatchedSource) -> None:
    source.failure = SourceError("models of namespace kubeai cannot be watched: no")
    read = Counted(timedelta(milliseconds=20))
    with structlog.testing.capture_logs() as lines:
        reading = Refresher(read, source.watch)
        reading.start()
        until(lambda: read.count > 3 and source.watches > 3, "readings and watches", SECONDS)
        source.failure = None
        assert source.watching.wait(SECONDS), "it is tried until it works"
        reading.stop()
    assert [(line["log_level"], line["error"]) for line in lines] == [
        ("warning", "SourceError: models of namespace kubeai cannot be watched: no")
    ]


def test_a_watch_that_ends_at_once_is_no_busy_loop(source: WatchedSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "WATCH_AGAIN", LONG)
    source.end.set()
    read = Counted(timedelta(milliseconds=20))
    reading = Refresher(read, source.watch)
    reading.start()
    until(lambda: read.count > 5, "several readings", SECONDS)
    assert source.watches == 1
    reading.stop()


def test_a_storm_of_events_during_a_reading_makes_one_more(source: WatchedSource) -> None:
    read, over = Counted(), threading.Event()

    def slow() -> timedelta:
        over.wait(SECONDS)
        return read()

    reading = Refresher(slow, source.watch)
    reading.start()
    assert source.watching.wait(SECONDS)
    for _ in range(10_000):
        source.changed()
    over.set()
    until(lambda: read.count >= 2, "the events are followed", SECONDS)
    reading.stop()
    assert read.count == 2


def _prompt(catalog: Catalog) -> str | None:
    try:
        return str(catalog.current().offers[0].prices["prompt"])
    except SourceError:
        return None
