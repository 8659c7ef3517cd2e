"""Which partner of Odoo a customer is: a person's word first, then the customer's id at the partner, then a name that is the only one.

A partner who is somebody else's, by a person's word or by an earlier invoice, is nobody's by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from control_app.database import Db
from control_app.invoicing.accounting import Accounting, Partner
from control_app.invoicing.bodies import Who
from control_app.invoicing.findings import RESOLVED, Finding

CHUNK = 500
"""Customers asked for at once."""


@dataclass(frozen=True)
class Found:
    """By our numbers of the customers: their partner, or why there is none to bill."""

    partners: Mapping[int, Partner]
    findings: Mapping[int, Sequence[Finding]]


def chosen(db: Db) -> dict[int, int]:
    """Partners that a person chose, by customer."""
    return dict(db.connection.execute("SELECT customer, partner FROM partners").fetchall())


def billed(db: Db) -> dict[int, int]:
    """As which partner each customer was billed last."""
    query = "SELECT customer, partner, max(id) FROM invoices WHERE partner IS NOT NULL AND state != 'void' GROUP BY customer"
    return {customer: partner for customer, partner, _ in db.connection.execute(query)}


def match(  # noqa: PLR0913, PLR0917 (what is known of partners)
    customers: Mapping[int, Who],
    names: Mapping[str, int],
    mapped: Mapping[int, int],
    before: Mapping[int, int],
    accounting: Accounting,
    now: int,
) -> Found:
    """Find the partner of each of *customers*. Raises AccountingError.

    *names*: how many customers of the gateway are called so, billed now or not; *before*: as whom everybody was billed last.
    """
    partners, findings = dict[int, Partner](), defaultdict[int, list[Finding]](list)
    numbers = list(customers)
    for start in range(0, len(numbers), CHUNK):
        part = {number: customers[number] for number in numbers[start : start + CHUNK]}
        ids = {mapped[number] for number in part if number in mapped}
        known = accounting.partners(ids, {who.id for who in part.values()}, {who.name for who in part.values()})
        for number, who in part.items():
            fitting = _fitting(who, mapped.get(number), known, is_only=names[who.name] == 1)
            if len(fitting) == 1:
                partners[number] = fitting[0]
            else:
                findings[number].append(_not_one(who, mapped.get(number), fitting or _named(who, known), now))
    _shared(partners, mapped, before, customers, findings, now)
    for number, partner in partners.items():
        findings[number] += _incomplete(partner, now)
    return Found(partners, findings)


def _named(who: Who, known: Sequence[Partner]) -> list[Partner]:
    """Of that name, and nobody's by their reference. One that has another customer's id is that customer."""
    return [partner for partner in known if partner.name == who.name and not partner.reference]


def _fitting(who: Who, mapped: int | None, known: Sequence[Partner], *, is_only: bool) -> list[Partner]:
    """*is_only*: nobody else of the gateway's customers has that name."""
    if mapped is not None:
        return [partner for partner in known if partner.id == mapped]
    by_reference = [partner for partner in known if partner.reference == who.id]
    return by_reference or (_named(who, known) if is_only else [])


def _not_one(who: Who, mapped: int | None, fitting: Sequence[Partner], now: int) -> Finding:
    if mapped is not None:
        return _finding("partner-missing", f"customer {who.id} is mapped to partner {mapped}, which Odoo does not have", now)
    if not fitting:
        return _finding("partner-missing", f"Odoo has no partner with the reference {who.id!r} or the name {who.name!r}", now)
    ids = ", ".join(str(partner.id) for partner in fitting)
    if len(fitting) == 1:
        return _finding("partner-not-unique", f"partner {ids} is called {who.name}, as are several customers, {who.id} among them", now)
    return _finding("partner-not-unique", f"Odoo has {len(fitting)} partners for customer {who.id} ({who.name}): ids {ids}", now)


def _shared(  # noqa: PLR0913, PLR0917 (what is known of partners)
    partners: Mapping[int, Partner],
    mapped: Mapping[int, int],
    before: Mapping[int, int],
    customers: Mapping[int, Who],
    findings: Mapping[int, list[Finding]],
    now: int,
) -> None:
    """Two customers that are one partner: they wait, unless a person said that they are."""
    holders: defaultdict[int, set[int]] = defaultdict(set)
    for number, partner_id in {**before, **{number: partner.id for number, partner in partners.items()}, **mapped}.items():
        holders[partner_id].add(number)
    for number, partner in partners.items():
        if number not in mapped and (others := sorted(holders[partner.id] - {number})):
            named = ", ".join(customers[other].id if other in customers else f"number {other}" for other in others)
            findings[number].append(_finding("partner-not-unique", f"partner {partner.id} ({partner.name}) is also that of {named}", now))


def _incomplete(partner: Partner, now: int) -> Iterator[Finding]:
    if not partner.email:
        yield _finding("partner-no-email", f"partner {partner.id} ({partner.name}) has no e-mail address", now)
    if not partner.country:
        yield _finding("partner-no-country", f"partner {partner.id} ({partner.name}) has no country", now)


def _finding(code: str, message: str, now: int) -> Finding:
    return Finding(code, message, now, RESOLVED[code])
