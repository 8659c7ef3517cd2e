"""Invoices in Odoo: what its calls must be told, and what it does not tell by itself (docs/facts/odoo.md, Invoices)."""

from __future__ import annotations

import base64
import html
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeVar

import structlog
from markupsafe import Markup

from control_app.accounting.odoo import e_factura, peppol
from control_app.accounting.odoo.channels import Channels, channels
from control_app.accounting.odoo.client import WRITES_BEGIN_SEC, InCompany, OdooClient
from control_app.accounting.odoo.preflight import Wanted, check
from control_app.accounting.odoo.setup import Places, currency, places
from control_app.accounting.odoo.shapes import Row, anything, in_one_line, new_id, rows
from control_app.accounting.port import (
    Channel,
    Currency,
    Delivery,
    Document,
    Draft,
    Kind,
    Line,
    Partner,
    Payment,
    PaymentState,
    Preflight,
    RefusedError,
    UnavailableError,
    UnclearError,
)

AT_ONCE = 100
"""Values in one condition of a search."""
TYPES: Mapping[Kind, str] = {"invoice": "out_invoice", "credit note": "out_refund"}
KINDS: Mapping[str, Kind] = {type_: kind for kind, type_ in TYPES.items()}
STATES: Mapping[str, Literal["draft", "posted", "cancelled"]] = {"draft": "draft", "posted": "posted", "cancel": "cancelled"}
MOVE = (
    *("ref", "move_type", "state", "name", "posted_before", "partner_id", "currency_id"),
    *("amount_untaxed", "amount_total"),
)
PAYMENT = ("amount_tax", "amount_total", "amount_residual", "payment_state")
PAYMENTS: Mapping[str, PaymentState | None] = {
    "not_paid": "open",
    "partial": "partly paid",
    "in_payment": "in payment",
    "paid": "paid",
    "reversed": "credited",
    # A person marked it as not to be paid yet.
    "blocked": "open",
    # Of an older Odoo, which did not know.
    "invoicing_legacy": None,
}
log = structlog.stdlib.get_logger("control_app.invoicing")
LOGGED = 20
"""Lines of a document's log among which the newest with words is looked for: changes of fields have none."""
FINEST = Decimal("0.000001")
"""No currency has a smaller unit."""
LINE = ("product_id", "price_subtotal", "tax_ids")
PARTNER = ("name", "email", "country_code", "vat", "active", *e_factura.ADDRESS)
NOTIFICATION = ("notification_status", "failure_type", "failure_reason")
SERVER_AWAY = "mail_smtp"
"""Also where the server refused; then it has a reason."""
WAITING, SENT = ("ready", "process", "pending"), "sent"
BEING_SENT = "being sent by another process"
"""What a refusal says that is over when the other one is through."""
T = TypeVar("T")


