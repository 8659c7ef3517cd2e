"""Invoices in Odoo: what the calls of billing.md 3.5 have to say, and what Odoo does not say by itself."""

from __future__ import annotations

import base64
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from control_app.invoicing.accounting import Draft, Line, Mail, Move, Partner, Preflight, RefusedError, UnavailableError, UnclearError
from control_app.odoo.client import InCompany, OdooClient
from control_app.odoo.preflight import Wanted, check
from control_app.odoo.setup import Places, places
from control_app.odoo.shapes import Row, anything, new_id, rows

AT_ONCE = 100
"""Values in one condition of a search."""
TYPES = ("out_invoice", "out_refund")
MOVE = (
    *("ref", "move_type", "state", "name", "posted_before", "partner_id", "currency_id"),
    *("amount_untaxed", "amount_total"),
)
NOTIFICATION = ("notification_status", "failure_type", "failure_reason")
WAITING, SENT = ("ready", "process", "pending"), "sent"
T = TypeVar("T")


class OdooAccounting:
    """An `Accounting` of one *company*, in one *currency* of as many *decimals*; every line is of *product*, an internal reference.

    *partner_field*: the field of a partner that has our customer's id. *key_name*: how our API keys' descriptions begin.
    """

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
        self._wanted = Wanted(company, currency, decimals, product, key_name)
        self._partner_field, self._unit = partner_field, Decimal(1).scaleb(-decimals)
        self._places: Places | None = None
        self._lock = threading.Lock()

    def preflight(self) -> Preflight:
        """Whether invoices can be made; journal, currency and product are read anew, so that no creation has to wait for them."""
        found = check(self._odoo, self._wanted)
        if not found.problems:
            # In the place of what was known, never without: a creation that was noted already must not wait for it.
            fresh = places(self._odoo, self._wanted.currency, self._wanted.product)
            with self._lock:
                self._places = fresh
        return found

    def partners(self, ids: Collection[int], references: Collection[str], names: Collection[str]) -> Sequence[Partner]:
        """Active partners with one of these ids, references or exact names."""
        fields = ("name", self._partner_field, "email", "country_code")
        found: dict[int, Partner] = {}
        for field, values in (("id", ids), (self._partner_field, references), ("name", names)):
            for part in _parts(sorted(values)):
                domain = [[field, "in", part], ["active", "=", True]]
                for row in self._odoo.read("res.partner", "search_read", rows(*fields), domain=domain, fields=[*fields]):
                    found[row["id"]] = self._partner(row)
        return [partner for _, partner in sorted(found.items())]

    def find(self, refs: Collection[str]) -> Mapping[str, Sequence[Move]]:
        """Invoices and credit notes by their `ref`, in every state; Odoo lets many have the same."""
        found: dict[str, list[Move]] = {}
        for part in _parts(sorted(refs)):
            domain = [["ref", "in", part], ["move_type", "in", TYPES], ["company_id", "=", self._wanted.company]]
            for move in self._odoo.read("account.move", "search_read", self._moves, domain=domain, fields=MOVE, order="id"):
                found.setdefault(move.ref, []).append(move)
        return found

    def create(self, draft: Draft) -> int:
        """Create it as a draft; its id."""
        return self._odoo.write("account.move", "create", new_id, vals_list=[self._vals(draft)])

    def read(self, id: int) -> Move | None:
        """As it is now; None where there is none: a search, since to read what is not there is an error."""
        moves = self._odoo.read("account.move", "search_read", self._moves, domain=[["id", "=", id]], fields=MOVE, limit=1)
        return moves[0] if moves else None

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

    def post(self, id: int) -> None:
        """Post the draft."""
        answer = self._odoo.write("account.move", "action_post", anything, ids=[id])
        if isinstance(answer, dict):
            # Modules may ask a person back, in a window.
            raise UnclearError(f"Odoo account.move/action_post: answered with a window ({answer.get('res_model')}), perhaps before posting")

    def prepare_mail(self, id: int) -> int:
        """A send wizard's id. One that is there or not sends nothing by itself."""
        try:
            return self._odoo.write("account.move.send.wizard", "create", new_id, vals_list=[{"move_id": id, "sending_methods": ["email"]}])
        except UnclearError as error:
            raise UnavailableError(f"{error}; in any case nothing was sent") from None

    def send(self, mail: int) -> None:
        """Let the wizard send; a second call is a second e-mail."""
        self._odoo.write("account.move.send.wizard", "action_send_and_print", ids=[mail])

    def mails(self, id: int, partner: int) -> Sequence[Mail]:
        """What became of the move's e-mails to *partner*: not those to colleagues who are told of something on it.

        Odoo's mark that it was sent is set before any, and without any.
        """
        domain = [["model", "=", "account.move"], ["res_id", "=", id]]
        messages = [row["id"] for row in self._odoo.read("mail.message", "search_read", rows("model"), domain=domain, fields=["model"])]
        domain = [["mail_message_id", "in", messages], ["notification_type", "=", "email"], ["res_partner_id", "=", partner]]
        found = self._odoo.read("mail.notification", "search_read", rows(*NOTIFICATION), domain=domain, fields=NOTIFICATION, order="id")
        return [_mail(row) for row in found]

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
            "move_type": draft.type,
            "partner_id": draft.partner,
            "ref": draft.ref,
            # Where a person sees it.
            "invoice_origin": draft.ref,
            "currency_id": known.currency,
            "journal_id": known.journal,
            "invoice_date": draft.invoice_date.isoformat(),
            # Terms of the partner's would compute another due date.
            "invoice_payment_term_id": False,
            "invoice_date_due": draft.due_date.isoformat(),
            "delivery_date": draft.delivery_date.isoformat(),
            "invoice_line_ids": [[0, 0, _line(line, known.product)] for line in draft.lines],
        }
        return vals if draft.reverses is None else {**vals, "reversed_entry_id": draft.reverses}

    def _known(self) -> Places:
        with self._lock:
            if self._places is None:
                self._places = places(self._odoo, self._wanted.currency, self._wanted.product)
            return self._places

    def _moves(self, answer: Any) -> Sequence[Move]:
        return [self._move(row) for row in rows(*MOVE)(answer)]

    def _move(self, row: Row) -> Move:
        if row["move_type"] not in TYPES or row["state"] not in ("draft", "posted", "cancel"):
            raise ValueError(f"entry {row['id']} is {row['move_type']}, {row['state']}")
        return Move(
            id=row["id"],
            ref=row["ref"] or "",
            type=row["move_type"],
            state=row["state"],
            # A draft may have one already, which may still change.
            number=row["name"] if row["name"] and (row["state"] == "posted" or row["posted_before"]) else None,
            partner=row["partner_id"][0] if row["partner_id"] else 0,
            currency=row["currency_id"][1],
            untaxed=self._amount(row["amount_untaxed"]),
            total=self._amount(row["amount_total"]),
        )

    def _amount(self, value: object) -> Decimal:
        """As amounts of the currency are: Odoo's are binary."""
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValueError("an amount that is no number")  # noqa: TRY004 (one error for every shape)
        return Decimal(value).quantize(self._unit)

    def _partner(self, row: Row) -> Partner:
        reference, email, country = row[self._partner_field], row["email"], row["country_code"]
        return Partner(row["id"], row["name"] or "", str(reference) if reference else None, email or None, country or None)


def _line(line: Line, product: int) -> Mapping[str, Any]:
    return {"product_id": product, "name": line.text, "quantity": line.quantity, "price_unit": line.price_unit}


def _mail(row: Row) -> Mail:
    status = row["notification_status"]
    if status == SENT:
        return Mail("sent")
    if status in WAITING:
        return Mail("waiting")
    return Mail("failed", str(row["failure_reason"] or row["failure_type"] or status or "unknown"))


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]
