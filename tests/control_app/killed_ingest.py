"""`python -m tests.control_app.killed_ingest <folder>`: takes in a month in small batches and tells of each; to be killed."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from control_app import sync
from control_app.gateway import Directory, UsageRow
from tests.control_app.ledgers import Books
from tests.control_app.month import WORLD
from tests.control_app.recomputation import at

ROWS, BATCH = 6_000, 100
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

    def prices(self) -> Mapping[str, Mapping[str, Decimal]]:
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
    passing = sync.Sync(Rows(), books.db, lambda: datetime(2026, 11, 2, tzinfo=UTC))
    passing.run(lambda rows, _: print(rows, flush=True))  # noqa: T201 (told to who kills it)
    print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
