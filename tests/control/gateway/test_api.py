"""What the gateway tells by HTTP is taken exactly, or refused with a reason; never less than there is."""

from __future__ import annotations

import contextlib
import json
import logging
import traceback
from collections.abc import Callable, Generator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest

from control_app.core.time import microseconds
from control_app.gateway.bifrost.api import PAGE, GatewayApi
from control_app.gateway.bifrost.log_rows import MOST_TEXT
from control_app.gateway.double.gateway import GatewayDouble
from control_app.gateway.port import Customer, GatewayError, Key, Reader, UnidentifiedKeyError, Unreadable, UsageRow
from tests.control.support.clocks import Clock
from tests.control.support.endless import endless
from tests.control.support.gateways import Says, serving
from tests.control.support.ledgers import row
from tests.control.support.recomputation import at

START, END = at("2026-10-01T00:00"), at("2026-11-01T00:00")
SECRET = "sk-bf-very-secret"  # noqa: S105 (it is none)
ROW: dict[str, Any] = {
    "id": "r1",
    "timestamp": "2026-10-05T12:00:00.5Z",
    "status": "success",
    "object": "chat_completion",
    "provider": "kubeai",
    "model": "llama",
    "virtual_key_id": "k1",
    "virtual_key_name": "acme k1",
    "token_usage": {"prompt_tokens": 100, "completion_tokens": 20},
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def double(clock: Clock) -> GatewayDouble:
    return GatewayDouble(clock)


@pytest.fixture
def api(double: GatewayDouble) -> Generator[GatewayApi]:
    with serving(double) as url, GatewayApi(url, "admin", "admin") as api:
        yield api


def log(*rows: dict[str, Any], limit: int = PAGE) -> str:
    return json.dumps({"logs": rows, "pagination": {"limit": limit, "total_count": 0}})


@contextlib.contextmanager
def asking(says: Says, key: str | None = None) -> Generator[GatewayApi]:
    with serving(says) as url, GatewayApi(url, "admin", "a password", key) as api:
        yield api


def taken(body: str) -> list[UsageRow]:
    with asking(Says(body)) as api:
        return everything(api)


def everything(api: Reader, start: int = START, end: int = END) -> list[UsageRow]:
    return [row for page in api.rows(start, end) for row in page if isinstance(row, UsageRow)]


def unreadable(body: str) -> list[Unreadable]:
    with asking(Says(body)) as api:
        return [row for page in api.rows(START, END) for row in page if isinstance(row, Unreadable)]


def refused(says: Says, ask: Callable[[GatewayApi], object] = everything, key: str | None = None) -> str:
    with asking(says, key) as api, pytest.raises(GatewayError) as error:
        ask(api)
    return str(error.value)


def test_a_row_is_taken_as_it_was_logged(double: GatewayDouble, api: GatewayApi) -> None:
    logged = row("2026-10-05T12:00", customer="acme", cached_write=7, cost="1.04e-7")
    double.add_rows([logged])
    assert everything(api) == [logged._replace(total=120)]


def test_a_model_of_another_provider_stands_with_its_name(double: GatewayDouble, api: GatewayApi) -> None:
    double.add_rows([row(model="openai/gpt")])
    assert everything(api)[0].model == "openai/gpt"


@pytest.mark.parametrize(
    ("told", "cost"), [("0.000104", "0.000104"), ("1.0e-07", "1.0e-07"), ("0", "0"), ("123456789012345678.90", "123456789012345678.90")]
)
def test_the_gateways_cost_is_the_text_of_its_number(told: str, cost: str) -> None:
    assert taken(log(ROW | {"cost": "?"}).replace('"?"', told))[0].cost == cost


def test_a_cost_that_is_null_or_absent_is_not_known() -> None:
    assert [row.cost for row in taken(log(ROW, ROW | {"id": "r2", "cost": None}))] == [None, None]


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (None, (0, 0, 0, 0, 0)),
        ({}, (0, 0, 0, 0, 0)),
        ({"prompt_tokens": -5, "completion_tokens": -1}, (0, 0, 0, 0, 0)),
        ({"prompt_tokens": 9, "prompt_tokens_details": None, "completion_tokens_details": None}, (9, 0, 0, 0, 0)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_read_tokens": 4, "cached_tokens": 4}}, (9, 4, 0, 0, 0)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}, (9, 4, 0, 0, 0)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_write_tokens": 4, "cached_tokens": 4}}, (9, 0, 4, 0, 0)),
        ({"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}}, (0, 0, 0, 9, 4)),
    ],
)
def test_counts_come_from_the_usage_alone_and_are_never_below_zero(usage: Any, counts: tuple[int, ...]) -> None:
    (row,) = taken(log(ROW | {"token_usage": usage, "prompt_tokens": 77, "total_tokens": 77}))
    assert (row.prompt, row.cached_read, row.cached_write, row.completion, row.reasoning) == counts


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [("00Z", 0), ("00.5Z", 500_000), ("00.000001Z", 1), ("00.1234569Z", 123_456), ("00.5+00:00", 500_000)],
)
def test_times_are_exact_to_the_microsecond(text: str, microsecond: int) -> None:
    (row,) = taken(log(ROW | {"timestamp": f"2026-10-05T12:00:{text}"}))
    assert row.at == at("2026-10-05T12:00") + microsecond


