"""Bifrost's own metrics of successes and errors, in Prometheus' text: the second count beside its log, which loses rows by design.

A metric counts a request also where its row was lost, refused or never written. It begins at 0 with each process of the
gateway (docs/facts/bifrost.md, Counting).
"""

from __future__ import annotations

from collections import Counter

from control_app.gateway.bifrost.log_rows import CANCELLED_STATUS
from control_app.gateway.exposition import STARTED, sample_of, started
from control_app.gateway.port import FREE, PROVIDER, GatewayError, Outcome, Reading

METRIC, ERRORS = "bifrost_success_requests_total", "bifrost_error_requests_total"


class Counters:
    """Reads the metrics again and again; the labels of a series are taken apart once."""

    def __init__(self) -> None:
        # By the text of a series' labels, which is the same at each reading.
        self._series: dict[str, tuple[str, str, Outcome] | None] = {}

    def read(self, metrics: str, dropped: int) -> Reading:
        """What *metrics* say, beside a count of *dropped* log rows.

        Raises GatewayError where the text has no metrics: a gateway that counts nothing would look complete.
        """
        if "# TYPE " not in metrics:
            raise GatewayError(f"the gateway's /metrics answered no metrics but {metrics[:60]!r}; are they switched on?")
        counts: Counter[tuple[str, str, Outcome]] = Counter()
        began: float | None = None
        for line in metrics.splitlines():
            if line.startswith((METRIC + "{", ERRORS + "{")):
                labels, _, value = line.rpartition("} ")
                if labels not in self._series:
                    self._series[labels] = _labels(line)
                if series := self._series[labels]:
                    counts[series] += int(float(value))
            elif line.startswith(STARTED):
                began = started(line)
        return Reading(counts, began, dropped)


def _labels(line: str) -> tuple[str, str, Outcome] | None:
    """Key, model and outcome of a series; None for what is no inference."""
    name, labels, *_ = sample_of(line)
    if labels.get("method") == FREE:
        return None
    key, provider, model = (labels.get(label, "") for label in ("virtual_key_id", "provider", "model"))
    outcome = _outcome(name, labels.get("status_code"))
    if outcome == "error":
        return key, "", outcome  # callers may invent as many models as they like
    return key, model if provider == PROVIDER else f"{provider}/{model}", outcome


def _outcome(metric: str, status: str | None) -> Outcome:
    if metric == METRIC:
        return "success"
    return "cancelled" if status == str(CANCELLED_STATUS) else "error"
