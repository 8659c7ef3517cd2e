"""Which methods the double of Odoo has, and what JSON-2 refuses before one is called."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from control_app.accounting.odoo.double.errors import bad_request, broken, no_access, not_found, wrong_call
from control_app.accounting.odoo.double.fields import FIELDS
from control_app.accounting.odoo.double.keys import MODEL as KEYS
from control_app.accounting.odoo.double.keys import Keys
from control_app.accounting.odoo.double.mail import WIZARD, Post
from control_app.accounting.odoo.double.moves import Moves
from control_app.accounting.odoo.double.orm import Call, Orm
from control_app.accounting.odoo.double.peppol import Peppol
from control_app.accounting.odoo.double.seed import USER
from control_app.accounting.odoo.double.store import Record, Store
from control_app.accounting.odoo.shapes import is_object

WITHOUT_RECORDS = ("create", "search_read", "fields_get", "generate", "revoke", "context_get")
"""Methods that take no `ids`."""
Method = Callable[..., Any]


class Methods:
    """Calls a method by its model and name."""

    def __init__(self, store: Store, orm: Orm, moves: Moves, post: Post, peppol: Peppol, keys: Keys) -> None:  # noqa: PLR0913, PLR0917 (parts)
        self._store, self._orm = store, orm
        self._own: Mapping[tuple[str, str], Method] = {
            ("account.move", "create"): moves.create,
            ("account.move", "write"): moves.write,
            ("account.move", "action_post"): peppol.post,
            ("account.move", "button_cancel"): moves.cancel,
            ("account.move", "button_draft"): moves.to_draft,
            ("account.move", "message_notify"): _nobody_notified,
            ("account.move.line", "fields_get"): moves.fields_get,
            ("ir.attachment", "create"): self._attach,
            ("ir.config_parameter", "create"): orm.create,
            ("product.product", "create"): self._make_product,
            (WIZARD, "create"): post.create,
            (WIZARD, "action_send_and_print"): post.send,
            (KEYS, "generate"): keys.generate,
            (KEYS, "revoke"): keys.revoke,
            (KEYS, "search_read"): keys.search_read,
            ("res.users", "context_get"): _context,
            ("res.users", "has_group"): orm.has_group,
        }
        self._common: Mapping[str, Method] = {
            "read": orm.read,
            "search_read": orm.search_read,
            "has_access": orm.has_access,
            "fields_get": orm.fields_get,
        }

    def call(self, model: str, name: str, body: bytes) -> Any:
        """What the method answers to the arguments in *body*, or a refusal."""
        arguments = _arguments(body)
        ids, context = arguments.pop("ids", []), arguments.pop("context", {})
        if model not in FIELDS:
            raise not_found(f"the model '{model}' does not exist")
        if name.startswith("_"):
            raise no_access(f"Private methods (such as '{model}.{name}') cannot be called remotely.")
        method = self._method(model, name)
        if ids and name in WITHOUT_RECORDS:
            raise wrong_call(f"cannot call {model}.{name} with ids")
        call = Call(model, name, ids, context)
        try:
            inspect.signature(method).bind(call, **arguments)
            if name == "search_read":
                inspect.signature(self._orm.search_read).bind(call, **arguments)
        except TypeError as error:
            if name == "search_read":  # which hands on what it does not know itself
                raise broken("builtins.TypeError", f"BaseModel._read_format() {error}") from None
            raise wrong_call(str(error)) from None
        allowed = self._orm.get("res.users", USER)["company_ids"]
        if name != "context_get" and not set(context.get("allowed_company_ids", ())) <= set(allowed):
            raise no_access("Access to unauthorized or invalid companies.")
        return method(call, **arguments)

    def _method(self, model: str, name: str) -> Method:
        method = self._own.get((model, name)) or self._common.get(name)
        if method is None:
            raise not_found(f"The method '{model}.{name}' does not exist")
        return method

    def _make_product(self, call: Call, vals_list: Sequence[Mapping[str, Any]]) -> list[int]:
        """Products, with the company's usual tax where none is named."""
        usual = [company["account_sale_tax_id"][0] for company in self._store.all("res.company") if company.get("account_sale_tax_id")]
        made: list[Record] = []
        for vals in vals_list:
            taxes = vals["taxes_id"][0][2] if "taxes_id" in vals else usual
            made.append({"active": True, "company_id": False, **vals, "taxes_id": taxes})
        return self._orm.create(call, made)

    def _attach(self, call: Call, vals_list: Sequence[Mapping[str, Any]]) -> list[int]:
        for vals in vals_list:
            if not list(self._store.among("account.move", "id", [vals.get("res_id")])):
                raise no_access("Sorry, you are not allowed to access this document.")
        return self._orm.create(call, vals_list)


def _arguments(body: bytes) -> Record:
    """What the body names; nothing where it is none, or names nothing."""
    try:
        arguments: Any = json.loads(body or b"{}")
    except ValueError as error:
        raise bad_request(f"could not parse the body as json: {error}") from None
    return arguments if is_object(arguments) else {}


def _context(_: Call) -> Record:
    return {"lang": "en_US", "tz": False, "uid": USER}


def _nobody_notified(_: Call) -> list[int]:
    return []
