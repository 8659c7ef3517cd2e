"""Price versions: appended, never edited, and in force from the right moment (docs/billing-rules.md, Rating a row)."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_app import price_book
from control_app.catalog import Catalog
from control_app.database import Db
from control_app.offers import Model, parse_offer
from control_app.price_book import PriceBook
from control_app.spans import microseconds
from control_app.standing import PriceBookError
from tests.control_app.clocks import Clock, Source
from tests.control_app.models import NAME, annotated, model, priced

CREATED = 1_790_000_000_000_000
EIGHT, NINE, TEN, DEAR = (priced(prompt=price) for price in ("0.000008", "0.000009", "0.000010", "0.000080"))


class Shop:
    """A catalog with its price book, and the models that it reads."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.db = Clock(), Db(folder / "control.sqlite3")
        self.book = PriceBook(self.db, self.clock)
        self.source = Source()
        self.catalog = Catalog(self.source, self.book, self.clock)

    def annotate(self, *documents: dict[str, Any] | str | None) -> Shop:
        """The model's annotation becomes each of *documents* in turn, and each is read; None: there is none."""
        for document in documents:
            self.models(Model(NAME, None) if document is None else model(document, created=CREATED))
        return self

    def models(self, *models: Model) -> Shop:
        """These are all models; they are read."""
        self.source.answer = models
        self.clock.pass_time()
        self.catalog.current()
        return self

    def versions(self, name: str = NAME) -> list[tuple[int, int | None]]:
        """Since when, and the prompt's rate."""
        query = "SELECT effective_from, prompt FROM price_versions WHERE model = ? ORDER BY id"
        return self.db.connection.execute(query, [name]).fetchall()

    def prompts(self) -> list[int | None]:
        """The prompt's rates of all versions in turn, in millionths."""
        return [None if rate is None else rate // 10**6 for _, rate in self.versions()]

    def published(self) -> list[str]:
        """Prompt prices of the models for sale."""
        return [offer.document["pricing"]["prompt"] for offer in self.catalog.current().offers]

    def now(self) -> int:
        """The clock, as the ledger counts."""
        return microseconds(self.clock())


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_the_first_version_of_a_model_is_in_force_from_its_creation(shop: Shop) -> None:
    shop.annotate(EIGHT)
    assert shop.versions() == [(CREATED, 8_000_000)]


def test_the_first_version_of_a_model_from_a_file_is_in_force_since_ever(shop: Shop) -> None:
    shop.models(model())
    assert shop.versions() == [(0, 8_000_000)]


def test_a_version_keeps_the_rates_with_their_fallbacks(shop: Shop) -> None:
    shop.annotate(priced(input_cache_read=None, input_cache_write="0.000000000001", request=None))
    query = "SELECT prompt, input_cache_read, input_cache_write, completion, internal_reasoning, request FROM price_versions"
    assert shop.db.connection.execute(query).fetchall() == [(8_000_000, 8_000_000, 1, 24_000_000, 24_000_000, 0)]


def test_a_change_is_in_force_when_noticed(shop: Shop) -> None:
    shop.annotate(EIGHT, NINE)
    assert shop.versions() == [(CREATED, 8_000_000), (shop.now(), 9_000_000)]
    assert shop.published() == ["0.000009"]


def test_a_change_during_a_downtime_is_in_force_at_start_up(shop: Shop, tmp_path: Path) -> None:
    shop.annotate(EIGHT)
    later = Shop(tmp_path)
    later.clock.now += timedelta(days=3)
    later.annotate(NINE)
    assert later.versions()[1:] == [(later.now(), 9_000_000)]


def test_a_version_is_later_than_every_earlier_one_also_when_the_clock_is_set_back(shop: Shop) -> None:
    shop.annotate(EIGHT, NINE)
    noticed = shop.now()
    shop.clock.now -= timedelta(days=1)
    shop.annotate(TEN)
    assert shop.versions()[2] == (noticed + 1, 10_000_000)


def test_a_change_of_the_document_alone_makes_no_version(shop: Shop) -> None:
    shop.annotate(EIGHT, annotated(description="Better words"))
    assert len(shop.versions()) == 1
    assert shop.catalog.current().offers[0].document["description"] == "Better words"


def test_an_annotation_that_stays_is_no_change(shop: Shop) -> None:
    shop.annotate(EIGHT, EIGHT, EIGHT)
    assert len(shop.versions()) == 1
    assert shop.db.connection.execute("SELECT count(*) FROM offers").fetchone() == (1,)


@pytest.mark.parametrize("document", [DEAR, priced(prompt="0.000000000001"), priced(prompt="0"), priced(input_cache_read="0.000001")])
def test_a_change_above_half_or_to_zero_or_from_zero_waits_for_a_person(shop: Shop, document: dict[str, Any]) -> None:
    shop.annotate(EIGHT, document)
    assert shop.prompts() == [8]
    assert shop.published() == ["0.000008"]
    (change,) = shop.catalog.current().changes
    assert (change.model, change.state, change.since) == (NAME, "pending", shop.clock())


def test_the_price_in_force_is_what_is_published_everywhere_while_a_change_waits(shop: Shop) -> None:
    before = shop.annotate(EIGHT).catalog.current().documents
    assert shop.annotate(priced(prompt="0.000080", completion="0.000025")).catalog.current().documents == before


def test_the_diff_names_old_and_new_price_of_every_kind_that_changes(shop: Shop) -> None:
    shop.annotate(priced(input_cache_read=None), priced(prompt="0.000080", input_cache_read=None))
    (change,) = shop.catalog.current().changes
    prices = (Decimal("0.000008"), Decimal("0.000080"))
    assert change.prices == {"prompt": prices, "input_cache_read": prices}


def test_a_change_that_waits_keeps_its_time_until_it_is_another(shop: Shop) -> None:
    shop.annotate(EIGHT, DEAR)
    first = shop.clock()
    assert shop.annotate(DEAR).catalog.current().changes[0].since == first
    assert shop.annotate(priced(prompt="0.000090")).catalog.current().changes[0].since == shop.clock()


@pytest.mark.parametrize("back", [EIGHT, "{", None])
def test_when_the_annotation_goes_back_or_breaks_nothing_waits_any_more(shop: Shop, back: dict[str, Any] | str | None) -> None:
    shop.annotate(EIGHT, DEAR, back)
    assert [change.state for change in shop.catalog.current().changes] in ([], ["broken"])
    with pytest.raises(PriceBookError, match=f"no price of {NAME} waits"):
        shop.catalog.accept(shop.catalog.pending(NAME), "ana", "planned")
    assert shop.prompts() == [8]


def test_an_accepted_price_is_in_force_from_then_on_and_who_and_why_is_kept(shop: Shop) -> None:
    shop.annotate(EIGHT, DEAR)
    shop.clock.pass_time()
    change = shop.catalog.pending(NAME)
    shop.catalog.accept(change, "ana@example.com", "new hardware")
    assert change.prices["prompt"] == (Decimal("0.000008"), Decimal("0.000080"))
    assert shop.versions()[1:] == [(shop.now(), 80_000_000)]
    assert shop.published() == ["0.000080"]
    assert shop.catalog.current().changes == []
    query = "SELECT at, who, what, subject, reason FROM audit"
    assert shop.db.connection.execute(query).fetchall() == [(shop.now(), "ana@example.com", "accept price", NAME, "new hardware")]


def test_a_price_is_accepted_once(shop: Shop) -> None:
    shop.annotate(EIGHT, DEAR)
    shop.book.accept(NAME, "ana", "planned")
    with pytest.raises(PriceBookError, match="waits to be accepted"):
        shop.book.accept(NAME, "ana", "planned")
    assert shop.annotate(DEAR).prompts() == [8, 80]


def test_a_price_that_changed_while_it_was_looked_at_is_not_accepted(shop: Shop) -> None:
    shop.annotate(EIGHT, DEAR)
    seen = shop.catalog.pending(NAME)
    shop.source.answer = [model(priced(prompt="0.000700"))]
    with pytest.raises(PriceBookError, match="changed while you looked"):
        shop.catalog.accept(seen, "ana", "planned")
    assert shop.prompts() == [8]


def test_what_is_accepted_is_what_the_annotation_says_then(shop: Shop) -> None:
    shop.annotate(EIGHT, DEAR)
    shop.source.answer = [model(priced(prompt="0.000070"))]
    shop.catalog.accept(shop.catalog.pending(NAME), "ana", "planned")
    assert shop.prompts() == [8, 70]


@pytest.mark.parametrize(("by", "reason"), [("", "planned"), ("ana", " ")])
def test_who_decides_says_a_name_and_a_reason_or_nothing_happens(shop: Shop, by: str, reason: str) -> None:
    shop.annotate(EIGHT, DEAR)
    with pytest.raises(ValueError, match="who does it, and why"):
        shop.catalog.accept(shop.catalog.pending(NAME), by, reason)
    with pytest.raises(ValueError, match="who does it, and why"):
        shop.book.withdraw(NAME, by, reason)
    assert shop.prompts() == [8]
    assert shop.annotate(DEAR).catalog.current().changes[0].state == "pending"


def test_a_broken_annotation_keeps_the_last_good_version(shop: Shop) -> None:
    shop.annotate(EIGHT, priced(prompt="free"))
    assert shop.prompts() == [8]
    assert shop.published() == ["0.000008"]
    (change,) = shop.catalog.current().changes
    assert (change.state, change.prices["prompt"]) == ("broken", (Decimal("0.000008"), None))
    assert "pricing.prompt is 'free'" in change.reason


def test_a_vanished_annotation_keeps_the_last_good_version(shop: Shop) -> None:
    shop.annotate(EIGHT, None)
    assert shop.prompts() == [8]
    assert shop.published() == ["0.000008"]


@pytest.mark.parametrize("price", [{"image": "0.01"}, {"web_search": "1"}, {"overrides": []}, {"discount": "0.1"}])
def test_a_price_that_no_row_measures_counts_as_broken_and_is_neither_published_nor_rated(shop: Shop, price: dict[str, Any]) -> None:
    shop.annotate(priced(**price))
    assert shop.versions() == []
    assert shop.published() == []
    assert shop.catalog.current().changes[0].state == "broken"


def test_a_price_with_more_than_twelve_decimals_is_refused_as_broken(shop: Shop) -> None:
    shop.annotate(EIGHT, priced(prompt="0.0000080000001"))
    assert shop.prompts() == [8]
    assert "more than 12 decimals" in shop.catalog.current().changes[0].reason


def test_a_removed_models_price_stays_in_the_sheet_until_a_person_withdraws_it(shop: Shop) -> None:
    shop.annotate(EIGHT).models()
    assert shop.published() == []
    assert _sheet(shop)["input_cost_per_token"] == 0.000008
    (change,) = shop.catalog.current().changes
    assert (change.state, change.prices["prompt"]) == ("removed", (Decimal("0.000008"), None))
    assert shop.prompts() == [8], "usage of a request that is still running has a price"


def test_a_withdrawn_price_is_explicit_zeros_in_the_sheet_for_the_gateway_deletes_nothing(shop: Shop) -> None:
    shop.annotate(EIGHT).models()
    shop.clock.pass_time()
    shop.catalog.withdraw(NAME, "ana", "retired")
    assert _sheet(shop) == {
        "provider": "kubeai",
        "mode": "chat",
        "input_cost_per_token": 0,
        "output_cost_per_token": 0,
        "cache_read_input_token_cost": 0,
        "cache_creation_input_token_cost": 0,
        "output_cost_per_reasoning_token": 0,
        "cost_per_request": 0,
    }
    assert shop.catalog.current().changes == []


def test_zeros_have_the_mode_of_the_row_that_they_overwrite(shop: Shop) -> None:
    shop.models(model(features=("TextEmbedding",))).models()
    shop.catalog.withdraw(NAME, "ana", "retired")
    assert _sheet(shop)["mode"] == "embedding"


def test_usage_after_a_withdrawal_has_no_price(shop: Shop) -> None:
    shop.annotate(EIGHT).models()
    shop.catalog.withdraw(NAME, "ana", "retired")
    query = "SELECT * FROM price_versions ORDER BY id DESC LIMIT 1"
    _, name, since, *rates = shop.db.connection.execute(query).fetchone()
    assert (name, since, rates) == (NAME, shop.now(), [None] * 6)
    assert shop.db.connection.execute("SELECT who, what, reason FROM audit").fetchall() == [("ana", "withdraw price", "retired")]


def test_a_price_is_withdrawn_once_and_only_where_there_is_one(shop: Shop) -> None:
    shop.annotate(EIGHT).models()
    shop.catalog.withdraw(NAME, "ana", "retired")
    for name in (NAME, "nothing"):
        with pytest.raises(PriceBookError, match=f"{name} has no price to withdraw"):
            shop.catalog.withdraw(name, "ana", "again")
    assert shop.prompts() == [8, None]


@pytest.mark.parametrize("document", [EIGHT, DEAR])
def test_the_price_of_a_model_that_is_annotated_is_not_withdrawn(shop: Shop, document: dict[str, Any]) -> None:
    shop.annotate(EIGHT, document)
    with pytest.raises(PriceBookError, match="remove its annotation first"):
        shop.catalog.withdraw(NAME, "ana", "retired")
    assert shop.prompts() == [8]


def test_a_model_without_its_annotation_is_for_sale_no_more_once_its_price_is_withdrawn(shop: Shop) -> None:
    shop.annotate(EIGHT, None)
    shop.catalog.withdraw(NAME, "ana", "internal now")
    assert shop.published() == []
    assert dict(shop.catalog.current().problems) == {}
    assert _sheet(shop)["input_cost_per_token"] == 0


def test_after_a_withdrawal_the_last_good_price_does_not_come_back_by_a_broken_annotation(shop: Shop) -> None:
    shop.annotate(EIGHT).models()
    shop.catalog.withdraw(NAME, "ana", "retired")
    shop.annotate("{")
    assert shop.published() == []
    assert shop.catalog.current().problems[NAME].endswith("the model is not for sale")


def test_a_model_that_comes_back_after_a_withdrawal_has_its_price_when_noticed_without_waiting(shop: Shop) -> None:
    shop.annotate(EIGHT).models()
    shop.catalog.withdraw(NAME, "ana", "retired")
    shop.annotate(DEAR)
    assert shop.prompts() == [8, None, 80]
    assert shop.versions()[-1][0] == shop.now()
    assert shop.published() == ["0.000080"]


def test_a_model_that_comes_back_before_a_withdrawal_is_a_change_like_any_other(shop: Shop) -> None:
    shop.annotate(EIGHT).models().annotate(DEAR)
    assert shop.prompts() == [8]
    assert shop.catalog.current().changes[0].state == "pending"


def test_a_copy_whose_id_is_taken_has_no_price_version_since_it_is_not_published(shop: Shop) -> None:
    shop.models(model(), model(name="a-copy"))
    assert shop.versions("a-copy") == []
    assert shop.catalog.current().problems["a-copy"].endswith("the model is not for sale")


def test_a_model_that_takes_another_ones_id_keeps_its_last_good_offer(shop: Shop) -> None:
    own = annotated(id="b")
    shop.models(model(), model(own, name="b"), model(annotated(id="c"), name="c"))
    shop.models(model(), model(name="b"), model("{", name="c"), model(annotated(id="c"), name="d"))
    assert [offer.document["id"] for offer in shop.catalog.current().offers] == ["b", "c", NAME]
    assert sorted(shop.catalog.current().problems) == ["b", "c", "d"]


def test_the_model_that_had_an_id_first_keeps_it(shop: Shop) -> None:
    mine = annotated(id="org/model")
    shop.models(model(mine, name="z")).models(model(mine, name="z"), model(mine, name="a"))
    assert [offer.model for offer in shop.catalog.current().offers] == ["z"]


@pytest.mark.parametrize("statement", ["UPDATE {} SET id = 7", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["price_versions", "audit"])
def test_nothing_in_the_book_or_the_audit_is_edited(shop: Shop, statement: str, table: str) -> None:
    shop.annotate(EIGHT, DEAR)
    shop.catalog.accept(shop.catalog.pending(NAME), "ana", "planned")
    with pytest.raises(sqlite3.IntegrityError, match=f"{table} is appended, never edited"):
        shop.db.connection.execute(statement.format(table))


def test_two_processes_that_see_one_change_append_it_once(shop: Shop, tmp_path: Path) -> None:
    other = Shop(tmp_path)
    for each in (shop, other, shop):
        each.annotate(EIGHT)
    for each in (other, shop, other):
        each.annotate(NINE)
    assert shop.prompts() == [8, 9]


def test_a_process_that_read_an_older_annotation_does_not_put_the_old_price_back(shop: Shop, tmp_path: Path) -> None:
    shop.annotate(EIGHT)
    other = Shop(tmp_path)

    def overtaken(*_: object) -> list[Model]:
        other.annotate(NINE)  # between the other's reading of the book and its own
        return [model(priced(prompt="0.0000085"))]

    shop.source.models = overtaken  # type: ignore[method-assign]
    shop.clock.pass_time()
    assert [str(offer.prices["prompt"]) for offer in shop.catalog.current().offers] == ["0.000009"]
    assert shop.prompts() == [8, 9]


def test_a_stored_offer_without_a_version_is_not_published_for_it_would_not_be_rated(shop: Shop) -> None:
    shop.annotate(EIGHT)
    copy = "INSERT INTO offers (model, accepted_at, document, features) SELECT 'old', accepted_at, document, features FROM offers"
    shop.db.connection.execute(copy)
    shop.models(model("{", name="old"))
    assert [offer.model for offer in shop.catalog.current().offers] == []


def test_the_ledgers_question_finds_the_version_in_force(shop: Shop) -> None:
    shop.annotate(EIGHT, NINE)
    noticed = shop.now()
    query = "SELECT prompt FROM price_versions WHERE model = ? AND effective_from <= ? ORDER BY effective_from DESC LIMIT 1"

    def at(time: int) -> int | None:
        row = shop.db.connection.execute(query, [NAME, time]).fetchone()
        return row[0] if row else None

    assert [at(time) for time in (CREATED - 1, CREATED, noticed - 1, noticed)] == [None, 8_000_000, 8_000_000, 9_000_000]


def test_a_book_of_another_connection_is_checked_for_writing(shop: Shop) -> None:
    shop.book.check()
    shop.db.path.unlink()
    with pytest.raises(sqlite3.Error):
        shop.book.check()


def test_a_change_of_another_kind_than_a_pending_one_waits_with_it(shop: Shop) -> None:
    shop.annotate(EIGHT, DEAR, priced(prompt="0.000080", completion="0.000025"))
    assert shop.book.standings()[NAME].pending == parse_offer(model(priced(prompt="0.000080", completion="0.000025")))
    assert shop.prompts() == [8]


def _sheet(shop: Shop) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(shop.catalog.current().documents.sheet.body)[f"kubeai/{NAME}"]
    return entry


def test_a_change_that_waits_already_is_not_noticed_again(shop: Shop) -> None:
    shop.annotate(EIGHT, DEAR)
    shop.catalog.current()
    seen = shop.book.standings()[NAME]
    assert seen.pending
    assert shop.book.notice(NAME, seen.pending, 0, seen) == seen


def test_a_database_that_cannot_be_written_is_told_of(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)

    monkeypatch.setattr(price_book, "connect", read_only)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        shop.book.check()


def test_a_database_that_somebody_writes_to_can_be_written(shop: Shop) -> None:
    with shop.db.transaction():
        shop.book.check()


def test_a_disk_that_fails_is_told_of(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(sqlite3.Connection):
        def execute(self, sql: str, *_: Any) -> sqlite3.Cursor:
            if sql == "BEGIN IMMEDIATE":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error
            return super().execute(sql)

    def broken(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(path, factory=Broken, isolation_level=None)

    monkeypatch.setattr(price_book, "connect", broken)
    with pytest.raises(sqlite3.OperationalError, match="disk"):
        shop.book.check()
