"""Which partner of Odoo a customer is: a person's word first, then the customer's id at the partner, then a name that is the only one.

A partner who is somebody else's, by a person's word or by an earlier invoice, is nobody's by itself.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import getaddresses

from control_app.accounting.port import Accounting, Partner
from control_app.core.numbers import CustomerNo
from control_app.invoicing.demands import Demands
from control_app.invoicing.document import Who
from control_app.ledger.hold import Hold, hold_for

_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
CHUNK = 500
"""Customers asked for at once."""


@dataclass(frozen=True)
class Found:
    """By our numbers of the customers: their partner, and why there is none to bill."""

    partners: Mapping[CustomerNo, Partner]
    holds: Mapping[CustomerNo, Sequence[Hold]]


def match(  # noqa: PLR0913, PLR0917 (what is known of partners)
    customers: Mapping[CustomerNo, Who],
    names: Mapping[str, int],
    mapped: Mapping[CustomerNo, int],
    before: Mapping[CustomerNo, int],
    accounting: Accounting,
    demands: Demands,
    now: int,
) -> Found:
    """Find the partner of each of *customers*, and what each lacks of *demands*. Raises AccountingError.

    *names*: how many customers of the gateway are called so, billed now or not; *before*: as whom everybody was billed last.
    """
    partners, holds = dict[CustomerNo, Partner](), defaultdict[CustomerNo, list[Hold]](list)
    numbers = list(customers)
    for start in range(0, len(numbers), CHUNK):
        part = {number: customers[number] for number in numbers[start : start + CHUNK]}
        ids = {mapped[number] for number in part if number in mapped}
        found = accounting.partners(ids, {who.id for who in part.values()}, {who.name for who in part.values()})
        known, archived = ([partner for partner in found if partner.is_archived is wanted] for wanted in (False, True))
        for number, who in part.items():
            fitting = _fitting(who, mapped.get(number), known, is_only=names[who.name] == 1)
            if len(fitting) == 1:
                partners[number] = fitting[0]
            else:
                code, message = _not_one(who, mapped.get(number), fitting or _named(who, known))
                if not fitting and (gone := _fitting(who, mapped.get(number), archived, is_only=True)):
                    message += f"; archived there: {', '.join(f'{partner.name} ({partner.id})' for partner in gone)}"
                holds[number].append(hold_for(code, message, now, number))
    for number, message in _shared(partners, mapped, before, customers):
        holds[number].append(hold_for("partner-not-unique", message, now, number))
    for number, partner in partners.items():
        unmet = [*_unreachable(partner), *demands.unmet(partner)]
        holds[number] += [hold_for(code, message, now, number) for code, message in unmet]
    return Found(partners, holds)


def _named(who: Who, known: Sequence[Partner]) -> list[Partner]:
    """Of that name, and nobody's by their reference. One that has another customer's id is that customer."""
    return [partner for partner in known if partner.name == who.name and not partner.reference]


def _fitting(who: Who, mapped: int | None, known: Sequence[Partner], *, is_only: bool) -> list[Partner]:
    """*is_only*: nobody else of the gateway's customers has that name."""
    if mapped is not None:
        return [partner for partner in known if partner.id == mapped]
    by_reference = [partner for partner in known if partner.reference == who.id]
    return by_reference or (_named(who, known) if is_only else [])


def _not_one(who: Who, mapped: int | None, fitting: Sequence[Partner]) -> tuple[str, str]:
    """Code and message for a customer of whom not exactly one partner is known."""
    if mapped is not None:
        return "partner-missing", f"customer {who.id} is mapped to partner {mapped}, which Odoo does not have"
    if not fitting:
        return "partner-missing", f"Odoo has no partner with the reference {who.id!r} or the name {who.name!r}"
    ids = ", ".join(str(partner.id) for partner in fitting)
    if len(fitting) == 1:
        return "partner-not-unique", f"partner {ids} is called {who.name}, as are several customers, {who.id} among them"
    return "partner-not-unique", f"Odoo has {len(fitting)} partners for customer {who.id} ({who.name}): ids {ids}"


def _shared(
    partners: Mapping[CustomerNo, Partner],
    mapped: Mapping[CustomerNo, int],
    before: Mapping[CustomerNo, int],
    customers: Mapping[CustomerNo, Who],
) -> Iterator[tuple[CustomerNo, str]]:
    """Of two customers that are one partner, whom it holds and the words: they wait, unless a person said that they are."""
    holders: defaultdict[int, set[CustomerNo]] = defaultdict(set)
    for number, partner_id in {**before, **{number: partner.id for number, partner in partners.items()}, **mapped}.items():
        holders[partner_id].add(number)
    for number, partner in partners.items():
        if number not in mapped and (others := sorted(holders[partner.id] - {number})):
            named = ", ".join(customers[other].id if other in customers else f"number {other}" for other in others)
            yield number, f"partner {partner.id} ({partner.name}) is also that of {named}"


def _unreachable(partner: Partner) -> Iterator[tuple[str, str]]:
    if not partner.email:
        yield "partner-no-email", f"partner {partner.id} ({partner.name}) has no e-mail address"
    elif not is_address(partner.email):
        yield "partner-no-email", f"partner {partner.id} ({partner.name}) has {partner.email!r}, which is no e-mail address"


def is_address(text: str) -> bool:
    """Whether it is one e-mail address or more, with a name before each or none. What is not is found out after posting else."""
    return all(_ADDRESS.fullmatch(address) for _, address in getaddresses([text]))
