"""The gateway's double, with a month of rows or counting its calls, for a server of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from control_app.core.clock import utc
from control_app.gateway.double.gateway import GatewayDouble
from perf.month import CUSTOMERS, KEYS, usage_rows

CALLS = "/calls-so-far"


def double() -> GatewayDouble:
    """A WSGI application."""
    made = GatewayDouble(utc)
    for number in range(CUSTOMERS):
        made.add_customer(f"Customer {number}", id=f"customer-{number}")
    for number in range(KEYS):
        made.add_key(f"key {number}", f"customer-{number % CUSTOMERS}", id=f"key-{number}")
    made.add_rows(usage_rows(int(os.environ["PERF_ROWS"])))
    return made


def counting() -> WSGIApplication:
    """One that has nobody, and tells at CALLS how often it was asked for anything else."""
    made, calls = GatewayDouble(utc), 0

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        nonlocal calls
        if environ["PATH_INFO"] == CALLS:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [str(calls).encode()]
        calls += 1
        return made(environ, start_response)

    return answer
