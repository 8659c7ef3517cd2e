"""Invoicing's stored times, which are not later than the gateway's present, but for what is meant to come.

`:late` is the present and as much as our clock, which wrote them, may be ahead (ledger/clocks.py). What lies after it was
written while our clock was wrong, and would keep an invoice from going on, or a month from being billed, until then.
"""

from __future__ import annotations

from control_app.core.time import DAY, HOUR, duration
from control_app.invoicing.lease import LASTS
from control_app.invoicing.tables import UNFINISHED

REST = 2 * HOUR
"""Longer than anything that goes on by itself ever rests (steps.py)."""

_WRITTEN = ("attempted_at", "updated_at")
PULL_BACK = (
    f"UPDATE leases SET expires_at = :present WHERE expires_at > :late + {duration(LASTS)}",
    f"UPDATE runs SET not_before = :present WHERE not_before > :late + {REST}",
    "UPDATE runs SET started_at = :present WHERE started_at > :late",
    "UPDATE runs SET finished_at = :present WHERE finished_at > :late",
    "UPDATE runs SET told_at = :present WHERE told_at > :late",
    *(f"UPDATE invoices SET {column} = :present WHERE {UNFINISHED} AND {column} > :late" for column in _WRITTEN),
    f"UPDATE invoices SET not_before = :present WHERE {UNFINISHED} AND not_before > :late + {REST}",
    # What was not asked of Odoo yet is dated on the day on which it is.
    f"""UPDATE invoices SET due_day = due_day - invoice_day + :present / {DAY}, invoice_day = :present / {DAY}
      WHERE {UNFINISHED} AND state = 'draft' AND attempt IS NULL AND invoice_day > :late / {DAY}""",
    f"UPDATE e_invoices SET look_at = :present WHERE look_at > :late + {DAY}",
    *(f"UPDATE payments SET {column} = :present WHERE {column} > :late" for column in ("read_at", "settled_at")),
    f"UPDATE payments SET look_at = :present WHERE look_at > :late + {DAY}",
    "UPDATE invoice_holds SET since = :present WHERE since > :late",
    "UPDATE halt SET at = :present WHERE at > :late",
)
"""Each moves what lies after the present to it, and changes nothing else."""
