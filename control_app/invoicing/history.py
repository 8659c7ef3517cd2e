"""The runs of invoicing that there were, as the database keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from control_app.core.numbers import Month
from control_app.invoicing.entry import Target
from control_app.invoicing.orders import Order
from control_app.storage.database import Db


class Run(NamedTuple):
    """A row of `runs` (invoicing/tables.py)."""

    id: str
    month: Month
    trigger: str
    target: Target
    by: str
    started_at: int
    customers: int
    finished_at: int | None
    not_before: int
    error: str | None
    told_at: int | None

    @property
    def order(self) -> Order:
        """What was asked of the run."""
        return Order(self.month, "none", "automatic" if self.trigger == "automatic" else "manual", self.by)


_RUN = f"SELECT {', '.join(Run._fields)} FROM runs"


@dataclass(frozen=True)
class RunHistory:
    """Runs in *db*; none is ever deleted."""

    db: Db

    def find(self, id: str) -> Run | None:
        """The run of that id."""
        return next(iter(self._where("id = ?", id)), None)

    def all(self) -> list[Run]:
        """Every run, the newest first."""
        return self._where("true")

    def newest(self) -> Run | None:
        """The run that began last."""
        query = f"{_RUN} WHERE started_at = (SELECT max(started_at) FROM runs)"
        row = self.db.connection.execute(query).fetchone()
        return Run._make(row) if row else None

    def of_month(self, month: Month) -> list[Run]:
        """The runs of a period, the newest first."""
        return self._where("month = ?", month)

    def unfinished(self) -> list[Run]:
        """Runs that did not come to their end and go on by themselves, the newest first."""
        return self._where("finished_at IS NULL")

    def untold(self) -> list[Run]:
        """Runs that ended and that nobody was told of, the newest first."""
        return self._where("finished_at IS NOT NULL AND told_at IS NULL")

    def automatic_months(self, since: int) -> set[Month]:
        """Periods that were billed by themselves since then, microseconds since 1970 UTC."""
        query = "SELECT DISTINCT month FROM runs WHERE trigger = 'automatic' AND started_at >= ?"
        return {month for (month,) in self.db.connection.execute(query, [since])}

    def claim_telling(self, run: Run, now: int) -> bool:
        """Note that *run* is told of now; whether no other process did so before."""
        with self.db.transaction() as db:
            return db.execute("UPDATE runs SET told_at = ? WHERE id = ? AND told_at IS NULL", [now, run.id]).rowcount == 1

    def take_back_telling(self, run: Run) -> None:
        """Nobody was told of *run* after all."""
        with self.db.transaction() as db:
            db.execute("UPDATE runs SET told_at = NULL WHERE id = ?", [run.id])

    def _where(self, condition: str, *values: object) -> list[Run]:
        return [Run._make(row) for row in self.db.connection.execute(f"{_RUN} WHERE {condition} ORDER BY started_at DESC", values)]
