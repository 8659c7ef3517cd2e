"""The company that most tests of invoicing begin with; a file that begins with another has its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.control_app.invoicing.company import Company
from tests.control_app.invoicing.test_period_rules import big


@pytest.fixture
def company(tmp_path: Path) -> Company:
    """One customer, who used a million tokens in October."""
    company = Company(tmp_path)
    company.use(big())
    return company
