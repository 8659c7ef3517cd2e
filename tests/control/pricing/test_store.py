"""Price versions: appended, never edited, and in force from the right moment (docs/billing-rules.md, Rating a row)."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_app.core.time import microseconds
from control_app.gateway.bifrost.sheet import sheet_text
from control_app.pricing import store as price_book
from control_app.pricing.book import GRACE, PriceBookError
from control_app.pricing.catalog import MAX_AGE, Catalog
from control_app.pricing.offers import Edit, Model, parse_offer
from control_app.pricing.port import SourceError
from control_app.pricing.store import PriceBook
from control_app.service.tables import open_database
from tests.control.support.clocks import Clock, Source
from tests.control.support.models import NAME, annotated, model, priced

CREATED = 1_790_000_000_000_000
EIGHT, NINE, TEN, DEAR = (priced(prompt=price) for price in ("0.000008", "0.000009", "0.000010", "0.000080"))


class Shop:
    """A catalog with its price book, and the models that it reads."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.db = Clock(), open_database(folder / "control.sqlite3")
        self.is_certain = True
        self.book = PriceBook(self.db, self.clock, is_certain=lambda _: self.is_certain)
        self.source = Source()
        self.catalog = Catalog(self.source, self.book, sheet_text, self.clock)

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

    def watch(self, time: timedelta, *models: Model) -> Shop:
        """For so long these are all models; they are read twice a day."""
        end = self.clock() + time
        while self.models(*models).clock() < end:
            self.clock.now = min(self.clock() + timedelta(hours=12), end)
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


def test_a_change_that_comes_while_the_clock_is_not_certain_is_in_force_when_it_is(shop: Shop) -> None:
    shop.annotate(EIGHT)
    shop.is_certain = False
    shop.clock.now += timedelta(days=31)
    shop.annotate(NINE)
    assert (shop.prompts(), shop.published()) == ([8], ["0.000008"])
    shop.is_certain = True
    shop.clock.now -= timedelta(days=31)
    shop.annotate(NINE)
    assert shop.versions()[-1][0] == shop.now()
    assert shop.published() == ["0.000009"]


def test_no_sale_ends_and_no_price_begins_by_a_clock_that_is_not_certain(shop: Shop) -> None:
    shop.annotate(EIGHT, DEAR, None)
    shop.is_certain = False
    shop.clock.now += GRACE * 5
    shop.annotate(None)
    assert shop.published() == ["0.000008"]
    with pytest.raises(PriceBookError, match="the clocks are not known to agree"):
        shop.book.withdraw(NAME, "ana", "sold")
    shop.annotate(DEAR)
    shop.is_certain = True
    shop.annotate(DEAR)
    shop.is_certain = False
    with pytest.raises(PriceBookError, match="the clocks are not known to agree"):
        shop.book.accept(NAME, "ana", "meant")
    assert shop.prompts() == [8]


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
    *_, decided = shop.db.connection.execute(query).fetchall()
    assert decided == (shop.now(), "ana@example.com", "accept price", NAME, "new hardware")


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


def test_a_removed_model_stays_listed_and_in_the_sheet(shop: Shop) -> None:
    shop.annotate(EIGHT).models()
    assert shop.published() == ["0.000008"]
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
    _, name, since, *rates, by_person = shop.db.connection.execute(query).fetchone()
    assert (name, since, rates, by_person) == (NAME, shop.now(), [None] * 6, 1)
    assert shop.db.connection.execute("SELECT who, what, reason FROM audit").fetchall() == [("ana", "withdraw price", "retired")]


def test_a_price_is_withdrawn_once_and_only_where_there_is_one(shop: Shop) -> None:
    shop.annotate(EIGHT).models()
    shop.catalog.withdraw(NAME, "ana", "retired")
    for name in (NAME, "nothing"):
        with pytest.raises(PriceBookError, match=f"{name} has no price to withdraw"):
            shop.catalog.withdraw(name, "ana", "again")
    assert shop.prompts() == [8, None]


