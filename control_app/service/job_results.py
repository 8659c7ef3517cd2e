"""How each job ran last. It is kept in the database: so every process sees the jobs of every other, and a restart forgets nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from control_app.core.time import SECOND
from control_app.storage.database import Db

# A success is written down once a minute at most, since each write goes to the replica.
_SUCCESS = f"""INSERT INTO jobs (name, succeeded_at) VALUES (?, ?)
  ON CONFLICT DO UPDATE SET succeeded_at = excluded.succeeded_at, failing_since = NULL
  WHERE failing_since IS NOT NULL OR abs(excluded.succeeded_at - succeeded_at) >= {60 * SECOND}"""  # noqa: S608 (a number)
_FAILURE = """INSERT INTO jobs (name, failing_since, failed_at, failures, error) VALUES (?1, ?2, ?2, 1, ?3)
  ON CONFLICT DO UPDATE SET failing_since = coalesce(failing_since, excluded.failing_since), failed_at = excluded.failed_at,
  failures = failures + 1, error = excluded.error"""


class JobResult(NamedTuple):
    """A row of `jobs` (service/tables.py). Times are microseconds since 1970 UTC; None where there was no such run yet."""

    name: str
    succeeded_at: int | None = None
    failing_since: int | None = None
    failed_at: int | None = None
    failures: int = 0
    error: str | None = None


class JobResults:
    """The results of all jobs, in *db*."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def succeeded(self, name: str, at: int) -> None:
        """Write down that the job *name* succeeded *at* that time."""
        with self._db.transaction() as connection:
            connection.execute(_SUCCESS, [name, at])

    def failed(self, name: str, at: int, error: str) -> None:
        """Write down that the job *name* failed *at* that time, and with which *error*."""
        with self._db.transaction() as connection:
            connection.execute(_FAILURE, [name, at, error])

    def of(self, names: Iterable[str]) -> list[JobResult]:
        """The results of the jobs of these *names*, in their order; a job that never ran has one, too."""
        rows = self._db.connection.execute(f"SELECT {', '.join(JobResult._fields)} FROM jobs")  # noqa: S608 (names)
        found = {result.name: result for result in map(JobResult._make, rows)}
        return [found.get(name, JobResult(name)) for name in names]
