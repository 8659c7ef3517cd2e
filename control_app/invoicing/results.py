"""What a run came to, customer by customer, and as the JSON answer: the same for a dry run and for one that is kept."""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal

import msgspec

from control_app.database import Db
from control_app.invoicing.currency import decimals_of, minor_text
from control_app.invoicing.findings import Finding
from control_app.invoicing.lease import Lease
from control_app.invoicing.orders import Order
from control_app.periods import time_text
from control_app.spans import month_range

Status = Literal["dry_run_skipped", "dry_run_validated_missing", "duplicate", "skipped", "held", "success", "error"]
SPOOL = 1024 * 1024
"""Bytes of an answer that are kept in memory; the rest waits in a file."""
COUNTED: Mapping[str, Status] = {"created": "success", "duplicates": "duplicate", "held": "held", "skipped": "skipped", "errors": "error"}
_KEEP = """INSERT OR REPLACE INTO results (run, customer, status, message, odoo_id, total, body, holds) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""


@dataclass(frozen=True)
class Result:
    """A customer's. `total`: minor units; `body`: the invoice as JSON; `holds`: as JSON has them."""

    customer: int
    total: int
    body: bytes
    status: Status
    message: str | None = None
    odoo_id: int | None = None
    holds: Sequence[Mapping[str, Any]] = ()

    def write(self) -> bytes:
        """As one of the answer's `details`."""
        sync: dict[str, Any] = {"status": self.status}
        sync |= {"odoo_id": self.odoo_id} if self.odoo_id is not None else {}
        sync |= {"message": self.message} if self.message else {}
        sync |= {"holds": self.holds} if self.holds else {}
        return b'{"invoice":' + self.body + b',"sync_result":' + msgspec.json.encode(sync) + b"}"


def held(customer: int, total: int, body: bytes, findings: Sequence[Finding], odoo_id: int | None = None) -> Result:
    """One that may not go out."""
    holds = [finding.document() for finding in findings]
    return Result(customer, total, body, "held", "; ".join(finding.message for finding in findings), odoo_id, holds)


def keep(db: Db, lease: Lease, run: str, result: Result) -> None:
    """Write a result down."""
    holds = msgspec.json.encode(result.holds).decode()
    row = [run, result.customer, result.status, result.message, result.odoo_id, result.total, result.body.decode(), holds]
    with db.transaction() as connection:
        lease.renew(connection)
        connection.execute(_KEEP, row)


def kept(db: Db, run: str) -> Iterator[Result]:
    """All results of a run."""
    query = "SELECT customer, total, body, status, message, odoo_id, holds FROM results WHERE run = ? ORDER BY customer"
    for customer, total, body, status, message, odoo_id, holds in db.connection.execute(query, [run]):
        yield Result(customer, total, body.encode(), status, message, odoo_id, msgspec.json.decode(holds))


def done(db: Db, run: str) -> set[int]:
    """Customers with whom a run is through."""
    query = "SELECT customer FROM results WHERE run = ? AND status IN ('success', 'duplicate', 'skipped')"
    return {row[0] for row in db.connection.execute(query, [run])}


def failed(db: Db, run: str) -> set[int]:
    """Customers whose billing failed."""
    return {row[0] for row in db.connection.execute("SELECT customer FROM results WHERE run = ? AND status = 'error'", [run])}


def statuses(db: Db, run: str) -> Counter[str]:
    """How many customers came to what."""
    return Counter(dict(db.connection.execute("SELECT status, count(*) FROM results WHERE run = ? GROUP BY 1", [run]).fetchall()))


@dataclass(frozen=True)
class Heading:
    """What an answer begins with. `at`: of the run, microseconds since 1970 UTC; `error`: what stopped it."""

    run: str
    order: Order
    at: int
    currency: str
    error: str | None = None


def answer(heading: Heading, results: Iterable[Result]) -> IO[bytes]:
    """The JSON answer, in memory or in a file that goes when it is closed; read from its start."""
    details: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOL)  # noqa: SIM115 (the caller closes what is returned)
    counts, total = Counter[str](), 0
    for result in results:
        details.write(b"," if counts else b"")
        details.write(result.write())
        counts[result.status] += 1
        total += result.total
    whole: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOL)  # noqa: SIM115
    whole.write(_head(heading, counts, total)[:-1] + b',"details":[')
    details.seek(0)
    while part := details.read(SPOOL):
        whole.write(part)
    details.close()
    whole.write(b"]}\n")
    is_small = whole.tell() <= SPOOL
    whole.seek(0)
    if not is_small:
        return whole
    with whole:
        return io.BytesIO(whole.read())


def _head(heading: Heading, counts: Counter[str], total: int) -> bytes:
    order, period = heading.order, month_range(heading.order.month)
    return msgspec.json.encode(
        {
            "timestamp": time_text(heading.at),
            "trigger": order.trigger,
            "run_id": heading.run,
            "period": {"start": time_text(period.start), "end": time_text(period.end)},
            "dry_run": order.dry_run,
            **({"error": heading.error} if heading.error else {}),
            "summary": {
                "total_detected": counts.total(),
                **{name: counts[status] for name, status in COUNTED.items()},
                "total_cost": minor_text(total, decimals_of(heading.currency)),
                "currency": heading.currency,
            },
        }
    )
