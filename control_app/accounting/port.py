"""What invoicing asks of an accounting system, in no system's own words, and how it may fail. Odoo is the one there is (odoo/)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal, Protocol

Kind = Literal["invoice", "credit note"]
EInvoice = Literal["sent", "accepted", "refused"]
"""What became of a document that was handed on: it has no answer yet, or it was taken, or not."""
Channel = Literal["tax office", "Peppol"]
"""To whom documents are handed on beside the e-mail: a tax office, whose law gives some days for it, or the customer by a network."""
PaymentState = Literal["open", "partly paid", "in payment", "paid", "credited"]
"""`in payment`: money is on its way, and no bank statement says yet that it came; `credited`: credit notes took all of it back."""


class AccountingError(Exception):
    """The accounting system did not do what was asked; the message says what it was, what came back and what to do."""


class RefusedError(AccountingError):
    """It said no, and did nothing: asking again is of no use before a person changed something."""


class UnavailableError(AccountingError):
    """It could not be asked, or was too busy, also when asked again; it did nothing."""


class UnclearError(AccountingError):
    """No answer came that tells whether it was done: it may be done already, or still be in the next minutes."""


@dataclass(frozen=True)
class Line:
    """A line as it is sent. `amount`: units of the currency, without tax."""

    text: str
    amount: Decimal


@dataclass(frozen=True)
class Draft:
    """An invoice, or a credit note, to be created.

    `note`: what stands under its lines. `against`: id of the posted invoice that a credit note takes back, with its taxes.
    """

    ref: str
    kind: Kind
    partner: int
    currency: str
    invoice_date: date
    due_date: date
    delivery_date: date
    lines: Sequence[Line]
    note: str = ""
    against: int | None = None


@dataclass(frozen=True)
class Document:
    """An invoice or credit note as the accounting system has it.

    `number`: its own, from posting on. `untaxed`: without tax. `e_invoices`: what became of it on each way on which it was handed on,
    but for what failed on a way that its partner has left.
    """

    id: int
    ref: str
    kind: Kind
    state: Literal["draft", "posted", "cancelled"]
    number: str | None
    partner: int
    currency: str
    untaxed: Decimal
    total: Decimal
    e_invoices: Mapping[Channel, EInvoice] = field(default_factory=dict[Channel, EInvoice])


@dataclass(frozen=True)
class Payment:
    """What of a posted document is paid. `state`: None where the accounting system does not tell.

    `tax`, `total` (with tax), and what is `unpaid`: units of the document's currency, above 0 for a credit note, too.
    """

    state: PaymentState | None
    tax: Decimal
    total: Decimal
    unpaid: Decimal


@dataclass(frozen=True)
class Delivery:
    """A document on its way to who is billed, by e-mail: `waiting` is on its way out, `failed` says why in `reason`."""

    status: Literal["waiting", "sent", "failed"]
    reason: str = ""


@dataclass(frozen=True)
class Partner:
    """Who is billed. `email`, `country` (ISO 3166), `vat` (its number): None where it has none.

    `lacks`: what else a document to it needs, in words. `is_archived`: nobody is to be billed as it.
    """

    id: int
    name: str
    reference: str | None
    email: str | None
    country: str | None
    vat: str | None = None
    lacks: Sequence[str] = ()
    is_archived: bool = False


@dataclass(frozen=True)
class Currency:
    """A currency that is in use. `unit`: its smallest amount.

    `needs_rate`: it is not the company's own; then `rated_on` is the day of the newest rate at which it is booked, None without one.
    """

    unit: Decimal
    needs_rate: bool
    rated_on: date | None


@dataclass(frozen=True)
class Problem:
    """What must be changed in the accounting system before anything is created there. `message`, `remedy`: in its own words."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Preflight:
    """How the accounting system is set.

    `key_expires`: when the key ends with which we ask, UTC; None where it does not or is not told. `advice`: what may be wrong and
    stops nothing. `country`, `currency`: of the company that bills, as ISO has them; None where it has none, or was not asked.
    """

    version: str
    problems: Sequence[Problem]
    key_expires: datetime | None
    advice: Sequence[Problem] = ()
    country: str | None = None
    currency: str | None = None


class Accounting(Protocol):
    """Reads are tried again by themselves. Every method raises AccountingError.

    A write raises UnclearError where it may have been done, and RefusedError or UnavailableError only where it was not.
    """

    @property
    def settled_after(self) -> timedelta:
        """How long after a write that was not answered it is done, or never will be."""
        ...

    @property
    def delivered_within(self) -> timedelta:
        """How long a delivery may wait before a person looks why it does."""
        ...

    def now(self, *, heard: bool = False) -> datetime:
        """The accounting system's present, UTC. It is asked, once; if it may be *heard*, by an answer that it gave a moment ago."""
        ...

    def preflight(self) -> Preflight:
        """Whether invoices can be made: rights, company, currency and rate, journal, product, tax, the partners' field. Writes nothing."""
        ...

    def currencies(self, codes: Collection[str]) -> Mapping[str, Currency]:
        """Those of *codes* (ISO 4217) that are in use."""
        ...

    def partners(self, ids: Collection[int], references: Collection[str], names: Collection[str]) -> Sequence[Partner]:
        """Partners with one of these ids, references or exact names, archived ones too."""
        ...

    def e_invoices(self) -> Collection[Channel]:
        """To whom documents are handed on, who may refuse them later; to Peppol only those for partners who are there."""
        ...

    def refusal(self, id: int) -> str:
        """Why a document was refused that was not before, as the accounting system wrote it down; empty where it wrote nothing."""
        ...

    def find(self, refs: Collection[str]) -> Mapping[str, Sequence[Document]]:
        """Invoices and credit notes by their `ref`, in every state; refs that none has are left out."""
        ...

    def create(self, draft: Draft) -> int:
        """Create it as a draft; its id."""
        ...

    def read(self, id: int) -> Document | None:
        """The document as it is now; None where a person has deleted it."""
        ...

    def payments(self, ids: Collection[int]) -> Mapping[int, Payment]:
        """What of each document is paid, by its id; one that is not posted, or not there any more, is left out."""
        ...

    def attach(self, id: int, name: str, content: bytes) -> None:
        """Attach a file (CSV) to the document, once: nothing happens where it has one of that name."""
        ...

    def redate(self, id: int, invoice_date: date, due_date: date) -> None:
        """Give the draft other dates."""
        ...

    def post(self, id: int) -> None:
        """Post the draft: it gets its number and can no longer be changed."""
        ...

    def delivering(self) -> AbstractContextManager[object]:
        """In the block a document is made ready and sent; whoever comes while as many are at it as the system bears waits."""
        ...

    def prepare_delivery(self, id: int) -> int:
        """Make ready to send the posted document to its partner; what `deliver` takes. Nothing is sent yet, whatever it raises."""
        ...

    def deliver(self, prepared: int) -> None:
        """Send what was made ready; a second e-mail, where one was sent before."""
        ...

    def deliveries(self, id: int, partner: int) -> Sequence[Delivery]:
        """What became of the document's e-mails to *partner*; empty where none was ordered, as for one without an address."""
        ...

    def cancel(self, id: int) -> None:
        """Cancel the draft, which was never posted."""
        ...


class Rotation(Protocol):
    """Keys that end and are renewed, at an accounting system that has such."""

    def end_previous(self) -> None:
        """End the key that was used before, now that the new one has been. Logs what hinders it, and raises nothing."""
        ...
