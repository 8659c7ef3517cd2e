"""A ledger beside a gateway and an Odoo, each with a clock of its own, which a test sets apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

from control_app.accounting.odoo.accounting import OdooAccounting
from control_app.accounting.odoo.client import OdooClient
from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.core.time import microseconds
from control_app.gateway.double.gateway import GatewayDouble
from control_app.gateway.port import UsageRow
from control_app.ledger.clocks import Clocks
from control_app.ledger.counters import CounterBook
from control_app.ledger.progress import SOURCE
from control_app.ledger.sync import Pass, Sync
from control_app.service.stored_times import PULL_BACK
from tests.control.support.ledgers import RATES, Books
from tests.control.support.month import bifrost
from tests.control.support.odoos import KEY, PRODUCT, Naps

NOTHING, MOMENT = timedelta(), timedelta(microseconds=1)


class Times:
    """It is `now`. *ours*, *gateways*, *odoos*: how far each clock is ahead of that. *odoo*: whether there is one; it may be away."""

    def __init__(self, folder: Path, now: datetime = datetime(2026, 10, 31, 12, tzinfo=UTC), *, odoo: bool = True) -> None:
        self.now, self.ours, self.gateways, self.odoos = now, NOTHING, NOTHING, NOTHING
        self.odoo_is_away = self.gateway_is_away = False
        self.asked_odoo = 0
        self.books = Books(folder)
        self.books.price("llama", 0, RATES)
        self.double = GatewayDouble(lambda: self.now + self.gateways)
        self.double.add_customer("Acme", id="acme")
        self.double.add_key("k1", "acme", id="k1")
        self.gateway = bifrost(_Way(self, httpx2.WSGITransport(app=self.double)), *self.double.credentials)
        self.clocks = Clocks(self.books.db, self.our_clock, self.gateway.now, self._accounting() if odoo else None, PULL_BACK)
        self.sync, self.counters = Sync(self.gateway, self.books.db, self.clocks), CounterBook(self.books.db)
        self.called: list[UsageRow] = []

    def our_clock(self) -> datetime:
        """What ours says."""
        return self.now + self.ours

    def pass_(self, hours: float = 0, **jump: timedelta) -> Pass:
        """So many hours later, with clocks set anew: a pass."""
        self.later(hours, **jump)
        return self.sync.run()

    def later(self, hours: float = 0, **jump: timedelta) -> None:
        """So many hours later, with clocks set anew by name."""
        self.now += timedelta(hours=hours)
        for name, ahead in jump.items():
            setattr(self, name, ahead)

    def count(self) -> None:
        """Read the counters, as the job does (service/assembly.py)."""
        counts = self.gateway.counts()
        self.counters.keep(counts, self.clocks.present())

    def call(self, prompt: int = 1_000_000) -> None:
        """One request now, whose row is there at once."""
        start = self.double.clock()
        name = self.double.call("k1", "llama", prompt=prompt, completion=1, latency=NOTHING, visible_after=MOMENT)
        # By what its own clock says now: it may be another before anybody asks.
        self.double.log.write(start + MOMENT)
        self.called.append(UsageRow(name, microseconds(start), "k1", "k1", None, "llama", prompt, 0, 0, 1, 0, None))

    def mark(self, source: str = SOURCE) -> datetime:
        """Up to where the gateway was read."""
        (until,) = self.books.db.connection.execute("SELECT until FROM progress WHERE source = ?", [source]).fetchone()
        return datetime.fromtimestamp(until / 1_000_000, UTC)

    def _accounting(self) -> OdooAccounting:
        way = _Way(self, FakeOdoo(clock=lambda: self.now + self.odoos).transport(), is_odoo=True)
        client = OdooClient("http://odoo", "live", KEY, self.our_clock, transport=way, sleep=Naps(), monotonic=lambda: 0.0)
        return OdooAccounting(client, company=1, currency="USD", product=PRODUCT)


class _Way(httpx2.BaseTransport):
    """The network to one of them, unless it is away."""

    def __init__(self, times: Times, inner: httpx2.BaseTransport, *, is_odoo: bool = False) -> None:
        self._times, self._inner, self._is_odoo = times, inner, is_odoo

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self._times.asked_odoo += self._is_odoo
        if self._times.odoo_is_away if self._is_odoo else self._times.gateway_is_away:
            raise httpx2.ConnectError("refused", request=request)
        return self._inner.handle_request(request)
