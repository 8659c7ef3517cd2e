"""Whether the database is what was written: its pages, its sums against its rows, and the chain over what never changes."""

from __future__ import annotations

import sqlite3

from control_app.ledger.recount import recount
from control_app.service.tables import CHAINED
from control_app.storage import chain
from control_app.storage.nightly_copy import refuse_damage


def refuse_unsound(connection: sqlite3.Connection) -> str:
    """The chain's newest hash, where all is well. Raises CopyError, RecountError or BrokenChainError with the first thing that is not."""
    refuse_damage(connection)
    recount(connection)
    return chain.verify(connection, CHAINED)
