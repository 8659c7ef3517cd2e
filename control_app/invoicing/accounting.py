"""What invoicing asks of an accounting system, and how it may fail. Odoo is the one there is (control_app/odoo)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol

MoveType = Literal["out_invoice", "out_refund"]


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
    """A line as it is sent. `price_unit`: units of the currency for one of `quantity`, without tax."""

    text: str
    quantity: Decimal
    price_unit: Decimal


@dataclass(frozen=True)
class Draft:
    """An invoice, or a credit note, to be created. `reverses`: id of the posted invoice that a credit note is against."""

    ref: str
    type: MoveType
    partner: int
    invoice_date: date
    due_date: date
    delivery_date: date
    lines: Sequence[Line]
    reverses: int | None = None


@dataclass(frozen=True)
class Move:
    """An invoice or credit note as the accounting system has it. `number`: its own, from posting on. `untaxed`: without tax."""

    id: int
    ref: str
    type: MoveType
    state: Literal["draft", "posted", "cancel"]
    number: str | None
    partner: int
    currency: str
    untaxed: Decimal
    total: Decimal


@dataclass(frozen=True)
class Mail:
    """A notification by e-mail: `waiting` is on its way out, `failed` says why in `reason`."""

    status: Literal["waiting", "sent", "failed"]
    reason: str = ""


@dataclass(frozen=True)
class Partner:
    """Who is billed. `email`, `country`: None where it has none."""

    id: int
    name: str
    reference: str | None
    email: str | None
    country: str | None


@dataclass(frozen=True)
class Problem:
    """What must be changed in the accounting system before anything is created there. `message`, `remedy`: in its own words."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Preflight:
    """How the accounting system is set. `quantity_decimals`, `price_decimals`: what it keeps of a line, None for all of them.

    `key_expires`: when the key ends with which we ask, UTC; None where it does not end or is not told.
    """

    version: str
    problems: Sequence[Problem]
    quantity_decimals: int
    price_decimals: int | None
    key_expires: datetime | None


class Accounting(Protocol):
    """Reads are tried again by themselves. Every method raises AccountingError.

    A write raises UnclearError where it may have been done, and RefusedError or UnavailableError only where it was not.
    """

    def preflight(self) -> Preflight:
        """Whether invoices can be made: rights, company, currency, journal, product, tax, precision. Writes nothing."""
        ...

    def partners(self, ids: Collection[int], references: Collection[str], names: Collection[str]) -> Sequence[Partner]:
        """Active partners with one of these ids, references or exact names."""
        ...

    def find(self, refs: Collection[str]) -> Mapping[str, Sequence[Move]]:
        """Invoices and credit notes by their `ref`, in every state; refs that none has are left out."""
        ...

    def create(self, draft: Draft) -> int:
        """Create it as a draft; its id."""
        ...

    def read(self, id: int) -> Move | None:
        """As it is now; None where a person has deleted it."""
        ...

    def attach(self, id: int, name: str, content: bytes) -> None:
        """Attach a file (CSV) to the move, once: nothing happens where it has one of that name."""
        ...

    def post(self, id: int) -> None:
        """Post the draft: it gets its number and can no longer be changed."""
        ...

    def prepare_mail(self, id: int) -> int:
        """Make ready to send the posted move to its partner by e-mail; what `send` takes. Nothing is sent yet, whatever it raises."""
        ...

    def send(self, mail: int) -> None:
        """Send what was made ready; a second e-mail, where one was sent before."""
        ...

    def mails(self, id: int, partner: int) -> Sequence[Mail]:
        """What became of the move's e-mails to *partner*; empty where none was ordered, as for one without an address."""
        ...

    def cancel(self, id: int) -> None:
        """Cancel the draft, which was never posted."""
        ...