@pytest.mark.parametrize("document", [EIGHT, NINE, DEAR, "{", None])
def test_a_person_ends_a_sale_in_one_act_whatever_the_annotation_says(shop: Shop, document: dict[str, Any] | str | None) -> None:
    shop.annotate(EIGHT, document)
    shop.catalog.withdraw(NAME, "ana", "retired")
    assert shop.published() == []
    shop.annotate(document).annotate(document)
    assert (shop.prompts()[-1], shop.published()) == (None, [])


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


def test_a_model_whose_sale_a_person_ended_is_sold_again_only_by_a_person(shop: Shop) -> None:
    shop.annotate(EIGHT).models()
    shop.catalog.withdraw(NAME, "ana", "retired")
    shop.annotate(DEAR)
    (change,) = shop.catalog.current().changes
    assert (change.state, change.reason) == ("ended", "a person ended its sale: only a person begins it again")
    shop.catalog.accept(shop.catalog.pending(NAME), "ben", "back in the rack")
    assert shop.prompts() == [8, None, 80]
    assert shop.versions()[-1][0] == shop.now()
    assert shop.published() == ["0.000080"]


def test_an_annotation_that_goes_after_its_sale_was_ended_leaves_nothing_to_decide(shop: Shop) -> None:
    shop.annotate(EIGHT)
    shop.catalog.withdraw(NAME, "ana", "retired")
    shop.annotate(None)
    assert (shop.catalog.current().changes, dict(shop.catalog.current().problems)) == ([], {})


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


def test_a_process_that_read_a_broken_annotation_late_does_not_begin_a_grace(shop: Shop, tmp_path: Path) -> None:
    shop.annotate(EIGHT)
    other = Shop(tmp_path)

    def overtaken(*_: object) -> list[Model]:
        other.annotate(NINE)
        return [model("{")]

    shop.source.models = overtaken  # type: ignore[method-assign]
    shop.clock.pass_time()
    assert shop.catalog.current().problems[NAME].endswith("; the last good one stays in force")
    assert shop.db.connection.execute("SELECT * FROM lapses").fetchall() == []


def test_a_model_that_is_gone_and_whose_offer_todays_rules_refuse_is_rated_until_a_person_ends_its_sale(shop: Shop) -> None:
    shop.annotate(EIGHT)
    shop.db.connection.execute("UPDATE offers SET document = '{}'")
    shop.models()
    (change,) = shop.catalog.current().changes
    assert (change.state, change.reason) == ("removed", "the Model is gone, and its last offer cannot be read")
    assert NAME in (shop.catalog.current().withheld or "")
    shop.catalog.withdraw(NAME, "ana", "gone")
    assert shop.catalog.current().withheld is None


def test_a_stored_offer_without_a_version_is_not_published_for_it_would_not_be_rated(shop: Shop) -> None:
    shop.annotate(EIGHT)
    copy = "INSERT INTO offers (model, accepted_at, document, features) SELECT 'old', accepted_at, document, features FROM offers"
    shop.db.connection.execute(copy)
    shop.models(model("{", name="old"))
    assert [offer.model for offer in shop.catalog.current().offers] == [NAME]


def test_the_ledgers_question_finds_the_version_in_force(shop: Shop) -> None:
    shop.annotate(EIGHT, NINE)
    noticed = shop.now()
    query = "SELECT prompt FROM price_versions WHERE model = ? AND effective_from <= ? ORDER BY effective_from DESC LIMIT 1"

    def at(time: int) -> int | None:
        row = shop.db.connection.execute(query, [NAME, time]).fetchone()
        return row[0] if row else None

    assert [at(time) for time in (CREATED - 1, CREATED, noticed - 1, noticed)] == [None, 8_000_000, 8_000_000, 9_000_000]


ANNA = Edit("kubectl-edit", "2026-11-30 10:00:00 UTC")


def _edited(document: dict[str, Any]) -> Model:
    return replace(model(document, created=CREATED), edit=ANNA)


