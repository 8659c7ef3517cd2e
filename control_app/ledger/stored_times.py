"""The ledger's stored times, which are not later than the gateway's present: `:present`, in microseconds since 1970 UTC.

What lies after it was written while a clock was wrong. It is moved back, so that it hides nothing until then: a mark is reached
again by reading, a key is its new holder's from now on, and what was counted stands in the hour that runs.
"""

from __future__ import annotations

from control_app.core.time import HOUR
from control_app.ledger.progress import SOURCE, THOROUGH

_HOUR = f"(:present / {HOUR})"


def _moved(table: str, *columns: str, or_replace: bool = False, to: str = ":present") -> str:
    changes = ", ".join(f"{column} = min({column}, {to})" for column in columns)
    return f"UPDATE {'OR REPLACE ' * or_replace}{table} SET {changes} WHERE {' OR '.join(f'{column} > {to}' for column in columns)}"


MARKS = f"""UPDATE progress SET until = coalesce((SELECT max(at) FROM requests WHERE at <= :present), 0)
  WHERE source IN ('{SOURCE}', '{THOROUGH}') AND until > :present"""
"""Up to where a mark was reached that lies after the present is not known: up to the newest row, all that is in order of time."""
PULL_BACK = (
    MARKS,
    _moved("progress", "until", "passed_at"),
    _moved("clocks", "at", "agreed_at", "apart_since"),
    # Their rows follow: see Ledger.follow_moves.
    """INSERT INTO uncorrected (key, since) SELECT key, :present FROM holders WHERE since > :present GROUP BY key
      ON CONFLICT DO UPDATE SET since = min(since, excluded.since)""",
    _moved("holders", "since", or_replace=True),
    _moved("uncorrected", "since"),
    _moved("customers", "deleted_at"),
    _moved("keys", "deleted_at", "lost_customer_at"),
    _moved("differences", "seen_at"),
    _moved("set_aside", "seen_at"),
    _moved("readings", "first_at", "at"),
    _moved("restarts", "since", "until", "began", or_replace=True),
    _moved("counted_before", "began", or_replace=True),
    _moved("pauses", "first", "last", or_replace=True, to=_HOUR),
    _moved("engine_readings", "at"),
    _moved("engines", "absent_at", "at", "failing_since"),
    _moved("engine_pauses", "first", "last", or_replace=True, to=_HOUR),
    f"""INSERT INTO model_hours (hour, model, logged, counted, dearest)
      SELECT {_HOUR}, model, 0, sum(counted), 0 FROM model_hours WHERE hour > {_HOUR} GROUP BY model HAVING sum(counted) > 0
      ON CONFLICT DO UPDATE SET counted = coalesce(counted, 0) + excluded.counted""",
    f"UPDATE model_hours SET counted = NULL WHERE hour > {_HOUR}",
    f"""INSERT INTO hours (key, hour, outcome, logged, counted)
      SELECT k.id, {_HOUR}, h.outcome, 0, sum(h.counted) FROM keys k CROSS JOIN hours h ON h.key = k.id AND h.hour > {_HOUR}
      GROUP BY k.id, h.outcome HAVING sum(h.counted) > 0 ON CONFLICT DO UPDATE SET counted = counted + excluded.counted""",
    f"""UPDATE hours SET counted = 0 WHERE (key, hour) IN
      (SELECT h.key, h.hour FROM keys k CROSS JOIN hours h ON h.key = k.id AND h.hour > {_HOUR} WHERE h.counted > 0)""",
    f"""INSERT INTO dropped (hour, requests) SELECT {_HOUR}, sum(requests) FROM dropped WHERE hour > {_HOUR} HAVING sum(requests) > 0
      ON CONFLICT DO UPDATE SET requests = requests + excluded.requests""",
    f"DELETE FROM dropped WHERE hour > {_HOUR}",
)
"""Each moves what lies after `:present` to it, and changes nothing else."""