def test_a_row_without_a_key_or_a_customer_names_none() -> None:
    empty = {"virtual_key_id": "", "virtual_key_name": "", "customer_id": ""}
    absent = {key: value for key, value in ROW.items() if not key.startswith("virtual")}
    assert [(row.key, row.key_name, row.customer) for row in taken(log(ROW | empty, absent))] == [("", "", None)] * 2


def test_only_billed_rows_are_taken_also_from_a_gateway_that_ignores_the_filter() -> None:
    others = [ROW | {"id": status, "status": status} for status in ("error", "processing", "cancelled")]
    assert [row.id for row in taken(log(ROW, *others, ROW | {"id": "list", "object": "list_models"}))] == ["r1", "cancelled"]


@pytest.mark.parametrize(
    ("details", "is_billed"),
    [
        ({"status_code": 499, "error": {"type": "request_cancelled"}}, True),
        ({"status_code": 499}, True),
        ({"error": {"type": "request_cancelled", "message": "m"}}, True),
        ({"status_code": 499, "error": None}, True),
        ({"status_code": 502, "error": {"type": "upstream"}}, False),
        ({"status_code": 403, "type": "virtual_key_blocked", "error": {"message": "request_cancelled"}}, False),
        ({}, False),
        (None, False),
        ("499", False),
        ({"status_code": "499"}, False),
    ],
)
def test_an_error_is_billed_by_its_tokens_where_the_client_cancelled_it_and_never_else(details: Any, *, is_billed: bool) -> None:
    rows = taken(log(ROW | {"status": "error", "error_details": details}))
    assert [(row.prompt, row.completion, row.succeeded) for row in rows] == ([(100, 20, False)] if is_billed else [])


def test_an_error_of_the_client_that_cannot_be_read_is_told_and_another_error_is_not() -> None:
    cancelled: dict[str, Any] = ROW | {"id": "r2", "status": "error", "error_details": {"status_code": 499}, "token_usage": []}
    assert [row.id for row in unreadable(log(cancelled, cancelled | {"id": "r3", "error_details": {"status_code": 502}}))] == ["r2"]


def test_a_row_tells_the_total_that_the_upstream_added_up_and_its_customers_name() -> None:
    more = {"token_usage": {"prompt_tokens": 1, "total_tokens": 7}, "customer_id": "acme", "customer_name": "Acme"}
    (row,) = taken(log(ROW | more))
    assert (row.prompt, row.total, row.customer, row.customer_name) == (1, 7, "acme", "Acme")


