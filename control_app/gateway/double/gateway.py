"""A gateway in memory for tests, benchmarks and a laptop. It keeps Bifrost's contract and its traps (docs/facts/bifrost.md, The double)."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TypeVar
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from control_app.core.clock import Clock
from control_app.core.time import microseconds
from control_app.gateway.double.entities import (
    BROKEN_UPSTREAM,
    HUNG_UP,
    INACTIVE_KEY,
    Failure,
    Holder,
    Owner,
    Price,
    Series,
    Tokens,
    VirtualKey,
    refusal,
)
from control_app.gateway.double.log import LONGEST_ID, Log
from control_app.gateway.double.routes import Routes
from control_app.gateway.double.rows import NOBODY, provider_of, written
from control_app.gateway.double.writer import Batches
from control_app.gateway.port import FREE, PROVIDER, UsageRow

BATCH = Batches().interval
"""How long after a request's end its row is written, unless the double is made with other batches."""
LATENCY = timedelta(milliseconds=41)
MODES = {
    "chat_completion": ("chat", "responses"),
    "responses": ("responses", "chat"),
    "text_completion": ("completion",),
    "embedding": ("embedding",),
    "rerank": ("rerank",),
    "transcription": ("audio_transcription",),
}
"""Modes of the price sheet by the kind of a request, which may be streamed: the first that has a price holds."""

T = TypeVar("T", Owner, VirtualKey)


