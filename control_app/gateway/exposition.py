"""What programs tell Prometheus of themselves, in its text format: what the readers of several programs share."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

STARTED = "process_start_time_seconds "
"""How the line begins that tells when the process started, in seconds since 1970 UTC; not all processes have it."""


def sample_of(line: str) -> Sample:
    """Name, labels and value of a *line* that is a sample; raises ValueError where it is none."""
    families = list(text_string_to_metric_families(line + "\n"))
    if len(families) != 1 or len(families[0].samples) != 1:
        raise ValueError(f"{line[:80]!r} is no sample")
    return families[0].samples[0]


def started(line: str) -> float:
    """The time in a line that begins with STARTED."""
    return float(line.removeprefix(STARTED))
