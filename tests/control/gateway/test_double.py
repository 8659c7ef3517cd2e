"""The double keeps the gateway's contract, and above all its traps; asked by HTTP, as the service asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from control_app.gateway.bifrost.counters import METRIC
from control_app.gateway.double.entities import Failure
from control_app.gateway.double.gateway import GatewayDouble
from tests.control.support.clocks import Clock
from tests.control.support.gateways import serving
from tests.control.support.ledgers import row

SHEET: dict[str, dict[str, Any]] = {
    "kubeai/llama": {
        "provider": "kubeai",
        "mode": "chat",
        "input_cost_per_token": 0.000001,
        "output_cost_per_token": 0.000002,
        "cache_read_input_token_cost": 0.0000001,
    }
}
SECOND = timedelta(seconds=1)
Logs = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = tmp_path / "sheet.json"
    path.write_text(json.dumps(SHEET))
    return path


@pytest.fixture
def double(clock: Clock, sheet: Path) -> GatewayDouble:
    return GatewayDouble(clock, sheet=sheet)


@pytest.fixture
def key(double: GatewayDouble) -> str:
    return double.add_key("acme k1", double.add_customer("Acme", "acme"), "sk-bf-secret", "k1")


@pytest.fixture
def http(double: GatewayDouble) -> Generator[httpx2.Client]:
    with serving(double) as url, httpx2.Client(base_url=url, auth=("admin", "admin")) as client:
        yield client


@pytest.fixture
def logs(http: httpx2.Client) -> Logs:
    def ask(**params: str | int) -> list[dict[str, Any]]:
        return list(http.get("/api/logs", params=params).json()["logs"])

    return ask


def later(clock: Clock) -> None:
    """Everything that waits is written."""
    clock.now += timedelta(minutes=1)


def counted(http: httpx2.Client, name: str = METRIC) -> list[str]:
    return [line for line in http.get("/metrics").text.splitlines() if line.startswith(name)]


# --- rows -------------------------------------------------------------------------------------------------------------


def test_a_row_is_as_the_gateway_sends_it(clock: Clock, double: GatewayDouble, key: str, logs: Logs) -> None:
    clock.now += timedelta(milliseconds=250)
    double.call(key, "llama", prompt=100, cached_read=40, completion=20, reasoning=5, request_id="r1")
    later(clock)
    (found,) = logs()
    assert found["token_usage"] == {
        "prompt_tokens": 100,
        "prompt_tokens_details": {"cached_read_tokens": 40, "cached_tokens": 40},
        "completion_tokens": 20,
        "completion_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 120,
    }
    expected: dict[str, Any] = {
        "id": "r1",
        "timestamp": "2026-12-01T00:00:00.25Z",
        "object": "chat_completion",
        "provider": "kubeai",
        "model": "llama",
    }
    expected |= {"virtual_key_id": "k1", "virtual_key_name": "acme k1", "status": "success", "cost": 0.000104}
    assert found.items() >= expected.items()
    assert found["created_at"] == found["timestamp"]
    assert found["virtual_key"]["value"] == ""
    assert (found["customer_id"], found["customer_name"], found["team_id"]) == ("acme", "Acme", None)
    assert "prompt_tokens" not in found


def test_a_row_names_the_customer_of_its_keys_team_and_keeps_it(clock: Clock, double: GatewayDouble, logs: Logs) -> None:
    team = double.add_team("team", double.add_customer("Acme", "acme"), "t1")
    key, free = double.add_key("of the team", team=team), double.add_key("nobody's")
    double.call(key, "llama", request_id="team")
    double.call(free, "llama", request_id="free")
    double.delete_customer("acme")
    later(clock)
    told = {row["id"]: tuple(row[f"{who}_{what}"] for who in ("team", "customer") for what in ("id", "name")) for row in logs()}
    assert told == {"team": ("t1", "team", "acme", "Acme"), "free": (None,) * 4}


def test_a_cost_of_zero_and_a_usage_that_nobody_told_are_absent(clock: Clock, double: GatewayDouble, key: str, logs: Logs) -> None:
    double.call(key, "unpriced", prompt=1, request_id="unpriced")
    double.call(key, "llama", request_id="nothing")
    double.call(key, "llama", kind="chat_completion_stream", request_id="stream")
    later(clock)
    found = {row["id"]: row for row in logs()}
    assert "cost" not in found["unpriced"]
    assert not {"cost", "token_usage"} & found["nothing"].keys()
    assert found["stream"]["cost"] == 0
    assert "token_usage" not in found["stream"]


def test_a_row_appears_with_its_batch_after_the_end_of_its_request_under_the_time_of_its_start(
    clock: Clock, double: GatewayDouble, key: str, logs: Logs
) -> None:
    began = clock.now
    double.call(key, "llama", latency=3 * SECOND)
    clock.now += 8 * SECOND - timedelta(microseconds=1)
    assert logs() == []
    clock.now += timedelta(microseconds=1)
    assert logs()[0]["timestamp"] == began.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_late_row_stands_before_earlier_ones(clock: Clock, double: GatewayDouble, key: str, logs: Logs) -> None:
    double.call(key, "llama", request_id="long", visible_after=timedelta(minutes=10))
    double.call(key, "llama", clock.now + SECOND, request_id="short")
    later(clock)
    assert [row["id"] for row in logs(order="asc")] == ["short"]
    clock.now += timedelta(minutes=10)
    assert [row["id"] for row in logs(order="asc")] == ["long", "short"]
    assert [row["id"] for row in logs()] == ["short", "long"]


def test_a_repeated_request_id_makes_no_row_and_is_not_told(
    clock: Clock, double: GatewayDouble, key: str, http: httpx2.Client, logs: Logs
) -> None:
    for model in ("llama", "other", "other"):
        double.call(key, model, request_id="same")
    later(clock)
    double.call(key, "other", request_id="same")
    later(clock)
    assert [row["model"] for row in logs()] == ["llama"]
    assert http.get("/api/logs/dropped").json() == {"dropped_requests": 0}
    assert sorted(line[-1] for line in counted(http)) == ["1", "3"]


def test_a_request_id_over_255_characters_makes_no_row_and_is_counted_as_dropped(
    clock: Clock, double: GatewayDouble, key: str, http: httpx2.Client, logs: Logs
) -> None:
    for length in (255, 256):
        double.call(key, "llama", request_id="x" * length)
    later(clock)
    assert [len(row["id"]) for row in logs()] == [255]
    assert http.get("/api/logs/dropped").json() == {"dropped_requests": 1}


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"limit": 1000}, 200),
        ({"limit": "many"}, 200),
        ({"limit": 1001}, 400),
        ({"limit": 0}, 400),
        ({"limit": -1}, 400),
        ({"offset": -1}, 400),
    ],
)
def test_a_page_has_1_to_1000_rows_and_50_where_the_number_is_none(http: httpx2.Client, params: dict[str, str | int], status: int) -> None:
    answer = http.get("/api/logs", params=params)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    if params == {"limit": "many"}:
        assert answer.json()["pagination"]["limit"] == 50


@pytest.mark.parametrize(
    ("asked", "total"), [({}, 3), ({"status": "success"}, 2), ({"status": "cancelled"}, 0), ({"virtual_key_ids": "k1"}, 0)]
)
def test_the_total_is_of_a_status_and_is_zero_where_keys_are_asked_for(
    double: GatewayDouble, http: httpx2.Client, asked: dict[str, str], total: int
) -> None:
    double.add_rows([row(), row()])
    double.call(double.add_key("k"), "llama", status="error")
    double.terminate()
    told = http.get("/api/logs", params={"limit": 1, **asked}).json()
    assert (told["pagination"]["total_count"], told["has_logs"]) == (total, True)


@pytest.mark.parametrize(
    "limits", [("start_time", "2026-10-05T12:00:01"), ("end_time", "yesterday"), ("start_time", "2026-13-05T12:00:00Z")]
)
def test_a_time_that_is_malformed_is_ignored_without_a_word(double: GatewayDouble, logs: Logs, limits: tuple[str, str]) -> None:
    double.add_rows([row("2026-10-05T12:00"), row("2020-01-01T00:00")])
    assert len(logs(**dict([limits]))) == 2


def test_a_plus_sign_that_is_not_encoded_makes_a_time_malformed(double: GatewayDouble, http: httpx2.Client) -> None:
    double.add_rows([row("2026-10-05T12:00"), row("2020-01-01T00:00")])
    for sign, count in (("+", 2), ("%2B", 1)):
        answer = http.get(f"/api/logs?start_time=2026-10-05T14:00:00{sign}02:00").json()
        assert len(answer["logs"]) == count


def test_both_ends_of_a_window_are_in_it(double: GatewayDouble, logs: Logs) -> None:
    double.add_rows([row(f"2026-10-05T12:0{minute}", id=str(minute)) for minute in range(4)])
    found = logs(start_time="2026-10-05T12:01:00Z", end_time="2026-10-05T12:02:00.000000Z", order="asc")
    assert [row["id"] for row in found] == ["1", "2"]


def test_rows_of_one_time_come_in_another_order_each_time(double: GatewayDouble, logs: Logs) -> None:
    double.add_rows([row(id=str(number)) for number in range(3)])
    first, second = (logs(order="asc", limit=1, offset=offset)[0]["id"] for offset in (0, 2))
    assert first == second


def test_rows_are_filtered_by_status_and_key_and_by_nothing_that_is_not_known(double: GatewayDouble, clock: Clock, logs: Logs) -> None:
    for name, status in (("a", "success"), ("b", "cancelled"), ("c", "error")):
        double.call(double.add_key(name, id=name), "llama", status=status)
    later(clock)
    assert {row["virtual_key_id"] for row in logs(status="success,cancelled")} == {"a", "b"}
    assert {row["virtual_key_id"] for row in logs(virtual_key_ids="a,c")} == {"a", "c"}
    assert len(logs(customer_ids="nobody", request_id="none")) == 3


# --- keys and customers -----------------------------------------------------------------------------------------------


def test_keys_come_all_at_once_or_in_pages_of_25_or_at_most_100(double: GatewayDouble, http: httpx2.Client) -> None:
    for number in range(130):
        double.add_key(f"k{number}")

    def ask(**params: int) -> tuple[int, int, int, int]:
        told = http.get("/api/governance/virtual-keys", params=params).json()
        assert told["count"] == len(told["virtual_keys"])
        return told["count"], told["total_count"], told["limit"], told["offset"]

    assert ask()[:2] == (130, 130)
    assert ask(offset=0) == ask(limit=0) == (25, 130, 25, 0)
    assert ask(limit=1000) == (100, 130, 100, 0)
    assert ask(limit=100, offset=100) == (30, 130, 100, 100)


@pytest.mark.parametrize("params", [{"limit": "all"}, {"limit": "-1"}, {"offset": "-1"}])
def test_a_page_of_keys_that_is_no_number_is_refused(http: httpx2.Client, params: dict[str, str]) -> None:
    assert http.get("/api/governance/virtual-keys", params=params).status_code == 400


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("path", ["virtual-keys", "customers"])
def test_lists_tell_the_secrets(http: httpx2.Client, path: str) -> None:
    assert "sk-bf-secret" in http.get(f"/api/governance/{path}").text


def test_a_list_of_customers_is_cut_and_tells_of_how_many(double: GatewayDouble, http: httpx2.Client) -> None:
    for name in ("same", "same", "other"):
        double.add_customer(name)
    told = http.get("/api/governance/customers", params={"limit": 2}).json()
    assert (told["count"], told["total_count"], len(told["customers"])) == (2, 3, 2)


def test_a_keys_name_is_taken_once_and_a_key_has_one_holder(double: GatewayDouble) -> None:
    double.add_key("k")
    with pytest.raises(ValueError, match="already"):
        double.add_key("k")
    with pytest.raises(ValueError, match="not both"):
        double.add_key("both", "customer", team="team")


def the_key(http: httpx2.Client) -> dict[str, Any]:
    (found,) = http.get("/api/governance/virtual-keys").json()["virtual_keys"]
    return dict(found)


def test_a_key_that_is_deactivated_keeps_its_customer_and_serves_no_more(
    clock: Clock, double: GatewayDouble, key: str, http: httpx2.Client, logs: Logs
) -> None:
    clock.now += SECOND
    http.put(f"/api/governance/virtual-keys/{key}", json={"is_active": False})
    found = the_key(http)
    assert (found["is_active"], found["customer_id"], found["updated_at"]) == (False, "acme", "2026-12-01T00:00:01Z")
    double.call(key, "llama", prompt=5)
    later(clock)
    assert [(row["status"], row["error_details"]["type"], "token_usage" in row) for row in logs()] == [
        ("error", "virtual_key_blocked", False)
    ]
    assert counted(http) == []


@pytest.mark.parametrize(("method", "path"), [("PUT", "virtual-keys"), ("DELETE", "virtual-keys"), ("DELETE", "customers")])
def test_what_is_not_there_cannot_be_changed(http: httpx2.Client, method: str, path: str) -> None:
    assert http.request(method, f"/api/governance/{path}/gone", json={}).status_code == 404


def test_a_put_that_says_nothing_of_activity_leaves_the_key_active(http: httpx2.Client, key: str) -> None:
    assert http.put(f"/api/governance/virtual-keys/{key}", json={}).json()["virtual_key"]["is_active"] is True


def test_a_key_is_made_with_its_budgets(http: httpx2.Client) -> None:
    budget = {"max_limit": 1, "reset_duration": "1d"}
    asked = {"name": "k", "provider_configs": [{"provider": "kubeai"}], "budgets": [budget], "budget": "no version reads this"}
    assert http.post("/api/governance/virtual-keys", json=asked).json()["virtual_key"]["budgets"] == [budget]


def test_a_deleted_customers_keys_stay_active_and_nobodys(double: GatewayDouble, key: str, http: httpx2.Client) -> None:
    double.add_team("team", "acme", "t1")
    double.delete_customer("acme")
    assert (the_key(http)["id"], the_key(http)["is_active"], the_key(http).get("customer_id")) == (key, True, None)
    assert "customer_id" not in http.get("/api/governance/teams").json()["teams"][0]


def test_a_deleted_keys_rows_stay(clock: Clock, double: GatewayDouble, key: str, http: httpx2.Client, logs: Logs) -> None:
    double.call(key, "llama")
    double.delete_key(key)
    later(clock)
    assert http.get("/api/governance/virtual-keys").json()["virtual_keys"] == []
    assert logs()[0]["virtual_key_name"] == "acme k1"


def test_a_key_may_know_its_name_and_needs_no_administrator(double: GatewayDouble, key: str, http: httpx2.Client) -> None:
    def ask(secret: str) -> httpx2.Response:
        return http.get("/api/governance/virtual-keys/quota", headers={"x-bf-vk": secret}, auth=None)

    told = ask("sk-bf-secret").json()
    assert (told["virtual_key_name"], told["is_active"], told["provider_configs"][0]["virtual_key_id"]) == ("acme k1", True, "k1")
    assert ask("sk-bf-other").status_code == 401
    double.deactivate_key(key)
    assert ask("sk-bf-secret").json()["is_active"] is False


# --- counts, losses and health ----------------------------------------------------------------------------------------


def test_successes_are_counted_when_they_happen_by_key_and_model(double: GatewayDouble, http: httpx2.Client) -> None:
    key = double.add_key('the "best"\\\n', id="k1")
    for status in ("success", "success", "cancelled", "error"):
        double.call(key, "llama", status=status)
    (line,) = counted(http)
    assert line.startswith(METRIC + '{alias="",customer_id="",')
    assert line.endswith('virtual_key_id="k1",virtual_key_name="the \\"best\\"\\\\\\n"} 2')
    assert counted(http, "bifrost_upstream_requests_total")[0].endswith(" 4")
    assert 'status_code="502"' in counted(http, "bifrost_error_requests_total")[0]
    assert counted(http, "process_start_time_seconds") == ["process_start_time_seconds 1796083200.0"]


def test_a_client_that_hangs_up_leaves_an_error_of_its_own_with_the_tokens_that_were_told_by_then(
    clock: Clock, double: GatewayDouble, key: str, http: httpx2.Client, logs: Logs
) -> None:
    double.hang_up(key, "llama")
    double.hang_up(key, "llama", clock.now + SECOND, prompt=1000, completion=98)
    later(clock)
    none, some = logs(order="asc")
    assert {(row["status"], row["error_details"]["status_code"], row["error_details"]["error"]["type"]) for row in (none, some)} == {
        ("error", 499, "request_cancelled")
    }
    assert not {"token_usage", "cost"} & none.keys()
    assert (some["token_usage"]["completion_tokens"], some["cost"]) == (98, 0.001196)
    (line,) = counted(http, "bifrost_error_requests_total")
    assert 'status_code="499"' in line
    assert line.endswith(" 2")
    assert counted(http) == []


def test_a_killed_gateway_loses_what_it_had_not_written_and_its_counts(
    clock: Clock, double: GatewayDouble, key: str, http: httpx2.Client, logs: Logs
) -> None:
    double.call(key, "llama", request_id="written")
    later(clock)
    double.call(key, "llama", request_id="x" * 256)
    double.call(key, "llama", request_id="lost")
    double.kill()
    later(clock)
    assert [row["id"] for row in logs()] == ["written"]
    assert (counted(http), http.get("/api/logs/dropped").json()["dropped_requests"]) == ([], 0)
    assert counted(http, "process_start_time_seconds") == ["process_start_time_seconds 1796083260.0"]


def test_a_terminated_gateway_writes_everything_first(
    clock: Clock, double: GatewayDouble, key: str, http: httpx2.Client, logs: Logs
) -> None:
    double.call(key, "llama")
    clock.now += SECOND
    double.terminate()
    assert (len(logs()), counted(http)) == (1, [])


def test_requests_are_served_while_the_database_is_away_and_their_rows_lost(
    clock: Clock, double: GatewayDouble, key: str, http: httpx2.Client, logs: Logs
) -> None:
    double.call(key, "llama", request_id="written")
    later(clock)
    double.call(key, "llama", request_id="just before")
    double.database_away(True)
    double.call(key, "llama", request_id="meanwhile")
    assert [http.get(path).status_code for path in ("/api/logs", "/health", "/api/logs/dropped", "/metrics")] == [500, 503, 200, 200]
    double.database_away(False)
    double.call(key, "llama", request_id="after")
    later(clock)
    assert [row["id"] for row in logs(order="asc")] == ["written", "after"]
    assert http.get("/api/logs/dropped").json()["dropped_requests"] == 2
    assert counted(http)[0].endswith(" 4")
    assert http.get("/health", auth=None).json()["status"] == "ok"


def test_many_rows_may_be_added_at_once_in_any_order(double: GatewayDouble, logs: Logs) -> None:
    double.add_rows([row("2026-10-05T12:00", id="b", customer="acme"), row("2026-10-04T12:00", id="a", model="together/meta/llama")])
    first, second = logs(order="asc")
    assert (first["provider"], first["model"], first["customer_id"]) == ("together", "meta/llama", None)
    assert (second["provider"], second["model"], second["customer_id"]) == ("kubeai", "llama", "acme")


# --- prices -----------------------------------------------------------------------------------------------------------


def priced(http: httpx2.Client) -> dict[str, Any]:
    """What the list of models says, after a sync that says that it succeeded."""
    assert http.post("/api/pricing/force-sync").json()["status"] == "success"
    told = http.get("/v1/models", headers={"x-bf-vk": "sk-bf-secret"}, auth=None).json()
    return {model["id"]: model["pricing"] for model in told["data"]}


LLAMA = {"kubeai/llama": {"prompt": "0.0000010000", "completion": "0.0000020000", "input_cache_read": "0.0000001000"}}


@pytest.mark.usefixtures("key")
def test_prices_are_told_in_ten_decimals(http: httpx2.Client) -> None:
    assert priced(http) == LLAMA


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"kubeai/llama": {"provider": "kubeai", "mode": "chat", "input_cost_per_token": "0.1"}}'],
)
def test_a_broken_sheet_changes_nothing_and_is_a_success(sheet: Path, http: httpx2.Client, text: str) -> None:
    sheet.write_text(text)
    assert priced(http) == LLAMA


@pytest.mark.usefixtures("key")
def test_a_broken_entry_is_left_out_and_the_others_are_read(sheet: Path, http: httpx2.Client) -> None:
    entry = {"provider": "kubeai", "mode": "chat", "input_cost_per_token": 1}
    sheet.write_text(json.dumps({"kubeai/broken": entry | {"input_cost_per_token": "1"}, "kubeai/new": entry}))
    assert priced(http) == LLAMA | {"kubeai/new": {"prompt": "1.0000000000"}}


@pytest.mark.usefixtures("key")
def test_a_sheet_that_is_not_there_changes_nothing_and_is_a_success(sheet: Path, http: httpx2.Client) -> None:
    sheet.unlink()
    assert priced(http) == LLAMA


@pytest.mark.usefixtures("key")
def test_a_model_that_left_the_sheet_keeps_its_price_and_a_rate_that_left_is_cleared(sheet: Path, http: httpx2.Client) -> None:
    entry = {"provider": "kubeai", "mode": "chat", "input_cost_per_token": 0.5}
    sheet.write_text(json.dumps({"any/org/new": entry, "bare": entry, "kubeai/lost": {"input_cost_per_token": 1}}))
    assert priced(http) == LLAMA | {"kubeai/org/new": {"prompt": "0.5000000000"}, "kubeai/bare": {"prompt": "0.5000000000"}}
    sheet.write_text(json.dumps({"kubeai/llama": entry}))
    assert priced(http)["kubeai/llama"] == {"prompt": "0.5000000000"}


def test_a_missing_rate_of_cached_tokens_is_the_prompts(clock: Clock, double: GatewayDouble, key: str, sheet: Path, logs: Logs) -> None:
    sheet.write_text(json.dumps({"kubeai/llama": {"provider": "kubeai", "mode": "chat", "input_cost_per_token": 0.5}}))
    double.force_sync()
    double.call(key, "llama", prompt=4, cached_read=2, cached_write=1)
    later(clock)
    assert logs()[0]["cost"] == 2


@pytest.mark.parametrize(
    ("kind", "cost"),
    [
        ("chat_completion", 0.002),
        ("responses_stream", 0.002),
        ("text_completion", None),
        ("text_completion_stream", 0),
        ("embedding", None),
    ],
)
def test_a_price_is_of_a_mode(double: GatewayDouble, key: str, logs: Logs, kind: str, cost: float | None) -> None:
    double.call(key, "llama", kind=kind, completion=1000)
    double.terminate()
    assert logs()[0].get("cost") == cost


def test_what_the_upstream_says_it_costs_beats_the_sheet(clock: Clock, double: GatewayDouble, key: str, logs: Logs) -> None:
    double.call(key, "llama", completion=1000, cost=9.99)
    later(clock)
    assert logs()[0]["cost"] == 9.99


def test_a_question_for_the_models_is_a_row_and_needs_the_database(
    clock: Clock, double: GatewayDouble, key: str, http: httpx2.Client, logs: Logs
) -> None:
    assert priced(http) == LLAMA
    later(clock)
    assert [(row["object"], row["status"], row["virtual_key_id"]) for row in logs()] == [("list_models", "success", key)]
    double.database_away(True)
    assert http.get("/v1/models", headers={"x-bf-vk": "sk-bf-secret"}, auth=None).status_code == 500


def called(http: httpx2.Client, model: str, key: str = "sk-bf-secret") -> int:
    """The status of a chat."""
    return http.post("/v1/chat/completions", headers={"x-bf-vk": key}, json={"model": model}).status_code


@pytest.mark.usefixtures("key")
def test_a_model_that_came_later_is_refused_until_the_provider_is_written(double: GatewayDouble, http: httpx2.Client) -> None:
    models = ["llama"]
    double.upstream = lambda: models
    double.terminate()
    models.append("new")
    assert [called(http, model) for model in ("kubeai/llama", "kubeai/new", "new")] == [200, 403, 400]
    assert priced(http) == LLAMA
    assert called(http, "kubeai/new") == 403
    provider = http.get("/api/providers/kubeai").json()
    assert http.put("/api/providers/kubeai", json=provider).json() == provider
    assert [called(http, model) for model in ("kubeai/llama", "kubeai/new", "new")] == [200, 200, 200]
    listed = http.get("/v1/models", headers={"x-bf-vk": "sk-bf-secret"}, auth=None).json()["data"]
    assert [(model["id"], "pricing" in model) for model in listed] == [("kubeai/llama", True), ("kubeai/new", False)]


@pytest.mark.usefixtures("key")
def test_where_the_upstream_did_not_answer_at_the_start_what_has_a_price_may_be_called(double: GatewayDouble, http: httpx2.Client) -> None:
    def away() -> list[str]:
        raise ConnectionError

    double.upstream = away
    double.kill()
    assert [called(http, model) for model in ("kubeai/llama", "kubeai/unpriced")] == [200, 403]


def test_a_key_without_a_provider_can_call_nothing(clock: Clock, double: GatewayDouble, http: httpx2.Client, logs: Logs) -> None:
    key = double.add_key("bare", None, "sk-bf-bare", providers=())
    double.call(key, "llama", prompt=5)
    assert called(http, "kubeai/llama", "sk-bf-bare") == 403
    assert http.get("/v1/models", headers={"x-bf-vk": "sk-bf-bare"}, auth=None).json()["data"] == []
    later(clock)
    assert [row["error_details"]["type"] for row in logs(status="error")] == ["provider_blocked"] * 2


@pytest.mark.usefixtures("key")
def test_a_model_that_fails_is_an_error_of_the_upstreams(double: GatewayDouble, http: httpx2.Client) -> None:
    double.failing["llama"] = Failure(503, "no engine")
    answer = http.post("/v1/chat/completions", headers={"x-bf-vk": "sk-bf-secret"}, json={"model": "kubeai/llama"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (503, "no engine")


def test_the_list_of_models_is_for_active_keys(double: GatewayDouble, key: str, http: httpx2.Client) -> None:
    assert http.get("/v1/models").status_code == 401
    double.deactivate_key(key)
    assert http.get("/v1/models", headers={"x-bf-vk": "sk-bf-secret"}).status_code == 403


# --- who may ask what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/logs", "/api/logs/dropped", "/api/governance/virtual-keys", "/api/providers/kubeai", "/metrics"])
@pytest.mark.parametrize("auth", [None, ("admin", "wrong"), ("other", "admin")])
def test_the_management_api_is_the_administrators(http: httpx2.Client, path: str, auth: tuple[str, str] | None) -> None:
    answer = http.get(path, auth=auth)
    assert answer.status_code == 401
    assert answer.json()["error"] == {"message": "Unauthorized"}
    assert http.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/api/governance/pricing-overrides", "/api/log", "/api/pricing/force-sync", "/anything"])
def test_a_path_that_is_not_known_is_a_success_in_html(http: httpx2.Client, path: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
