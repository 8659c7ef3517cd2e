"""The part of Odoo's records layer that invoicing uses: domains, reading, rights. What it does not know is a 500, as there."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from control_app.odoo.double_errors import Refusal, broken, missing, no_access
from control_app.odoo.double_store import INDEXED, Record, Store
from control_app.odoo.shapes import is_list

MOVE = (
    *("move_type", "partner_id", "ref", "invoice_origin", "currency_id", "journal_id", "company_id", "invoice_date", "invoice_date_due"),
    *("invoice_payment_term_id", "delivery_date", "invoice_line_ids", "reversed_entry_id", "state", "name", "posted_before"),
    *("payment_state", "is_move_sent", "amount_untaxed", "amount_tax", "amount_total", "amount_residual"),
)
FIELDS: Mapping[str, frozenset[str]] = {
    "account.journal": frozenset({"name", "code", "type", "sequence", "active", "company_id", "currency_id"}),
    "account.move": frozenset(MOVE),
    "account.move.line": frozenset({"move_id", "product_id", "name", "quantity", "price_unit", "price_subtotal", "price_total", "tax_ids"}),
    "account.move.send.wizard": frozenset({"move_id", "sending_methods"}),
    "account.tax": frozenset({"name", "amount", "price_include", "type_tax_use", "active", "company_id"}),
    "decimal.precision": frozenset({"name", "digits"}),
    "ir.attachment": frozenset({"name", "res_model", "res_id", "mimetype", "datas"}),
    "mail.message": frozenset({"model", "res_id", "message_type", "subject", "date"}),
    "mail.notification": frozenset(
        {"mail_message_id", "res_partner_id", "notification_type", "notification_status", "failure_type", "failure_reason"}
    ),
    "product.product": frozenset({"name", "default_code", "sale_ok", "active", "taxes_id", "company_id"}),
    "res.company": frozenset({"name", "currency_id"}),
    "res.currency": frozenset({"name", "active", "decimal_places", "rounding"}),
    "res.partner": frozenset({"name", "ref", "email", "country_id", "country_code", "active", "company_id"}),
    "res.users": frozenset({"name", "login", "company_id", "company_ids"}),
    "res.users.apikeys": frozenset({"name", "user_id", "scope", "create_date", "expiration_date"}),
}
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, among: value in among,
    "not in": lambda value, among: value not in among,
    # Nothing here has a parent.
    "parent_of": lambda value, among: value in among,
}
LISTS = ("in", "not in", "parent_of")
Test = Callable[[Record], bool]


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
    """Methods that every model has. *denied*: operations that the user has no right to."""

    def __init__(self, store: Store, denied: set[tuple[str, str]]) -> None:
        self._store, self._denied = store, denied

    def has_access(self, call: Call, operation: str) -> bool:
        """Whether the user may."""
        return (call.model, operation) not in self._denied

    def check(self, model: str, operation: str) -> None:
        """A refusal where the user may not."""
        if (model, operation) in self._denied:
            raise no_access(f"your groups do not let you {operation} {model}")

    def get(self, model: str, id: int) -> Record:
        """The record, or a refusal."""
        try:
            return self._store.get(model, id)
        except KeyError:
            raise missing(f"{model} has no record {id}") from None

    def browse(self, call: Call) -> list[Record]:
        """The records of the call, whoever asks."""
        return [self.get(call.model, each) for each in call.ids]

    def read(self, call: Call, fields: Sequence[str] | None = None) -> list[Record]:
        """The records of the call."""
        self.check(call.model, "read")
        return [_shown(call.model, record, fields) for record in self.browse(call)]

    def search_read(  # noqa: PLR0913, PLR0917 (Odoo's)
        self,
        call: Call,
        domain: Sequence[Any] = (),
        fields: Sequence[str] | None = None,
        offset: int = 0,
        limit: int | None = None,
        order: str | None = None,
    ) -> list[Record]:
        """Records that *domain* is true of; those not active only where it, or the context, says so."""
        self.check(call.model, "read")
        known(call.model, fields or ())
        test = _test(call.model, list(domain))
        hides = "active" in FIELDS[call.model] and call.context.get("active_test", True) and "active" not in _asked(domain)
        found = [record for record in self._candidates(call.model, domain) if test(record) and not (hides and not record.get("active"))]
        for part in reversed((order or "id").split(",")):
            name, _, direction = part.strip().partition(" ")
            known(call.model, [name])
            found.sort(key=_by(name), reverse=direction == "desc")
        return [_shown(call.model, record, fields) for record in found[offset : None if limit is None else offset + limit]]

    def _candidates(self, model: str, domain: Sequence[Any]) -> Iterable[Record]:
        """Those that an indexed condition leaves, where all conditions are joined by and."""
        if not {"|", "!", "&"} & {term for term in domain if isinstance(term, str)}:
            for name, sign, value in domain:
                if name in ("id", INDEXED.get(model, "id")) and sign in ("=", "in"):
                    values = value if sign == "in" else [value]
                    if False not in values and None not in values:
                        return self._store.among(model, name, values)
        return self._store.all(model)


def plain(value: Any) -> Any:
    """A reference as its id, and nothing as False."""
    if is_list(value) and len(value) == 2 and isinstance(value[1], str):  # noqa: PLR2004 (id and name)
        return value[0]
    return False if value is None else value


def known(model: str, names: Iterable[str]) -> None:
    """A refusal where the model has no such field. What a person added begins with `x_`."""
    for name in names:
        if name != "id" and name not in FIELDS[model] and not name.startswith("x_"):
            raise broken("builtins.ValueError", f"{model} has no field {name!r}")


def _shown(model: str, record: Record, fields: Sequence[str] | None) -> Record:
    names = sorted(FIELDS[model]) if fields is None else fields
    known(model, names)
    return {"id": record["id"], **{name: record.get(name, False) for name in names}}


def _by(name: str) -> Callable[[Record], Any]:
    return lambda record: plain(record.get(name, False))


def _asked(domain: Sequence[Any]) -> set[str]:
    return {term[0] for term in domain if is_list(term)}


def _test(model: str, domain: list[Any]) -> Test:
    """What *domain*, in Odoo's prefix notation, says of a record."""
    terms = list(domain)
    test = _next(model, terms) if terms else _everything
    while terms:
        test = _both(test, _next(model, terms))
    return test


def _next(model: str, terms: list[Any]) -> Test:
    term = terms.pop(0) if terms else None
    if term == "!":
        inner = _next(model, terms)
        return lambda record: not inner(record)
    if term in ("&", "|"):
        first, second = _next(model, terms), _next(model, terms)
        return _both(first, second) if term == "&" else lambda record: first(record) or second(record)
    if not is_list(term) or len(term) != 3:  # noqa: PLR2004 (field, operator, value)
        raise _malformed(term)
    name, sign, value = term
    known(model, [name])
    compare = OPERATORS.get(sign)
    if compare is None or (sign in LISTS) != isinstance(value, list):
        raise _malformed(term)
    return lambda record: compare(plain(record.get(name, False)), plain(value) if sign not in LISTS else value)


def _malformed(term: object) -> Refusal:
    return broken("builtins.ValueError", f"no condition of a domain: {term!r}")


def _everything(_: Record) -> bool:
    return True


def _both(first: Test, second: Test) -> Test:
    return lambda record: first(record) and second(record)
