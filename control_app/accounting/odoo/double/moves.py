"""Invoices and credit notes of the double: how Odoo rounds, numbers, posts, pays and cancels them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from control_app.accounting.odoo.double.domains import plain
from control_app.accounting.odoo.double.errors import broken, user_error
from control_app.accounting.odoo.double.fields import MOVE
from control_app.accounting.odoo.double.numbers import rounded
from control_app.accounting.odoo.double.orm import Call, Orm
from control_app.accounting.odoo.double.store import Record, Store
from control_app.accounting.odoo.double.taxes import Taxed, Taxes, line_amounts, move_amounts
from control_app.core.clock import Clock

Version = Literal[18, 19]
QUANTITY: Mapping[Version, str] = {18: "Product Unit of Measure", 19: "Product Unit"}
PRICE = "Product Price"
PRECISION = 16
DEFAULT_DIGITS = 2
"""Of a precision that nobody set."""
KEEPS_PRICES = 19
"""From this version on a unit price is kept as it was sent."""
PREFIX = {"out_invoice": "INV", "out_refund": "RINV"}
COMPUTED = ("commercial_partner_id", "state", "name", "posted_before", "payment_state", "is_move_sent", "invoice_currency_rate")
WRITABLE = tuple(name for name in MOVE if name not in COMPUTED and not name.startswith("amount_"))
REFERENCES = {
    "partner_id": "res.partner",
    "currency_id": "res.currency",
    "journal_id": "account.journal",
    "company_id": "res.company",
    "reversed_entry_id": "account.move",
    "fiscal_position_id": "account.fiscal.position",
}


class Moves:
    """Invoices and credit notes: the methods of `account.move` that are called."""

    def __init__(self, store: Store, orm: Orm, version: Version, clock: Clock) -> None:
        self._store, self._orm, self._clock, self._taxes = store, orm, clock, Taxes(store, orm)
        self._quantity, self._keeps_prices = QUANTITY[version], version >= KEEPS_PRICES

    def create(self, _: Call, vals_list: Sequence[Mapping[str, Any]]) -> list[int]:
        """Drafts. Nothing keeps a second one from having the same `ref`."""
        self._orm.check("account.move", "create")
        return [self._create(vals) for vals in vals_list]

    def write(self, call: Call, vals: Mapping[str, Any]) -> bool:
        """Change what a person or a program may change of drafts."""
        self._orm.check("account.move", "write")
        self._orm.known("account.move", vals, "in")
        for move in self._orm.browse(call):
            if move["state"] != "draft":
                raise user_error("You cannot modify a posted entry of this journal because it is in its books.")
            self._store.put("account.move", {**move, **{name: vals[name] for name in vals if name in WRITABLE}})
        return True

    def post(self, call: Call) -> bool:
        """Give numbers, where all that is wrong with a move is told at once."""
        self._orm.check("account.move", "write")
        for move in self._orm.browse(call):
            wrong = self._wrong(move)
            if wrong:
                raise user_error("\n".join(wrong))
            self._post(move)
        return False

    def cancel(self, call: Call) -> None:
        """Cancel drafts, and posted moves too: Odoo puts them back to draft by itself."""
        self._orm.check("account.move", "write")
        for move in self._orm.browse(call):
            if move["state"] == "cancel":
                raise user_error("Only draft journal entries can be cancelled.")
            self._store.put("account.move", {**self._unpaid(move), "state": "cancel"})

    def to_draft(self, call: Call) -> None:
        """Put posted and cancelled moves back; they keep their number."""
        self._orm.check("account.move", "write")
        for move in self._orm.browse(call):
            if move["state"] == "draft":
                raise user_error("Only posted and cancelled journal entries can be put back to draft.")
            self._store.put("account.move", {**self._unpaid(move), "state": "draft"})

    def pay(self, move: Record, amount: float, when_all: Literal["paid", "in_payment"]) -> None:
        """Let *amount* of a posted move be paid; *when_all*: what Odoo says of it when nothing is left."""
        self._store.put("account.move", _paid(move, amount, when_all))

    def fields_get(self, _: Call, allfields: Sequence[str] | None = None, attributes: Sequence[str] | None = None) -> Record:
        """What `account.move.line` says of its fields, of which only digits are told here."""
        self._orm.check("account.move.line", "read")
        price = False if self._keeps_prices else [PRECISION, self.digits(PRICE)]
        told: Record = {"quantity": {"digits": [PRECISION, self.digits(self._quantity)]}, "price_unit": {"digits": price}}
        told = {name: about for name, about in told.items() if allfields is None or name in allfields}
        return told if attributes is None or "digits" in attributes else {name: {} for name in told}

    def digits(self, name: str) -> int:
        """The decimals that Odoo keeps under the name of a `decimal.precision`."""
        return next((int(record["digits"]) for record in self._store.all("decimal.precision") if record["name"] == name), DEFAULT_DIGITS)

    def log(self, move: int, **about: Any) -> int:
        """Tell of something in the log of a move, where nothing else is said to nobody; the message's id."""
        date = f"{self._clock():%Y-%m-%d %H:%M:%S}"
        told = {"message_type": "notification", "subject": False, "body": "", **about}
        return self._store.add("mail.message", {"model": "account.move", "res_id": move, "date": date, **told})

    def _create(self, vals: Mapping[str, Any]) -> int:
        self._orm.known("account.move", vals, "in")
        if vals.get("state") == "posted":
            raise user_error("You cannot create a move already in the posted state. Please create a draft move and post it after.")
        # What Odoo computes is computed, whatever is sent.
        move: Record = {name: vals[name] for name in vals if name in WRITABLE}
        move |= {"state": "draft", "name": False, "posted_before": False, "is_move_sent": False, "payment_state": "not_paid"}
        for name, model in REFERENCES.items():
            move[name] = self._reference(model, vals.get(name))
        move["commercial_partner_id"] = move["partner_id"]
        journal = self._orm.get("account.journal", move["journal_id"][0]) if move["journal_id"] else {"company_id": False}
        move["company_id"] = move["company_id"] or self._reference("res.company", plain(journal["company_id"]))
        company = self._orm.get("res.company", move["company_id"][0]) if move["company_id"] else {}
        partner = self._orm.get("res.partner", move["partner_id"][0]) if move["partner_id"] else None
        position = move["fiscal_position_id"][0] if move["fiscal_position_id"] else self._taxes.position(company, partner)
        move["fiscal_position_id"] = self._reference("account.fiscal.position", position)
        currency = self._orm.get("res.currency", move["currency_id"][0])
        move["invoice_currency_rate"] = currency.get("rate", 1.0)
        decimals = currency["decimal_places"]
        lines = [self._line(command, position, decimals) for command in vals.get("invoice_line_ids", ())]
        move |= move_amounts([taxed for _, taxed in lines], decimals, company.get("tax_calculation_rounding_method", ""))
        new = self._store.add("account.move", {**move, "invoice_line_ids": []})
        children = [self._store.add("account.move.line", {**line, "move_id": [new, move.get("ref") or "/"]}) for line, _ in lines]
        self._store.change("account.move", new, invoice_line_ids=children)
        self.log(new)
        return new

    def _reference(self, model: str, id: int | Literal[False] | None) -> list[Any] | Literal[False]:
        return [id, _display(self._orm.get(model, id))] if id else False

    def _line(self, command: Sequence[Any], position: int | None, decimals: int) -> tuple[Record, Taxed]:
        if not isinstance(command, list) or command[0] != 0:
            raise broken("builtins.ValueError", "lines of a new move are created")
        vals = command[2]
        self._orm.known("account.move.line", vals, "in")
        quantity = rounded(float(vals.get("quantity", 1)), self.digits(self._quantity))
        price = float(vals.get("price_unit", 0))
        if not self._keeps_prices:
            price = rounded(price, self.digits(PRICE))
        product = self._reference("product.product", vals.get("product_id"))
        own: list[int] = self._orm.get("product.product", product[0])["taxes_id"] if product else []
        taxes: list[int] = vals["tax_ids"][0][2] if vals.get("tax_ids") else self._taxes.of_line(position, own)
        taxed = self._taxes.taxed(quantity * price, taxes)
        line = {"product_id": product, "name": vals.get("name", False), "quantity": quantity, "price_unit": price, "tax_ids": taxes}
        return {**line, **line_amounts(taxed, decimals)}, taxed

    def _wrong(self, move: Record) -> list[str]:
        wrong: list[str] = []
        if move["state"] != "draft":
            wrong.append(f"The entry {move['name']} (id {move['id']}) must be in draft.")
        if not move["partner_id"]:
            wrong.append("The field 'Customer' is required, please complete it to validate the Customer Invoice.")
        if not move["invoice_line_ids"]:
            wrong.append("Even magicians can't post nothing!")
        if move["amount_total"] < 0:
            remedy = "You should create a credit note instead. Use the action menu to transform it into a credit note or refund."
            wrong.append(f"You cannot validate an invoice with a negative total amount. {remedy}")
        if not self._orm.get("res.currency", move["currency_id"][0])["active"]:
            wrong.append(f"You cannot validate a document with an inactive currency: {move['currency_id'][1]}")
        return wrong

    def _post(self, move: Record) -> None:
        posted = {**move, "state": "posted", "posted_before": True, "invoice_date": move.get("invoice_date") or f"{self._clock():%Y-%m-%d}"}
        posted["name"] = posted["name"] or self._number(posted)
        against = self._orm.get("account.move", move["reversed_entry_id"][0]) if move["reversed_entry_id"] else None
        if against and against["state"] == "posted":
            # A credit note pays its posted invoice by itself.
            posted["paid"] = min(against["amount_residual"], posted["amount_residual"])
            self._store.put("account.move", _paid(against, posted["paid"], "reversed"))
            posted = _paid(posted, posted["paid"], "paid")
        self._store.put("account.move", posted)
        self.log(move["id"])

    def _unpaid(self, move: Record) -> Record:
        """The move without what paid it, which is open again on the other side, too."""
        if against := move.get("paid") and move["reversed_entry_id"]:
            invoice = self._orm.get("account.move", against[0])
            self._store.put("account.move", _paid(invoice, -move["paid"], "reversed"))
        for other in self._store.all("account.move"):
            if other.get("paid") and other["reversed_entry_id"][0] == move["id"]:
                self._store.put("account.move", {**_paid(other, -other["paid"], "paid"), "paid": 0.0})
        return {**move, "amount_residual": move["amount_total"], "payment_state": "not_paid", "paid": 0.0}

    def _number(self, move: Mapping[str, Any]) -> str:
        sequence = f"{PREFIX[move['move_type']]}/{move['invoice_date'][:4]}"
        return f"{sequence}/{self._store.next(sequence):05}"


def _paid(move: Record, amount: float, state: str) -> Record:
    """The move with so much less to be paid."""
    left = rounded(move["amount_residual"] - amount, DEFAULT_DIGITS)
    return {**move, "amount_residual": left, "payment_state": _payment(move, left, state)}


def _payment(move: Record, left: float, state: str) -> str:
    if left == move["amount_total"] and left:
        return "not_paid"
    return "partial" if left else state


def _display(record: Record) -> str:
    """What a reference to the record shows."""
    name = record["name"] or "/"
    return f"{name} ({record['ref']})" if "invoice_line_ids" in record and record.get("ref") else str(name)
