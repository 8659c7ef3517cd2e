"""What a customer's month would come to if it ended now, by the same lines and the same rounding as the invoice."""

from __future__ import annotations

import msgspec

from control_app.core.numbers import CustomerNo
from control_app.core.periods import time_text
from control_app.core.time import SECOND, month_of
from control_app.invoicing.bills import Bills
from control_app.invoicing.book import InvoiceBook
from control_app.invoicing.currencies import currencies
from control_app.invoicing.document import ProForma, Who, Writer
from control_app.invoicing.order_numbers import order_numbers
from control_app.invoicing.tendering import Tendering
from control_app.ledger.progress import complete_through


def pro_forma(book: InvoiceBook, bills: Bills, writer: Writer, customer: CustomerNo) -> ProForma:
    """What the month that runs would come to for *customer*, our number."""
    db, now = book.db, book.clock()
    month = month_of(now)
    gateway_id, name = db.connection.execute("SELECT gateway_id, name FROM customers WHERE id = ?", [customer]).fetchone()
    who = Who(gateway_id, name, order_numbers(db).get(customer))
    tenders = Tendering(db, book.currency, currencies(db), {}, now).of({customer: who}).of
    invoice = bills.of_customer(month, customer, tenders) or bills.nothing(month, customer, tenders)
    through = complete_through(db)
    body = writer.body(invoice, who, "pro-forma", now - now % SECOND)
    complete = None if through is None else time_text(through - through % SECOND)
    return ProForma(**msgspec.structs.asdict(body), pro_forma=True, complete_through=complete)
