"""What the real gateway was recorded to answer is read whole: who holds which key, rows, quota, models, metrics, what was dropped."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from control_app.gateway.bifrost.api import GatewayApi
from control_app.gateway.bifrost.counters import Counters
from control_app.gateway.port import Customer, GatewayError, UsageRow
from tests.control.support.recomputation import at
from tests.control.support.recordings import CALLS, Call, Replay

PATHS = {
    "/api/governance/customers": "customers",
    "/api/governance/teams": "teams",
    "/api/governance/virtual-keys": "virtual keys",
    "/api/governance/virtual-keys/quota": "quota of a key",
    "/api/logs": "log rows, newest first",
    "/api/logs/dropped": "dropped",
    "/api/pricing/force-sync": "force sync of prices",
    "/v1/models": "models, with key",
    "/metrics": "metrics",
}
ACME, GLOBEX, RECORDED = (
    "8353ac03-2542-4719-b9b3-6fec4c7ff31b",
    "d6e367be-cd80-47ee-8374-69494f000fb2",
    "6c802c5c-6f4d-43e0-b4e4-718036c81e4e",
)
KEY = "2808c6bf-e2c2-4c6b-ba57-bc58bf8e8823"
WHOLE = ("customers", "teams", "virtual_keys")


def whole(call: Call, asked: dict[str, str]) -> object:
    """The recorded page as if it were all there is, in the order and of the size that is asked for."""
    body: Any = call.response["body"]
    if "logs" in body:
        rows = body["logs"] if asked["order"] == "desc" else body["logs"][::-1]
        return body | {"logs": rows, "pagination": body["pagination"] | {"limit": int(asked["limit"])}}
    return body | {"total_count": body["count"]} if body.keys() & set(WHOLE) else body


def asking(*, adapted: Any = whole, **other: str) -> GatewayApi:
    """Our client, to whom the recording answers; *other*: calls instead of those of PATHS, by the last part of their path."""

    def chosen(path: str) -> str:
        return other.get(path.rpartition("/")[2], PATHS.get(path, "unknown path"))

    return GatewayApi("http://gateway", "admin", "a password", "sk-bf-ours", transport=httpx2.WSGITransport(app=Replay(chosen, adapted)))


def test_customers_and_keys_are_read_with_the_customer_of_a_keys_team() -> None:
    found = asking().directory()
    assert found.customers == [Customer(ACME, "acme"), Customer(GLOBEX, "globex")]
    assert [(key.name, key.customer, key.is_active) for key in found.keys] == [("acme-k1", ACME, True), ("acme-k2", ACME, True)]
    assert found.keys[0].updated_at == at("2026-11-30T06:26:16") + 259_035
    assert "<secret>" not in repr(found)


def test_keys_of_our_provider_are_not_barred() -> None:
    assert asking().barred() == []


def test_a_part_of_the_customers_or_keys_is_refused() -> None:
    with pytest.raises(GatewayError, match=r"gave 2 of 251 entries"):
        asking(adapted=None).directory()


def test_billed_rows_are_read_with_their_tokens_key_and_customer() -> None:
    rows = [row for page in asking().rows(at("2026-11-30T07:00"), at("2026-11-30T08:00")) for row in page]
    read = {row.id: row for row in rows if isinstance(row, UsageRow)}
    chat = read["33c5c2e3-c0f1-4961-85a7-2c84d1227be2"]
    assert (chat.key, chat.key_name, chat.customer, chat.model) == (KEY, "recorded-kubeai", RECORDED, "llama-a")
    assert (chat.prompt, chat.cached_read, chat.cached_write, chat.completion, chat.reasoning) == (100, 40, 0, 20, 5)
    assert (chat.cost, chat.succeeded, chat.at) == ("0.000124", True, at("2026-11-30T07:04:17") + 677_189)
    successes = [row for row in read.values() if row.succeeded]
    assert [(row.model, row.prompt, row.completion) for row in successes] == [
        *[("llama-a", 100, 20)] * 4,
        ("llama-a", 10, 5),
        ("embed-a", 10, 0),
        *[("llama-a", 10, 5)] * 2,
    ]


def test_the_oldest_row_of_what_there_is_is_found() -> None:
    assert asking(logs="log rows, success only").first() == at("2026-11-30T07:04:17") + 808_749


def test_a_key_is_asked_for_its_id_and_a_wrong_one_has_none() -> None:
    assert asking().key_id("sk-bf-1") == "44574644-905f-4867-8b14-d83f79566b84"
    assert asking(quota="quota, wrong key").key_id("sk-bf-2") is None


def test_prices_are_read_of_the_models_that_have_one() -> None:
    assert asking().prices() == {
        "embed-a": [{"prompt": Decimal("5e-7"), "completion": 0}],
        "free-a": [{"prompt": 0, "completion": 0}],
        "late-a": [{"prompt": Decimal("2e-6"), "completion": Decimal("3e-6")}],
    }


def test_metrics_and_what_was_dropped_are_read_and_errors_are_no_successes() -> None:
    api = asking()
    reading = Counters().read(api.metrics(), api.dropped())
    assert not [series for series in reading.counts if "success" in series]
    ends = Counter[str]()
    for (*_, outcome), number in reading.counts.items():
        ends[outcome] += number
    assert ends == {"error": 5, "cancelled": 1}
    assert reading.dropped == 0


def test_the_sheet_is_read_again_when_the_gateway_says_so() -> None:
    asking().force_sync()


@pytest.mark.parametrize("title", ["virtual keys, nobody", "virtual keys, wrong password"])
def test_a_wrong_password_is_named(title: str) -> None:
    with pytest.raises(GatewayError, match=r"answered 401; are the gateway's user, password and key right"):
        asking(**{"virtual-keys": title}).directory()


def test_a_path_that_the_gateway_does_not_have_is_no_answer() -> None:
    with pytest.raises(GatewayError, match="answered text/html"):
        asking(dropped="unknown path").dropped()


def test_what_is_recorded_has_no_secrets() -> None:
    told = repr(CALLS)
    assert "sk-bf-<secret>" in told
    assert "sk-bf-" not in told.replace("sk-bf-<secret>", "")
