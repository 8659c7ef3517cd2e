"""Buyers are told of models that a call proved; who was told of once stays, ready or not."""

from __future__ import annotations

import json
from pathlib import Path

from control_app.gateway.bifrost.sheet import sheet_text
from control_app.pricing.catalog import Catalog
from control_app.pricing.offers import parse_offer
from control_app.pricing.proven import Proven, published
from control_app.pricing.store import PriceBook
from control_app.service.tables import open_database
from tests.control.support.clocks import Clock, Source
from tests.control.support.models import ANNOTATION, NAME, model

OFFER = parse_offer(model())


def test_a_model_is_published_once_it_is_proven() -> None:
    assert published([OFFER], {}) == []
    assert published([OFFER], {NAME: True}) == [OFFER]


def test_a_proven_model_that_cannot_be_called_stays_and_is_not_ready() -> None:
    (found,) = published([OFFER], {NAME: False})
    assert found.document == {**OFFER.document, "is_ready": False}
    assert "is_ready" not in OFFER.document


def test_where_nothing_tries_them_all_are_published() -> None:
    assert published([OFFER], None) == [OFFER]


def test_both_lists_have_what_is_proven_and_the_sheet_has_all(tmp_path: Path) -> None:
    proven: Proven = {NAME: False}
    clock, source = Clock(), Source(model(), model({**ANNOTATION, "id": "new"}, name="new"))
    book = PriceBook(open_database(tmp_path / "control.sqlite3"), clock)
    catalog = Catalog(source, book, sheet_text, clock, lambda: proven)
    documents = catalog.current().documents
    for document in (documents.flat, documents.current):
        (told,) = json.loads(document.body)["data"]
        assert (told["id"], told["is_ready"]) == (NAME, False)
    assert {"kubeai/new", f"kubeai/{NAME}"} <= json.loads(documents.sheet.body).keys()
    assert len(catalog.current().offers) == 2, "for sale are both"
    proven = {NAME: True, "new": True}
    clock.pass_time()
    assert len(json.loads(catalog.current().documents.flat.body)["data"]) == 2
