"""Whether each model for sale can be called at the gateway: a new one is listed once a call proved it, and all are tried again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import structlog

from control_app.core.clock import Clock
from control_app.core.time import microseconds, time_of
from control_app.gateway.port import GatewayError, KeyRefusedError
from control_app.pricing.offers import Offer
from control_app.pricing.snapshot import Snapshot
from control_app.storage.database import Db

AGAIN = timedelta(hours=1)
"""After which a model that could be called is tried again."""
RETRY = timedelta(minutes=5)
"""After which one that could not be called is; what the gateway's list lacks has it write its provider."""
_KEEP = """INSERT INTO proofs (model, proved_at, tried_at, failing_since, error) VALUES (:model, :proved_at, :now, :since, :error)
  ON CONFLICT (model) DO UPDATE SET proved_at = coalesce(proofs.proved_at, excluded.proved_at), tried_at = excluded.tried_at,
    failing_since = CASE WHEN excluded.error IS NULL THEN NULL ELSE coalesce(proofs.failing_since, excluded.failing_since) END,
    error = excluded.error"""
log = structlog.stdlib.get_logger("control_app.proofs")


class Catalog(Protocol):
    """Tells what is for sale."""

    def current(self) -> Snapshot:
        """The snapshot; raises SourceError where there is none."""
        ...


class CallableGateway(Protocol):
    """The gateway's port (port.py), as far as calls go."""

    def own_key(self) -> str: ...

    def callable_models(self) -> Collection[str]: ...

    def reload_models(self) -> None: ...

    def call(self, model: str, features: Sequence[str]) -> None: ...


class Proof(NamedTuple):
    """How a model stood when it was tried last: `is_proven`, since a call was good once; `failing_since`: when calls began to fail."""

    is_proven: bool
    tried_at: datetime
    failing_since: datetime | None
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Proofs:
    """Tries the models of *catalog* at *gateway*, and keeps in *db* what became of it."""

    catalog: Catalog
    gateway: CallableGateway
    db: Db
    clock: Clock

    def tick(self) -> None:
        """Try what is due.

        Raises GatewayError where the gateway cannot be asked at all or refuses our key, SourceError where the models cannot be read.
        """
        snapshot, known = self.catalog.current(), proofs(self.db)
        due = [offer for offer in snapshot.offers if self._is_due(known.get(offer.model))]
        if not due:
            return
        self._keep_key(self.gateway.own_key())
        there = self.gateway.callable_models()
        # What KubeAI does not have either, since its Model is gone, no list would have.
        if any(offer.model not in there and offer.model not in snapshot.problems for offer in due):
            self.gateway.reload_models()
            there = self.gateway.callable_models()
        for offer in due:
            self._keep(offer.model, self._problem(offer, there, is_asleep=offer.model in snapshot.asleep), known.get(offer.model))

    def _is_due(self, proof: Proof | None) -> bool:
        if proof is None:
            return True
        # A clock that was set back makes it due, too.
        return not timedelta() <= self.clock() - proof.tried_at < (RETRY if proof.error else AGAIN)

    def _problem(self, offer: Offer, there: Collection[str], *, is_asleep: bool) -> str | None:
        """Why *offer* cannot be called; None where it can. A model without a replica is not woken: that it is listed is enough."""
        if offer.model not in there:
            return "the gateway does not list it, and refuses every call: does KubeAI have it?"
        if is_asleep:
            return None
        try:
            self.gateway.call(offer.model, offer.features)
        except KeyRefusedError:
            raise
        except GatewayError as error:
            return str(error)
        return None

    def _keep(self, model: str, error: str | None, last: Proof | None) -> None:
        if (last.error if last else "") != error:
            (log.warning if error else log.info)("model cannot be called" if error else "model can be called", model=model, error=error)
        now = microseconds(self.clock())
        row = {"model": model, "proved_at": None if error else now, "now": now, "since": now if error else None, "error": error}
        with self.db.transaction() as db:
            db.execute(_KEEP, row)

    def _keep_key(self, id: str) -> None:
        with self.db.transaction() as db:
            db.execute("INSERT OR IGNORE INTO own_keys (gateway_id) VALUES (?)", [id])


def proofs(db: Db) -> Mapping[str, Proof]:
    """How every model stood that was ever tried, or was listed before models were."""
    return dict(_proofs(db.connection.execute("SELECT model, proved_at, tried_at, failing_since, error FROM proofs").fetchall()))


def callable_now(db: Db) -> Mapping[str, bool]:
    """The models that are proven, and whether the last call of each was good."""
    return {model: proof.error is None for model, proof in proofs(db).items() if proof.is_proven}


def _proofs(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, Proof]]:
    for model, proved_at, tried_at, since, error in rows:
        yield model, Proof(proved_at is not None, time_of(tried_at), None if since is None else time_of(since), error)
