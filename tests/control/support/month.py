"""A month at a gateway with everything that goes wrong in one, and an account of it kept apart from the gateway's."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from control_app.core.time import microseconds
from control_app.gateway.bifrost.adapter import Bifrost
from control_app.gateway.bifrost.api import GatewayApi
from control_app.gateway.bifrost.sheet_places import SheetFile
from control_app.gateway.double.gateway import BATCH, GatewayDouble
from control_app.gateway.port import UsageRow
from tests.control.support.ledgers import version
from tests.control.support.recomputation import World, at

START = datetime(2026, 10, 1, tzinfo=UTC)
HOURS = 31 * 24
CHEAP, DEAR = {"prompt": "0.000001", "completion": "0.000002"}, {"prompt": "0.0000013", "completion": "0.0000021", "request": "0.001"}
WORLD = World(
    prices={
        # A price change in the middle of the month; qwen was removed on the 20th, and its price withdrawn then.
        "llama": [version("1970-01-01T00:00", **CHEAP), version("2026-10-15T12:34:56", **DEAR)],
        "qwen": [version("1970-01-01T00:00", **DEAR, input_cache_read="0"), version("2026-10-20T00:00", **CHEAP)._replace(rates=None)],
    },
    # k1 was moved on the 10th; k2 was deleted on the 25th, with history; k3 belongs to nobody.
    holders={"k1": [(0, "acme"), (at("2026-10-10T09:00"), "globex")], "k2": [(0, "globex")], "k3": []},
)


def bifrost(network: httpx2.BaseTransport, user: str = "admin", password: str = "admin") -> Bifrost:  # noqa: S107 (nothing to protect)
    """Ours, that asks what *network* leads to; no sheet is put anywhere."""
    return Bifrost(GatewayApi("http://gateway", user, password, transport=network), SheetFile(Path(os.devnull)))


class Gateway:
    """The double, at a `now` that goes on only when it is told to; `bifrost` asks it."""

    def __init__(self) -> None:
        self.now = START
        self.double = GatewayDouble(lambda: self.now)
        self.double.add_customer("Acme", id="acme")
        self.double.add_customer("Globex", id="globex")
        for key, customer in {"k1": "acme", "k2": "globex", "k3": None}.items():
            self.double.add_key(key, customer, id=key)
        self.bifrost = bifrost(httpx2.WSGITransport(app=self.double), *self.double.credentials)


@dataclass
class PlayedMonth:
    """Plays the month on `gateway`. `rows`: what must be billed; `lost`: by key, answered requests that have no row."""

    gateway: Gateway = field(default_factory=Gateway)
    rows: list[UsageRow] = field(default_factory=list[UsageRow])
    lost: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        """Before its first hour."""
        self._dice = random.Random(6)  # noqa: S311 (a month that is the same each time)
        self._hour = 0

    @property
    def is_over(self) -> bool:
        """Whether its last hour was played."""
        return self._hour >= HOURS

    def play_hour(self) -> None:
        """Requests of an hour, and what happens at its end."""
        time = START + timedelta(hours=self._hour)
        self.gateway.now = time + timedelta(minutes=58)
        for _ in range(self._dice.randrange(4)):
            self._call(time + timedelta(seconds=self._dice.uniform(0, 3300)))
        if self._hour == 9 * 24 + 8:
            self.gateway.now = time + timedelta(hours=1)
            self.gateway.double.move_key("k1", "globex")
        if self._hour == 24 * 24:
            self.gateway.double.delete_key("k2")
        self._hour += 1

    def repeat_an_id(self, times: int) -> None:
        """A caller with one `x-request-id` for all of its requests, on purpose or not."""
        for number in range(times):
            self._call(self.gateway.now - timedelta(minutes=1), request_id=f"same-{self._hour}", expected=number == 0)

    def end_late(self) -> None:
        """A request of 14 minutes, whose row comes under the time of its start."""
        self._call(self.gateway.now - timedelta(minutes=1), latency=timedelta(minutes=14))

    def burst(self, number: int) -> None:
        """Requests whose rows are not written yet."""
        for _ in range(number):
            self._call(self.gateway.now, latency=timedelta())

    def kill_the_gateway(self) -> None:
        """Rows that were not written are lost."""
        self.gateway.double.kill()
        written = microseconds(self.gateway.now - BATCH)
        unwritten = [row for row in self.rows if row.at > written]
        self.lost.update(row.key for row in unwritten)
        self.rows = [row for row in self.rows if row.at <= written]

    def _call(self, time: datetime, *, expected: bool = True, **more: Any) -> None:
        key = self._dice.choice([key for key in ("k1", "k1", "k2", "k3") if key in self.gateway.double.keys])
        model = self._dice.choice(("llama", "llama", "qwen", "unknown"))
        prompt, completion = self._dice.randrange(5000), 1 + self._dice.randrange(900)
        cached, reasoning = self._dice.randrange(prompt + 1), self._dice.randrange(completion)
        tokens: dict[str, Any] = {"prompt": prompt, "cached_read": cached, "completion": completion, "reasoning": reasoning}
        name = self.gateway.double.call(key, model, time, **tokens, **more)
        if expected:
            self.rows.append(UsageRow(name, microseconds(time), key, key, None, model, prompt, cached, 0, completion, reasoning, None))
        else:
            self.lost[key] += 1