class OdooAccounting:
    """An `Accounting` of one *company*, in one *currency* of as many *decimals*; every line is of *product*, an internal reference.

    *partner_field*: the field of a partner that has our customer's id. *key_name*: how our API keys' descriptions begin.
    """

    settled_after = timedelta(seconds=WRITES_BEGIN_SEC) + timedelta(minutes=10)
    """Odoo ends a request 120 s after it took it up (docs/facts/odoo.md, Calls; what odoo.com has is not published). Until then
    the request waits in Odoo's queue, as long as four others that end so, after the last try of ours began."""
    delivered_within = timedelta(days=1)
    """Odoo sends what waits once an hour."""

    def __init__(  # noqa: PLR0913 (settings)
        self,
        client: OdooClient,
        *,
        company: int,
        currency: str,
        product: str,
        decimals: int = 2,
        partner_field: str = "ref",
        key_name: str = "control",
    ) -> None:
        self._odoo = InCompany(client, company)
        self._wanted = Wanted(company, currency, decimals, product, partner_field, key_name)
        self._partner_field = partner_field
        self._places: Places | None = None
        self._currencies: dict[str, int] = {}
        self._channels: Channels | None = None
        self._lock, self._sending = threading.Lock(), threading.Lock()

    def now(self, *, heard: bool = False) -> datetime:
        """Odoo's present, as the port says."""
        return self._odoo.client.now(heard=heard)

    def preflight(self) -> Preflight:
        """Whether invoices can be made; journal and product are read anew, so that no creation has to wait for them."""
        found = check(self._odoo, self._wanted)
        with self._lock:
            # They are asked anew: a person may have installed one.
            self._channels = None
        if not found.problems:
            # In the place of what was known, never without: a creation that was noted already must not wait for it.
            fresh = places(self._odoo, self._wanted.product)
            with self._lock:
                self._places = fresh
        return found

    def currencies(self, codes: Collection[str]) -> Mapping[str, Currency]:
        """Active currencies of these *codes*; Odoo's own unit of one may be another than ISO's."""
        fields, company = ("name", "rounding", "date"), self._odoo.company
        domain = [["name", "in", sorted(codes)], ["active", "=", True]]
        found = self._odoo.read("res.currency", "search_read", rows(*fields), domain=domain, fields=fields)
        own = self._odoo.read("res.company", "read", rows("currency_id"), ids=[company], fields=["currency_id"])
        with self._lock:
            self._currencies |= {row["name"]: row["id"] for row in found}
        return {row["name"]: _currency(row, is_own=row["id"] == own[0]["currency_id"][0]) for row in found}

    def partners(self, ids: Collection[int], references: Collection[str], names: Collection[str]) -> Sequence[Partner]:
        """Partners with one of these ids, references or exact names, archived ones too."""
        fields = (*PARTNER, self._partner_field, *self._ways().partner_fields)
        found: dict[int, Partner] = {}
        for field, values in (("id", ids), (self._partner_field, references), ("name", names)):
            for part in _parts(sorted(values)):
                domain = [[field, "in", part], ["active", "in", [True, False]]]
                for row in self._odoo.read("res.partner", "search_read", rows(*fields), domain=domain, fields=[*fields]):
                    found[row["id"]] = self._partner(row)
        return [partner for _, partner in sorted(found.items())]

    def e_invoices(self) -> Collection[Channel]:
        """Romania's e-Factura, and Peppol, where the company sends by it."""
        return self._ways().used

    def refusal(self, id: int) -> str:
        """The newest line of the move's log, into which Odoo's modules write why."""
        domain = [["model", "=", "account.move"], ["res_id", "=", id], ["message_type", "=", "notification"]]
        told = self._odoo.read("mail.message", "search_read", rows("body"), domain=domain, fields=["body"], order="id desc", limit=LOGGED)
        return next(filter(None, (_words(row["body"] or "") for row in told)), "")

    def find(self, refs: Collection[str]) -> Mapping[str, Sequence[Document]]:
        """Invoices and credit notes by their `ref`, in every state; Odoo lets many have the same."""
        found: dict[str, list[Document]] = {}
        for part in _parts(sorted(refs)):
            domain = [["ref", "in", part], ["move_type", "in", [*KINDS]], ["company_id", "=", self._wanted.company]]
            moves = self._odoo.read("account.move", "search_read", self._documents, domain=domain, fields=self._fields(), order="id")
            for document in self._awaited(moves):
                found.setdefault(document.ref, []).append(document)
        return found

    def create(self, draft: Draft) -> int:
        """Create it as a draft; its id."""
        return self._odoo.write("account.move", "create", new_id, vals_list=[self._vals(draft)])

    def read(self, id: int) -> Document | None:
        """The document as it is now, None where there is none. It is a search, since to read what is not there is an error."""
        moves = self._odoo.read("account.move", "search_read", self._documents, domain=[["id", "=", id]], fields=self._fields(), limit=1)
        return next(iter(self._awaited(moves)), None)

    def payments(self, ids: Collection[int]) -> Mapping[int, Payment]:
        """What of each posted move is paid, a hundred in a call."""
        found: dict[int, Payment] = {}
        for part in _parts(sorted(ids)):
            domain = [["id", "in", part], ["state", "=", "posted"]]
            found |= self._odoo.read("account.move", "search_read", self._payments, domain=domain, fields=PAYMENT)
        return found

    def attach(self, id: int, name: str, content: bytes) -> None:
        """Attach a CSV file to the move, once."""
        domain = [["res_model", "=", "account.move"], ["res_id", "=", id], ["name", "=", name]]
        if self._odoo.read("ir.attachment", "search_read", rows("name"), domain=domain, fields=["name"], limit=1):
            return
        file = {
            "name": name,
            "res_model": "account.move",
            "res_id": id,
            "mimetype": "text/csv",
            "datas": base64.b64encode(content).decode(),
        }
        self._odoo.write("ir.attachment", "create", new_id, vals_list=[file])

    def redate(self, id: int, invoice_date: date, due_date: date) -> None:
        """Give the draft other dates: Odoo posts one with the dates that it was made with."""
        vals = {"invoice_date": invoice_date.isoformat(), "invoice_date_due": due_date.isoformat()}
        self._odoo.write("account.move", "write", anything, ids=[id], vals=vals)

    def post(self, id: int) -> None:
        """Post the draft: Odoo numbers it, and it can no longer be changed."""
        answer = self._odoo.write("account.move", "action_post", anything, ids=[id])
        if isinstance(answer, dict):
            # Modules may ask a person back, in a window.
            raise UnclearError(f"Odoo account.move/action_post: answered with a window ({answer.get('res_model')}), perhaps before posting")

    def delivering(self) -> AbstractContextManager[object]:
        """One at a time: to print, a send fetches styles from Odoo itself, and as many sends as it has workers wait for each other."""
        return self._sending

    def prepare_delivery(self, id: int) -> int:
        """A send wizard's id. One that is there or not sends nothing by itself."""
        wizard = {"move_id": id, "sending_methods": ["email", *(["peppol"] if self._goes_by_peppol(id) else [])]}
        try:
            return self._odoo.write("account.move.send.wizard", "create", new_id, vals_list=[wizard])
        except UnclearError as error:
            raise UnavailableError(f"{error}; in any case nothing was sent") from None

    def deliver(self, prepared: int) -> None:
        """Let the wizard send; a second call is a second e-mail. What somebody else sends just now may be this very e-mail."""
        try:
            self._odoo.write("account.move.send.wizard", "action_send_and_print", ids=[prepared])
        except RefusedError as error:
            if BEING_SENT in str(error):
                raise UnclearError(str(error)) from None
            raise

    def deliveries(self, id: int, partner: int) -> Sequence[Delivery]:
        """What became of the move's e-mails to *partner*: not those to colleagues who are told of something on it.

        Odoo's mark that it was sent is set before any, and without any.
        """
        domain = [["model", "=", "account.move"], ["res_id", "=", id]]
        messages = [row["id"] for row in self._odoo.read("mail.message", "search_read", rows("model"), domain=domain, fields=["model"])]
        domain = [["mail_message_id", "in", messages], ["notification_type", "=", "email"], ["res_partner_id", "=", partner]]
        found = self._odoo.read("mail.notification", "search_read", rows(*NOTIFICATION), domain=domain, fields=NOTIFICATION, order="id")
        return [_delivery(row) for row in found]

    def cancel(self, id: int) -> None:
        """Cancel the draft. Odoo cancels what is posted, too: what we must not ask it to."""
        fields = ("state", "posted_before")
        for row in self._odoo.read("account.move", "read", rows(*fields), ids=[id], fields=fields):
            if row["state"] == "draft" and not row["posted_before"]:
                self._odoo.write("account.move", "button_cancel", ids=[id])
                return
        raise RefusedError(
            f"Odoo account.move/button_cancel: entry {id} is no draft that was never posted, and only such a one is cancelled"
        )

    def _vals(self, draft: Draft) -> Mapping[str, Any]:
        known = self._known()
        vals: dict[str, Any] = {
            "move_type": TYPES[draft.kind],
            "partner_id": draft.partner,
            "ref": draft.ref,
            # Where a person sees it.
            "invoice_origin": draft.ref,
            "currency_id": self._currency_id(draft.currency),
            "journal_id": known.journal,
            "invoice_date": draft.invoice_date.isoformat(),
            # Terms of the partner's would compute another due date.
            "invoice_payment_term_id": False,
            "invoice_date_due": draft.due_date.isoformat(),
            "delivery_date": draft.delivery_date.isoformat(),
            "invoice_line_ids": [[0, 0, _line(line, known.product)] for line in draft.lines],
        }
        if draft.note:
            # It is HTML there. Without one Odoo writes the company's terms.
            vals["narration"] = html.escape(draft.note)
        return vals if draft.against is None else self._against(draft.against, vals, draft.lines)

    def _against(self, invoice: int, vals: Mapping[str, Any], lines: Sequence[Line]) -> Mapping[str, Any]:
        """A credit note's: Odoo would tax it as the partner is now, and it takes back what was taxed then."""
        fields = ("fiscal_position_id", "invoice_line_ids")
        found = self._odoo.read("account.move", "search_read", rows(*fields), domain=[["id", "=", invoice]], fields=fields)
        if not found:
            raise RefusedError(f"Odoo account.move/create: there is no entry {invoice} any more, which this credit note is against")
        position, ids = found[0]["fiscal_position_id"], found[0]["invoice_line_ids"]
        billed = self._odoo.read("account.move.line", "read", rows(*LINE), ids=ids, fields=LINE)
        taxes = self._taxes_for(invoice, lines, [row for row in billed if row["product_id"]])
        taxed = [[0, 0, {**line, "tax_ids": [[6, 0, own]]}] for (_, _, line), own in zip(vals["invoice_line_ids"], taxes, strict=True)]
        own_position = position[0] if position else False
        return {**vals, "reversed_entry_id": invoice, "fiscal_position_id": own_position, "invoice_line_ids": taxed}

    def _taxes_for(self, invoice: int, lines: Sequence[Line], billed: Sequence[Row]) -> Sequence[Sequence[int]]:
        """The taxes of each of a credit note's *lines*: of the same line of the invoice, or what all of its lines have."""
        taxes = [row["tax_ids"] for row in billed]
        if [self._amount(row["price_subtotal"]) for row in billed] == [line.amount for line in lines]:
            return taxes
        if len({tuple(own) for own in taxes}) != 1:
            raise RefusedError(
                f"Odoo account.move/create: the lines of entry {invoice} have different taxes, and no line of this credit note is one of"
                " them; make the credit note in Odoo"
            )
        return [taxes[0]] * len(lines)

    def _currency_id(self, code: str) -> int:
        with self._lock:
            known = self._currencies.get(code)
        found = known or (currency(self._odoo, code) or {}).get("id")
        if found is None:
            raise RefusedError(f"Odoo account.move/create: there is no currency {code}")
        return int(found)

    def _known(self) -> Places:
        with self._lock:
            if self._places is None:
                self._places = places(self._odoo, self._wanted.product)
            return self._places

    def _ways(self) -> Channels:
        """By which documents go beside the e-mail; asked once, and again after a preflight."""
        with self._lock:
            if self._channels is None:
                self._channels = channels(self._odoo)
            return self._channels

    def _goes_by_peppol(self, id: int) -> bool:
        """Whether Odoo would send the posted move by Peppol, and has not yet; a partner may have left since."""
        if "Peppol" not in self.e_invoices():
            return False
        fields = (peppol.STATE, "commercial_partner_id")
        moves = self._odoo.read("account.move", "read", rows(*fields), ids=[id], fields=fields)
        return bool(self._on_peppol({move["commercial_partner_id"][0] for move in moves if move[peppol.STATE] in peppol.TO_BE_SENT}))

    def _on_peppol(self, partners: Collection[int]) -> Collection[int]:
        """Those of *partners* who are at Peppol now."""
        if not partners:
            return ()
        found = self._odoo.read("res.partner", "read", rows(peppol.VERIFIED), ids=sorted(partners), fields=[peppol.VERIFIED])
        return {partner["id"] for partner in found if partner[peppol.VERIFIED] == peppol.VALID}

    def _awaited(self, found: Sequence[tuple[Document, int | None]]) -> Iterator[Document]:
        """Documents, each with the partner at Peppol whom it did not reach: where that one has left, nobody waits for it there."""
        there = self._on_peppol({partner for _, partner in found if partner is not None})
        for document, partner in found:
            is_over = partner is not None and partner not in there
            left = {channel: state for channel, state in document.e_invoices.items() if not is_over or channel != "Peppol"}
            yield replace(document, e_invoices=left)

    def _fields(self) -> Sequence[str]:
        return (*MOVE, *self._ways().document_fields)

    def _documents(self, answer: Any) -> Sequence[tuple[Document, int | None]]:
        return [(self._document(row), self._ways().failed_at_peppol(row)) for row in rows(*MOVE)(answer)]

    def _document(self, row: Row) -> Document:
        if row["move_type"] not in KINDS or row["state"] not in STATES:
            raise ValueError(f"entry {row['id']} is {row['move_type']}, {row['state']}")
        return Document(
            id=row["id"],
            ref=row["ref"] or "",
            kind=KINDS[row["move_type"]],
            state=STATES[row["state"]],
            # A draft may have one already, which may still change.
            number=row["name"] if row["name"] and (row["state"] == "posted" or row["posted_before"]) else None,
            partner=row["partner_id"][0] if row["partner_id"] else 0,
            currency=row["currency_id"][1],
            untaxed=self._amount(row["amount_untaxed"]),
            total=self._amount(row["amount_total"]),
            e_invoices=self._ways().e_invoices(row),
        )

    def _payments(self, answer: Any) -> Mapping[int, Payment]:
        return {row["id"]: self._payment(row) for row in rows(*PAYMENT)(answer)}

    def _payment(self, row: Row) -> Payment:
        if row["payment_state"] not in PAYMENTS:
            log.warning("a payment state that is not known", document=row["id"], value=row["payment_state"])
        amounts = (self._amount(row[name]) for name in ("amount_tax", "amount_total", "amount_residual"))
        return Payment(PAYMENTS.get(row["payment_state"]), *amounts)

    def _amount(self, value: object) -> Decimal:
        """Odoo's binary number as the decimal that it stands for, whatever the currency."""
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValueError("an amount that is no number")  # noqa: TRY004 (one error for every shape)
        return Decimal(f"{Decimal(value).quantize(FINEST).normalize():f}")

    def _partner(self, row: Row) -> Partner:
        reference, vat = row[self._partner_field], row["vat"]
        return Partner(
            row["id"],
            row["name"] or "",
            str(reference) if reference else None,
            row["email"] or None,
            row["country_code"] or None,
            # A stroke says that it has none.
            vat if vat and len(vat) > 1 else None,
            tuple(self._ways().missing_of(row)),
            not row["active"],
        )


def _currency(row: Row, *, is_own: bool) -> Currency:
    day = None if is_own or not row["date"] else date.fromisoformat(row["date"])
    return Currency(Decimal(row["rounding"]).normalize(), needs_rate=not is_own, rated_on=day)


def _line(line: Line, product: int) -> Mapping[str, Any]:
    return {"product_id": product, "name": line.text, "quantity": 1, "price_unit": line.amount}


def _delivery(row: Row) -> Delivery:
    status = row["notification_status"]
    if status == SENT:
        return Delivery("sent")
    if status in WAITING:
        return Delivery("waiting")
    if row["failure_type"] == SERVER_AWAY and not row["failure_reason"]:
        return Delivery("failed", f"Odoo did not reach its outgoing mail server ({SERVER_AWAY})")
    return Delivery("failed", in_one_line(str(row["failure_reason"] or row["failure_type"] or status or "unknown")))


def _words(html_: str) -> str:
    """What a person reads of a line of a log."""
    return in_one_line(Markup(html_.replace("<", " <")).striptags())  # noqa: S704 (its tags are taken out)


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]
