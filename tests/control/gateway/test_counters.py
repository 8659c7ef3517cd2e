"""Bifrost's own count of requests by how they ended, in Prometheus' text."""

from __future__ import annotations

import pytest

from control_app.gateway.bifrost.counters import Counters
from control_app.gateway.port import GatewayError, Reading

NAME = r'"a \"name\"} 7"'
"""Prometheus' text escapes quotes and leaves braces."""


def series(value: float, metric: str = "success", **labels: str) -> str:
    """A line of a metric, with labels in Bifrost's order."""
    told = {"provider": "kubeai", "model": "llama", "method": "chat_completion", "virtual_key_id": "k1"} | labels
    text = ",".join(f'{label}="{one}"' for label, one in told.items())
    return f"bifrost_{metric}_requests_total{{{text},virtual_key_name={NAME}}} {value}"


def read(*lines: str, dropped: int = 0) -> Reading:
    return Counters().read("\n".join(("# TYPE bifrost_success_requests_total counter", *lines)), dropped)


def test_successes_are_counted_by_key_and_model_over_all_other_labels() -> None:
    found = read(
        series(3, number_of_retries="0"), series(4, number_of_retries="1"), series(5, virtual_key_id="k2"), series(6, model="qwen")
    )
    assert found.counts == {("k1", "llama", "success"): 7, ("k2", "llama", "success"): 5, ("k1", "qwen", "success"): 6}


def test_what_clients_cancelled_is_counted_apart_from_other_errors_whose_models_are_callers_words() -> None:
    failed = [series(5, "error", status_code=status, model=f"invented-{status}") for status in ("401", "502", "unknown")]
    found = read(series(3), series(4, "error", status_code="499"), *failed, series(9, "error", status_code="401", method="list_models"))
    assert found.counts == {("k1", "llama", "success"): 3, ("k1", "llama", "cancelled"): 4, ("k1", "", "error"): 15}


def test_the_process_tells_when_it_started_or_does_not() -> None:
    assert read("process_start_time_seconds 1.7960832e+09").started == 1_796_083_200
    assert read(series(1)).started is None


def test_dropped_rows_stand_beside_what_was_counted() -> None:
    assert read(dropped=3) == Reading({}, None, 3)


def test_questions_for_the_list_of_models_are_no_inference() -> None:
    assert read(series(100, method="list_models")).counts == {}


def test_a_model_of_another_provider_stands_with_its_name() -> None:
    assert read(series(2, provider="openai", model="gpt-9")).counts == {("k1", "openai/gpt-9", "success"): 2}


def test_requests_without_a_key_are_counted_as_nobodys() -> None:
    assert read(series(2, virtual_key_id="")).counts == {("", "llama", "success"): 2}


def test_large_counts_come_with_an_exponent() -> None:
    assert read(series(1.5e6)).counts == {("k1", "llama", "success"): 1_500_000}


def test_other_metrics_are_left_alone() -> None:
    others = ('bifrost_upstream_requests_total{provider="kubeai"} 9', "bifrost_success_requests_totals 9", "process_start_time_seconds_x 9")
    assert read(*others) == Reading({}, None, 0)


def test_each_reading_counts_anew() -> None:
    counters = Counters()
    text = f"# TYPE x counter\n{series(3)}"
    assert [counters.read(text, 0).counts for _ in range(2)] == [{("k1", "llama", "success"): 3}] * 2


@pytest.mark.parametrize("text", ["", "<html>Bifrost</html>"])
def test_a_gateway_that_counts_nothing_is_refused(text: str) -> None:
    with pytest.raises(GatewayError, match="no metrics"):
        Counters().read(text, 0)
