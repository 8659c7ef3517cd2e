"""The part of Odoo's records layer that invoicing uses: reading, rights. What it does not know is a 500, as there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from control_app.accounting.odoo.double.domains import asked, plain, test_of
from control_app.accounting.odoo.double.errors import broken, missing, no_access, no_field
from control_app.accounting.odoo.double.fields import FIELDS, ORDERS
from control_app.accounting.odoo.double.store import INDEXED, Record, Store
from control_app.accounting.odoo.shapes import is_list

OPERATIONS = {"read": "access", "write": "modify", "create": "create", "unlink": "delete"}
"""What a user has rights to, and how Odoo calls it where there is none."""


@dataclass(frozen=True)
class Call:
    """One call of a method."""

    model: str
    method: str
    ids: Sequence[int] = ()
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def record(self) -> int:
        """The one record that the method wants to be called on."""
        if len(self.ids) != 1:
            raise broken("builtins.ValueError", f"expected one record of {self.model}, not {len(self.ids)}")
        return self.ids[0]


class Orm:
    """Methods that every model has. *denied*: operations that *user* has no right to."""

    def __init__(self, store: Store, denied: set[tuple[str, str]], user: int) -> None:
        self._store, self._denied, self._user = store, denied, user

    def has_access(self, call: Call, operation: str) -> bool:
        """Whether the user may."""
        if operation not in OPERATIONS:
            raise broken("builtins.AssertionError", "Invalid access mode")
        return (call.model, operation) not in self._denied

    def has_group(self, call: Call, group_ext_id: str) -> bool:
        """Whether users are in the group."""
        return (call.model, group_ext_id) not in self._denied

    def check(self, model: str, operation: str) -> None:
        """A refusal where the user may not."""
        if (model, operation) in self._denied:
            told = f"You are not allowed to {OPERATIONS[operation]} '{model.replace('.', ' ').title()}' ({model}) records."
            allowed = "This operation is allowed for the following groups:\n\t- Role / Administrator"
            raise no_access(f"{told}\n\n{allowed}\n\nContact your administrator to request access if necessary.")

    def fields(self, model: str) -> frozenset[str]:
        """The model's fields, with those that modules and people added."""
        return FIELDS[model] | {row["name"] for row in self._store.among("ir.model.fields", "model", [model])}

    def known(self, model: str, names: Iterable[str], where: str) -> None:
        """A refusal where the model has no such field; *where*: what Odoo says of it."""
        fields = self.fields(model)
        for name in names:
            if name != "id" and name not in fields:
                raise no_field(f"'{name}' {where} '{model}'")

    def get(self, model: str, id: int) -> Record:
        """The record, or a refusal."""
        try:
            return self._store.get(model, id)
        except KeyError:
            raise missing(model, id, self._user) from None

    def browse(self, call: Call) -> list[Record]:
        """The records of the call, whoever asks."""
        return [self.get(call.model, each) for each in call.ids]

    def read(self, call: Call, fields: Sequence[str] | None = None) -> list[Record]:
        """Those records of the call that there are."""
        self.check(call.model, "read")
        names = self._names(call.model, fields)
        return [_shown(record, names) for record in self._store.among(call.model, "id", call.ids)]

    def search_read(  # noqa: PLR0913, PLR0917 (Odoo's)
        self,
        call: Call,
        domain: Sequence[Any] = (),
        fields: Sequence[str] | None = None,
        offset: int = 0,
        limit: int | None = None,
        order: str | None = None,
    ) -> list[Record]:
        """Records that *domain* is true of; those not active, and files of fields, only where it, or the context, says so."""
        model = call.model
        self.check(model, "read")
        names, test = self._names(model, fields), test_of(model, domain, self.fields(model))
        hides = "active" in FIELDS[model] and call.context.get("active_test", True) and "active" not in asked(domain)
        found = [record for record in self._candidates(model, domain) if test(record) and not (hides and not record.get("active"))]
        if model == "ir.attachment" and "res_field" not in asked(domain):
            found = [record for record in found if not record.get("res_field")]
        for part in reversed((order or ORDERS.get(model, "id")).split(",")):
            name, _, direction = part.strip().partition(" ")
            self.known(model, [name], "on model")
            found.sort(key=lambda record: plain(record.get(name, False)), reverse=direction == "desc")
        return [_shown(record, names) for record in found[offset : None if limit is None else offset + limit]]

    def fields_get(self, call: Call, allfields: Sequence[str] | None = None, attributes: Sequence[str] | None = None) -> Record:
        """The fields that there are of *allfields*, and the types of those that were added."""
        self.check(call.model, "read")
        added = {row["name"]: row["ttype"] for row in self._store.among("ir.model.fields", "model", [call.model])}
        told = {
            name: {"type": added.get(name, "char")} for name in sorted(self.fields(call.model)) if allfields is None or name in allfields
        }
        return told if attributes is None or "type" in attributes else {name: {} for name in told}

    def create(self, call: Call, vals_list: Sequence[Mapping[str, Any]]) -> list[int]:
        """Records as they are sent."""
        self.check(call.model, "create")
        for vals in vals_list:
            self.known(call.model, vals, "in")
        return [self._store.add(call.model, dict(vals)) for vals in vals_list]

    def _names(self, model: str, fields: Sequence[str] | None) -> Sequence[str]:
        names = sorted(self.fields(model)) if fields is None else fields
        self.known(model, names, "on")
        return names

    def _candidates(self, model: str, domain: Sequence[Any]) -> Iterable[Record]:
        """Those that an indexed condition leaves, where all conditions are joined by and."""
        if not {"|", "!", "&"} & {term for term in domain if isinstance(term, str)}:
            for name, sign, value in domain:
                if name in ("id", INDEXED.get(model, "id")) and sign in ("=", "in"):
                    values = value if is_list(value) else [value]
                    if False not in values and None not in values:
                        return self._store.among(model, name, values)
        return self._store.all(model)


def _shown(record: Record, names: Sequence[str]) -> Record:
    return {"id": record["id"], **{name: record.get(name, False) for name in names}}
