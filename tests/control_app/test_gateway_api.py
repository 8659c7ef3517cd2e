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

import pytest

from control_app.gateway import Customer, Gateway, GatewayError, Key, UsageRow
from control_app.gateway_api import PAGE, GatewayApi
from control_app.gateway_double import GatewayDouble
from control_app.spans import microseconds
from tests.control_app.clocks import Clock
from tests.control_app.gateways import Says, serving
from tests.control_app.ledgers import row
from tests.control_app.recomputation import at

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


def everything(api: Gateway, start: int = START, end: int = END) -> list[UsageRow]:
    return [row for page in api.rows(start, end) for row in page]


def refused(says: Says, ask: Callable[[GatewayApi], object] = everything, key: str | None = None) -> str:
    with asking(says, key) as api, pytest.raises(GatewayError) as error:
        ask(api)
    return str(error.value)


def test_a_row_is_taken_as_it_was_logged(double: GatewayDouble, api: GatewayApi) -> None:
    logged = row("2026-10-05T12:00", customer="acme", cached_write=7, cost="1.04e-7")
    double.add_rows([logged])
    assert everything(api) == [logged]


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
        "status": ["success,cancelled"],
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
    ("change", "reason"),
    [
        ({"id": ""}, "a row of '2026-10-05T12:00:00.5Z' has no id"),
        ({"id": None}, "row None: not its contract: Expected `str`, got `null` - at `$.logs[1].id`"),
        ({"timestamp": "2026-09-30T23:59:59.999999Z"}, "row 'r2' of 2026-09-30T23:59:59.999999Z is not in the window"),
        ({"timestamp": "2026-11-01T00:00:00.000001Z"}, "row 'r2' of 2026-11-01T00:00:00.000001Z is not in the window"),
        ({"timestamp": "2026-10-05T11:00:00Z"}, "rows do not come in order of time"),
        ({"timestamp": "yesterday"}, "row 'r2': timestamp 'yesterday' is no time with a zone"),
        ({"timestamp": "2026-10-05T12:00:01"}, "row 'r2': timestamp '2026-10-05T12:00:01' is no time with a zone"),
        ({"model": None}, "row 'r2': not its contract: Expected `str`, got `null` - at `$.logs[1].model`"),
        ({"cost": "0.1"}, "row 'r2': cost is no number"),
        ({"token_usage": {"prompt_tokens": 1.5}}, "row 'r2': not its contract: Expected `int`, got `float` - at `$.logs[1].token_usage"),
        ({"token_usage": {"prompt_tokens": "9"}}, "row 'r2': not its contract: Expected `int`, got `str` - at `$.logs[1].token_usage"),
        ({"token_usage": {"prompt_tokens": 2**60}}, "row 'r2': not its contract: Expected `int` <= 9007199254740992"),
    ],
)
def test_a_malformed_row_is_refused_by_its_id_and_field(change: dict[str, Any], reason: str) -> None:
    assert reason in refused(Says(log(ROW, ROW | {"id": "r2"} | change)))


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (Says("<html>", kind="text/html; charset=utf-8"), "GET /api/logs: answered text/html; charset=utf-8, not application/json"),
        (Says(status="401 Unauthorized"), "GET /api/logs: answered 401; are the gateway's user, password and key right?"),
        (Says(status="500 Internal Server Error"), "GET /api/logs: answered 500"),
        (Says(status="302 Found"), "GET /api/logs: answered 302"),
        (Says("{}"), "missing required field `logs`"),
        (Says('{"logs": ["r1"], "pagination": {"limit": 1000}}'), "Expected `object`, got `str` - at `$.logs[0]`"),
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
    double.deactivate_key_by_put(gone)
    found = api.directory()
    assert found.customers == [Customer(acme, "Acme")]
    now = microseconds(clock.now)
    assert set(found.keys) == {
        *(Key(key, f"key {number}", acme, is_active=True, updated_at=now) for number, key in enumerate(keys)),
        Key(teams, "of the team", acme, is_active=True, updated_at=now),
        Key(free, "free", None, is_active=True, updated_at=now),
        Key(gone, "gone", None, is_active=False, updated_at=now),
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
    double.add_key("k", double.add_customer("Acme"), SECRET)
    assert SECRET not in repr(api.directory())
    assert api.key_name(SECRET) == "k"
    assert SECRET not in caplog.text + repr(double.keys) + repr(vars(api))


def test_the_prices_of_our_models_are_told_in_ten_decimals(tmp_path: Path, double: GatewayDouble) -> None:
    sheet = tmp_path / "sheet.json"
    rates = {"input_cost_per_token": 0.000001, "output_cost_per_token": 2.6e-10, "cache_read_input_token_cost": 0}
    sheet.write_text(json.dumps({"kubeai/llama": {"provider": "kubeai"} | rates, "x/gpt": {"provider": "x"} | rates}))
    double = GatewayDouble(sheet=sheet)
    double.add_key("prices", secret=SECRET)
    with serving(double) as url, GatewayApi(url, "admin", "admin", SECRET) as api:
        assert api.prices() == {
            "llama": {"prompt": Decimal("0.000001"), "completion": Decimal("0.0000000003"), "input_cache_read": Decimal(0)}
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
    says = Says('{"virtual_key_name": "acme k1", "is_active": true, "data": []}')
    with asking(says, SECRET) as api:
        assert api.key_name("sk-bf-other") == "acme k1"
        assert api.prices() == {}
    assert [ask["HTTP_X_BF_VK"] for ask in says.asked] == ["sk-bf-other", SECRET]
    assert not any("HTTP_AUTHORIZATION" in ask for ask in says.asked)


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found"])
def test_a_key_that_the_gateway_does_not_take_has_no_name(status: str) -> None:
    with asking(Says(status=status)) as api:
        assert api.key_name(SECRET) is None


def test_a_key_that_is_not_active_has_no_name(double: GatewayDouble, api: GatewayApi) -> None:
    double.deactivate_key_by_put(double.add_key("k", secret=SECRET))
    assert api.key_name(SECRET) is None
    assert api.key_name("sk-bf-unknown") is None


@pytest.mark.parametrize(
    "says", [Says("<html>", kind="text/html"), Says(status="500 Oops"), Says("{}"), Says(status="429 Too Many Requests")]
)
def test_whether_a_key_is_good_is_not_known_where_the_gateway_does_not_tell(says: Says) -> None:
    assert SECRET not in refused(says, lambda api: api.key_name(SECRET))


def test_a_secret_that_no_header_carries_is_not_repeated() -> None:
    assert "two" not in refused(Says(), lambda api: api.key_name("two\nlines"))


def test_counts_of_the_process_are_read(double: GatewayDouble, api: GatewayApi) -> None:
    double.call(double.add_key("k"), "llama", request_id="x" * 256)
    assert api.dropped() == 1
    assert "bifrost_success_requests_total{" in api.metrics()


def test_a_user_interface_is_no_metrics() -> None:
    assert "answered text/html, not text/plain" in refused(Says("<html>", kind="text/html"), GatewayApi.metrics)


def test_a_sync_that_the_gateway_does_not_have_is_refused(api: GatewayApi) -> None:
    api.force_sync()
    assert "POST /api/pricing/force-sync: answered text/html" in refused(Says("<html>", kind="text/html"), GatewayApi.force_sync)
