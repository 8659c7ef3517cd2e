"""Keeps the gateway's prices equal to the sheet: writes it, has it read, reads back, and again until they are equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import simplejson
import structlog

from control_app.catalog import SourceError
from control_app.database import Db
from control_app.gateway import GatewayError
from control_app.prices import plain
from control_app.rates import Rates
from control_app.snapshot import Snapshot
from control_app.spans import microseconds, time_of

MOUNTED_AFTER = timedelta(minutes=3)
"""A mounted ConfigMap shows a change a minute or two late, and not every change shows in what the gateway tells."""
UNTOLD = ("prompt", "completion")
"""The kinds named for a model that the gateway does not know."""
Clock = Callable[[], datetime]
KEEP = """
INSERT OR REPLACE INTO sheet_state (id, checked_at, in_sync, out_since, written_at, differences, error) VALUES (1, ?, ?, ?, ?, ?, ?)"""
READ = "SELECT checked_at, in_sync, out_since, written_at, differences, error FROM sheet_state"
log = structlog.stdlib.get_logger("control_app.publication")


class PublicationError(Exception):
    """The sheet cannot be written; the message says where and why."""


class Catalog(Protocol):
    """What is for sale."""

    def current(self) -> Snapshot:
        """The snapshot; raises SourceError where there is none."""
        ...


class SheetPlace(Protocol):
    """Where the gateway reads the sheet from."""

    def write(self, text: str) -> bool:
        """Put *text* there if it is not there; whether it was another. Raises PublicationError."""
        ...


class PriceReader(Protocol):
    """The gateway, as far as its prices go."""

    def prices(self) -> Mapping[str, Mapping[str, Decimal]]:
        """By model and price kind; kinds that it cannot tell are left out."""
        ...


class Difference(NamedTuple):
    """*theirs* is None where the gateway does not know the model."""

    model: str
    kind: str
    ours: Decimal
    theirs: Decimal | None


@dataclass(frozen=True)
class SheetState:
    """How the gateway's prices stood at the last look: `out_since` is when they were first not known to equal the sheet."""

    checked_at: datetime
    in_sync: bool
    out_since: datetime | None
    differences: Sequence[Difference]
    error: str | None
    written_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Publication:
    """Keeps the sheet of *catalog* at *place*, from where the gateway reads it at *force_sync*.

    *decimals*: how many the gateway shows of a price; None: all of them. The state is kept in *db*.
    """

    catalog: Catalog
    place: SheetPlace
    gateway: PriceReader
    force_sync: Callable[[], None]
    db: Db
    decimals: int | None = None
    clock: Clock = lambda: datetime.now(UTC)

    def tick(self) -> None:
        """Compare, and do what is needed; what fails stands in the state and is tried again at the next tick."""
        now, last = self.clock(), self.state()
        written = last.written_at if last else None
        differences: Sequence[Difference] = last.differences if last else ()
        error: str | None = None
        try:
            snapshot = self.catalog.current()
            # A gateway without one row of prices does not start: what Terraform put there stays until there is a price.
            if snapshot.rates and self.place.write(snapshot.documents.sheet.body.decode()):
                written = now
            late = written is not None and now - written < MOUNTED_AFTER
            if late:
                self.force_sync()
            differences = [*self._compare(snapshot.rates)]
            if differences and not late:
                self.force_sync()
                differences = [*self._compare(snapshot.rates)]
        except (GatewayError, PublicationError, SourceError) as caught:
            error = str(caught)
        except Exception as caught:  # noqa: BLE001 # clients fail in their own ways, and the next tick tries again
            error = f"{type(caught).__name__}: {caught}"
        in_sync = not differences and error is None
        out_since = None if in_sync else (last and last.out_since) or now
        self._keep(SheetState(now, in_sync, out_since, differences, error, written), last)

    def state(self) -> SheetState | None:
        """How it stood at the last tick, of whichever process; None before the first."""
        return sheet_state(self.db)

    def _compare(self, sheet: Mapping[str, Rates]) -> Iterator[Difference]:
        """Models that the sheet does not have are left alone: the gateway never deletes."""
        told = self.gateway.prices()
        for model, rates in sheet.items():
            ours, theirs = rates.decimals(), told.get(model)
            if theirs is None:
                yield from (Difference(model, kind, ours[kind], None) for kind in UNTOLD)
            else:
                shown = (kind for kind in ours if kind in theirs)
                yield from (
                    Difference(model, kind, ours[kind], theirs[kind]) for kind in shown if not self._equal(ours[kind], theirs[kind])
                )

    def _equal(self, ours: Decimal, theirs: Decimal) -> bool:
        if self.decimals is not None:
            return abs(ours - theirs) <= Decimal(5).scaleb(-self.decimals - 1)
        return float(ours) == float(theirs)  # which is what the gateway keeps

    def _keep(self, state: SheetState, last: SheetState | None) -> None:
        if last is None or (state.in_sync, state.error) != (last.in_sync, last.error):
            differing = sorted({difference.model for difference in state.differences})
            (log.info if state.in_sync else log.warning)("gateway's sheet", in_sync=state.in_sync, differing=differing, error=state.error)
        times = [microseconds(time) if time else None for time in (state.checked_at, state.out_since, state.written_at)]
        row = (times[0], state.in_sync, *times[1:], _text(state.differences), state.error)
        with self.db.transaction() as db:
            db.execute(KEEP, row)


def sheet_state(db: Db) -> SheetState | None:
    """How the gateway's prices stood at the last tick of any process; None before the first."""
    row: tuple[Any, ...] | None = db.connection.execute(READ).fetchone()
    if row is None:
        return None
    checked_at, in_sync, out_since, written_at, differences, error = row
    return SheetState(time_of(checked_at), bool(in_sync), _when(out_since), _differences(differences), error, _when(written_at))


def _text(differences: Sequence[Difference]) -> str:
    return simplejson.dumps([[d.model, d.kind, plain(d.ours), None if d.theirs is None else plain(d.theirs)] for d in differences])


def _differences(text: str) -> list[Difference]:
    return [
        Difference(model, kind, Decimal(ours), None if theirs is None else Decimal(theirs))
        for model, kind, ours, theirs in simplejson.loads(text)
    ]


def _when(at: int | None) -> datetime | None:
    return None if at is None else time_of(at)
