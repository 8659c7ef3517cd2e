"""What a run would come to. A dry run takes no lease and stores nothing; Odoo is only read, or not even that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO

import msgspec

from control_app.accounting.port import Document
from control_app.invoicing import results
from control_app.invoicing.invoice import Invoice
from control_app.invoicing.orders import Order, Progress, run_id
from control_app.invoicing.outcomes import CARRIED, NOTHING_TO_PAY, duplicate
from control_app.invoicing.planning import Plan, Planning
from control_app.invoicing.results import Heading, Result


def dry_run(planning: Planning, order: Order, progress: Progress = lambda _done, _all: None, id: str | None = None) -> IO[bytes]:
    """The JSON answer, read from its start; *id*: the run's, if it has one already.

    `all`: Odoo is not asked; `validate`: it is, and raises AccountingError.
    """
    now = planning.book.clock()
    plan = planning.plan(order.month, ask=order.dry_run == "validate")
    refs = [plan.refs[customer] for customer in plan.new]
    # With what is wrong with its settings Odoo would refuse the question, too.
    is_asked = plan.preflight is not None and not plan.preflight.problems
    there: Mapping[str, Sequence[Document]] = planning.asked().find(refs) if is_asked else {}
    told = _details(planning, plan, order, there, now)

    def counted() -> Iterator[Result]:
        for number, result in enumerate(told, 1):
            progress(number, len(plan.exact))
            yield result

    return results.answer(Heading(id or run_id(), order, now, planning.book.currency), counted())


def _details(planning: Planning, plan: Plan, order: Order, there: Mapping[str, Sequence[Document]], now: int) -> Iterator[Result]:
    for invoice in planning.bills.of_month(order.month, plan.tenders.of):
        if invoice.customer in plan.closed:
            yield duplicate(planning.book.newest(invoice.customer, order.month))
            continue
        ref = plan.refs[invoice.customer]
        body = msgspec.json.encode(plan.writer.body(invoice, plan.who[invoice.customer], ref, now))
        yield _result(order, invoice, body, plan, there.get(ref, ()))


def _result(order: Order, invoice: Invoice, body: bytes, plan: Plan, moves: Sequence[Document]) -> Result:
    customer, total = invoice.customer, invoice.booked
    if moves:
        return Result(customer, total, body, "duplicate", "Odoo has it, and we have no note of it: a run takes it over", moves[0].id)
    if holds := plan.holds(invoice):
        return results.held(customer, total, body, holds)
    opens = plan.judge.opens(invoice)
    if opens != "draft":
        return Result(customer, total, body, "skipped", NOTHING_TO_PAY if opens == "skipped" else CARRIED)
    return Result(customer, total, body, "dry_run_skipped" if order.dry_run == "all" else "dry_run_validated_missing")