def test_a_window_has_its_start_and_not_its_end(double: GatewayDouble, api: GatewayApi) -> None:
    double.add_rows([row(time, id=str(time)) for time in (START - 1, START, END - 1, END)])
    assert [row.at for row in everything(api)] == [START, END - 1]


def test_all_pages_are_read_though_the_total_is_told_as_zero(double: GatewayDouble, api: GatewayApi) -> None:
    logged = [row(START + number * 1_000_003, id=str(number)) for number in range(2 * PAGE + 1)]
    double.add_rows(logged)
    pages = list(api.rows(START, END))
    assert [len(page) for page in pages] == [PAGE, PAGE, 3]
    assert {row.id for page in pages for row in page} == {row.id for row in logged}


def test_rows_of_one_time_across_a_pages_end_come_twice_and_none_is_missed(double: GatewayDouble, api: GatewayApi) -> None:
    before = [row(START + number, id=str(number)) for number in range(PAGE - 3)]
    double.add_rows(before + [row(START + 5_000, id=f"tie{number}") for number in range(6)] + [row(START + 6_000, id="last")])
    ids = [row.id for row in everything(api)]
    assert len(set(ids)) == PAGE + 4
    assert len(ids) > len(set(ids))


def test_rows_are_asked_for_in_order_of_time_uncompressed_as_the_administrator() -> None:
    says = Says(log())
    with asking(says) as api:
        assert everything(api) == []
    (asked,) = says.asked
    assert asked["HTTP_ACCEPT_ENCODING"] == "identity"
    assert asked["HTTP_AUTHORIZATION"] == "Basic YWRtaW46YSBwYXNzd29yZA=="
    assert parse_qs(asked["QUERY_STRING"]) == {
        "status": ["success,cancelled,error"],
        "sort_by": ["timestamp"],
        "order": ["asc"],
        "limit": ["1000"],
        "offset": ["0"],
        "start_time": ["2026-10-01T00:00:00.000000Z"],
        "end_time": ["2026-11-01T00:00:00.000000Z"],
    }


def test_more_rows_of_one_time_than_a_page_holds_are_refused(double: GatewayDouble, api: GatewayApi) -> None:
    double.add_rows(row(START + 7, id=str(number)) for number in range(PAGE))
    with pytest.raises(GatewayError, match=r"1000 rows or more at 2026-10-01T00:00:00.000007Z"):
        everything(api)


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("2026-09-30T23:59:59.999999Z", "a row of 2026-09-30T23:59:59.999999Z is not in the window"),
        ("2026-11-01T00:00:00.000001Z", "a row of 2026-11-01T00:00:00.000001Z is not in the window"),
        ("2026-10-05T11:00:00Z", "rows do not come in order of time"),
    ],
)
def test_a_gateway_that_ignores_the_window_or_the_order_is_refused(time: str, reason: str) -> None:
    assert reason in refused(Says(log(ROW, ROW | {"id": "r2", "timestamp": time})))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": ""}, "Expected `str` of length >= 1 - at `$.id`"),
        ({"id": None}, "Expected `str`, got `null` - at `$.id`"),
        ({"timestamp": "yesterday"}, "timestamp 'yesterday' is no time with a zone"),
        ({"timestamp": "2026-10-05T12:00:01"}, "timestamp '2026-10-05T12:00:01' is no time with a zone"),
        ({"timestamp": None}, "Expected `str`, got `null` - at `$.timestamp`"),
        ({"model": None}, "Expected `str`, got `null` - at `$.model`"),
        ({"status": None}, "Expected `str`, got `null` - at `$.status`"),
        ({"virtual_key_id": 7}, "Expected `str | null`, got `int` - at `$.virtual_key_id`"),
        ({"cost": "0.1"}, "cost is no number"),
        ({"token_usage": {"prompt_tokens": None}}, "Expected `int`, got `null` - at `$.token_usage.prompt_tokens`"),
        ({"token_usage": {"prompt_tokens": 1.5}}, "Expected `int`, got `float` - at `$.token_usage.prompt_tokens`"),
        ({"token_usage": {"prompt_tokens": "9"}}, "Expected `int`, got `str` - at `$.token_usage.prompt_tokens`"),
        ({"token_usage": {"prompt_tokens": 2**70}}, "Expected `int` <= 9223372036854775807 - at `$.token_usage.prompt_tokens`"),
        ({"token_usage": [1]}, "Expected `object | null`, got `array` - at `$.token_usage`"),
    ],
)
def test_a_malformed_row_is_told_with_its_reason_and_stops_no_other(change: dict[str, Any], reason: str) -> None:
    body = log(ROW, ROW | {"id": "r2"} | change, ROW | {"id": "r3"})
    assert [row.id for row in taken(body)] == ["r1", "r3"]
    (row,) = unreadable(body)
    assert reason in row.reason
    assert row.at == at("2026-10-05T12:00") + 500_000


