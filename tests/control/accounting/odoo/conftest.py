from __future__ import annotations

import pytest

from control_app.accounting.odoo.accounting import OdooAccounting
from control_app.accounting.odoo.double.odoo import FakeOdoo
from tests.control.support.odoos import Clock, accounting_of


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def double(clock: Clock) -> FakeOdoo:
    return FakeOdoo(clock=clock)


@pytest.fixture
def accounting(double: FakeOdoo) -> OdooAccounting:
    return accounting_of(double)
