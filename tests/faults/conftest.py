"""The faults tier: where its scenarios are, and how they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from tests.faults.scenarios import Ground, Tally
from tests.support.memory import folder_in_memory

Report = Callable[[str, Tally], None]


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    with folder_in_memory() as folder:
        yield Ground(folder)


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Tell at the end of the run what was counted, and hold it to nothing lost and nothing twice."""

    def tell(what: str, tally: Tally) -> None:
        record_property("counted", f"{what}: {tally}")
        assert tally.injected >= tally.scenarios
        assert (tally.duplicates, tally.lost, tally.second_mails, tally.difference) == (0, 0, 0, Decimal(0)), str(tally)

    return tell
