from __future__ import annotations

import pytest

from control_app.odoo.accounting import OdooAccounting
from control_app.odoo.double import FakeOdoo
from tests.control_app.odoo.odoos import Clock, accounting_of


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def double(clock: Clock) -> FakeOdoo:
    return FakeOdoo(clock=clock)


@pytest.fixture
def accounting(double: FakeOdoo) -> OdooAccounting:
    return accounting_of(double)
