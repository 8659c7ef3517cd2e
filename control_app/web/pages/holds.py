"""Holds as a page tells them: what runs have held and what is found now, by customer, with what a person can do about each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from control_app.accounting.watch import accounting_state
from control_app.core.numbers import CustomerNo, Month
from control_app.invoicing.planning import Plan
from control_app.ledger.hold import REASONS, Hold, may_be_released
from control_app.ledger.names import NOBODY, customer_names
from control_app.storage.database import Db

JUDGED = frozenset(code for code, reason in REASONS.items() if reason.found_by != "run")
"""What is looked at anew without Odoo; the other holds stand until a run asks Odoo again."""
State = Literal["holds", "released", "gone"]
Words = tuple[str, str]
"""Code and message of a hold."""
Kept = Mapping[tuple[CustomerNo, Words], int]
"""By customer and words: since when a run holds it."""


@dataclass(frozen=True)
class HoldRow:
    """Why an invoice may not go out. `name`: of whom it holds; `customer_id` None: everybody, "": nobody, who gets no invoice.

    `state`: it `holds`; a person `released` it; or it is `gone`, and the next run finds it no more. `is_kept`: by a run.
    """

    customer_id: str | None
    name: str
    code: str
    messages: Sequence[str]
    since: int
    remedy: str
    state: State
    is_kept: bool

    @property
    def may_be_released(self) -> bool:
        """A person lets go what a run has held, as it held it."""
        return self.is_kept and self._is_releasable

    @property
    def waits_for_a_run(self) -> bool:
        """It may be released as soon as a run has held it."""
        return not self.is_kept and self._is_releasable

    @property
    def wants_partner(self) -> bool:
        """A person may say which partner of Odoo the customer is."""
        return bool(self.customer_id) and self.code.startswith("partner-")

    @property
    def _is_releasable(self) -> bool:
        return self.state == "holds" and self.customer_id != "" and may_be_released(self.code)


@dataclass(frozen=True)
class HoldRows:
    """The rows of the customers in *found*, by what is found now, and of those in *kept*."""

    db: Db
    plan: Plan
    kept: Kept = field(repr=False)
    found: Mapping[CustomerNo, Sequence[Hold]] = field(default_factory=dict[CustomerNo, Sequence[Hold]])

    @property
    def customers(self) -> set[CustomerNo]:
        """The customers who are held."""
        return {customer for customer, words, _ in self._all() if self._state(customer, words) == "holds"}

    def rows(self) -> list[HoldRow]:
        """All rows, by customer and code, since so they are released; what holds several customers alike is told once."""
        common, names, remedies = self._common(), customer_names(self.db), self._remedies()
        groups: defaultdict[tuple[CustomerNo | None, str, State], dict[str, list[tuple[int, bool]]]]
        groups = defaultdict(lambda: defaultdict(list))
        for customer, words, since in self._all():
            code, message = words
            group = groups[None if words in common else customer, code, self._state(customer, words)]
            group[message].append((since, (customer, words) in self.kept))
        rows = [
            HoldRow(
                customer_id=None if customer is None else self.plan.who[customer].id,
                name="everybody" if customer is None else names.get(customer, NOBODY),
                code=code,
                messages=sorted(group),
                since=min(since for told in group.values() for since, _ in told),
                remedy=remedies.get(code, ""),
                state=state,
                is_kept=all(is_kept for told in group.values() for _, is_kept in told),
            )
            for (customer, code, state), group in groups.items()
        ]
        return sorted(rows, key=lambda hold: (hold.customer_id is not None, hold.name, hold.code, hold.state))

    def _all(self) -> Iterator[tuple[CustomerNo, Words, int]]:
        """Customer, words, since when."""
        for (customer, words), since in self.kept.items():
            yield customer, words, since
        for customer, holds in self.found.items():
            for hold in holds:
                if (customer, hold.words) not in self.kept:
                    yield customer, hold.words, hold.since

    def _state(self, customer: CustomerNo, words: Words) -> State:
        if words[0] not in JUDGED or any(hold.words == words for hold in self.found.get(customer, ())):
            return "holds"
        return "released" if self.plan.judge.is_released(customer, words) else "gone"

    def _common(self) -> set[Words]:
        """Words that hold everybody alike, and are released for everybody."""
        query = "SELECT DISTINCT code, message FROM invoice_holds WHERE month = ? AND everybody"
        kept: list[Words] = self.db.connection.execute(query, [self.plan.month]).fetchall()
        found = (*self.plan.judge.everybody, *self.plan.judge.settings)
        return {*kept, *(hold.words for hold in found)}

    def _remedies(self) -> Mapping[str, str]:
        """What a person can do, by code; with Odoo's own codes it is told with its problems."""
        odoo = accounting_state(self.db)
        known = {code: reason.remedy for code, reason in REASONS.items()}
        return {problem.code: problem.remedy for problem in (odoo.problems if odoo else ())} | known


def kept_holds(db: Db, month: Month, customer: CustomerNo | None = None) -> Kept:
    """What runs have held; of one *customer*, or of all."""
    query = "SELECT customer, code, message, since FROM invoice_holds WHERE month = ?1 AND (?2 IS NULL OR customer = ?2)"
    return {(who, (code, message)): since for who, code, message, since in db.connection.execute(query, [month, customer])}


def unseen(db: Db, month: Month, code: str, customer: CustomerNo | None, seen: Iterable[str]) -> list[str]:
    """What a release of *code* would let go besides what was *seen*: words of holds that came since the page was made."""
    known = set(seen)
    query = "SELECT customer, message FROM releases WHERE month = ? AND code = ?"
    released: set[tuple[CustomerNo | None, str]] = set(db.connection.execute(query, [month, code]).fetchall())
    kept = [(who, message) for who, (held_for, message) in kept_holds(db, month, customer) if held_for == code]
    return sorted({message for who, message in kept if message not in known and not released & {(who, message), (None, message)}})
