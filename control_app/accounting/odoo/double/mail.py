"""How the double sends moves: by Odoo's wizard, which tells nobody when it has no address, and sends again when asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from control_app.accounting.odoo.double.e_factura import EFactura
from control_app.accounting.odoo.double.errors import Refusal, user_error
from control_app.accounting.odoo.double.moves import Moves
from control_app.accounting.odoo.double.orm import Call, Orm
from control_app.accounting.odoo.double.peppol import WANTED as PEPPOL
from control_app.accounting.odoo.double.peppol import Peppol
from control_app.accounting.odoo.double.store import Record, Store

WIZARD = "account.move.send.wizard"
E_FACTURA = "ro_edi"
NO_ADDRESS = "At least one valid recipient address should be specified for outgoing emails (To/Cc/Bcc)"
REFUSED = """Mail Delivery Failed
Mail delivery failed via SMTP server 'None'.
SMTPRecipientsRefused: {'%s': (550, b'5.1.1 no such mailbox')}"""


@dataclass
class MailServer:
    """The one that e-mails go out by. `failing`: addresses that it refuses; `waits`: e-mails stand in Odoo's queue until `deliver`."""

    failing: set[str] = field(default_factory=set[str])
    is_away: bool = False
    waits: bool = False

    def outcome(self, address: str) -> Record:
        """What becomes of an e-mail that is handed over."""
        if "@" not in address:
            return _failed("unknown", NO_ADDRESS)
        if self.is_away:
            return _failed("mail_smtp", "")
        if address in self.failing:
            return _failed("unknown", REFUSED % address)
        return {"notification_status": "sent", "failure_type": False, "failure_reason": ""}


class Post:
    """Methods of the wizard. *locked*: moves that somebody else sends just now."""

    def __init__(  # noqa: PLR0913, PLR0917 (parts)
        self, store: Store, orm: Orm, moves: Moves, e_factura: EFactura, peppol: Peppol, server: MailServer, locked: set[int]
    ) -> None:
        self._store, self._orm, self._moves, self._e_factura, self._peppol = store, orm, moves, e_factura, peppol
        self._server, self._locked = server, locked

    def create(self, _: Call, vals_list: Sequence[Mapping[str, Any]]) -> list[int]:
        """A wizard for one posted move each; what it is to do beside the e-mail is chosen now."""
        self._orm.check(WIZARD, "create")
        return [self._create(vals) for vals in vals_list]

    def send(self, call: Call) -> Record:
        """Print the move, hand it in where that is due, and send it where there is an address."""
        wizard = self._orm.get(WIZARD, call.record)
        move = self._orm.get("account.move", wizard["move_id"])
        if move["id"] in self._locked:
            raise being_sent()
        if PEPPOL in wizard["sending_methods"]:
            if not self._peppol.may_send(move):
                # It asks a person to register the company, and sends nothing.
                return {"type": "ir.actions.act_window", "res_model": "peppol.registration"}
            self._peppol.send(move)
        if E_FACTURA in wizard["extra_edis"]:
            self._e_factura.upload(move)
        # Before any e-mail, and without one.
        self._store.change("account.move", move["id"], is_move_sent=True)
        self._print(move)
        self._peppol.link(move)
        partner = self._orm.get("res.partner", move["partner_id"][0])
        if "email" in wizard["sending_methods"] and partner["email"]:
            self._send(move, partner)
        return {"type": "ir.actions.act_window_close"}

    def deliver(self) -> None:
        """Send the e-mails that wait, as Odoo's own job does."""
        for notification in list(self._store.all("mail.notification")):
            if notification["notification_status"] == "ready":
                self._store.put("mail.notification", notification | self._server.outcome(notification["address"]))

    def sent(self) -> list[tuple[int, str]]:
        """Moves and addresses of the e-mails that arrived, one for each, in their order."""
        notifications = self._store.all("mail.notification")
        return [(record["move"], record["address"]) for record in notifications if record["notification_status"] == "sent"]

    def _create(self, vals: Mapping[str, Any]) -> int:
        self._orm.known(WIZARD, vals, "in")
        move = self._orm.get("account.move", vals["move_id"])
        if move["state"] != "posted":
            raise user_error("You can't generate invoices that are not posted.")
        chosen = [E_FACTURA] if self._e_factura.is_due(move) else []
        return self._store.add(WIZARD, {"sending_methods": ["email"], "extra_edis": chosen, **vals})

    def _print(self, move: Record) -> None:
        name = f"{move['name'].replace('/', '_')}.pdf"
        if all(file["name"] != name for file in self._store.among("ir.attachment", "res_id", [move["id"]])):
            file = {"name": name, "res_model": "account.move", "res_id": move["id"], "mimetype": "application/pdf", "datas": "JVBERi0="}
            # Of a field of the move, and so not among what is attached to it.
            self._store.add("ir.attachment", {**file, "res_field": "invoice_pdf_report_file"})

    def _send(self, move: Record, partner: Record) -> None:
        company = move["company_id"][1]
        message = self._moves.log(move["id"], message_type="comment", subject=f"{company} Invoice (Ref {move['name']})")
        waiting = {"notification_status": "ready", "failure_type": False, "failure_reason": ""}
        notification = {
            "mail_message_id": [message, "Invoice"],
            "res_partner_id": [partner["id"], partner["name"]],
            "notification_type": "email",
            "move": move["id"],
            "address": partner["email"],
            **(waiting if self._server.waits else self._server.outcome(partner["email"])),
        }
        self._store.add("mail.notification", notification)


def being_sent() -> Refusal:
    """The refusal of a document that another process sends."""
    return user_error("Some documents are being sent by another process already.")


def _failed(kind: str, reason: str) -> Record:
    return {"notification_status": "exception", "failure_type": kind, "failure_reason": reason}
