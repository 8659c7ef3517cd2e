"""What is kept of each model's proof that the gateway lets it be called."""

from __future__ import annotations

PROOFS = (
    # Times are microseconds since 1970 UTC. proved_at: of the first good call, 0 of a model that was listed before calls were made.
    """CREATE TABLE proofs (model TEXT PRIMARY KEY, proved_at INTEGER, tried_at INTEGER NOT NULL, failing_since INTEGER, error TEXT)
  STRICT, WITHOUT ROWID""",
    "INSERT INTO proofs (model, proved_at, tried_at) SELECT DISTINCT model, 0, 0 FROM price_versions",
    # Virtual keys of our own, by the gateway's ids: what they call is nobody's usage.
    "CREATE TABLE own_keys (gateway_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
)
"""The statements of the migration."""
