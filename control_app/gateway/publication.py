"""Keeps the gateway's prices equal to the sheet: writes it, has it read, reads back, and again until they are equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import simplejson
import structlog

from control_app.core.clock import Clock
from control_app.core.time import microseconds, time_of
from control_app.gateway.port import GatewayError, PublicationError
from control_app.pricing.kinds import REQUIRED
from control_app.pricing.port import SourceError
from control_app.pricing.prices import plain
from control_app.pricing.rates import Rates
from control_app.pricing.snapshot import Snapshot
from control_app.storage.database import Db

MOUNTED_AFTER = timedelta(minutes=3)
"""For so long after a change the gateway is told to read the sheet, whatever it charges.

A mounted ConfigMap shows a change a minute or two late, and not every change shows in what the gateway tells.
"""
KEEP = """
INSERT OR REPLACE INTO sheet_state (id, checked_at, in_sync, out_since, written_at, differences, error) VALUES (1, ?, ?, ?, ?, ?, ?)"""
READ = "SELECT checked_at, in_sync, out_since, written_at, differences, error FROM sheet_state"
log = structlog.stdlib.get_logger("control_app.publication")


class Catalog(Protocol):
    """Tells what is for sale."""

    def current(self) -> Snapshot:
        """The snapshot; raises SourceError where there is none."""
        ...


class PricedGateway(Protocol):
    """The gateway's port (port.py), as far as prices go."""

    def prices(self) -> Mapping[str, Sequence[Mapping[str, Decimal]]]: ...

    def publish(self, sheet: str) -> bool: ...

    def reload(self) -> None: ...


class Difference(NamedTuple):
    """A price that the gateway charges and the sheet does not have, in USD for one unit. `theirs`: None for a model that it lacks."""

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
    """Keeps the prices of *gateway* equal to the sheet of *catalog*.

    *decimals*: how many the gateway shows of a price; None: all of them. The state is kept in *db*.
    """

    catalog: Catalog
    gateway: PricedGateway
    db: Db
    clock: Clock
    decimals: int | None = None

    def tick(self) -> None:
        """Compare, and do what is needed; what fails stands in the state and is tried again at the next tick."""
        now, last = self.clock(), sheet_state(self.db)
        written = last.written_at if last else None
        differences: Sequence[Difference] = last.differences if last else ()
        error: str | None = None
        try:
            snapshot = self.catalog.current()
            # A gateway without one row of prices does not start: what Terraform put there stays until there is a price.
            if snapshot.sheet_rates and self.gateway.publish(snapshot.documents.sheet.body.decode()):
                written = now
            late = written is not None and now - written < MOUNTED_AFTER
            if late:
                self.gateway.reload()
            differences = [*self._compare(snapshot.sheet_rates)]
            if differences and not late:
                self.gateway.reload()
                differences = [*self._compare(snapshot.sheet_rates)]
        except (GatewayError, PublicationError, SourceError) as caught:
            error = str(caught)
        except Exception as caught:  # noqa: BLE001 # clients fail in their own ways, and the next tick tries again
            error = f"{type(caught).__name__}: {caught}"
        in_sync = not differences and error is None
        out_since = None if in_sync else (last and last.out_since) or now
        self._keep(SheetState(now, in_sync, out_since, differences, error, written), last)

    def _compare(self, sheet: Mapping[str, Rates]) -> Iterator[Difference]:
        """What the gateway charges otherwise than the sheet; what the sheet lacks is left alone: the gateway never deletes."""
        told = self.gateway.prices()
        for model, rates in sheet.items():
            ours = rates.decimals()
            if model not in told:
                # Not all kinds of a model that it does not know: those that every model has.
                yield from (Difference(model, kind, ours[kind], None) for kind in REQUIRED)
            else:
                shown = dict.fromkeys((kind, price) for theirs in told[model] for kind, price in theirs.items() if kind in ours)
                yield from (Difference(model, kind, ours[kind], price) for kind, price in shown if not self._equal(ours[kind], price))

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
