"""What all scenarios begin with, and what is counted at the end of each."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from tests.control.support.crashes import Fate, lives, until_done
from tests.control.support.ledgers import row
from tests.control.support.world import World


@dataclass
class Ground:
    """Companies in *folder* at the time when October is billed, each customer with other usage; made once and copied."""

    folder: Path
    _undisturbed: dict[int, Fate] = field(default_factory=dict[int, Fate])

    def pristine(self, customers: int) -> Path:
        """The folder of a company of so many before its run."""
        folder = self.folder / f"pristine-{customers}"
        if not folder.exists():
            folder.mkdir()
            made = World(folder, _names(customers))
            made.use(*(row("2026-10-05T12:00", key=f"k-c{n}", prompt=1_000_000 + 10_007 * n) for n in range(customers)))
            made.db.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            made.db.close()
        return folder

    def fresh(self, customers: int) -> World:
        """A company before its run; the one before it is gone."""
        folder = self.folder / "scenario"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.pristine(customers), folder)
        return World(folder, _names(customers))

    def undisturbed(self, customers: int) -> Fate:
        """The calls and commits of a run in which nothing happens."""
        if customers not in self._undisturbed:
            found, fate = self.fresh(customers), Fate()
            lives(found, fate)
            assert until_done(found) == 1
            self._undisturbed[customers] = fate
        return self._undisturbed[customers]


def _names(customers: int) -> list[str]:
    return [f"c{number}" for number in range(customers)]


@dataclass
class Tally:
    """What scenarios together came to."""

    scenarios: int = 0
    injected: int = 0
    duplicates: int = 0
    lost: int = 0
    second_mails: int = 0
    difference: Decimal = field(default_factory=Decimal)

    def add(self, company: World, injected: int) -> None:
        """One scenario, at its end."""
        refs = [move["ref"] for move in company.moves()]
        mails = [move for move, _ in company.odoo.mails_sent()]
        expected = {entry.ref: Decimal(entry.total).scaleb(-2) for entry in company.entries()}
        self.scenarios += 1
        self.injected += injected
        self.duplicates += len(refs) - len(set(refs))
        self.lost += len(company.customers) - len({ref for ref in refs if ref in expected})
        self.lost += len(company.customers) - len(set(mails))
        self.second_mails += len(mails) - len(set(mails))
        self.difference += abs(company.untaxed() - sum(expected.values()))

    def __str__(self) -> str:
        return (
            f"{self.scenarios} scenarios, {self.injected} faults: {self.duplicates} duplicate invoices, {self.lost} lost,"
            f" {self.second_mails} second e-mails, {self.difference:.2f} difference"
        )
