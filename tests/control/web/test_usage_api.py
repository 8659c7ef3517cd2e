"""`/usage`: who sees what, in which shape, and what is refused how."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_app.core.money import plain_amount
from control_app.core.numbers import Pico
from control_app.gateway.port import GatewayError, UnidentifiedKeyError
from tests.control.support.models import NAME
from tests.control.support.usage_service import BOOKKEEPER, OPERATOR, UNREAD, Service, used


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Key one has three calls on two days and of two models, key two has one, and so has the key of another customer."""
    rows = [
        used(),
        used("2026-10-05T13:00", prompt=1_000, cached_read=0, completion=0, reasoning=0),
        used("2026-10-07T00:00", model=NAME),
        used("2026-10-08T00:00", key="two"),
        used("2026-10-09T00:00", key="other", model=NAME, prompt=7),
        used("2026-11-01T00:00"),
    ]
    service = Service(tmp_path, *rows)
    yield service
    service.books.db.close()


def problem(answer: Any, status: int) -> dict[str, Any]:
    """The problem details of an answer."""
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text
    body: dict[str, Any] = answer.get_json()
    assert body["status"] == status
    assert body["detail"]
    return body


def test_a_key_sees_its_own_usage_by_model_the_costliest_first(service: Service) -> None:
    assert service.report() == {
        "period": {"start": "2026-10-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"},
        "complete_through": "2026-11-01T23:45:00Z",
        "summary": {"total_tokens": 1_240, "total_requests": 3, "total_cost": "0.001208", "currency": "USD"},
        "models": [
            {
                "model_id": "llama",
                "model_name": "llama",
                "prompt_tokens": 1_100,
                "cached_tokens": 40,
                "completion_tokens": 20,
                "reasoning_tokens": 5,
                "total_tokens": 1_120,
                "total_requests": 2,
                "total_cost": "0.001104",
            },
            {
                "model_id": NAME,
                "model_name": "Qwen2.5-0.5B-Instruct",
                "prompt_tokens": 100,
                "cached_tokens": 40,
                "completion_tokens": 20,
                "reasoning_tokens": 5,
                "total_tokens": 120,
                "total_requests": 1,
                "total_cost": "0.000104",
            },
        ],
        "notices": [],
    }


def test_models_of_one_cost_come_in_the_order_of_their_ids(tmp_path: Path) -> None:
    service = Service(tmp_path, used(model="z/model"), used(model=NAME), used(), used(model="a/model"))
    assert [model["model_id"] for model in service.report()["models"]] == ["llama", NAME, "a/model", "z/model"]


def test_a_key_is_taken_bare_as_well(service: Service) -> None:
    assert service.get(None, headers={"Authorization": "sk-one"}).get_json() == service.report()


def test_the_end_is_exclusive_and_the_start_is_not(service: Service) -> None:
    within = service.report(start_date="2026-10-05T13:00:00Z", end_date="2026-10-07")
    assert within["summary"]["total_requests"] == 1
    assert within["period"] == {"start": "2026-10-05T13:00:00Z", "end": "2026-10-07T00:00:00Z"}


def test_another_zone_is_told_in_utc(service: Service) -> None:
    assert service.report(start_date="2026-10-07T02:00:00+02:00")["period"]["start"] == "2026-10-07T00:00:00Z"


def test_a_key_without_usage_has_none(service: Service) -> None:
    nothing = service.report(start_date="2025-01-01", end_date="2025-02-01", group_by="day")
    assert nothing["summary"] == {"total_tokens": 0, "total_requests": 0, "total_cost": "0", "currency": "USD"}
    assert (nothing["models"], nothing["days"], nothing["notices"]) == ([], [], [])


def test_days_with_usage_come_in_order_with_their_models(service: Service) -> None:
    days = service.report(group_by="day")["days"]
    assert [(day["date"], day["total_requests"], day["total_cost"]) for day in days] == [
        ("2026-10-05", 2, "0.001104"),
        ("2026-10-07", 1, "0.000104"),
    ]
    assert [model["model_id"] for model in days[1]["models"]] == [NAME]


