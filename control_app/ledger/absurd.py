"""Rows that no request can have made, and rows that could not be read: they are set aside with their text and stop no other row."""

from __future__ import annotations

from collections.abc import Mapping

from control_app.core.time import DAY
from control_app.ledger.columns import INCOMING, TOKENS, listed

MOST_TOKENS = 10**9
"""Of one kind in one request, which no model reads or writes; so the tokens of nine billion rows add up within 64 bits."""
CALENDAR_END = 2_932_897 * DAY
"""The end of 9999, after which SQLite has no calendar, in microseconds since 1970 UTC."""
_NAMES = ("id", "key", "key_name", "model")
_OF_CALENDAR = f"typeof(at) = 'integer' AND at >= 0 AND at < {CALENDAR_END}"

AHEAD = "its time was still to come by the clock of the gateway"
"""Of a row that came while its time was still to come: it happened at another."""
ABSURD: Mapping[str, str] = {
    "a name is missing": " OR ".join(f"{name} IS NULL" for name in _NAMES),
    "its time is in no calendar": f"NOT ({_OF_CALENDAR})",
    f"a count is no whole number from 0 to {MOST_TOKENS:,}": (
        f"typeof({' + '.join(TOKENS)}) != 'integer' OR min({listed(TOKENS)}) < 0 OR max({listed(TOKENS)}) > {MOST_TOKENS}"
    ),
}
"""By reason: the condition on a row of `incoming`, in SQL."""

_REASON = f"CASE {' '.join(f'WHEN {condition} THEN {reason!r}' for reason, condition in ABSURD.items())} END"
_TEXT = f"json_object({', '.join(f'{name!r}, {name}' for name in INCOMING)})"
_UNREADABLE = "id, at, key, key_name, reason, text"

STAGE_ASIDE = f"INSERT INTO temp.aside ({_UNREADABLE}) VALUES (?, ?, ?, ?, ?, ?)"
"""Stages one row that could not be read; takes an Unreadable."""
ASIDE = "CREATE TEMP TABLE IF NOT EXISTS aside (id TEXT, at INTEGER, key TEXT, key_name TEXT, reason TEXT, text TEXT, row INTEGER)"
SET_ASIDE = (
    f"""INSERT INTO temp.aside ({_UNREADABLE}, row)
      SELECT coalesce(id, ''), at, coalesce(key, ''), coalesce(key_name, key, ''), {_REASON} AS reason, {_TEXT}, rowid
      FROM temp.incoming WHERE reason IS NOT NULL""",
    "DELETE FROM temp.incoming WHERE rowid IN (SELECT row FROM temp.aside)",
    # Its time comes, and is not its own all the same.
    f"DELETE FROM temp.incoming WHERE id IN (SELECT id FROM set_aside WHERE reason = '{AHEAD}')",
    "INSERT OR IGNORE INTO keys (gateway_id, name) SELECT DISTINCT key, key_name FROM temp.aside",
    f"""INSERT OR IGNORE INTO set_aside (id, at, key, seen_at, reason, text)
      SELECT a.id, CASE WHEN {_OF_CALENDAR} THEN at ELSE :seen_at END, k.id, :seen_at, a.reason, a.text
      FROM temp.aside a JOIN keys k ON k.gateway_id = a.key""",
)
"""What is staged and absurd goes out of `incoming`; parameter `seen_at` stands for a time that no calendar has."""
TAKEN_AFTER_ALL = "DELETE FROM set_aside WHERE EXISTS (SELECT 1 FROM requests q WHERE q.at = set_aside.at AND q.id = set_aside.id)"
"""A row that came again and could be taken is not aside any more."""