def test_of_a_malformed_row_its_key_is_known_and_nothing_kept_that_billing_does_not_read() -> None:
    prompt = {"input_history": [SECRET], "virtual_key": {"value": SECRET}, "content_summary": SECRET}
    (row,) = unreadable(log(ROW | {"model": None} | prompt))
    assert (row.id, row.key, row.key_name) == ("r1", "k1", "acme k1")
    assert json.loads(row.text) == ROW | {"model": None}


def test_the_text_of_a_malformed_row_is_kept_up_to_a_length() -> None:
    (row,) = unreadable(log(ROW | {"model": ["long"] * 10_000}))
    assert len(row.text) == MOST_TEXT


@pytest.mark.parametrize("told", ["r1", 7, None, ["r1"]])
def test_what_is_no_row_at_all_is_told_as_nobodys(told: Any) -> None:
    body = json.dumps({"logs": [ROW, told], "pagination": {"limit": PAGE}})
    assert [row.id for row in taken(body)] == ["r1"]
    (row,) = unreadable(body)
    assert (row.id, row.key, row.text) == ("", "", json.dumps(told, separators=(",", ":")))


def test_a_malformed_row_that_is_not_billed_is_none_of_ours() -> None:
    assert unreadable(log(ROW | {"status": "error", "model": None})) == []


def test_the_oldest_row_whose_time_cannot_be_read_lets_everything_be_read() -> None:
    with asking(Says(log(ROW | {"timestamp": "yesterday"}, limit=1))) as api:
        assert api.first() == 0


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (Says("<html>", kind="text/html; charset=utf-8"), "GET /api/logs: answered text/html; charset=utf-8, not application/json"),
        (Says(status="401 Unauthorized"), "GET /api/logs: answered 401; are the gateway's user, password and key right?"),
        (Says(status="500 Internal Server Error"), "GET /api/logs: answered 500"),
        (Says(status="302 Found"), "GET /api/logs: answered 302"),
        (Says("{}"), "missing required field `logs`"),
        (Says('{"logs": {}, "pagination": {"limit": 1000}}'), "Expected `array | null`, got `object` - at `$.logs`"),
        (Says("{"), "GET /api/logs: not its contract"),
        (Says(log(limit=100)), "asked for 1000 rows a page, it gave 0 of at most 100"),
        (Says(log(*[ROW] * (PAGE + 1))), "asked for 1000 rows a page, it gave 1001 of at most 1000"),
    ],
)
def test_an_answer_that_is_not_the_contracts_is_refused(says: Says, reason: str) -> None:
    assert reason in refused(says)


def test_a_gateway_that_is_not_there_is_named() -> None:
    with serving(Says()) as url:
        pass
    with (
        GatewayApi(url, "admin", "admin") as api,
        pytest.raises(GatewayError, match=r"GET /api/logs: the gateway did not answer: ConnectError"),
    ):
        everything(api)