def test_grouping_changes_no_other_part_of_the_answer(service: Service) -> None:
    by_day = service.report(group_by="day")
    by_day.pop("days")
    assert by_day == service.report()


def test_an_operator_sees_everybody_a_customer_and_their_keys(service: Service) -> None:
    assert service.report(OPERATOR)["summary"]["total_requests"] == 5
    acme = service.report(OPERATOR, customer_id="acme", group_by="key")
    assert [(key["key_id"], key["key_name"], key["total_requests"]) for key in acme["keys"]] == [("id-one", "one", 3), ("id-two", "two", 1)]
    assert acme["keys"][0]["models"] == service.report()["models"]
    assert acme["summary"]["total_requests"] == 4
    assert [day["date"] for day in service.report(OPERATOR, customer_id="umbra", group_by="day")["days"]] == ["2026-10-09"]
    assert [key["key_name"] for key in service.report(OPERATOR, group_by="key")["keys"]] == ["one", "two", "other"]


def test_a_customer_that_was_deleted_can_still_be_asked_for(service: Service) -> None:
    service.books.directory([], [])
    assert service.report(OPERATOR, customer_id="acme")["summary"]["total_requests"] == 4


def test_a_customer_that_never_was_is_not_found(service: Service) -> None:
    assert "'nobody'" in problem(service.get(OPERATOR, customer_id="nobody"), 404)["detail"]


@pytest.mark.parametrize(("query", "named"), [({"customer_id": "acme"}, "customer_id"), ({"group_by": "key"}, "group_by=key")])
def test_what_is_an_operators_is_refused_to_a_key(service: Service, query: dict[str, Any], named: str) -> None:
    assert named in problem(service.get(**query), 403)["detail"]


def test_an_admin_key_without_the_scope_is_refused(service: Service) -> None:
    assert "scope usage" in problem(service.get(BOOKKEEPER), 403)["detail"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Basic c2s="}, {"Authorization": "Bearer sk-unknown"}],
)
def test_without_a_key_that_is_good_nothing_is_told(service: Service, headers: dict[str, str]) -> None:
    answer = service.get(None, headers=headers, start_date="nonsense")
    problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_elsewhere_than_in_the_header_is_none(service: Service) -> None:
    service.client.set_cookie("Authorization", "sk-one")
    problem(service.get(None), 401)


def test_a_gateway_that_does_not_answer_is_no_refusal(service: Service) -> None:
    service.gateway_error = GatewayError("GET http://bifrost.internal/…: no answer")
    answer = service.get()
    assert "internal" not in problem(answer, 503)["detail"]
    assert answer.headers["Retry-After"] == "15"
    assert service.get(OPERATOR).status_code == 200, "an operator's key is ours"


def test_a_key_whose_id_the_gateway_does_not_tell_is_a_conflict_with_the_reason_and_the_remedy(service: Service) -> None:
    service.gateway_error = UnidentifiedKeyError("no provider is configured for it: give it the provider kubeai")
    assert problem(service.get(), 409)["detail"] == "no provider is configured for it: give it the provider kubeai"


def test_a_freed_name_that_another_customers_key_takes_shows_nobody_elses_usage(tmp_path: Path) -> None:
    service = Service(tmp_path, used(), used("2026-10-06T00:00", key="other"))
    service.books.db.connection.execute("UPDATE keys SET name = 'one', deleted_at = NULL WHERE gateway_id = 'id-other'")
    assert service.report("sk-other")["summary"]["total_requests"] == 1
    assert service.report("sk-one")["models"][0]["total_cost"] == "0.000104"