def _audit(shop: Shop) -> list[tuple[str, str, str]]:
    return shop.db.connection.execute("SELECT who, what, reason FROM audit ORDER BY id").fetchall()


def test_a_change_that_waits_for_nobody_is_written_down_with_who_changed_the_annotation(shop: Shop) -> None:
    shop.models(_edited(EIGHT)).models(_edited(EIGHT)).models(_edited(priced(prompt="0.000009", input_cache_read="0.0")))
    reason = "prompt 0.000008 -> 0.000009; annotation changed by kubectl-edit at 2026-11-30 10:00:00 UTC"
    assert _audit(shop) == [("kubectl-edit", "price by annotation", reason)]


def test_a_price_that_waits_is_written_down_once_with_who_changed_the_annotation(shop: Shop) -> None:
    shop.models(_edited(EIGHT)).models(_edited(DEAR)).models(_edited(DEAR))
    why = "prompt goes from 0.000008 to 0.00008, by more than half, to 0 or from 0, against the price now"
    edit = "annotation changed by kubectl-edit at 2026-11-30 10:00:00 UTC"
    assert _audit(shop) == [("kubectl-edit", "price waits", f"{why}; {edit}")]
    assert shop.catalog.current().changes[0].reason == f"{why}; the {edit.replace('changed', 'was changed')}"


def test_an_annotation_that_nobody_is_told_to_have_changed_is_written_down_too(shop: Shop) -> None:
    shop.annotate(EIGHT, NINE)
    assert _audit(shop) == [("control service", "price by annotation", "prompt 0.000008 -> 0.000009")]


def test_cuts_that_are_small_one_by_one_do_not_take_a_price_to_nothing_unseen(shop: Shop) -> None:
    shop.annotate(*(priced(prompt=f"{Decimal('0.000008') * Decimal('0.51') ** cut:.12f}") for cut in range(14)))
    assert len(shop.prompts()) == 2
    assert "by more than half, to 0 or from 0, against the price" in shop.catalog.current().changes[0].reason


def test_a_price_that_goes_back_within_a_day_is_no_change_also_after_a_person_accepted_another(shop: Shop) -> None:
    shop.annotate(EIGHT, DEAR)
    shop.catalog.accept(shop.catalog.pending(NAME), "ana", "a slip")
    shop.annotate(EIGHT)
    assert shop.prompts() == [8, 80, 8]


def test_after_a_person_accepted_a_price_only_that_one_counts(shop: Shop) -> None:
    shop.annotate(EIGHT, DEAR)
    shop.catalog.accept(shop.catalog.pending(NAME), "ana", "new hardware")
    shop.annotate(priced(prompt="0.000100"))
    assert shop.prompts() == [8, 80, 100]


FIRST = priced(prompt="0.0032", completion="0.0032")


def test_a_first_price_above_the_bounds_waits_and_nothing_is_sold_meanwhile(shop: Shop) -> None:
    shop.annotate(FIRST, FIRST)
    assert (shop.versions(), shop.published(), shop.catalog.current().withheld) == ([], [], None)
    (change,) = shop.catalog.current().changes
    assert (change.state, change.reason) == ("pending", "prompt 0.0032 is a first price above 0.0002 for one token")
    assert change.prices["prompt"] == (None, Decimal("0.0032"))
    assert json.loads(shop.catalog.current().documents.sheet.body) == {}


def test_a_first_price_that_a_person_accepts_is_in_force_from_the_models_creation(shop: Shop) -> None:
    shop.annotate(FIRST)
    shop.catalog.accept(shop.catalog.pending(NAME), "ana", "a large model")
    assert shop.versions() == [(CREATED, 3_200_000_000)]
    assert shop.published() == ["0.0032"]


def test_a_first_price_that_is_corrected_waits_no_more(shop: Shop) -> None:
    shop.annotate(FIRST, EIGHT)
    assert (shop.prompts(), shop.catalog.current().changes) == ([8], [])


