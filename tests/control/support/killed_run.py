"""`python -m tests.control.support.killed_run <folder> <day>`: bills October against an Odoo in a file, and tells of each call."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

import httpx2

from control_app.accounting.odoo.double.odoo import FakeOdoo
from tests.control.support.world import SECOND_OF_NOVEMBER, World

CUSTOMERS = [f"c{number}" for number in range(8)]


class Telling(httpx2.BaseTransport):
    """The way to Odoo; who kills this process reads of each call before it is made and after it."""

    def __init__(self, odoo: FakeOdoo) -> None:
        self._inner = odoo.transport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        print("call", flush=True)  # noqa: T201 (told to who kills it)
        answer = self._inner.handle_request(request)
        print("answer", flush=True)  # noqa: T201
        return answer


def company(folder: Path, now: datetime) -> World:
    """As it is in *folder*, at that time."""
    odoo = FakeOdoo(folder / "odoo.sqlite3", clock=lambda: now)
    if not odoo.partners:
        for name in CUSTOMERS:
            odoo.add_partner(f"Customer {name}", ref=name, email=f"billing@{name}.example")
    found = World(folder, CUSTOMERS, odoo=odoo, at_once=2)
    found.now = now
    return found


def main() -> None:
    """One turn of the automation, so many minutes after the month is due."""
    now = SECOND_OF_NOVEMBER + timedelta(minutes=int(sys.argv[2]))
    found = company(Path(sys.argv[1]), now)
    found.transport = Telling(found.odoo)
    found.open()
    found.automation.tick()
    print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
