"""Every stored time that is not later than the gateway's present, of all rooms (ledger/clocks.py)."""

from __future__ import annotations

from control_app.invoicing import stored_times as invoicing
from control_app.ledger import stored_times as ledger

_OURS = (
    *(("sheet_state", "checked_at"), ("sheet_state", "out_since"), ("sheet_state", "written_at")),
    *(("pending_prices", "seen_at"), ("lapses", "since")),
    *(("proofs", "proved_at"), ("proofs", "tried_at"), ("proofs", "failing_since")),
    *(("jobs", "succeeded_at"), ("jobs", "failing_since"), ("jobs", "failed_at"), ("odoo_state", "at")),
)
PULL_BACK = (
    *ledger.PULL_BACK,
    *invoicing.PULL_BACK,
    *(f"UPDATE {table} SET {column} = :present WHERE {column} > :late" for table, column in _OURS),  # noqa: S608 (names)
    # The mark `written` is a number that only rises (storage/database.py).
    "UPDATE marks SET at = :present WHERE name = 'restored' AND at > :late",
)
"""In microseconds since 1970 UTC: what lies after `:present`, or after `:late` where our clock wrote it, is moved to `:present`."""
