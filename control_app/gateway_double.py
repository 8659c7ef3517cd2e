"""A gateway in memory for tests, benchmarks and a laptop. It keeps Bifrost's contract and its traps (bifrost.md)."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, TypeVar
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from control_app.gateway import UsageRow
from control_app.gateway_double_http import Routes
from control_app.gateway_double_log import LONGEST_ID, Log, provider_of, written
from control_app.spans import microseconds

BATCH = timedelta(seconds=2)
"""How long after a request's end its row is written."""
LATENCY = timedelta(milliseconds=41)


@dataclass
class Owner:
    """A customer, or a team, which may have a *customer*."""

    id: str
    name: str
    updated_at: datetime
    customer: str | None = None


@dataclass
class VirtualKey:
    """A key, and the customer or team that holds it."""

    id: str
    name: str
    secret: str = field(repr=False)
    customer: str | None
    team: str | None
    updated_at: datetime
    is_active: bool = True


T = TypeVar("T", Owner, VirtualKey)


class Price(msgspec.Struct):
    """The part of a sheet's entry that is rated here, in the binary numbers that the gateway keeps."""

    provider: str = ""
    input_cost_per_token: float | None = None
    output_cost_per_token: float | None = None
    cache_read_input_token_cost: float | None = None
    cache_creation_input_token_cost: float | None = None

    def cost(self, prompt: int, cached_read: int, cached_write: int, completion: int) -> float:
        """A cache's rate that is missing is the prompt's."""
        base = self.input_cost_per_token or 0.0
        read = base if self.cache_read_input_token_cost is None else self.cache_read_input_token_cost
        write = base if self.cache_creation_input_token_cost is None else self.cache_creation_input_token_cost
        fresh = prompt - cached_read - cached_write
        return fresh * base + cached_read * read + cached_write * write + completion * (self.output_cost_per_token or 0.0)


class Series(NamedTuple):
    """The labels of a count that are not empty here."""

    provider: str
    model: str
    method: str
    virtual_key_id: str
    virtual_key_name: str


