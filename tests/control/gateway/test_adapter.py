"""Bifrost behind the port: each question goes to whom it concerns, here the double by HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest

from control_app.core.time import microseconds
from control_app.gateway.bifrost.adapter import Bifrost
from control_app.gateway.bifrost.api import GatewayApi
from control_app.gateway.bifrost.sheet_places import SheetFile
from control_app.gateway.double.gateway import GatewayDouble
from control_app.gateway.port import Customer, Directory, Gateway, GatewayError, Key, Reading, UsageRow
from tests.control.support.clocks import Clock
from tests.control.support.ledgers import row

SECRET = "sk-bf-own"  # noqa: S105 (it is none)
SHEET = json.dumps({"kubeai/llama": {"provider": "kubeai", "input_cost_per_token": 0.000001}})


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    return tmp_path / "sheet.json"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def double(sheet: Path, clock: Clock) -> GatewayDouble:
    double = GatewayDouble(clock, sheet=sheet)
    double.add_customer("Acme", id="acme")
    double.add_key("k1", "acme", SECRET, id="k1")
    return double


def api(double: GatewayDouble) -> GatewayApi:
    return GatewayApi("http://gateway", *double.credentials, key=SECRET, transport=httpx2.WSGITransport(app=double))


@pytest.fixture
def gateway(double: GatewayDouble, sheet: Path) -> Gateway:
    return Bifrost(api(double), SheetFile(sheet))


def test_a_published_sheet_is_in_force_once_it_was_reloaded(gateway: Gateway) -> None:
    assert gateway.publish(SHEET)
    assert gateway.prices() == {}
    gateway.reload()
    assert gateway.prices() == {"llama": [{"prompt": Decimal("0.000001")}]}
    assert not gateway.publish(SHEET)


def test_a_request_is_a_row_and_is_counted(gateway: Gateway, double: GatewayDouble, clock: Clock) -> None:
    began = microseconds(clock())
    double.call("k1", "llama", prompt=10, completion=2)
    double.call("k1", "llama", request_id="x" * 256)
    clock.now += timedelta(minutes=1)
    assert gateway.first() == began
    ((found,),) = gateway.rows(0, microseconds(clock()))
    assert isinstance(found, UsageRow)
    assert (found.key, found.model, found.prompt) == ("k1", "llama", 10)
    assert gateway.counts() == Reading({("k1", "llama", "success"): 2}, double.started.timestamp(), 1)


def test_a_key_is_named_by_its_secret(gateway: Gateway) -> None:
    assert gateway.key_of(SECRET) == "k1"
    assert gateway.key_of("sk-bf-unknown") is None


def test_keys_that_can_call_nothing_are_named(gateway: Gateway, double: GatewayDouble) -> None:
    assert gateway.barred() == []
    double.add_key("bare", providers=())
    assert gateway.barred() == ["bare"]


class Database:
    """What Bifrost keeps, read from elsewhere than its API."""

    def rows(self, start: int, end: int) -> Iterator[Sequence[UsageRow]]:
        yield [row(start, key="from the database")]

    def now(self) -> int:
        return 7

    def first(self) -> int | None:
        return 7

    def directory(self) -> Directory:
        return Directory([Customer("kept", "Kept")], [Key("k", "k", "kept", is_active=True, updated_at=0)])

    def prices(self) -> Mapping[str, Sequence[Mapping[str, Decimal]]]:
        return {"kept": [{"prompt": Decimal(1)}]}


def test_with_a_database_what_is_kept_comes_from_there_and_the_rest_from_the_api(double: GatewayDouble, sheet: Path) -> None:
    gateway: Gateway = Bifrost(api(double), SheetFile(sheet), Database())
    assert [row.key for page in gateway.rows(1, 2) for row in page] == ["from the database"]
    assert (gateway.first(), gateway.directory(), gateway.prices()) == (7, Database().directory(), Database().prices())
    double.call("k1", "llama")
    assert (gateway.key_of(SECRET), gateway.counts().counts) == ("k1", {("k1", "llama", "success"): 1})


def test_the_time_is_the_gateways_by_a_clock_of_its_own(gateway: Gateway, clock: Clock) -> None:
    clock.now += timedelta(days=3, seconds=7, milliseconds=900)
    assert gateway.now() == microseconds(clock.now.replace(microsecond=0))


def test_while_the_gateway_is_off_its_databases_time_stands_for_its_own(double: GatewayDouble, sheet: Path, clock: Clock) -> None:
    def off(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    silent = GatewayApi("http://gateway", "admin", "admin", transport=httpx2.MockTransport(off))
    assert Bifrost(api(double), SheetFile(sheet), Database()).now() == microseconds(clock())
    assert Bifrost(silent, SheetFile(sheet), Database()).now() == Database().now()
    with pytest.raises(GatewayError, match="GET /api/version: the gateway did not answer"):
        Bifrost(silent, SheetFile(sheet)).now()


def test_a_gateway_without_its_database_says_so_and_goes_on_counting(gateway: Gateway, double: GatewayDouble) -> None:
    double.database_away(is_away=True)
    double.call("k1", "llama")
    for ask in (gateway.first, gateway.directory, lambda: gateway.key_of(SECRET)):
        with pytest.raises(GatewayError):
            ask()
    assert gateway.counts() == Reading({("k1", "llama", "success"): 1}, double.started.timestamp(), 1)
