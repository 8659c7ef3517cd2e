"""The pages of the months: the same numbers as everywhere, what is held and why, and for whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from control_app.core.money import to_pico
from control_app.core.time import month_of, month_range, month_text, next_month, parse_month, previous_month
from control_app.ledger.overview import overview
from control_app.ledger.usage import total
from tests.control.support.ledgers import OCTOBER, row
from tests.control.support.recomputation import at
from tests.control.support.usage_service import OPERATOR, Service, used


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Two customers in October, a row before and one after, and a key that nobody holds."""
    rows = [
        used("2026-09-30T23:59"),
        used(),
        used("2026-10-31T23:59", key="two", prompt=1_234_567),
        used("2026-10-09T00:00", key="other", prompt=7),
        row("2026-10-10", "stray", "llama"),
        used("2026-11-01T00:00"),
    ]
    service = Service(tmp_path, *rows)
    service.books.db.connection.execute("INSERT INTO readings VALUES (1, 0, ?, NULL, 0)", [OCTOBER.end])
    yield service
    service.books.db.close()


def page(service: Service, month: str = "2026-10", **asked: Any) -> str:
    """The text of the page, without its markup."""
    answer = service.client.get(f"/months/{month}", headers={"Accept": "text/html"}, **asked)
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def test_days_models_and_customers_add_up_to_what_usage_tells_an_operator(service: Service) -> None:
    told = service.report(OPERATOR)
    seen = overview(service.books.db, OCTOBER)
    summary = told["summary"]
    assert (seen.total.requests, seen.total.tokens) == (summary["total_requests"], summary["total_tokens"])
    for lines in (seen.days, seen.models, seen.customers):
        assert total(used for _, used in lines) == seen.total
    assert seen.total.amount == to_pico(Decimal(summary["total_cost"]))
    assert [name for name, _ in seen.customers] == ["Acme", "(nobody)", "Umbra"]
    assert (len(seen.days), seen.days[0][0], seen.days[-1][0]) == (31, "2026-10-01", "2026-10-31")


def test_the_page_shows_the_months_exact_amounts_and_no_other_months(service: Service) -> None:
    text = page(service)
    assert f"Revenue {service.report(OPERATOR)['summary']['total_cost']} USD" in text
    assert "Acme 2 1,234,707" in text
    assert "The ledger is complete through 2026-11-01 23:45:00 UTC" in text


def test_the_page_shows_each_hold_with_its_remedy(service: Service) -> None:
    text = page(service)
    assert "1 to look at before invoicing" in text
    assert "(nobody) unmapped-key 1 requests were made with key &#39;stray&#39;, which no customer holds" in text
    assert "give the key to a customer at the gateway" in text


def test_what_is_not_rated_is_a_line_a_model_with_what_is_at_stake(service: Service) -> None:
    service.books.take(*(used(f"2026-10-11T00:0{number}", key=key, model="new") for number, key in enumerate(("one", "two", "other"))))
    text = page(service)
    assert "Not rated, and not in the revenue" in text
    assert "new they have no price 3 Acme, Umbra 0.000312 if it costs as much as &#39;llama&#39;, the dearest of all models for it" in text
    assert "give the model a price" in text
    assert "1 to look at before invoicing" in text, "which are not told twice"


def test_what_is_too_dear_has_a_remedy_of_its_own(service: Service) -> None:
    service.books.price("dear", 0, {"prompt": Decimal("0.01"), "completion": Decimal(0)})
    service.books.take(used(model="dear", prompt=100_100, cached_read=0))
    text = page(service)
    assert "dear they would each cost more than the largest row that is rated 1 Acme 1001.00 by their prices" in text
    assert "CONTROL_BOUND_ROW" in text
    assert "give the model a price" not in text


def test_where_no_model_has_a_price_nothing_is_said_to_be_at_stake(tmp_path: Path) -> None:
    service = Service(tmp_path, used(model="new"))
    service.books.db.connection.execute("DROP TRIGGER price_versions_update")
    service.books.db.connection.execute("UPDATE price_versions SET prompt = NULL")
    assert "new they have no price 1 Acme not known no model has a price" in page(service)
    service.books.db.close()


