"""The company that most tests of invoicing begin with; a file that begins with another has its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.control.invoicing.test_period_rules import big
from tests.control.support.world import World


@pytest.fixture
def company(tmp_path: Path) -> World:
    """One customer, who used a million tokens in October."""
    company = World(tmp_path)
    company.use(big())
    return company
