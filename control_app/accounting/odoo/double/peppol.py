"""Peppol in the double, as it was read and never seen (docs/facts/odoo.md, Peppol): which documents are ready for it, and their upload."""

from __future__ import annotations

from control_app.accounting.odoo.double.errors import user_error
from control_app.accounting.odoo.double.moves import Moves
from control_app.accounting.odoo.double.orm import Call, Orm
from control_app.accounting.odoo.double.store import Record, Store

STATE, REGISTRATION, WANTED = "peppol_move_state", "account_peppol_proxy_state", "peppol"
SENDERS = ("sender", "smp_registration", "receiver")
LINKED = "ubl_cii_xml_id"
FIELDS = {
    "account.move": (STATE, LINKED),
    "res.company": (REGISTRATION,),
    "res.partner": ("peppol_verification_state", "peppol_eas", "peppol_endpoint"),
}


class Peppol:
    """Sends documents by the network, where its module is there and the company is registered."""

    def __init__(self, store: Store, orm: Orm, moves: Moves) -> None:
        self._store, self._orm, self._moves = store, orm, moves
        self.refuses = ""
        """What the access point says to documents, which it refuses."""

    def install(self, company: int, registration: str) -> None:
        """The module's fields, and how the *company* is registered."""
        if not self._is_installed:
            for model, fields in FIELDS.items():
                for name in fields:
                    self._store.add("ir.model.fields", {"model": model, "name": name, "ttype": "char"})
        self._store.change("res.company", company, **{REGISTRATION: registration})

    def post(self, call: Call) -> bool:
        """Post moves; those to partners who are there are ready to be sent."""
        done = self._moves.post(call)
        for move in self._orm.browse(call) if self._is_installed else ():
            if self._is_registered(move) and self._is_valid(move) and not move.get(STATE):
                self._store.change("account.move", move["id"], **{STATE: "ready"})
        return done

    def may_send(self, move: Record) -> bool:
        """Whether the company is registered; a refusal where the partner is not there."""
        if not self._is_valid(move):
            raise user_error("Partner doesn't have a valid Peppol configuration.")
        return self._is_registered(move)

    def send(self, move: Record) -> None:
        """Hand the document to the access point, and keep that at once, also a refusal; what was sent and linked is not sent again."""
        if move.get(LINKED) and move.get(STATE) in ("processing", "done"):
            return
        if self.refuses:
            self._store.change("account.move", move["id"], **{STATE: "error"})
            self._store.commit()
            raise user_error(self.refuses)
        self._store.change("account.move", move["id"], **{STATE: "processing"})
        self._store.add("peppol document", {"move": move["id"]})
        self._moves.log(move["id"], body="<p>The invoice has been sent to the Peppol Access Point.</p>")
        self._store.commit()

    def link(self, move: Record) -> None:
        """Keep the document's file beside it, at the end of a send that was not cut off."""
        if self._is_installed and self._store.get("account.move", move["id"]).get(STATE):
            self._store.change("account.move", move["id"], **{LINKED: [move["id"], "UBL"]})

    def answer(self, move: int, state: str, said: str) -> None:
        """What became of a document, as Odoo's job fetches it once a day."""
        self._store.change("account.move", move, **{STATE: state})
        self._moves.log(move, body=said)

    @property
    def _is_installed(self) -> bool:
        return STATE in self._orm.fields("account.move")

    def _is_registered(self, move: Record) -> bool:
        return self._orm.get("res.company", move["company_id"][0]).get(REGISTRATION) in SENDERS

    def _is_valid(self, move: Record) -> bool:
        return self._orm.get("res.partner", move["partner_id"][0]).get("peppol_verification_state") == "valid"
