"""What Prometheus reads: the names of the contract, this month's sums, and no surprise from others."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from control_app.gateway.port import Customer, Key
from control_app.ledger.metrics import LedgerMetrics
from control_app.web.metrics import Metrics
from tests.control.support.ledgers import RATES, Books, row
from tests.control.support.usage_service import Service, used
from tests.support.observability import samples

Labels = frozenset[tuple[str, str]]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = Books(tmp_path)
    books.price("llama", 0, RATES)
    books.holders({"k1": "acme", "k2": "umbra", "k3": None})
    yield books
    books.db.close()


def told(metrics: Metrics) -> dict[str, dict[Labels, float]]:
    """Values by name and labels."""
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[_labels(sample.labels)] = sample.value
    return found


def ledger_metrics(books: Books, now: str = "2026-10-20T12:00") -> dict[str, dict[Labels, float]]:
    """What is told of the ledger at a time."""
    metrics = Metrics(books.db)
    LedgerMetrics(books.db, "USD", lambda: datetime.fromisoformat(now).replace(tzinfo=UTC)).register(metrics.collector)
    return told(metrics)


def test_every_metric_is_in_the_contract_with_these_labels(tmp_path: Path) -> None:
    service = Service(tmp_path, used("2026-11-02T12:00"))
    service.get()
    recorded = samples()
    found = told(service.app.extensions["services"].metrics)
    assert len(found) >= 9
    for name, values in found.items():
        for labels in values:
            assert {label for label, _ in labels} == recorded[name], name


def test_tokens_and_requests_of_this_month_are_by_model(books: Books) -> None:
    books.price("qwen", 0, RATES)
    books.take(row(), row(key="k2"), row(model="qwen", cached_read=0, reasoning=0), row("2026-09-30T23:59:59"))
    found = ledger_metrics(books)
    assert found["control_usage_requests"] == {_labels({"model": "llama"}): 2, _labels({"model": "qwen"}): 1}
    tokens = {(dict(labels)["model"], dict(labels)["kind"]): value for labels, value in found["control_usage_tokens"].items()}
    llama = {"prompt": 200, "cached": 80, "completion": 40, "reasoning": 10}
    qwen = {"prompt": 100, "cached": 0, "completion": 20, "reasoning": 0}
    assert tokens == {("llama", kind): count for kind, count in llama.items()} | {("qwen", kind): count for kind, count in qwen.items()}


def test_revenue_of_this_month_is_by_customer_and_nobodys_is_shown(books: Books) -> None:
    books.take(row(), row(), row(key="k2"), row(key="k3"), row("2026-09-30T23:59:59"))
    assert ledger_metrics(books)["control_revenue"] == {
        _labels({"customer": "Customer acme", "currency": "USD"}): 0.000208,
        _labels({"customer": "Customer umbra", "currency": "USD"}): 0.000104,
        _labels({"customer": "(nobody)", "currency": "USD"}): 0.000104,
    }


def test_customers_of_one_name_are_told_apart(books: Books) -> None:
    customers = [Customer("c1", "Acme"), Customer("c2", "Acme")]
    books.directory(customers, [Key("k6", "k6", "c1", is_active=True, updated_at=0), Key("k7", "k7", "c2", is_active=True, updated_at=0)])
    books.take(row(key="k6"), row(key="k7"))
    customers_told = {dict(labels)["customer"] for labels in ledger_metrics(books)["control_revenue"]}
    assert customers_told == {"Acme (c1)", "Acme (c2)"}


def test_a_new_month_begins_at_nothing_in_utc(books: Books) -> None:
    books.take(row("2026-10-31T23:59:59"))
    assert ledger_metrics(books, "2026-10-31T23:59:59")["control_usage_requests"]
    assert "control_usage_requests" not in ledger_metrics(books, "2026-11-01T00:00")
    assert ledger_metrics(books, "2026-11-01T00:00")["control_ledger_rows"] == {frozenset(): 1}


def test_how_far_the_ledger_is_complete_is_told_once_it_was_read(books: Books) -> None:
    name = "control_ledger_complete_through_timestamp_seconds"
    assert name not in ledger_metrics(books)
    books.ledger.ingest([], 2_000_000_000, "rows", 2_000_000_000)
    assert ledger_metrics(books)[name] == {frozenset(): 2_000 - 15 * 60}


def test_requests_are_counted_by_route_and_not_by_what_callers_make_up(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.get()
    service.get(None)
    for path in ("/made-up-1", "/made-up-2"):
        service.client.get(path)
    service.client.open("/usage", method="MADEUP")
    found = told(service.app.extensions["services"].metrics)
    counted = {tuple(sorted(dict(labels).values())): value for labels, value in found["control_http_requests_total"].items()}
    assert counted == {
        ("/usage", "200", "GET"): 1,
        ("/usage", "401", "GET"): 1,
        ("404", "GET", "none"): 2,
        ("405", "none", "other"): 1,
    }
    durations = found["control_http_request_duration_seconds_count"]
    assert durations == {_labels({"route": "/usage"}): 2, _labels({"route": "none"}): 3}


def test_a_fault_of_ours_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    service = Service(tmp_path)
    monkeypatch.setattr("control_app.web.pages.models.sheet_state", broken)
    service.client.get("/")
    counted = told(service.app.extensions["services"].metrics)["control_http_requests_total"]
    assert counted == {_labels({"route": "/", "method": "GET", "status": "500"}): 1}


def test_two_applications_count_each_for_itself(tmp_path: Path) -> None:
    services: list[Service] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        services.append(Service(tmp_path / name))
    services[0].get()
    assert "control_http_requests_total" not in told(services[1].app.extensions["services"].metrics)


def test_others_add_their_metrics_by_a_function(books: Books) -> None:
    metrics = Metrics(books.db)
    metrics.collector.gauge("control_price_sheet_in_sync", "1 while it is.", lambda: {(): True})
    metrics.collector.gauge("control_invoices", "By state.", lambda: {("draft",): 2, ("sent",): 3}, ("state",))
    metrics.collector.counter("control_gateway_dropped_logs_total", "Dropped.", lambda: {(): 7})
    found = told(metrics)
    assert found["control_price_sheet_in_sync"] == {frozenset(): 1}
    assert found["control_invoices"] == {_labels({"state": "draft"}): 2, _labels({"state": "sent"}): 3}
    assert found["control_gateway_dropped_logs_total"] == {frozenset(): 7}
    assert "# TYPE control_gateway_dropped_logs_total counter" in generate_latest(metrics.registry).decode()


def test_a_metric_that_cannot_be_read_is_left_out_and_logged(books: Books, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Mapping[tuple[str, ...], float]:
        raise ZeroDivisionError

    metrics = Metrics(books.db)
    metrics.collector.gauge("control_broken", "Broken.", broken)
    metrics.collector.gauge("control_whole", "Whole.", lambda: {(): 1})
    found = told(metrics)
    assert "control_broken" not in found
    assert found["control_whole"] == {frozenset(): 1}
    assert "control_broken" in caplog.text


def test_prometheus_reads_them_on_a_port_of_their_own(tmp_path: Path) -> None:
    service = Service(tmp_path, used())
    service.get()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    stop = service.app.extensions["services"].metrics.serve(bind, service.app)
    try:
        with urllib.request.urlopen(f"http://{bind}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    finally:
        stop()
    assert 'control_http_requests_total{method="GET",route="/usage",status="200"} 1.0' in text
    assert "control_ledger_rows 1.0" in text
    assert service.client.get("/metrics").status_code == 404


def _labels(labels: Mapping[str, str]) -> Labels:
    return frozenset(labels.items())