@pytest.mark.parametrize("gone", ["{", None])
def test_a_first_price_whose_annotation_breaks_or_goes_leaves_nothing_behind(shop: Shop, gone: str | None) -> None:
    shop.annotate(FIRST, gone)
    assert (shop.versions(), shop.book.standings()) == ([], {})
    with pytest.raises(PriceBookError, match="no price of"):
        shop.book.accept(NAME, "ana", "too late")


def test_a_model_that_was_never_sold_has_no_sale_to_end(shop: Shop) -> None:
    shop.annotate(FIRST)
    with pytest.raises(PriceBookError, match="has no price to withdraw"):
        shop.catalog.withdraw(NAME, "ana", "no")


def test_reasoning_that_is_given_away_waits_for_a_person(shop: Shop) -> None:
    shop.annotate(priced(internal_reasoning="0"))
    assert shop.versions() == []
    assert "gives reasoning tokens away" in shop.catalog.current().changes[0].reason


GONE = [pytest.param((), id="model"), pytest.param((Model(NAME, None),), id="annotation"), pytest.param((model("{"),), id="broken")]


@pytest.mark.parametrize("gone", GONE)
def test_what_is_broken_or_gone_is_sold_for_seven_days_and_then_no_more(shop: Shop, gone: tuple[Model, ...]) -> None:
    shop.annotate(EIGHT).models(*gone)
    ends = shop.clock() + GRACE
    assert f"until {ends:%Y-%m-%d %H:%M} UTC, or until a person ends the sale" in shop.catalog.current().problems[NAME]
    assert shop.watch(GRACE - MAX_AGE * 2, *gone).published() == ["0.000008"]
    shop.watch(MAX_AGE * 3, *gone)
    assert (shop.prompts(), shop.published(), _sheet(shop)["input_cost_per_token"]) == ([8, None], [], 0)
    ((who, what, reason),) = _audit(shop)
    assert (who, what) == ("control service", "end sale")
    assert reason.startswith("its annotation is broken or gone since 2026-12-01")


def test_what_comes_back_begins_its_grace_anew(shop: Shop) -> None:
    shop.annotate(EIGHT).watch(GRACE - timedelta(hours=1))
    shop.annotate(EIGHT).watch(timedelta(hours=2))
    assert shop.published() == ["0.000008"]


@pytest.mark.parametrize("before", [timedelta(), timedelta(days=6)])
def test_days_in_which_nothing_could_be_read_are_no_part_of_the_grace(shop: Shop, before: timedelta) -> None:
    shop.annotate(EIGHT).watch(before)
    shop.source.answer = SourceError("the API is away")
    shop.clock.now += GRACE * 2
    shop.catalog.current()
    assert shop.models().models().published() == ["0.000008"]
    assert shop.watch(GRACE).published() == []


@pytest.mark.parametrize("jump", [timedelta(days=300), timedelta(days=-300)])
def test_a_clock_that_jumps_and_comes_back_ends_no_sale(shop: Shop, jump: timedelta) -> None:
    shop.annotate(EIGHT).watch(timedelta(days=2))
    shop.clock.now += jump
    shop.models().models()
    shop.clock.now -= jump
    assert shop.watch(timedelta(days=4)).published() == ["0.000008"]
    ((since, seen),) = shop.db.connection.execute("SELECT since, seen FROM lapses").fetchall()
    assert since <= seen <= shop.now()


def test_a_sale_that_ended_by_itself_goes_on_when_the_annotation_is_back(shop: Shop) -> None:
    _over(shop).annotate(NINE)
    assert (shop.prompts(), shop.published()) == ([8, None, 9], ["0.000009"])