class GatewayDouble:
    """A WSGI application, and ways to make happen what happens at a gateway.

    Rows appear by *clock*, as *batches* are written. *sheet* is read at the start and when a synchronisation is forced.
    *upstream* tells which models there are; keys may call those that it told when the gateway started, or when its provider
    was written last. None: there is whatever model is asked for.
    """

    def __init__(  # noqa: PLR0913 (as much as a gateway is set up with)
        self,
        clock: Clock,
        *,
        user: str = "admin",
        password: str = "admin",  # noqa: S107 (there is nothing to protect)
        sheet: Path | None = None,
        upstream: Callable[[], Iterable[str]] | None = None,
        batches: Batches = Batches(),  # noqa: B008 (frozen)
    ) -> None:
        self.clock, self.credentials, self._sheet, self.upstream = clock, (user, password), sheet, upstream
        self.lock = threading.RLock()
        self.customers: dict[str, Owner] = {}
        self.teams: dict[str, Owner] = {}
        self.keys: dict[str, VirtualKey] = {}
        self.prices: dict[tuple[str, str, str], Price] = {}
        self.log = Log(batches)
        self.is_away = False
        self.answers = Tokens(prompt=9, completion=1)
        """What the upstream says that it used, of a request by HTTP."""
        self.failing: dict[str, Failure] = {}
        """Models for which the upstream has only this to say."""
        self._numbers = count(1)
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
        """Add a team of *customer*, or of nobody."""
        return self._add(self.teams, Owner(id or str(uuid.uuid4()), name, self.clock(), customer))

    def add_key(  # noqa: PLR0913 (as much as a key has)
        self,
        name: str,
        customer: str | None = None,
        secret: str | None = None,
        id: str | None = None,
        *,
        team: str | None = None,
        providers: Sequence[str] = (PROVIDER,),
        budgets: Sequence[object] = (),
    ) -> str:
        """A key's name is taken once, and a key has a customer or a team. Without *providers* it can call nothing."""
        if customer and team:
            raise ValueError("a key has a customer or a team, not both")
        if any(key.name == name for key in self.keys.values()):
            raise ValueError(f"there is a key {name!r} already")
        now, secret = self.clock(), secret or f"sk-bf-{uuid.uuid4()}"
        key = VirtualKey(id or str(uuid.uuid4()), name, secret, customer, team, now, now, next(self._numbers), providers, budgets)
        return self._add(self.keys, key)

    def move_key(self, id: str, customer: str | None) -> None:
        """Rows from now on are the other customer's."""
        with self.lock:
            key = self.keys[id]
            key.customer, key.team, key.updated_at = customer, None, self.clock()

    def deactivate_key(self, id: str) -> None:
        """What `PUT {"is_active": false}` does: the key keeps its customer or team."""
        with self.lock:
            key = self.keys[id]
            key.is_active, key.updated_at = False, self.clock()

    def delete_key(self, id: str) -> None:
        """Delete a virtual key; the rows of what it asked stay."""
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
        failure: Failure | None = None,
        cost: float | None = None,
        request_id: str | None = None,
        latency: timedelta = LATENCY,
        visible_after: timedelta | None = None,
    ) -> str:
        """One request that began *at* (now); its row appears with its batch, or *visible_after* its end. The answer is its id.

        A *model* of another provider is `<provider>/<model>`. *cost*: what the upstream says, which beats the sheet. A *failure*
        makes it an error, which has the tokens that came before; what the gateway refuses has none.
        """
        with self.lock:
            key = self.keys[key_id]
            used = Tokens(prompt, cached_read, cached_write, completion, reasoning)
            if refused := self.refuses(key, *provider_of(model)):
                failure, used = refused, Tokens()
            elif status == "error":
                failure = failure or BROKEN_UPSTREAM
            return self.record(
                key,
                model,
                kind,
                used,
                at=at,
                status=status,
                failure=failure,
                cost=cost,
                id=request_id,
                latency=latency,
                visible_after=visible_after,
            )

    def hang_up(self, key_id: str, model: str, at: datetime | None = None, *, prompt: int = 0, completion: int = 0) -> str:
        """A stream whose client went away before its end; the upstream had told these tokens by then, which is most often none."""
        return self.call(key_id, model, at, prompt=prompt, completion=completion, kind="chat_completion_stream", failure=HUNG_UP)

    def refuses(self, key: VirtualKey, provider: str, model: str) -> Failure | None:
        """Why the gateway refuses a request of *key*; None where it goes to the upstream."""
        if not key.is_active:
            return INACTIVE_KEY
        ours = provider == PROVIDER
        if ours and provider not in key.providers:
            return refusal(403, "provider_blocked", f"Provider {provider!r} is not allowed for this virtual key")
        if ours and not self.knows(model):
            return refusal(403, "model_blocked", f"Model {model!r} is not allowed for this virtual key")
        return None

    def knows(self, model: str) -> bool:
        """Whether keys may call *model* of our provider: it was there when the gateway last read the upstream's list."""
        if self._known is None:
            return self.upstream is None or any(provider == PROVIDER and name == model for provider, name, _ in self.prices)
        return model in self._known

    def record(  # noqa: PLR0913 (as much as a request has)
        self,
        key: VirtualKey | None,
        model: str,
        kind: str,
        used: Tokens = Tokens(),  # noqa: B008 (frozen)
        *,
        at: datetime | None = None,
        status: str = "success",
        failure: Failure | None = None,
        cost: float | None = None,
        id: str | None = None,
        latency: timedelta = LATENCY,
        visible_after: timedelta | None = None,
        routed: bool = False,
    ) -> str:
        """Count a request and log it, whatever became of it. The answer is its id."""
        start, status = at or self.clock(), "error" if failure else status
        holder = self._holder(key) if key else NOBODY
        self._count(_series(key, model, kind, holder, routed=routed), status, failure)
        cost = self._cost(model, kind, used) if cost is None else cost
        row = UsageRow(
            id=id or str(uuid.uuid4()),
            at=microseconds(start),
            key=key.id if key else "",
            key_name=key.name if key else "",
            customer=None,
            model=model,
            prompt=used.prompt,
            cached_read=used.cached_read,
            cached_write=used.cached_write,
            completion=used.completion,
            reasoning=used.reasoning,
            # A zero is stored as no cost, except for a stream without usage.
            cost=repr(cost) if cost else "0" if status == "success" and kind.endswith("_stream") else None,
        )
        ended = start + latency
        milliseconds = latency // timedelta(milliseconds=1)
        text = written(row, kind=kind, status=status, holder=holder, failure=failure, latency=milliseconds, routed=routed)
        self.log.write(self.clock())
        if self.is_away or len(row.id) > LONGEST_ID or not self.log.add(text, ended, ended + visible_after if visible_after else None):
            self.dropped += 1
        return row.id

    def add_rows(self, rows: Iterable[UsageRow]) -> None:
        """Many successes, visible at once and counted by no metric."""
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
        """Read the sheet: entries are added and replaced, never removed; a broken one is left out. Models are not read again."""
        try:
            entries = msgspec.json.decode(self._sheet.read_bytes(), type=dict[str, msgspec.Raw]) if self._sheet else {}
        except (OSError, msgspec.DecodeError):
            return
        with self.lock:
            for name, entry in entries.items():
                try:
                    price = msgspec.json.decode(entry, type=Price)
                except msgspec.DecodeError:
                    continue
                self.prices[price.provider, name.partition("/")[2] or name, price.mode] = price

    def read_models(self) -> None:
        """Ask the upstream for its models; where it does not answer, those that have a price may be called."""
        try:
            self._known: Collection[str] | None = None if self.upstream is None else frozenset(self.upstream())
        except OSError:
            self._known = None

    def _add(self, entries: dict[str, T], entry: T) -> str:
        with self.lock:
            entries[entry.id] = entry
        return entry.id

    def _holder(self, key: VirtualKey) -> Holder:
        team = self.teams.get(key.team or "")
        customer = self.customers.get((team.customer if team else key.customer) or "")
        return Holder(*((team.id, team.name) if team else (None, None)), *((customer.id, customer.name) if customer else (None, None)))

    def _count(self, series: Series, status: str, failure: Failure | None) -> None:
        if failure is None or not failure.refused:
            self.requests[series] += 1
        if status == "success":
            self.successes[series] += 1
        if failure:
            self.errors[series, failure.status_code] += 1

    def _cost(self, model: str, kind: str, used: Tokens) -> float:
        modes = MODES.get(kind.removesuffix("_stream"), ())
        found = (self.prices.get((*provider_of(model), mode)) for mode in modes)
        return next((price.cost(used) for price in found if price), 0.0)

    def _start(self) -> None:
        """What a process knows since it began."""
        self.started, self.dropped = self.clock(), 0
        self.requests: Counter[Series] = Counter()
        self.successes: Counter[Series] = Counter()
        self.errors: Counter[tuple[Series, int]] = Counter()
        self.read_models()


def _series(key: VirtualKey | None, model: str, kind: str, holder: Holder, *, routed: bool) -> Series:
    provider, name = (PROVIDER, "") if kind == FREE else provider_of(model)
    team, team_name, customer, customer_name = (text or "" for text in holder)
    key_id, key_name = (key.id, key.name) if key else ("", "")
    return Series(provider, name, kind, key_id, key_name, team, team_name, customer, customer_name, "governance" if routed else "")
