"""One message a run for the people who do the books, in Slack."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import structlog

from control_app.core.currency import decimals_of, minor_text
from control_app.core.numbers import Minor
from control_app.core.time import month_text
from control_app.invoicing import results
from control_app.invoicing.history import Run
from control_app.invoicing.runs import Runs
from control_app.network.bounds import PLAIN, bounded

TIMEOUT_SEC = 10
MOST_BYTES = 2**20
"""Of an answer; Slack's is a word."""
log = structlog.stdlib.get_logger("control_app.invoicing")
NAMED = 10
"""Held customers that are named; more are a number."""


class Slack:
    """Posts to an incoming webhook, whose address is a secret."""

    def __init__(self, webhook: str, runs: Runs, transport: httpx2.BaseTransport | None = None) -> None:
        self._webhook, self._runs = webhook, runs
        self._client = httpx2.Client(timeout=TIMEOUT_SEC, headers=PLAIN, event_hooks=bounded(MOST_BYTES, TIMEOUT_SEC), transport=transport)

    def tell(self, run: Run) -> None:
        """Of a run that ended; raises ConnectionError, without the address, where Slack does not take it."""
        try:
            answer = self._client.post(self._webhook, json={"text": message(self._runs, run)})
        except httpx2.ReadTimeout:
            # It may have it: one message too few rather than one a minute.
            log.warning("Slack took the message of a run, perhaps", id=run.id)
            return
        except httpx2.HTTPError as error:
            raise ConnectionError(f"Slack was not reached: {type(error).__name__}") from None
        if not answer.is_success:
            raise ConnectionError(f"Slack answered {answer.status_code}")


def message(runs: Runs, run: Run) -> str:
    """What a run came to, with those whom a person must look at; names are text, and no one is called by them."""
    return "\n".join(_lines(runs, run))


def _text(name: str | None) -> str:
    """On one line: what people make up must not look like a message of ours."""
    return " ".join((name or "").split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _lines(runs: Runs, run: Run) -> Iterator[str]:
    book = runs.book
    found = list(results.results_of(book.db, run.id))
    billed = [result for result in found if result.status == "success"]
    decimals = decimals_of(book.currency)
    total = f"{minor_text(Minor(sum(result.total for result in billed)), decimals)} {book.currency}"
    done = {"sent": "sent", "created": "made as drafts, which wait for approval"}.get(run.target, run.target)
    yield f"*{book.location}: invoices of {month_text(run.month)}* ({run.trigger}): {len(billed)} {done}, {total}"
    if run.error:
        yield f"stopped: {_text(run.error)}"
    for status, word in (
        ("held", "held"),
        ("error", "failed; tried again by itself"),
        ("duplicate", "billed before"),
        ("skipped", "with nothing to pay, or too little for an invoice"),
    ):
        if number := sum(result.status == status for result in found):
            yield f"{number} {word}"
    names = dict(book.db.connection.execute("SELECT id, name FROM customers").fetchall())
    looked_at = [result for result in found if result.status in ("held", "error")]
    for result in looked_at[:NAMED]:
        yield f"• {_text(names.get(result.customer, 'keys of nobody'))}: {_text(result.message)}"
    if len(looked_at) > NAMED:
        yield f"• and {len(looked_at) - NAMED} more"
