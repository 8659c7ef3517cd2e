"""Which methods the double of Odoo has, and what JSON-2 refuses before one is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from control_app.odoo.double_errors import no_access, not_found, wrong_call
from control_app.odoo.double_keys import MODEL as KEYS
from control_app.odoo.double_keys import Keys
from control_app.odoo.double_mail import WIZARD, Post
from control_app.odoo.double_moves import Moves
from control_app.odoo.double_orm import FIELDS, Call, Orm, known
from control_app.odoo.double_seed import USER
from control_app.odoo.double_store import Record, Store

WITHOUT_RECORDS = ("create", "search_read", "fields_get", "generate", "revoke", "context_get")
"""Methods that take no `ids`."""
Method = Callable[..., Any]


class Methods:
    """Calls a method by its model and name."""

    def __init__(self, store: Store, orm: Orm, moves: Moves, post: Post, keys: Keys) -> None:
        self._store, self._orm = store, orm
        self._own: Mapping[tuple[str, str], Method] = {
            ("account.move", "create"): moves.create,
            ("account.move", "action_post"): moves.post,
            ("account.move", "button_cancel"): moves.cancel,
            ("account.move", "button_draft"): moves.to_draft,
            ("account.move.line", "fields_get"): moves.fields_get,
            ("ir.attachment", "create"): self._attach,
            (WIZARD, "create"): post.create,
            (WIZARD, "action_send_and_print"): post.send,
            (KEYS, "generate"): keys.generate,
            (KEYS, "revoke"): keys.revoke,
            ("res.users", "context_get"): _context,
            ("res.users", "has_group"): self._has_group,
        }
        self._common: Mapping[str, Method] = {"read": orm.read, "search_read": orm.search_read, "has_access": orm.has_access}

    def call(self, model: str, name: str, body: bytes) -> Any:
        """What the method answers to the arguments in *body*, or a refusal."""
        try:
            arguments: Record = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise wrong_call(f"the body is no JSON object: {error}") from None
        ids, context = arguments.pop("ids", []), arguments.pop("context", {})
        if model not in FIELDS:
            raise not_found(f"there is no model {model!r}")
        if name.startswith("_"):
            raise no_access(f"{model}.{name} is private")
        method = self._method(model, name)
        if ids and name in WITHOUT_RECORDS:
            raise wrong_call(f"{model}.{name} takes no ids")
        call = Call(model, name, ids, context)
        try:
            inspect.signature(method).bind(call, **arguments)
        except TypeError as error:
            raise wrong_call(str(error)) from None
        allowed = self._orm.get("res.users", USER)["company_ids"]
        if name != "context_get" and not set(context.get("allowed_company_ids", ())) <= set(allowed):
            raise no_access("the user is not of this company")
        return method(call, **arguments)

    def _method(self, model: str, name: str) -> Method:
        method = self._own.get((model, name)) or self._common.get(name)
        if method is None:
            raise not_found(f"{model} has no method {name!r}")
        return method

    def _attach(self, _: Call, vals_list: Sequence[Mapping[str, Any]]) -> list[int]:
        self._orm.check("ir.attachment", "create")
        for vals in vals_list:
            known("ir.attachment", vals)
        return [self._store.add("ir.attachment", dict(vals)) for vals in vals_list]

    def _has_group(self, call: Call, group_ext_id: str) -> bool:
        return self._orm.has_access(call, group_ext_id)


def _context(_: Call) -> Record:
    return {"lang": "en_US", "tz": "UTC", "uid": USER}
