"""Romania's e-Factura in the double: what a document must have, and its upload, which is kept whatever becomes of the e-mail."""

from __future__ import annotations

from control_app.accounting.odoo.double.errors import user_error
from control_app.accounting.odoo.double.moves import Moves
from control_app.accounting.odoo.double.orm import Orm
from control_app.accounting.odoo.double.store import Record, Store

STATE, TOKEN = "l10n_ro_edi_state", "l10n_ro_edi_access_token"
NEEDED = {"street": "Street", "city": "City", "state_id": "State"}


class EFactura:
    """Sends documents to the tax office of Romania, where the module is installed, which installs itself with Romanian accounting."""

    def __init__(self, store: Store, orm: Orm, moves: Moves) -> None:
        self._store, self._orm, self._moves = store, orm, moves

    def install(self, company: int, token: str | None) -> None:
        """The module's fields, and the *company*'s token to the tax office."""
        if not self.is_installed:
            self._store.add("ir.model.fields", {"model": "account.move", "name": STATE, "ttype": "selection"})
            self._store.add("ir.model.fields", {"model": "res.company", "name": TOKEN, "ttype": "char"})
        self._store.change("res.company", company, **{TOKEN: token or False})

    @property
    def is_installed(self) -> bool:
        """Whether it is."""
        return STATE in self._orm.fields("account.move")

    def is_due(self, move: Record) -> bool:
        """Whether a wizard ticks it by itself: for documents to other countries, too."""
        return self.is_installed and self._company(move).get("country_code") == "RO" and not move.get(STATE)

    def upload(self, move: Record) -> None:
        """Hand the document in, and keep that at once; a refusal where something is missing."""
        if wrong := self._wrong(self._orm.get("res.partner", move["partner_id"][0])):
            raise user_error("\n".join(["Errors occurred while creating the EDI document (format: CIUS RO):", *wrong]))
        if move.get(STATE):
            raise user_error("The CIUS-RO E-Factura has already been sent")
        if not self._company(move).get(TOKEN):
            reason = "- Romanian access token not found. Please generate or fill it in the settings."
            raise user_error(f"Error when sending CIUS-RO E-Factura to the SPV\n{reason}")
        self._store.change("account.move", move["id"], **{STATE: "invoice_sent"})
        self._store.add("upload", {"move": move["id"]})
        self._moves.log(move["id"])
        self._store.commit()

    def _company(self, move: Record) -> Record:
        return self._orm.get("res.company", move["company_id"][0])

    @staticmethod
    def _wrong(partner: Record) -> list[str]:
        return [f"- The field '{word}' is required on {partner['name']}." for name, word in NEEDED.items() if not partner.get(name)]
