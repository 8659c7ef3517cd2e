"""What a run came to, customer by customer, and as the JSON answer: the same for a dry run and for one that is kept."""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Annotated, Literal

import msgspec

from control_app.core.currency import decimals_of, minor_text
from control_app.core.numbers import CustomerNo, Minor
from control_app.core.periods import Period, UtcText, time_text, written_period
from control_app.core.time import month_range
from control_app.invoicing.document import InvoiceBody, Money
from control_app.invoicing.lease import Lease
from control_app.invoicing.orders import DryRun, Order, Trigger
from control_app.ledger.answer import Count
from control_app.ledger.hold import Hold
from control_app.storage.database import Db

Status = Literal["dry_run_skipped", "dry_run_validated_missing", "duplicate", "skipped", "held", "success", "error"]
_ENUM = msgspec.Meta(extra_json_schema={"type": "string"})
NOTES: Mapping[DryRun, str] = {
    "all": "A dry run: Odoo was not asked, and no invoice was made.",
    "validate": "A dry run: Odoo was read, and no invoice was made.",
    "none": "This billed the month: `details` says what was made, posted and sent. A GET bills as a POST does, and asking again makes "
    "no invoice twice. `dry_run=all` only looks.",
}
"""What a run did, said to who asked for it, by how much it was allowed."""
SPOOL = 1024 * 1024
"""Bytes of an answer that are kept in memory; the rest waits in a file."""
COUNTED: Mapping[str, Status] = {"created": "success", "duplicates": "duplicate", "held": "held", "skipped": "skipped", "errors": "error"}
_KEEP = """INSERT OR REPLACE INTO results (run, customer, status, message, odoo_id, total, body, holds) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""


class InvoiceHold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why an invoice may not go out, and what to do."""

    code: str
    message: str
    since: UtcText
    remedy: str


class SyncResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What became of an invoice."""

    status: Annotated[Status, _ENUM]
    odoo_id: int | None = None
    message: str | None = None
    holds: list[InvoiceHold] = []


class Detail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run came to for one customer."""

    invoice: InvoiceBody
    sync_result: SyncResult


class RunSummary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`total_detected`: customers with billable usage. In a dry run those that would be billed are in none of the other counts."""

    total_detected: Count
    created: Count
    duplicates: Count
    held: Count
    skipped: Count
    errors: Count
    total_cost: Money
    currency: str


class RunHead(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """All of a run's answer but its details."""

    timestamp: UtcText
    trigger: Annotated[Trigger, _ENUM]
    run_id: str
    period: Period
    dry_run: Annotated[DryRun, _ENUM]
    note: str
    error: str | None = None
    summary: RunSummary


class RunAnswer(RunHead, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a run came to. `error`: what stopped it."""

    details: list[Detail]


class Progress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many customers of how many are done."""

    done: Count
    total: Count


class RunProgress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run that is under way. `waiting`: it was cut off, or somebody's billing failed, and goes on by itself."""

    run_id: str
    state: Annotated[Literal["running", "waiting"], _ENUM]
    period: Period
    dry_run: Annotated[DryRun, _ENUM]
    started_at: UtcText
    progress: Progress


@dataclass(frozen=True)
class Result:
    """A customer's. `total`: minor units of the price book's currency; `body`: the invoice as JSON."""

    customer: CustomerNo
    total: Minor
    body: bytes
    status: Status
    message: str | None = None
    odoo_id: int | None = None
    holds: Sequence[InvoiceHold] = ()

    def write(self) -> bytes:
        """As one of the answer's `details`."""
        sync = SyncResult(self.status, self.odoo_id, self.message or None, list(self.holds))
        return b'{"invoice":' + self.body + b',"sync_result":' + msgspec.json.encode(sync) + b"}"


def held(customer: CustomerNo, total: Minor, body: bytes, holds: Sequence[Hold], odoo_id: int | None = None) -> Result:
    """One that may not go out."""
    return Result(customer, total, body, "held", "; ".join(hold.message for hold in holds), odoo_id, [_told(hold) for hold in holds])


def _told(hold: Hold) -> InvoiceHold:
    return InvoiceHold(hold.code, hold.message, time_text(hold.since), hold.remedy)


def keep(db: Db, lease: Lease, run: str, result: Result) -> None:
    """Write a result down."""
    holds = msgspec.json.encode(result.holds).decode()
    row = [run, result.customer, result.status, result.message, result.odoo_id, result.total, result.body.decode(), holds]
    with db.transaction() as connection:
        lease.renew(connection)
        connection.execute(_KEEP, row)


def results_of(db: Db, run: str) -> Iterator[Result]:
    """All results of a run."""
    query = "SELECT customer, total, body, status, message, odoo_id, holds FROM results WHERE run = ? ORDER BY customer"
    for customer, total, body, status, message, odoo_id, holds in db.connection.execute(query, [run]):
        yield Result(customer, total, body.encode(), status, message, odoo_id, msgspec.json.decode(holds, type=list[InvoiceHold]))


def customers_done(db: Db, run: str) -> set[CustomerNo]:
    """Customers with whom a run is through."""
    query = "SELECT customer FROM results WHERE run = ? AND status IN ('success', 'duplicate', 'skipped')"
    return {row[0] for row in db.connection.execute(query, [run])}


def failed(db: Db, run: str) -> set[CustomerNo]:
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
    whole.write(_head(heading, counts, Minor(total))[:-1] + b',"details":[')
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


def _head(heading: Heading, counts: Counter[str], total: Minor) -> bytes:
    order = heading.order
    head = RunHead(
        timestamp=time_text(heading.at),
        trigger=order.trigger,
        run_id=heading.run,
        period=written_period(month_range(order.month)),
        dry_run=order.dry_run,
        note=NOTES[order.dry_run],
        error=heading.error or None,
        summary=RunSummary(
            total_detected=counts.total(),
            **{name: counts[status] for name, status in COUNTED.items()},
            total_cost=minor_text(total, decimals_of(heading.currency)),
            currency=heading.currency,
        ),
    )
    return msgspec.json.encode(head)