def test_the_oldest_row_counts_whatever_became_of_it(double: GatewayDouble, api: GatewayApi) -> None:
    assert api.first() is None
    key = double.add_key("k")
    double.call(key, "llama", double.clock() - timedelta(hours=2), status="error")
    double.call(key, "llama", double.clock() - timedelta(hours=1))
    assert api.first() == microseconds(double.clock()) - 7_200_000_000


def test_all_keys_are_read_in_pages_and_a_teams_keys_are_its_customers(clock: Clock, double: GatewayDouble, api: GatewayApi) -> None:
    clock.now += timedelta(microseconds=1)
    acme = double.add_customer("Acme")
    team = double.add_team("Team", acme)
    keys = [double.add_key(f"key {number}", acme) for number in range(230)]
    teams, free, gone = double.add_key("of the team", team=team), double.add_key("free"), double.add_key("gone", acme)
    double.deactivate_key(gone)
    found = api.directory()
    assert found.customers == [Customer(acme, "Acme")]
    now = microseconds(clock.now)
    assert set(found.keys) == {
        *(Key(key, f"key {number}", acme, is_active=True, updated_at=now) for number, key in enumerate(keys)),
        Key(teams, "of the team", acme, is_active=True, updated_at=now),
        Key(free, "free", None, is_active=True, updated_at=now),
        Key(gone, "gone", acme, is_active=False, updated_at=now),
    }


def key(number: int, **other: Any) -> dict[str, Any]:
    return {"id": f"k{number}", "name": f"k{number}", "value": SECRET, "updated_at": "2026-10-01T00:00:00Z"} | other


class Lists(Says):
    """Has *has* keys, of which a page gives *most*; says that it has *tells* keys, and *customers*, though it gives none."""

    def __init__(self, has: int, most: int = 100, tells: int | None = None, customers: int = 0, **other: Any) -> None:
        super().__init__()
        self.keys = [key(number, **other) for number in range(has)]
        self.most, self.tells, self.customers = most, has if tells is None else tells, customers

    def __call__(self, environ: Any, start_response: Any) -> Any:
        name = environ["PATH_INFO"].rpartition("/")[2]
        if name == "customers":
            self.body = json.dumps({"customers": None, "count": self.customers})
        elif name == "teams":
            self.body = json.dumps({"teams": None, "limit": self.most, "total_count": 0})
        else:
            offset = int(environ["QUERY_STRING"].rpartition("=")[2])
            part = self.keys[offset : offset + self.most]
            self.body = json.dumps({"virtual_keys": part, "limit": self.most, "total_count": self.tells})
        return super().__call__(environ, start_response)


def test_pages_step_by_what_the_gateway_gives_not_by_what_was_asked() -> None:
    with asking(Lists(5, 2)) as api:
        assert [key.name for key in api.directory().keys] == ["k0", "k1", "k2", "k3", "k4"]


CONFIGS: list[tuple[object, bool]] = [
    ([], True),
    ([{"provider": "openai", "allowed_models": ["*"]}], True),
    ([{"provider": "kubeai", "allowed_models": []}], True),
    ([{"provider": "kubeai", "allowed_models": ["*"]}], False),
    ([{"provider": "openai"}, {"provider": "kubeai"}], False),
    (None, False),
]


@pytest.mark.parametrize(("configs", "barred"), CONFIGS)
def test_a_key_is_barred_that_has_no_provider_with_models_of_ours(configs: object, barred: bool) -> None:  # noqa: FBT001 (a case)
    with asking(Lists(1, provider_configs=configs)) as api:
        assert api.barred() == (["k0"] if barred else [])


def test_a_key_that_is_not_active_is_not_told_as_barred() -> None:
    with asking(Lists(1, provider_configs=[], is_active=False)) as api:
        assert api.barred() == []


