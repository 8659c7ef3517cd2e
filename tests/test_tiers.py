"""The order in which tests are taken by pytest's workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest

from tests.support.tiers import put_in_order


@dataclass
class Item:
    """As much of a test as its order depends on."""

    nodeid: str


def ordered(*nodeids: str) -> list[str]:
    items = cast("list[pytest.Item]", [Item(nodeid) for nodeid in nodeids])
    put_in_order(items)
    return [item.nodeid for item in items]


def test_files_that_share_machines_stay_as_they_were_collected() -> None:
    fleet = ["tests/hosts/test_fleet.py::a", "tests/hosts/test_fleet_removal.py::a"]
    collected = [*fleet, "tests/hosts/test_one.py::a", "tests/hosts/test_one.py::b"]
    assert ordered(*collected) == collected


def test_unit_files_of_many_tests_are_taken_first_and_hosts_last() -> None:
    few, many = ["tests/control/core/test_a.py::a"], ["tests/control/core/test_b.py::a", "tests/control/core/test_b.py::b"]
    assert ordered("tests/hosts/test_one.py::a", *few, *many) == [*many, *few, "tests/hosts/test_one.py::a"]
