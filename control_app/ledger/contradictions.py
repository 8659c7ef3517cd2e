"""Rows that contradict themselves: by what table each is rated, and how many there are (docs/billing-rules.md, Rating a row).

Behind this a row's parts lie within their whole: cached tokens within the prompt, reasoning within the completion.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from control_app.core.numbers import KeyNo
from control_app.core.time import HOUR, Range
from control_app.storage.database import Db

BESIDE = "reasoning beside the completion"
CAUSES: Mapping[str, str] = {
    BESIDE: "reasoning > completion AND total = prompt + completion + reasoning",
    "more reasoning than completion": "reasoning > completion",
    "more cached than prompt": "cached_read + cached_write > prompt",
    "a total that is not the sum": "total NOT IN (0, prompt + completion)",
    "a completion without a prompt": "prompt = 0",
}
"""By cause, of which the first counts: the condition on a row of `incoming` that has tokens, in SQL."""

_CAUSE = f"CASE {' '.join(f'WHEN {condition} THEN {cause!r}' for cause, condition in CAUSES.items())} END"
RESOLVE = (
    # A row without tokens is one without usage, whatever else it says.
    f"""UPDATE temp.incoming SET logged = json_array({_CAUSE}, prompt, cached_read, cached_write, completion, reasoning, total)
      WHERE prompt + completion > 0 AND ({" OR ".join(CAUSES.values())})""",
    f"""UPDATE temp.incoming SET
        cached_read = min(cached_read, prompt), cached_write = min(cached_write, prompt - min(cached_read, prompt)),
        completion = CASE logged ->> 0 WHEN {BESIDE!r} THEN completion + reasoning ELSE max(completion, reasoning) END
      WHERE logged IS NOT NULL""",
)
"""What is staged in `incoming` is made to agree; what was logged stands in `logged`, with the cause first."""
COUNT = f"""INSERT INTO contradictions (key, hour, cause, requests)
  SELECT key, at / {HOUR}, logged ->> 0, count(*) FROM temp.moving WHERE logged IS NOT NULL GROUP BY 1, 2, 3
  ON CONFLICT DO UPDATE SET requests = requests + excluded.requests"""
"""Counts what is new in the ledger."""


def contradictions(db: Db, within: Range) -> defaultdict[KeyNo, Counter[str]]:
    """How many rows of each key contradict themselves in the whole hours *within*, by cause."""
    found: defaultdict[KeyNo, Counter[str]] = defaultdict(Counter)
    query = "SELECT key, cause, sum(requests) FROM contradictions WHERE hour >= ? AND hour < ? GROUP BY 1, 2 ORDER BY 3 DESC, 2"
    for key, cause, requests in db.connection.execute(query, [within.start // HOUR, within.end // HOUR]):
        found[key][cause] = requests
    return found