def test_a_key_that_does_not_say_whether_it_is_active_is() -> None:
    with asking(Lists(1, is_active=None)) as api:
        assert api.directory().keys[0].is_active


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (Lists(5, 2, tells=7), "gave 5 of 7 entries"),
        (Lists(5, 0), "gave 0 of 5 entries"),
        (Lists(1, updated_at="never"), "Invalid RFC3339 encoded datetime - at `$.virtual_keys[0].updated_at`"),
        (Lists(1, id=None), "Expected `str`, got `null`"),
        (Lists(2, id="same"), "gave 1 of 2 entries"),
        (Lists(1, customers=3), "gave 0 of 3 customers"),
        (Says("<html>", kind="text/html"), "answered text/html"),
        (Says(json.dumps({"error": SECRET}), status="500 Oops"), "answered 500"),
        (Says(SECRET), "malformed"),
    ],
)
def test_a_directory_that_is_not_whole_is_refused_and_no_secret_is_repeated(says: Says, reason: str) -> None:
    with asking(says) as api, pytest.raises(GatewayError) as error:
        api.directory()
    assert reason in str(error.value)
    assert SECRET not in "".join(traceback.format_exception(error.value))


def test_secrets_are_nowhere_in_what_is_kept_or_logged(double: GatewayDouble, api: GatewayApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = double.add_key("k", double.add_customer("Acme"), SECRET)
    assert SECRET not in repr(api.directory())
    assert api.key_id(SECRET) == key
    assert SECRET not in caplog.text + repr(double.keys) + repr(vars(api))


def test_the_prices_of_our_models_are_told_in_ten_decimals(tmp_path: Path, clock: Clock) -> None:
    sheet = tmp_path / "sheet.json"
    rates = {"input_cost_per_token": 0.000001, "output_cost_per_token": 2.6e-10, "cache_read_input_token_cost": 0}
    sheet.write_text(json.dumps({"kubeai/llama": {"provider": "kubeai"} | rates, "x/gpt": {"provider": "x"} | rates}))
    double = GatewayDouble(clock, sheet=sheet)
    double.add_key("prices", secret=SECRET)
    with serving(double) as url, GatewayApi(url, "admin", "admin", SECRET) as api:
        assert api.prices() == {
            "llama": [{"prompt": Decimal("0.000001"), "completion": Decimal("0.0000000003"), "input_cache_read": Decimal(0)}]
        }


def test_a_version_that_tells_no_prices_knows_no_model() -> None:
    with asking(Says('{"data": [{"id": "kubeai/llama"}, {"id": "kubeai/two", "pricing": {}}]}'), SECRET) as api:
        assert api.prices() == {}


@pytest.mark.parametrize(
    ("says", "key", "reason"),
    [
        (Says(), None, "set CONTROL_GATEWAY_KEY"),
        (Says(), "two\nlines", "no header carries"),
        (Says(), "schlüssel", "no header carries"),
        (Says('{"data": [], "next_page_token": "2"}'), SECRET, "only a part"),
        (Says('{"data": [{"id": "kubeai/llama", "pricing": {"prompt": "free"}}]}'), SECRET, "`$.data[0].pricing.prompt`"),
        (Says(status="403 Forbidden"), SECRET, "answered 403"),
    ],
)
def test_prices_that_are_not_told_are_refused_with_what_to_do(says: Says, key: str | None, reason: str) -> None:
    assert reason in refused(says, GatewayApi.prices, key)


def test_a_key_asks_as_itself_and_not_as_the_administrator() -> None:
    says = Says('{"virtual_key_name": "acme k1", "provider_configs": [{"virtual_key_id": "k1"}], "data": []}')
    with asking(says, SECRET) as api:
        assert api.key_id("sk-bf-other") == "k1"
        assert api.prices() == {}
    assert [ask["HTTP_X_BF_VK"] for ask in says.asked] == ["sk-bf-other", SECRET]
    assert not any("HTTP_AUTHORIZATION" in ask for ask in says.asked)


def test_a_key_is_told_by_its_id_whatever_it_is_called(double: GatewayDouble, api: GatewayApi) -> None:
    first = double.add_key("freed", double.add_customer("Acme"), "sk-bf-first")
    double.keys[first].name = "renamed"
    second = double.add_key("freed", double.add_customer("Globex"), SECRET)
    assert (api.key_id("sk-bf-first"), api.key_id(SECRET)) == (first, second)


@pytest.mark.parametrize("configs", [None, [], [{"virtual_key_id": ""}], [{"virtual_key_id": "k1"}, {"virtual_key_id": "k2"}]])
def test_a_key_whose_id_is_not_told_is_refused_with_the_reason_and_the_remedy(configs: Any) -> None:
    says = Says(json.dumps({"virtual_key_name": "acme k1", "provider_configs": configs}))
    with asking(says) as api, pytest.raises(UnidentifiedKeyError, match=r"which key 'acme k1' is.*give it the provider kubeai"):
        api.key_id(SECRET)


def test_a_key_without_a_provider_cannot_be_told_at_the_double_either(double: GatewayDouble, api: GatewayApi) -> None:
    double.add_key("bare", secret=SECRET, providers=())
    with pytest.raises(UnidentifiedKeyError):
        api.key_id(SECRET)


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found"])
def test_a_key_that_the_gateway_does_not_take_has_no_id(status: str) -> None:
    with asking(Says(status=status)) as api:
        assert api.key_id(SECRET) is None


def test_a_key_that_is_not_active_has_no_id(double: GatewayDouble, api: GatewayApi) -> None:
    double.deactivate_key(double.add_key("k", secret=SECRET))
    assert api.key_id(SECRET) is None
    assert api.key_id("sk-bf-unknown") is None


@pytest.mark.parametrize(
    "says", [Says("<html>", kind="text/html"), Says(status="500 Oops"), Says("{}"), Says(status="429 Too Many Requests")]
)
def test_whether_a_key_is_good_is_not_known_where_the_gateway_does_not_tell(says: Says) -> None:
    assert SECRET not in refused(says, lambda api: api.key_id(SECRET))


def test_a_secret_that_no_header_carries_is_not_repeated() -> None:
    assert "two" not in refused(Says(), lambda api: api.key_id("two\nlines"))


def test_counts_of_the_process_are_read(double: GatewayDouble, api: GatewayApi) -> None:
    double.call(double.add_key("k"), "llama", request_id="x" * 256)
    assert api.dropped() == 1
    assert "bifrost_success_requests_total{" in api.metrics()


def test_a_user_interface_is_no_metrics() -> None:
    assert "answered text/html, not text/plain" in refused(Says("<html>", kind="text/html"), GatewayApi.metrics)


def test_a_sync_that_the_gateway_does_not_have_is_refused(api: GatewayApi) -> None:
    api.force_sync()
    assert "POST /api/pricing/force-sync: answered text/html" in refused(Says("<html>", kind="text/html"), GatewayApi.force_sync)


@pytest.mark.parametrize(
    ("told", "said"), [({}, "answered without its time"), ({"Date": "yesterday"}, "answered without its time"), (None, "answered 500")]
)
def test_a_gateway_that_does_not_tell_its_time_is_refused(told: dict[str, str] | None, said: str) -> None:
    answer = httpx2.Response(500 if told is None else 200, headers={"Content-Type": "application/json", **(told or {})}, content=b'"v1"')
    api = GatewayApi("http://gateway", "admin", "admin", transport=httpx2.MockTransport(lambda _: answer))
    with pytest.raises(GatewayError, match=f"GET /api/version: {said}"):
        api.now()


def test_an_answer_of_the_gateway_that_does_not_end_is_none() -> None:
    api = GatewayApi("http://gateway", "admin", "admin", transport=httpx2.MockTransport(lambda _: endless()))
    with pytest.raises(GatewayError, match="the gateway did not answer: ReadError: the answer has more than"):
        api.now()


def test_the_time_is_told_while_the_gateway_has_no_database(double: GatewayDouble, api: GatewayApi, clock: Clock) -> None:
    double.database_away(is_away=True)
    assert api.now() == microseconds(clock())
