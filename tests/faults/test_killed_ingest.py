"""Our process is killed while it takes rows in, twenty times: the ledger is as if it had not been."""

from __future__ import annotations

import random
from pathlib import Path

from tests.control.support import recomputation
from tests.control.support.killed_ingest import ROWS, all_rows, prepare
from tests.control.support.killing import ran_to_its_end
from tests.control.support.month import WORLD

KILLS = 20


def ingest(folder: Path, batches: int | None) -> bool:
    """Take rows in, and kill it somewhere in the transaction after so many *batches*; whether it came to its end."""
    return ran_to_its_end("tests.control.support.killed_ingest", str(folder), lines=batches)


def test_a_ledger_whose_process_was_killed_twenty_times_is_exact(tmp_path: Path) -> None:
    books = prepare(tmp_path)
    dice = random.Random(20)  # noqa: S311 (the same points each time)
    killed = sum(not ingest(tmp_path, batches=dice.randrange(3)) for _ in range(KILLS))
    assert killed == KILLS
    between = books.used().requests
    assert 0 < between < ROWS
    assert books.db.connection.execute("SELECT count(*) FROM requests").fetchone() == (between + books.used().unused,)
    assert ingest(tmp_path, batches=None)
    assert books.costs() == dict(recomputation.ledger(all_rows(), WORLD))
    assert books.db.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
