"""What is for sale: read at most every 15 seconds, and never less than the last good offer."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from control_app.gateway.bifrost.sheet import sheet_text
from control_app.pricing.catalog import MAX_AGE, Catalog
from control_app.pricing.offers import Model
from control_app.pricing.port import SourceError
from control_app.pricing.store import PriceBook
from control_app.service.tables import open_database
from tests.control.support.clocks import Clock, Source
from tests.control.support.models import NAME, annotated, model, priced


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(tmp_path: Path, clock: Clock) -> PriceBook:
    return PriceBook(open_database(tmp_path / "control.sqlite3"), clock)


def test_offers_are_read_again_only_when_they_are_old(book: PriceBook, clock: Clock) -> None:
    source = Source(model())
    catalog = Catalog(source, book, sheet_text, clock)
    catalog.current()
    clock.now += MAX_AGE - timedelta(seconds=1)
    catalog.current()
    assert source.reads == 1
    clock.pass_time()
    assert catalog.current().at == clock.now
    assert source.reads == 2


def test_a_broken_annotation_keeps_the_last_good_price_and_says_so(book: PriceBook, clock: Clock) -> None:
    source = Source(model())
    catalog = Catalog(source, book, sheet_text, clock)
    catalog.current()

    source.answer = [model(priced(prompt="free"))]
    clock.pass_time()
    snapshot = catalog.current()

    assert [str(offer.prices["prompt"]) for offer in snapshot.offers] == ["0.000008"]
    assert snapshot.problems[NAME].endswith("the last good one stays in force until 2026-12-08 00:00 UTC, or until a person ends the sale")
    assert "pricing.prompt is 'free'" in snapshot.problems[NAME]


def test_an_annotation_that_vanished_keeps_the_last_good_price(book: PriceBook, clock: Clock) -> None:
    source = Source(model())
    catalog = Catalog(source, book, sheet_text, clock)
    catalog.current()
    source.answer = [Model(NAME, None)]
    clock.pass_time()
    snapshot = catalog.current()
    assert len(snapshot.offers) == 1
    assert "the annotation openrouter.ai/json is gone" in snapshot.problems[NAME]


def test_the_last_good_price_outlives_a_restart(book: PriceBook, clock: Clock) -> None:
    Catalog(Source(model()), book, sheet_text, clock).current()
    snapshot = Catalog(Source(model("{")), book, sheet_text, clock).current()
    assert len(snapshot.offers) == 1
    assert NAME in snapshot.problems


def test_a_model_that_was_never_good_is_not_for_sale_and_stops_no_other(book: PriceBook, clock: Clock) -> None:
    snapshot = Catalog(Source(model("{", name="bad"), model()), book, sheet_text, clock).current()
    assert [offer.model for offer in snapshot.offers] == [NAME]
    assert snapshot.problems["bad"].endswith("the model is not for sale")


def test_a_model_without_an_annotation_is_not_for_sale_and_no_problem(book: PriceBook, clock: Clock) -> None:
    snapshot = Catalog(Source(Model("internal", None)), book, sheet_text, clock).current()
    assert (list(snapshot.offers), dict(snapshot.problems)) == ([], {})


def test_a_changed_price_is_appended_and_the_old_one_stays_on_record(book: PriceBook, clock: Clock, tmp_path: Path) -> None:
    source = Source(model())
    catalog = Catalog(source, book, sheet_text, clock)
    for document in (priced(prompt="0.000009"), priced(prompt="0.000009"), priced(prompt="0.000010")):
        catalog.current()
        source.answer = [model(document)]
        clock.pass_time()
    assert str(catalog.current().offers[0].prices["prompt"]) == "0.000010"
    assert [price for _, price in _record(tmp_path)] == ["0.000008", "0.000009", "0.000010"]
    assert _record(tmp_path)[0][0] == "2026-12-01T00:00:00+00:00"


def test_a_source_that_fails_leaves_the_last_prices_with_their_time(book: PriceBook, clock: Clock) -> None:
    source = Source(model())
    catalog = Catalog(source, book, sheet_text, clock)
    first = catalog.current()
    source.answer = SourceError("models of namespace kubeai cannot be read: connection refused")
    clock.pass_time()
    snapshot = catalog.current()
    assert snapshot.offers == first.offers
    assert snapshot.problems[""].startswith("models of namespace kubeai cannot be read: connection refused; the prices are those of")
    source.answer = [model()]
    clock.pass_time()
    assert catalog.current().problems == {}


def test_a_source_that_never_answered_is_an_error_and_no_empty_list(book: PriceBook, clock: Clock) -> None:
    source = Source()
    source.answer = SourceError("no")
    catalog = Catalog(source, book, sheet_text, clock)
    for _ in range(2):
        with pytest.raises(SourceError, match="no"):
            catalog.current()
    assert source.reads == 1, "a failure is not repeated by every request"
    source.answer = [model()]
    clock.pass_time()
    assert len(catalog.current().offers) == 1


def test_while_one_thread_reads_the_others_are_answered_at_once(book: PriceBook, clock: Clock) -> None:
    entered, release = threading.Event(), threading.Event()

    class Slow(Source):
        def models(self) -> Sequence[Model]:
            entered.set()
            release.wait(10)
            return super().models()

    catalog = Catalog(Slow(model()), book, sheet_text, clock)
    reader = threading.Thread(target=catalog.current)
    reader.start()
    entered.wait(10)
    with pytest.raises(SourceError, match="being read for the first time"):
        catalog.current()
    release.set()
    reader.join()
    assert len(catalog.current().offers) == 1


def test_a_fault_of_any_kind_leaves_the_last_prices_and_is_said(book: PriceBook, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = Catalog(Source(model()), book, sheet_text, clock)
    first = catalog.current()

    def broken() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(book, "standings", broken)
    for _ in range(2):
        clock.pass_time()
        snapshot = catalog.current()
        assert snapshot.offers == first.offers
        assert "the models cannot be read: OperationalError" in snapshot.problems[""]


def test_a_stored_offer_that_todays_rules_refuse_is_not_published(book: PriceBook, clock: Clock, tmp_path: Path) -> None:
    Catalog(Source(model()), book, sheet_text, clock).current()
    with contextlib.closing(sqlite3.connect(tmp_path / "control.sqlite3")) as db, db:
        db.execute("UPDATE offers SET document = json_set(document, '$.openrouter', json('{}'))")
    snapshot = Catalog(Source(model("{")), book, sheet_text, clock).current()
    assert list(snapshot.offers) == []
    assert snapshot.problems[NAME].endswith("the model is not for sale")


def test_a_copy_of_a_model_does_not_take_its_place(book: PriceBook, clock: Clock) -> None:
    snapshot = Catalog(Source(model(name="a-copy"), model(), model(name="z-copy")), book, sheet_text, clock).current()
    assert [offer.model for offer in snapshot.offers] == [NAME]
    assert sorted(snapshot.problems) == ["a-copy", "z-copy"]
    assert "is another model's too" in snapshot.problems["a-copy"]


def test_the_id_of_a_broken_model_goes_to_the_model_of_that_name(book: PriceBook, clock: Clock) -> None:
    source = Source(model(annotated(id="new")))
    catalog = Catalog(source, book, sheet_text, clock)
    catalog.current()
    source.answer = [model("{"), model(annotated(id="new"), name="new")]
    clock.pass_time()
    snapshot = catalog.current()
    assert [offer.model for offer in snapshot.offers] == ["new"]
    said = "the id 'new' is another model's too, new's; give it one of its own, or end the sale of new; the model is not for sale"
    assert snapshot.problems[NAME] == said


def test_a_clock_that_is_set_back_does_not_freeze_the_prices(book: PriceBook, clock: Clock) -> None:
    source = Source(model())
    catalog = Catalog(source, book, sheet_text, clock)
    catalog.current()
    clock.now -= timedelta(hours=1)
    catalog.current()
    assert source.reads == 2


def test_what_changes_is_logged_once(book: PriceBook, clock: Clock) -> None:
    source = Source(model(), model("{", name="bad"))
    catalog = Catalog(source, book, sheet_text, clock)
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            catalog.current()
            clock.pass_time()
    assert [(line["log_level"], line["event"], line["model"]) for line in lines] == [
        ("info", "offer accepted", NAME),
        ("warning", "model is not as annotated", "bad"),
    ]


def _record(folder: Path) -> list[tuple[str, str]]:
    query = "SELECT accepted_at, json_extract(document, '$.pricing.prompt') FROM offers ORDER BY id"
    with contextlib.closing(sqlite3.connect(folder / "control.sqlite3")) as db:
        return db.execute(query).fetchall()
