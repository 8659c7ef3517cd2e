"""Invoices and credit notes of the double: how Odoo rounds, taxes, numbers, posts and cancels them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from control_app.odoo.double_errors import broken, user_error
from control_app.odoo.double_numbers import rounded
from control_app.odoo.double_orm import MOVE, Call, Orm, known
from control_app.odoo.double_store import Record, Store

Version = Literal[18, 19]
QUANTITY: Mapping[Version, str] = {18: "Product Unit of Measure", 19: "Product Unit"}
PRICE = "Product Price"
PRECISION = 16
DEFAULT_DIGITS = 2
"""Of a precision that nobody set."""
KEEPS_PRICES = 19
"""From this version on a unit price is kept as it was sent."""
PREFIX = {"out_invoice": "INV", "out_refund": "RINV"}
COMPUTED = ("state", "name", "posted_before", "payment_state", "is_move_sent")
WRITABLE = tuple(name for name in MOVE if name not in COMPUTED and not name.startswith("amount_"))
REFERENCES = {
    "partner_id": "res.partner",
    "currency_id": "res.currency",
    "journal_id": "account.journal",
    "company_id": "res.company",
    "reversed_entry_id": "account.move",
}


class Moves:
    """Methods of `account.move`."""

    def __init__(self, store: Store, orm: Orm, version: Version, clock: Callable[[], datetime]) -> None:
        self._store, self._orm, self._clock = store, orm, clock
        self._quantity, self._keeps_prices = QUANTITY[version], version >= KEEPS_PRICES

    def create(self, _: Call, vals_list: Sequence[Mapping[str, Any]]) -> list[int]:
        """Drafts. Nothing keeps a second one from having the same `ref`."""
        self._orm.check("account.move", "create")
        return [self._create(vals) for vals in vals_list]

    def post(self, call: Call) -> bool:
        """Give numbers, where all that is wrong with a move is told at once."""
        self._orm.check("account.move", "write")
        for move in self._orm.browse(call):
            wrong = self._wrong(move)
            if wrong:
                raise user_error("\n".join(wrong))
            self._post(move)
        return False

    def cancel(self, call: Call) -> bool:
        """Cancel drafts, and posted moves too: Odoo puts them back to draft by itself."""
        self._orm.check("account.move", "write")
        for move in self._orm.browse(call):
            if move["state"] == "cancel":
                raise user_error(f"only a draft can be cancelled, and {move['id']} is cancelled already")
            self._store.put("account.move", {**move, "state": "cancel"})
        return True

    def to_draft(self, call: Call) -> bool:
        """Put posted and cancelled moves back; they keep their number."""
        self._orm.check("account.move", "write")
        for move in self._orm.browse(call):
            if move["state"] == "draft":
                raise user_error("only what is posted or cancelled can be put back to draft")
            self._store.put("account.move", {**move, "state": "draft"})
        return True

    def fields_get(self, _: Call, allfields: Sequence[str] | None = None, attributes: Sequence[str] | None = None) -> Record:
        """What `account.move.line` says of its fields, of which only digits are told here."""
        self._orm.check("account.move.line", "read")
        price = {} if self._keeps_prices else {"digits": [PRECISION, self.digits(PRICE)]}
        told: Record = {"quantity": {"digits": [PRECISION, self.digits(self._quantity)]}, "price_unit": price}
        told = {name: about for name, about in told.items() if allfields is None or name in allfields}
        return told if attributes is None or "digits" in attributes else {name: {} for name in told}

    def _create(self, vals: Mapping[str, Any]) -> int:
        known("account.move", vals)
        unwritable = vals.keys() - set(WRITABLE)
        if unwritable:
            raise broken("builtins.ValueError", f"not to be written: {', '.join(sorted(unwritable))}")
        move: Record = {"state": "draft", "name": False, "posted_before": False, "is_move_sent": False, "payment_state": "not_paid", **vals}
        for name, model in REFERENCES.items():
            move[name] = self._reference(model, vals.get(name))
        journal = self._orm.get("account.journal", move["journal_id"][0]) if move["journal_id"] else {"company_id": False}
        move["company_id"] = move["company_id"] or journal["company_id"]
        currency = self._orm.get("res.currency", move["currency_id"][0])
        lines = [self._line(command, currency["decimal_places"]) for command in vals.get("invoice_line_ids", ())]
        untaxed = rounded(sum(line["price_subtotal"] for line in lines), currency["decimal_places"])
        total = rounded(sum(line["price_total"] for line in lines), currency["decimal_places"])
        tax = rounded(total - untaxed, currency["decimal_places"])
        move |= {"amount_untaxed": untaxed, "amount_tax": tax, "amount_total": total, "amount_residual": total}
        if not self._store.last(self._sequence(move)):
            # The first of a period has its number as a draft already, so that a person may change how they are written.
            move["name"] = self._number(move)
        move["invoice_line_ids"] = []
        new = self._store.add("account.move", move)
        children = [self._store.add("account.move.line", {**line, "move_id": [new, move["name"] or "/"]}) for line in lines]
        self._store.change("account.move", new, invoice_line_ids=children)
        date = f"{self._clock():%Y-%m-%d %H:%M:%S}"
        # Whatever is done is told in the record's log, to nobody.
        self._store.add("mail.message", {"model": "account.move", "res_id": new, "message_type": "notification", "date": date})
        return new

    def _reference(self, model: str, id: int | Literal[False] | None) -> list[Any] | Literal[False]:
        return [id, self._orm.get(model, id)["name"] or "/"] if id else False

    def _line(self, command: Sequence[Any], decimals: int) -> Record:
        if not isinstance(command, list) or command[0] != 0:
            raise broken("builtins.ValueError", "lines of a new move are created")
        vals = command[2]
        known("account.move.line", vals)
        quantity = rounded(float(vals.get("quantity", 1)), self.digits(self._quantity))
        price = float(vals.get("price_unit", 0))
        if not self._keeps_prices:
            price = rounded(price, self.digits(PRICE))
        product = self._reference("product.product", vals.get("product_id"))
        own: list[int] = self._orm.get("product.product", product[0])["taxes_id"] if product else []
        taxes: list[int] = vals["tax_ids"][0][2] if vals.get("tax_ids") else own
        amounts = self._taxed(quantity * price, taxes, decimals)
        return {
            "product_id": product,
            "name": vals.get("name", False),
            "quantity": quantity,
            "price_unit": price,
            "tax_ids": taxes,
            **amounts,
        }

    def _taxed(self, amount: float, taxes: Sequence[int], decimals: int) -> Record:
        """A line is rounded by itself, and so is its tax. A tax that the price includes is taken out of it."""
        rates = [(tax["amount"] / 100, tax["price_include"]) for tax in (self._orm.get("account.tax", tax) for tax in taxes)]
        net = rounded(amount / (1 + sum(rate for rate, included in rates if included)), decimals)
        return {"price_subtotal": net, "price_total": net + sum(rounded(net * rate, decimals) for rate, _ in rates)}

    def digits(self, name: str) -> int:
        """Of a `decimal.precision`."""
        return next((int(record["digits"]) for record in self._store.all("decimal.precision") if record["name"] == name), DEFAULT_DIGITS)

    def _wrong(self, move: Record) -> list[str]:
        wrong: list[str] = []
        if move["state"] != "draft":
            wrong.append(f"entry {move['name']} (id {move['id']}) must be in draft")
        if not move["partner_id"]:
            wrong.append("a customer is needed to post")
        if not move["invoice_line_ids"]:
            wrong.append("a line is needed to post")
        if move["amount_total"] < 0:
            wrong.append("a negative total cannot be posted: make a credit note")
        if not self._orm.get("res.currency", move["currency_id"][0])["active"]:
            wrong.append(f"currency {move['currency_id'][1]} is not active")
        return wrong

    def _post(self, move: Record) -> None:
        posted = {**move, "state": "posted", "posted_before": True, "invoice_date": move.get("invoice_date") or f"{self._clock():%Y-%m-%d}"}
        posted["name"] = posted["name"] or self._number(posted)
        against = self._orm.get("account.move", move["reversed_entry_id"][0]) if move["reversed_entry_id"] else None
        if against and against["state"] == "posted":
            # A credit note pays its posted invoice by itself.
            paid = min(against["amount_residual"], posted["amount_residual"])
            for record, state in ((against, "reversed"), (posted, "paid")):
                record["amount_residual"] = rounded(record["amount_residual"] - paid, DEFAULT_DIGITS)
                record["payment_state"] = "partial" if record["amount_residual"] else state
            self._store.put("account.move", against)
        self._store.put("account.move", posted)

    def _sequence(self, move: Mapping[str, Any]) -> str:
        date = move.get("invoice_date") or f"{self._clock():%Y-%m-%d}"
        return f"{PREFIX[move['move_type']]}/{date[:4]}"

    def _number(self, move: Mapping[str, Any]) -> str:
        sequence = self._sequence(move)
        return f"{sequence}/{self._store.next(sequence):05}"