def test_a_key_that_is_not_read_yet_is_told_to_come_back(service: Service) -> None:
    answer = service.get(UNREAD)
    assert "within a minute" in problem(answer, 503)["detail"]
    assert answer.headers["Retry-After"] == "30"


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"start_date": None}, ["start_date"]),
        ({"end_date": None}, ["end_date"]),
        ({"start_date": None, "end_date": None}, ["start_date", "end_date"]),
        ({"start_date": "2026-13-01"}, ["start_date"]),
        ({"start_date": "2026-10-01T00:00:00 02:00"}, ["start_date"]),
        ({"start_date": "2026-12-01"}, ["end_date"]),
        ({"end_date": "2026-10-01"}, ["end_date"]),
        ({"end_date": "2027-10-03"}, ["end_date"]),
        ({"start_date": "1969-12-31"}, ["start_date"]),
        ({"start_date": ["2026-10-01", "2026-10-02"]}, ["start_date"]),
        ({"format": ["csv", "csv"]}, ["format"]),
        ({"format": "xml"}, ["format"]),
        ({"format": ""}, ["format"]),
        ({"group_by": "day,key"}, ["group_by"]),
        ({"group_by": "week"}, ["group_by"]),
        ({"startdate": "2026-10-01"}, ["startdate"]),
        ({"customer_id": ""}, ["customer_id"]),
        ({"end_date": "x", "format": "xml", "what": "?"}, ["end_date", "format", "what"]),
    ],
)
def test_each_parameter_at_fault_is_named(service: Service, query: dict[str, Any], named: list[str]) -> None:
    for secret in ("sk-one", OPERATOR):
        body = problem(service.get(secret, **query), 400)
        assert sorted(error["parameter"] for error in body["errors"]) == sorted(named)
        assert all(error["detail"] for error in body["errors"])


def test_nothing_of_an_answer_may_be_kept_by_others(service: Service) -> None:
    assert service.get().headers["Cache-Control"] == "private, no-store"
    assert service.get(format="csv").headers["Cache-Control"] == "private, no-store"
    assert service.get(None).headers["Cache-Control"] == "no-store"


def test_what_is_not_in_the_sums_is_said(tmp_path: Path) -> None:
    rows = [
        used(),
        used(model="unpriced"),
        used(prompt=0, completion=0, cached_read=0, reasoning=0),
        used(model="silent", prompt=0, completion=0),
    ]
    service = Service(tmp_path, *rows)
    report = service.report(end_date="2026-12-01")
    assert report["notices"] == [
        {"code": "unrated", "message": "not in total_cost: 1 request without a price yet"},
        {"code": "unused", "message": "no tokens billed: 2 requests without reported usage"},
        {"code": "not-complete", "message": "requests that started after 2026-11-01T23:45:00Z may be missing"},
    ]
    assert {model["model_id"]: model["total_cost"] for model in report["models"]} == {"llama": "0.000104", "unpriced": "0"}
    assert report["summary"]["total_requests"] == 2


def test_what_the_client_cancelled_before_there_was_usage_is_said(tmp_path: Path) -> None:
    service = Service(tmp_path, used(), used(prompt=0, completion=0, succeeded=False))
    assert service.report()["notices"] == [
        {"code": "cancelled", "message": "not billed: 1 request that the client cancelled before there was usage"}
    ]


def test_a_day_or_key_that_only_has_requests_without_usage_is_left_out(tmp_path: Path) -> None:
    service = Service(tmp_path, used(prompt=0, completion=0), used("2026-10-06T00:00", key="two"))
    assert service.report(group_by="day")["days"] == []
    assert [key["key_name"] for key in service.report(OPERATOR, group_by="key")["keys"]] == ["two"]