def test_with_all_sales_over_by_themselves_there_is_no_list_until_a_person_says_that_it_is_meant(shop: Shop) -> None:
    current = _over(shop).catalog.current()
    assert current.withheld == (
        f"no list: nothing of what was sold can be read ({NAME}); correct the annotations, or end the sales one by one"
    )
    ((state, reason),) = [(change.state, change.reason) for change in current.changes]
    assert (state, reason[:53]) == ("over", "its annotation was broken or gone for 7 days, and its")
    shop.catalog.withdraw(NAME, "ana", "retired")
    current = shop.catalog.current()
    assert (list(current.offers), current.withheld, current.changes) == ([], None, [])


def _over(shop: Shop) -> Shop:
    """The model's sale has ended by itself."""
    return shop.annotate(EIGHT).watch(GRACE + MAX_AGE).models()


def test_a_list_is_empty_where_nothing_was_ever_annotated_or_a_person_ended_all_sales(shop: Shop) -> None:
    assert shop.models(Model("internal", None)).catalog.current().withheld is None
    shop.annotate(EIGHT)
    shop.catalog.withdraw(NAME, "ana", "retired")
    assert shop.catalog.current().withheld is None


def test_there_is_no_list_where_none_of_the_annotations_can_be_read(shop: Shop) -> None:
    shop.models(*(model("{", name=f"m{number}") for number in range(6)))
    assert "(m0, m1, m2, m3, m4 and others)" in (shop.catalog.current().withheld or "")


def test_an_id_of_a_model_that_is_gone_is_held_by_it_until_its_sale_is_ended(shop: Shop) -> None:
    mine = annotated(id="org/model")
    shop.models(model(mine, name="old")).models(model(mine, name="next"))
    assert [offer.model for offer in shop.catalog.current().offers] == ["old"]
    assert "another model's too, old's; give it one of its own, or end the sale of old" in shop.catalog.current().problems["next"]
    shop.catalog.withdraw("old", "ana", "renamed")
    assert [offer.model for offer in shop.catalog.current().offers] == ["next"]


def test_an_id_with_the_gateways_prefix_is_the_same_one(shop: Shop) -> None:
    shop.models(model(annotated(id=f"kubeai/{NAME}"), name="a-copy"), model())
    assert [offer.model for offer in shop.catalog.current().offers] == [NAME]


def test_a_book_of_another_connection_is_checked_for_writing(shop: Shop) -> None:
    shop.book.check()
    shop.db.path.unlink()
    with pytest.raises(sqlite3.Error):
        shop.book.check()


def test_a_change_of_another_kind_than_a_pending_one_waits_with_it(shop: Shop) -> None:
    shop.annotate(EIGHT, DEAR, priced(prompt="0.000080", completion="0.000025"))
    pending = shop.book.standings()[NAME].pending
    assert pending
    assert pending.offer == parse_offer(model(priced(prompt="0.000080", completion="0.000025")))
    assert shop.prompts() == [8]


def _sheet(shop: Shop) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(shop.catalog.current().documents.sheet.body)[f"kubeai/{NAME}"]
    return entry


def test_a_change_that_waits_already_is_not_noticed_again(shop: Shop) -> None:
    shop.annotate(EIGHT, DEAR)
    shop.catalog.current()
    seen = shop.book.standings()[NAME]
    assert seen.pending
    assert shop.book.notice(model(DEAR), seen.pending.offer, seen) == seen


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


def test_a_models_name_is_known_while_it_cannot_be_read_and_after_it_is_gone(shop: Shop) -> None:
    shop.annotate(annotated(name="Qwen"))
    shop.source.answer = SourceError("the API is away")
    assert PriceBook(open_database(shop.db.path), shop.clock).names() == {NAME: "Qwen"}
    shop.models()
    assert shop.book.names() == {NAME: "Qwen"}


def test_a_model_is_called_as_it_was_accepted_last(shop: Shop) -> None:
    shop.annotate(annotated(name="Qwen"), annotated(name="Qwen 2.5"), "{")
    assert shop.book.names() == {NAME: "Qwen 2.5"}


def test_a_model_that_never_was_for_sale_has_no_name(shop: Shop) -> None:
    shop.annotate(None, "{")
    assert shop.book.names() == {}
