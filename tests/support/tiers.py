"""The tiers of the tests, and how they are spread over pytest-xdist's workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]

UNIT, FAULTS, HOSTS = "unit", "faults", "hosts"
PROGRAMS = ("engines", "providers", "browser")
"""Tiers that start programs of others, which take what they need of the machine: one of them at a time, beside unit tests."""
ORDER = (*PROGRAMS, FAULTS, UNIT, HOSTS)
"""In which tiers are begun: what takes longest first, so that no worker waits for another; the hosts when both cores are theirs."""


def tier_of(nodeid: str) -> str:
    """The tier of a test, which its folder under `tests` tells."""
    folder = nodeid.removeprefix("tests/").partition("/")[0]
    return folder if folder in ORDER else UNIT


class Scheduler(LoadScopeScheduling):  # type: ignore[misc] # xdist tells no types
    """Gives a worker a file's tests together, each test of the faults alone, and undivided what uses the machine."""

    def _split_scope(self, nodeid: str) -> str:
        tier = tier_of(nodeid)
        if tier in PROGRAMS:
            return "programs"
        return {HOSTS: HOSTS, FAULTS: nodeid}.get(tier, _file(nodeid))


def put_in_order(items: list[pytest.Item]) -> None:
    """Tier after tier; unit tests folder after folder, and in each the files of many tests first.

    The other tiers stay as they were collected: their files share machines, and each leaves them as the next one finds them.
    """
    sizes = Counter(_file(item.nodeid) for item in items)

    def place(item: pytest.Item) -> tuple[object, ...]:
        file = _file(item.nodeid)
        tier = tier_of(file)
        return (ORDER.index(tier), file.split("/")[:2], -sizes[file], file) if tier == UNIT else (ORDER.index(tier),)

    items.sort(key=place)


def summary(stats: Mapping[str, Sequence[pytest.TestReport]]) -> Sequence[str]:
    """A line for each tier, with how many of its tests came to what; a tier that did not run says why."""
    counts: dict[str, Counter[str]] = {}
    reasons: dict[str, str] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in stats.get(outcome, ()):
            tier = tier_of(report.nodeid)
            counts.setdefault(tier, Counter())[outcome] += 1
            if outcome == "skipped" and isinstance(report.longrepr, tuple):
                reasons[tier] = report.longrepr[2].removeprefix("Skipped: ")
    return [
        f"{tier}: not run: {reasons[tier]}"
        if set(outcomes) == {"skipped"}
        else f"{tier}: {', '.join(f'{count} {outcome}' for outcome, count in outcomes.items())}"
        for tier, outcomes in counts.items()
    ]


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