def test_the_page_shows_lost_requests_by_key_and_from_when_to_when(service: Service) -> None:
    key = service.books.key("id-one")
    statement = "INSERT INTO hours (key, hour, logged, counted) VALUES (?, ?, 0, 5)"
    service.books.db.connection.execute(statement, [key, at("2026-10-20T10:00") // 3_600_000_000])
    text = page(service)
    assert "the gateway counted 5 requests that its log does not have" in text
    assert "one 5 1 5 2026-10-20 10:00 to 2026-10-20 11:00 (5)" in text


def test_the_page_shows_what_engines_answered_that_is_not_logged_and_what_it_comes_to_at_most(service: Service) -> None:
    assert "What the engines themselves answered is not known, since nobody counted it." in page(service)
    statement = "INSERT INTO model_hours (hour, model, logged, counted, dearest) VALUES (?, ?, ?, ?, ?)"
    for model, logged, counted in (("counted", 8, 10), ("silent", 0, 3), ("whisper", 5, None)):
        hour = at("2026-10-20T10:00") // 3_600_000_000
        service.books.db.connection.execute(statement, [hour, model, logged, counted, 125_000_000])
    text = page(service)
    assert "counted 10 8 2 0.00025 2026-10-20 10:00 to 2026-10-20 11:00 (2)" in text
    assert "silent 3 0 3 not known 2026-10-20 10:00 to 2026-10-20 11:00 (3)" in text
    assert "whisper not counted by its engine (5 logged)" in text
    assert "missing-by-model 2 of 10 requests that engines of &#39;counted&#39; answered are not in the log" in text


def test_the_page_tells_what_clients_cancelled_and_what_it_comes_to(service: Service) -> None:
    assert "cancelled by their clients" not in page(service)
    service.books.take(used(succeeded=False, prompt=0, completion=0, cached_read=0, reasoning=0))
    text = page(service)
    assert "1 requests were cancelled by their clients before there were tokens, and are not billed: about " in text
    assert "by the mean of the customer&#39;s billed requests of the model, else of everybody&#39;s." in text


def test_a_month_without_usage_says_so_and_leads_on(service: Service) -> None:
    text = page(service, "1970-01")
    assert "Nothing was used." in text
    assert "February 1970 →" in text
    assert "←" not in text


def test_the_month_that_runs_has_no_next_one_and_holds_nobody_for_what_is_still_to_be_read(service: Service) -> None:
    text = page(service, "2026-11")
    assert "→" not in text
    assert "not-read" not in text


def test_the_months_begin_with_the_one_that_runs(service: Service) -> None:
    assert service.client.get("/months").location == "/months/2026-11"


@pytest.mark.parametrize("month", ["2026-12", "2026-13", "2026-1", "26-10", "9999-12", "1969-12", "2026-10-01", "x" * 200])
def test_what_is_no_month_or_has_not_begun_is_not_found(service: Service, month: str) -> None:
    answer = service.client.get(f"/months/{month}")
    assert answer.status_code == 404
    assert month[:40] in answer.get_json()["detail"]


@pytest.mark.parametrize("path", ["/", "/months", "/months/2026-10"])
def test_behind_a_login_pages_are_for_who_logged_in(tmp_path: Path, path: str) -> None:
    client = Service(tmp_path, used(), login_header="X-Auth-Request-Email").client
    assert client.get(path).status_code == 403
    assert client.get(path, headers={"X-Auth-Request-Email": ""}).status_code == 403
    assert client.get(path, headers={"X-Auth-Request-Email": "ana@example.com"}).status_code in (200, 302)


def test_behind_a_login_programs_still_get_the_price_list(tmp_path: Path) -> None:
    client = Service(tmp_path, used(), login_header="X-Auth-Request-Email").client
    assert [client.get(path).status_code for path in ("/openrouter/models", "/healthz", "/openapi.json")] == [200, 200, 200]


@pytest.mark.parametrize(("text", "after"), [("2026-12", "2027-01"), ("2024-02", "2024-03"), ("1970-01", "1970-02")])
def test_each_month_ends_where_the_next_begins_also_over_the_ends_of_years(text: str, after: str) -> None:
    month = parse_month(text)
    assert month is not None
    assert month_text(next_month(month)) == after
    assert month_range(month).end == month_range(next_month(month)).start
    assert previous_month(next_month(month)) == month


def test_the_last_month_that_can_be_written_ends_as_well() -> None:
    last = parse_month("9999-12")
    assert last is not None
    start, end = month_range(last)
    assert end - start == 31 * 86_400_000_000


def test_a_month_is_utcs() -> None:
    assert month_of(at("2026-11-01T00:00") - 1) == month_of(OCTOBER.start) == parse_month("2026-10")
    assert month_range(month_of(OCTOBER.start)) == OCTOBER
