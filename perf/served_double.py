"""The gateway's double with a month of rows, for a server of its own."""

from __future__ import annotations

import os

from control_app.gateway_double import GatewayDouble
from perf.month import CUSTOMERS, KEYS, usage_rows


def double() -> GatewayDouble:
    """A WSGI application."""
    made = GatewayDouble()
    for number in range(CUSTOMERS):
        made.add_customer(f"Customer {number}", id=f"customer-{number}")
    for number in range(KEYS):
        made.add_key(f"key {number}", f"customer-{number % CUSTOMERS}", id=f"key-{number}")
    made.add_rows(usage_rows(int(os.environ["PERF_ROWS"])))
    return made