def test_before_the_first_pass_nothing_is_complete(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.books.db.connection.execute("DELETE FROM progress WHERE source = 'rows'")
    report = service.report()
    assert report["complete_through"] is None
    assert [notice["code"] for notice in report["notices"]] == ["not-complete"]


def test_usage_is_told_with_the_names_last_known_while_models_cannot_be_read(service: Service) -> None:
    (service.settings.cluster.models_dir / "slip.yaml").write_text("{")
    assert [model["model_name"] for model in service.report()["models"]] == ["llama", "Qwen2.5-0.5B-Instruct"]


def rows_of(answer: Any) -> list[dict[str, str]]:
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert "\r\n" in answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_csv_has_the_same_numbers_a_model_a_row(service: Service) -> None:
    answer = service.get(format="csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="usage_2026-10-01_2026-11-01.csv"'
    whole = {"currency": "USD", "complete_through": "2026-11-01T23:45:00Z", "notices": ""}
    assert rows_of(answer) == [{name: str(value) for name, value in model.items()} | whole for model in service.report()["models"]]


@pytest.mark.parametrize("group_by", ["day", "key"])
def test_csv_by_day_or_key_adds_up_to_the_same(service: Service, group_by: str) -> None:
    rows = rows_of(service.get(OPERATOR, format="csv", group_by=group_by))
    summary = service.report(OPERATOR)["summary"]
    assert sum(Decimal(row["total_cost"]) for row in rows) == Decimal(summary["total_cost"])
    assert sum(int(row["total_tokens"]) for row in rows) == summary["total_tokens"]
    assert next(iter(rows[0])) == {"day": "date", "key": "key_id"}[group_by]


def test_csv_without_usage_is_its_header(service: Service) -> None:
    answer = service.get(format="csv", start_date="2025-01-01", end_date="2025-02-01")
    assert answer.text == (
        "model_id,model_name,prompt_tokens,cached_tokens,completion_tokens,reasoning_tokens,total_tokens,total_requests,total_cost,"
        "currency,complete_through,notices\r\n"
    )


def test_csv_says_what_is_not_in_the_sums(tmp_path: Path) -> None:
    service = Service(tmp_path, used(model="unpriced"))
    assert [row["notices"] for row in rows_of(service.get(format="csv", end_date="2026-12-01"))] == ["unrated not-complete"]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_a_name_that_looks_like_a_formula_is_text_in_csv(tmp_path: Path, name: str) -> None:
    service = Service(tmp_path, used(model=name))
    assert rows_of(service.get(format="csv"))[0]["model_id"] == f"'{name}"
    assert service.report()["models"][0]["model_id"] == name


@pytest.mark.parametrize("name", ["a;=1+1", 'a;"=1', "a; +1", "a\t-1", "a\n@SUM(1)", "a|=1"])
def test_a_formula_behind_a_separator_of_other_countries_is_text_as_well(tmp_path: Path, name: str) -> None:
    told = rows_of(Service(tmp_path, used(model=name)).get(format="csv"))[0]["model_id"]
    assert told.replace("'", "") == name
    assert re.search(r"[;\t\n|]\s*\"?'[=+\-@]", told)


@pytest.mark.parametrize("name", ["a-1", "1;2", "a=b", "x; y", "mail@example.com"])
def test_a_name_that_is_no_formula_is_as_it_was(tmp_path: Path, name: str) -> None:
    assert rows_of(Service(tmp_path, used(model=name)).get(format="csv"))[0]["model_id"] == name


def test_a_name_with_separators_stays_one_cell(tmp_path: Path) -> None:
    name = 'a "quoted",\r\nmodel'
    assert rows_of(Service(tmp_path, used(model=name)).get(format="csv"))[0]["model_id"] == name


def test_a_key_has_so_many_requests_a_minute(tmp_path: Path) -> None:
    service = Service(tmp_path, usage_per_minute=2)
    assert [service.get().status_code for _ in range(3)] == [200, 200, 429]
    answer = service.get()
    assert "more than 2 requests a minute" in problem(answer, 429)["detail"]
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert service.get("sk-two").status_code == 200, "each key has its own"
    assert [service.get(OPERATOR).status_code for _ in range(3)] == [200, 200, 429]


def test_guessing_keys_ends_soon_and_disturbs_no_key_at_work(tmp_path: Path) -> None:
    service = Service(tmp_path, usage_per_minute=2)
    assert service.get().status_code == 200
    assert [service.get(f"sk-guess-{number}").status_code for number in range(4)] == [401, 401, 429, 429]
    assert service.asked == 3, "the gateway is not asked for the rest"
    assert service.get(None).status_code == 429
    assert service.get().status_code == 200


def test_behind_a_proxy_each_client_has_its_own_guesses(tmp_path: Path) -> None:
    service = Service(tmp_path, usage_per_minute=1, proxies=1)
    answers = [service.get(None, headers={"X-Forwarded-For": f"spoofed, 203.0.113.{client}"}).status_code for client in (1, 1, 2)]
    assert answers == [401, 429, 401]


def test_without_a_proxy_nobody_names_another_address(tmp_path: Path) -> None:
    service = Service(tmp_path, usage_per_minute=1)
    assert [service.get(None, headers={"X-Forwarded-For": f"203.0.113.{client}"}).status_code for client in (1, 2)] == [401, 429]


def test_guesses_from_one_ipv6_network_are_one_callers(tmp_path: Path) -> None:
    service = Service(tmp_path, usage_per_minute=1, proxies=1)
    addresses = ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1", "::ffff:203.0.113.1", "203.0.113.1")
    assert [service.get("sk-guess", headers={"X-Forwarded-For": one}).status_code for one in addresses] == [401, 429, 401, 401, 429]


def test_guesses_from_many_addresses_end_as_well_and_disturb_no_key_at_work(tmp_path: Path) -> None:
    service = Service(tmp_path, usage_per_minute=2, proxies=1)
    assert service.get().status_code == 200
    answers = [service.get(f"sk-{number}", headers={"X-Forwarded-For": f"203.0.113.{number}"}) for number in range(21)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [503]
    assert answers[-1].headers["Retry-After"] == "15"
    assert service.asked == 21, "the gateway is not asked for the rest"
    assert service.get().status_code == 200


@pytest.mark.parametrize("header", ["x-bf-vk", "x-api-key", "Authorization"])
def test_a_key_is_taken_where_the_gateway_takes_it(service: Service, header: str) -> None:
    assert service.get(None, headers={header: "sk-one"}).status_code == 200


def test_of_several_keys_the_one_counts_that_the_gateway_would_take(service: Service) -> None:
    headers = {"x-bf-vk": "sk-one", "x-api-key": "sk-unknown"}
    assert service.get("sk-unknown", headers=headers).status_code == 200
    assert service.get("sk-one", headers=headers | {"x-bf-vk": "sk-unknown"}).status_code == 401


def test_no_secret_is_in_the_log(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secrets = ("sk-one", "sk-unknown", OPERATOR, UNREAD)
    for secret in secrets:
        service.get(secret)
    service.gateway_error = GatewayError("no answer")
    service.get("sk-two")
    assert "/usage" in caplog.text
    assert "no answer" in caplog.text
    assert not [secret for secret in (*secrets, "sk-two") if secret in caplog.text]


CALLS = st.lists(
    st.tuples(
        st.integers(min_value=1, max_value=31),
        st.sampled_from(["one", "two", "other"]),
        st.sampled_from(["llama", NAME, "unpriced"]),
        st.integers(min_value=0, max_value=10**9),
        st.integers(min_value=0, max_value=10**9),
    ),
    max_size=20,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=CALLS)
def test_days_keys_and_models_add_up_to_the_summary(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[int, str, str, int, int]]
) -> None:
    rows = [used(f"2026-10-{day:02}T12:00", key, model, prompt=prompt, completion=out) for day, key, model, prompt, out in calls]
    service = Service(tmp_path_factory.mktemp("service"), *rows)
    for secret, group, group_by in (("sk-one", "days", "day"), (OPERATOR, "days", "day"), (OPERATOR, "keys", "key")):
        report = service.report(secret, group_by=group_by)
        nested = [model for part in report[group] for model in part["models"]]
        for parts in (report["models"], report[group], nested):
            assert sum(part["total_tokens"] for part in parts) == report["summary"]["total_tokens"]
            assert sum(part["total_requests"] for part in parts) == report["summary"]["total_requests"]
            assert sum(Decimal(part["total_cost"]) for part in parts) == Decimal(report["summary"]["total_cost"])
    service.books.db.close()


@pytest.mark.parametrize(
    ("pico", "text"),
    [
        (0, "0"),
        (1, "0.000000000001"),
        (10**12, "1"),
        (13_100_000_000, "0.0131"),
        (-(10**11), "-0.1"),
        (10**40 + 1, f"1{'0' * 28}.000000000001"),
    ],
)
def test_an_amount_is_told_exactly_and_without_an_exponent(pico: Pico, text: str) -> None:
    assert plain_amount(pico) == text