class GatewayDouble:
    """A WSGI application, and ways to make happen what happens at a gateway.

    Rows appear by *clock*. *sheet* is read at the start and when a synchronisation is forced.
    """

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        user: str = "admin",
        password: str = "admin",  # noqa: S107 (there is nothing to protect)
        sheet: Path | None = None,
    ) -> None:
        self.clock, self.credentials, self._sheet = clock, (user, password), sheet
        self.lock = threading.RLock()
        self.customers: dict[str, Owner] = {}
        self.teams: dict[str, Owner] = {}
        self.keys: dict[str, VirtualKey] = {}
        self.prices: dict[tuple[str, str], Price] = {}
        self.log = Log()
        self.is_away = False
        self._routes = Routes(self)
        self._start()
        self.force_sync()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with self.lock:
            self.log.write(self.clock())
            return self._routes(environ, start_response)

    def add_customer(self, name: str, id: str | None = None) -> str:
        """A name may be taken twice. The answer is the id, here and below."""
        return self._add(self.customers, Owner(id or str(uuid.uuid4()), name, self.clock()))

    def add_team(self, name: str, customer: str | None, id: str | None = None) -> str:
        """A team of *customer*."""
        return self._add(self.teams, Owner(id or str(uuid.uuid4()), name, self.clock(), customer))

    def add_key(
        self, name: str, customer: str | None = None, secret: str | None = None, id: str | None = None, *, team: str | None = None
    ) -> str:
        """A key's name is taken once, and a key has a customer or a team."""
        if customer and team:
            raise ValueError("a key has a customer or a team, not both")
        if any(key.name == name for key in self.keys.values()):
            raise ValueError(f"there is a key {name!r} already")
        secret = secret or f"sk-bf-{uuid.uuid4()}"
        return self._add(self.keys, VirtualKey(id or str(uuid.uuid4()), name, secret, customer, team, self.clock()))

    def move_key(self, id: str, customer: str | None) -> None:
        """Rows from now on are the other customer's."""
        with self.lock:
            key = self.keys[id]
            key.customer, key.team, key.updated_at = customer, None, self.clock()

    def deactivate_key_by_put(self, id: str) -> None:
        """What `PUT {"is_active": false}` does: it takes the key's customer or team away too."""
        with self.lock:
            self.move_key(id, None)
            self.keys[id].is_active = False

    def delete_key(self, id: str) -> None:
        """Its rows stay."""
        with self.lock:
            del self.keys[id]

    def delete_customer(self, id: str) -> None:
        """The customer's keys and teams stay, active and nobody's."""
        with self.lock:
            del self.customers[id]
            holders: list[VirtualKey | Owner] = [*self.keys.values(), *self.teams.values()]
            for holder in holders:
                if holder.customer == id:
                    holder.customer, holder.updated_at = None, self.clock()

    def call(  # noqa: PLR0913 (as much as a request has)
        self,
        key_id: str,
        model: str,
        at: datetime | None = None,
        *,
        prompt: int = 0,
        cached_read: int = 0,
        cached_write: int = 0,
        completion: int = 0,
        reasoning: int = 0,
        kind: str = "chat_completion",
        status: str = "success",
        request_id: str | None = None,
        latency: timedelta = LATENCY,
        visible_after: timedelta = BATCH,
    ) -> str:
        """One request that began *at* (now); its row appears *visible_after* its end, unless it is lost. The answer is its id.

        A *model* of another provider is `<provider>/<model>`. A deactivated key's requests are errors, which have no counts.
        """
        with self.lock:
            key, start = self.keys[key_id], at or self.clock()
            series = Series(*provider_of(model), kind, key.id, key.name)
            if key.is_active:
                self.requests[series] += 1
            else:
                status = "error"
            if status == "success":
                self.successes[series] += 1
            if status == "error":
                prompt = cached_read = cached_write = completion = reasoning = 0
            cost = self.prices.get(series[:2], Price()).cost(prompt, cached_read, cached_write, completion)
            row = UsageRow(
                id=request_id or str(uuid.uuid4()),
                at=microseconds(start),
                key=key.id,
                key_name=key.name,
                customer=None,
                model=model,
                prompt=prompt,
                cached_read=cached_read,
                cached_write=cached_write,
                completion=completion,
                reasoning=reasoning,
                # A zero is stored as no cost, except for a stream without usage.
                cost=repr(cost) if cost else "0" if kind.endswith("_stream") and not prompt + completion else None,
                succeeded=status == "success",
            )
            self.log.write(self.clock())
            if self.is_away or len(row.id) > LONGEST_ID:
                self.dropped += 1
            else:
                self.log.add(written(row, kind=kind, status=status), start + latency + visible_after)
            return row.id

    def add_rows(self, rows: Iterable[UsageRow]) -> None:
        """Many successes, visible at once and counted by no metric; with a customer they are as later versions send them."""
        with self.lock:
            self.log.add_written(written(row) for row in rows)

    def kill(self) -> None:
        """SIGKILL and a new start: rows that were not written yet are gone, and what was counted too."""
        with self.lock:
            self.log.write(self.clock())
            self.log.lose()
            self._start()

    def terminate(self) -> None:
        """SIGTERM and a new start: everything is written first."""
        with self.lock:
            self.log.write(None)
            self._start()

    def database_away(self, is_away: bool) -> None:  # noqa: FBT001 (a state, not an option)
        """While it is, requests are answered, and their rows dropped: as are those that were not written yet."""
        with self.lock:
            self.log.write(self.clock())
            self.is_away = is_away
            if is_away:
                self.dropped += self.log.lose()

    def force_sync(self) -> None:
        """Read the sheet: entries are added and replaced, never removed; nothing happens where one is broken."""
        try:
            entries = msgspec.json.decode(self._sheet.read_bytes(), type=dict[str, Price]) if self._sheet else {}
        except (OSError, msgspec.DecodeError):
            return
        with self.lock:
            for name, price in entries.items():
                self.prices[price.provider, name.partition("/")[2] or name] = price

    def _add(self, entries: dict[str, T], entry: T) -> str:
        with self.lock:
            entries[entry.id] = entry
        return entry.id

    def _start(self) -> None:
        """What a process knows since it began."""
        self.started, self.dropped = self.clock(), 0
        self.requests: Counter[Series] = Counter()
        self.successes: Counter[Series] = Counter()
