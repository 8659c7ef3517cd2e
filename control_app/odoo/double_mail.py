"""How the double sends moves: by Odoo's wizard, which tells nobody when it has no address, and sends again when asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from control_app.odoo.double_errors import user_error
from control_app.odoo.double_orm import Call, Orm, known
from control_app.odoo.double_store import Record, Store

WIZARD = "account.move.send.wizard"
REFUSED_BY_SERVER = "550 5.1.1 no such mailbox"


class Post:
    """Methods of the wizard. *failing*: addresses that no e-mail reaches."""

    def __init__(self, store: Store, orm: Orm, failing: set[str], clock: Callable[[], datetime]) -> None:
        self._store, self._orm, self._failing, self._clock = store, orm, failing, clock
        self.waits = False
        """Whether e-mails stand in the queue until `deliver`."""

    def create(self, _: Call, vals_list: Sequence[Mapping[str, Any]]) -> list[int]:
        """A wizard for one posted move."""
        self._orm.check(WIZARD, "create")
        ids: list[int] = []
        for vals in vals_list:
            known(WIZARD, vals)
            if self._orm.get("account.move", vals["move_id"])["state"] != "posted":
                raise user_error("what is not posted cannot be sent")
            ids.append(self._store.add(WIZARD, {"sending_methods": ["email"], **vals}))
        return ids

    def send(self, call: Call) -> Record:
        """Print the move, and send it where there is an address."""
        wizard = self._orm.get(WIZARD, call.record)
        move = self._orm.get("account.move", wizard["move_id"])
        # Before any e-mail, and without one.
        self._store.put("account.move", {**move, "is_move_sent": True})
        self._print(move)
        partner = self._orm.get("res.partner", move["partner_id"][0])
        if "email" in wizard["sending_methods"] and partner["email"]:
            self._send(move, partner)
        return {"type": "ir.actions.act_window_close"}

    def deliver(self) -> None:
        """Send what waits."""
        for notification in list(self._store.all("mail.notification")):
            if notification["notification_status"] == "ready":
                self._store.put("mail.notification", notification | self._outcome(notification["address"]))

    def sent(self) -> list[tuple[int, str]]:
        """Moves and addresses of the e-mails that arrived, one for each, in their order."""
        notifications = self._store.all("mail.notification")
        return [(record["move"], record["address"]) for record in notifications if record["notification_status"] == "sent"]

    def _print(self, move: Record) -> None:
        name = f"{move['name'].replace('/', '_')}.pdf"
        if all(file["name"] != name for file in self._store.among("ir.attachment", "res_id", [move["id"]])):
            vals = {"name": name, "res_model": "account.move", "res_id": move["id"], "mimetype": "application/pdf", "datas": "JVBERi0="}
            self._store.add("ir.attachment", vals)

    def _send(self, move: Record, partner: Record) -> None:
        date = f"{self._clock():%Y-%m-%d %H:%M:%S}"
        about = {
            "model": "account.move",
            "res_id": move["id"],
            "message_type": "comment",
            "subject": f"Invoice {move['name']}",
            "date": date,
        }
        message = self._store.add("mail.message", about)
        waiting = {"notification_status": "ready", "failure_type": False, "failure_reason": False}
        notification = {
            "mail_message_id": [message, about["subject"]],
            "res_partner_id": [partner["id"], partner["name"]],
            "notification_type": "email",
            "move": move["id"],
            "address": partner["email"],
            **(waiting if self.waits else self._outcome(partner["email"])),
        }
        self._store.add("mail.notification", notification)

    def _outcome(self, address: str) -> Record:
        if address in self._failing:
            return {"notification_status": "exception", "failure_type": "mail_smtp", "failure_reason": REFUSED_BY_SERVER}
        return {"notification_status": "sent", "failure_type": False, "failure_reason": False}
