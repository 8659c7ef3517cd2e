"""Runs that people ask for: each in a thread of its own, so that one that takes long goes on when nobody waits any more."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO

import structlog

from control_app.core.failures import words_of
from control_app.invoicing.dry_runs import dry_run
from control_app.invoicing.entry import Target
from control_app.invoicing.orders import Order, run_id
from control_app.invoicing.runs import Runs

AT_ONCE = 2
KEPT = 20
"""Answers that may still be asked for."""
PART = 64 * 1024
log = structlog.stdlib.get_logger("control_app.invoicing")


class Ticket:
    """A run that was asked for. `error`: what ended it instead of an answer."""

    def __init__(self, id: str, order: Order, at: int) -> None:
        self.id, self.order, self.at = id, order, at
        self.done = threading.Event()
        self.error: Exception | None = None
        self.progress = (0, 0)
        self._answer: IO[bytes] = io.BytesIO()
        self._lock, self._readers, self._is_forgotten = threading.Lock(), 0, False

    def progressed(self, done: int, whole: int) -> None:
        """How many customers of how many are done."""
        self.progress = (done, whole)

    def finish(self, answer: IO[bytes] | None, error: Exception | None = None) -> None:
        """Note that the run ended, with an *answer* or an *error*."""
        self._answer, self.error = answer or self._answer, error
        self.done.set()

    def read(self) -> Iterator[bytes]:
        """The answer, in parts; any number may read it at once."""
        at = 0
        with self._lock:
            self._readers += 1
        try:
            while True:
                with self._lock:
                    self._answer.seek(at)
                    part = self._answer.read(PART)
                if not part:
                    return
                at += len(part)
                yield part
        finally:
            self._leave()

    def forget(self) -> None:
        """Nobody may ask for it any more; who reads it already may end."""
        with self._lock:
            self._is_forgotten = True
            self._readers += 1
        self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._readers -= 1
            if self._is_forgotten and not self._readers:
                self._answer.close()


class Desk:
    """Takes orders for *runs*, and carries out a few at once."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._pool = ThreadPoolExecutor(AT_ONCE, "runs")
        self._tickets: OrderedDict[str, Ticket] = OrderedDict()
        self._lock = threading.Lock()

    def order(self, order: Order, target: Target) -> Ticket:
        """Begin; raises NotNowError where it cannot."""
        clock = self._runs.book.clock
        if order.dry_run != "none":
            ticket = Ticket(run_id(), order, clock())
            return self._begin(ticket, lambda: dry_run(self._runs.planning, order, ticket.progressed, ticket.id))
        run, lease = self._runs.start(order, target)
        ticket = Ticket(run.id, order, run.started_at)

        def carry_out() -> IO[bytes]:
            self._runs.carry_out(run, lease, ticket.progressed)
            return self._runs.answer(self._runs.history.find(run.id) or run)

        return self._begin(ticket, carry_out)

    def find(self, id: str) -> Ticket | None:
        """A run that was ordered here."""
        with self._lock:
            return self._tickets.get(id)

    def _begin(self, ticket: Ticket, act: Callable[[], IO[bytes]]) -> Ticket:
        with self._lock:
            self._tickets[ticket.id] = ticket
            ended = [known for known in self._tickets.values() if known.done.is_set()]
            for old in ended[: max(0, len(self._tickets) - KEPT)]:
                del self._tickets[old.id]
                old.forget()
        # A run has its period, and begins at once; dry runs wait for a place.
        if ticket.order.dry_run == "none":
            threading.Thread(target=self._act, args=[ticket, act], name=f"run-{ticket.id}").start()
        else:
            self._pool.submit(self._act, ticket, act)
        return ticket

    def _act(self, ticket: Ticket, act: Callable[[], IO[bytes]]) -> None:
        try:
            ticket.finish(act())
        except Exception as error:  # noqa: BLE001 # whoever waits is told
            log.warning("run ended", id=ticket.id, error=words_of(error))
            ticket.finish(None, error)
        finally:
            self._runs.book.db.close()
