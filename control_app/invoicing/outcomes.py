"""What became of an invoice, in a run's words. What fails with one invoice stops no other."""

from __future__ import annotations

import structlog

from control_app.core.failures import words_of
from control_app.invoicing import results
from control_app.invoicing.book import HaltedError
from control_app.invoicing.delivery import OnItsWayError
from control_app.invoicing.entry import WITHOUT_INVOICE, Entry
from control_app.invoicing.held import HeldError
from control_app.invoicing.lease import LostError
from control_app.invoicing.orders import ClockError
from control_app.invoicing.results import Result, Status
from control_app.invoicing.saga import Saga
from control_app.invoicing.steps import WaitError, pause_of

NOTHING_TO_PAY = "nothing to pay"
CARRIED = "too little for an invoice: carried into the next month"
log = structlog.stdlib.get_logger("control_app.invoicing")


def advance(saga: Saga, entry: Entry) -> Result:
    """Take an invoice as far as it may go; what came of it. Raises HaltedError, LostError, ClockError."""
    try:
        entry = saga.advance(entry)
    except HeldError as error:
        holds = [error.hold(entry.customer, saga.steps.book.clock())]
        return results.held(entry.customer, entry.booked, entry.body.encode(), holds, _now(saga, entry).odoo_id)
    except OnItsWayError as waiting:
        return of_entry(_now(saga, entry), "success", str(waiting))
    except WaitError as waiting:
        return of_entry(_now(saga, entry), "error", str(waiting))
    except (LostError, HaltedError, ClockError):
        raise
    except Exception as error:
        log.exception("invoice failed", ref=entry.ref)
        return of_entry(_put_off(saga, _now(saga, entry)), "error", words_of(error))
    status: Status = "skipped" if entry.state in WITHOUT_INVOICE else "duplicate" if entry.state == "void" else "success"
    return of_entry(entry, status, status_text(entry))


def duplicate(entry: Entry) -> Result:
    """One that was there before."""
    return of_entry(entry, "skipped" if entry.state in WITHOUT_INVOICE else "duplicate", status_text(entry))


def of_entry(entry: Entry, status: Status, message: str) -> Result:
    """What an invoice came to."""
    return Result(entry.customer, entry.booked, entry.body.encode(), status, message, entry.odoo_id)


def status_text(entry: Entry) -> str:
    """How far an invoice is, in words."""
    return {
        "draft": "about to be created in Odoo",
        "created": "a draft in Odoo, which waits for approval" if entry.checked else "a draft in Odoo, which is not checked yet",
        "posted": f"posted as {entry.number}, not sent yet",
        "sent": f"sent as {entry.number}",
        "skipped": NOTHING_TO_PAY,
        "carried": CARRIED,
        "void": "voided",
    }[entry.state]


def _put_off(saga: Saga, entry: Entry) -> Entry:
    """It is tried again, after a while."""
    until = saga.steps.book.clock() + pause_of(entry)
    return saga.steps.book.change(saga.steps.lease, entry, tries=entry.tries + 1, not_before=until)


def _now(saga: Saga, entry: Entry) -> Entry:
    """What was written of it until it stopped."""
    return saga.steps.book.by_ref(entry.ref) or entry
