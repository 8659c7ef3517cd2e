"""`python -m tests.control.support.killed_ingest <folder>`: takes in a month in small batches and tells of each; to be killed."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from control_app.core.time import microseconds
from control_app.gateway.port import Directory, UsageRow
from control_app.ledger import sync
from control_app.ledger.clocks import Clocks
from control_app.service.stored_times import PULL_BACK
from tests.control.support.ledgers import Books
from tests.control.support.month import WORLD
from tests.control.support.recomputation import at

ROWS, BATCH = 6_000, 100
AFTER = datetime(2026, 11, 2, tzinfo=UTC)
START, STEP = at("2026-10-01T00:00"), 400_000_000


def all_rows() -> list[UsageRow]:
    """The same each time."""
    dice = random.Random(7)  # noqa: S311 (no secret)
    rows: list[UsageRow] = []
    for number in range(ROWS):
        key, model = dice.choice(("k1", "k2", "k3")), dice.choice(("llama", "qwen"))
        prompt, completion = dice.randrange(5000), dice.randrange(900)
        rows.append(UsageRow(f"r{number}", START + number * STEP, key, key, None, model, prompt, prompt // 3, 0, completion, 0, None))
    return rows


class Rows:
    """A gateway that has them."""

    def __init__(self) -> None:
        self._rows = all_rows()

    def now(self) -> int:
        """A day after the month."""
        return microseconds(AFTER)

    def rows(self, start: int, end: int) -> Iterator[Sequence[UsageRow]]:
        """In pages of a batch."""
        found = [row for row in self._rows if start <= row.at < end]
        for number in range(0, len(found), BATCH):
            yield found[number : number + BATCH]

    def first(self) -> int | None:
        """The oldest."""
        return START

    def directory(self) -> Directory:
        """Nothing beyond what the ledger was given."""
        return Directory([], [])

    def prices(self) -> Mapping[str, Sequence[Mapping[str, Decimal]]]:
        """None."""
        return {}


def prepare(folder: Path) -> Books:
    """A ledger with the world's prices and holders."""
    books = Books(folder)
    books.fill(WORLD)
    return books


def main() -> None:
    """Go on from where the last one was killed."""
    sync.BATCH = BATCH
    books = Books(Path(sys.argv[1]))
    gateway = Rows()
    passing = sync.Sync(gateway, books.db, Clocks(books.db, lambda: AFTER, gateway.now, None, PULL_BACK))
    passing.run(lambda rows, _: print(rows, flush=True))  # noqa: T201 (told to who kills it)
    print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
