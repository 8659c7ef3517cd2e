"""Holds as a page tells them: what runs have held and what is found now, by customer, with what a person can do about each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from control_app.holds import REMEDIES as LEDGER_REMEDIES
from control_app.invoicing.findings import ALL, RELEASABLE, Finding, may_be_released
from control_app.invoicing.odoo_watch import odoo_state
from control_app.invoicing.planning import Plan, Planning
from control_app.overview import NOBODY, customer_names

JUDGED = LEDGER_REMEDIES.keys() | RELEASABLE.keys()
"""What is looked at anew without Odoo; the other holds stand until a run asks Odoo again."""
State = Literal["holds", "released", "gone"]
Words = tuple[str, str]
"""Code and message of a hold."""
Kept = Mapping[tuple[int, Words], int]
"""By customer and words: since when a run holds it."""


@dataclass(frozen=True)
class Hold:
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
class SeenHolds:
    """Of the customers in *found*, by what is found now, and of those in *kept*."""

    planning: Planning
    plan: Plan
    kept: Kept = field(repr=False)
    found: Mapping[int, Sequence[Finding]] = field(default_factory=dict[int, Sequence[Finding]])

    @property
    def customers(self) -> set[int]:
        """Who is held."""
        return {customer for customer, words, _ in self._all() if self._state(customer, words) == "holds"}

    def rows(self) -> list[Hold]:
        """By customer and code, since so they are released; what holds several customers alike is told once."""
        common, names, remedies = self._common(), customer_names(self.planning.db), self._remedies()
        groups: defaultdict[tuple[int | None, str, State], dict[str, list[tuple[int, bool]]]]
        groups = defaultdict(lambda: defaultdict(list))
        for customer, words, since in self._all():
            code, message = words
            group = groups[None if words in common else customer, code, self._state(customer, words)]
            group[message].append((since, (customer, words) in self.kept))
        rows = [
            Hold(
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

    def _all(self) -> Iterator[tuple[int, Words, int]]:
        """Customer, words, since when."""
        for (customer, words), since in self.kept.items():
            yield customer, words, since
        for customer, findings in self.found.items():
            for finding in findings:
                if (customer, (finding.code, finding.message)) not in self.kept:
                    yield customer, (finding.code, finding.message), finding.since

    def _state(self, customer: int, words: Words) -> State:
        code, message = words
        if code not in JUDGED or any((finding.code, finding.message) == words for finding in self.found.get(customer, ())):
            return "holds"
        return "released" if {(customer, code, message), (None, code, message)} & self.plan.judge.released else "gone"

    def _common(self) -> set[Words]:
        """Words that hold everybody alike, and are released for everybody."""
        query = "SELECT DISTINCT code, message FROM invoice_holds WHERE month = ? AND everybody"
        kept: list[Words] = self.planning.db.connection.execute(query, [self.plan.month]).fetchall()
        found = (*self.plan.judge.everybody, *self.plan.judge.settings)
        return {*kept, *((finding.code, finding.message) for finding in found)}

    def _remedies(self) -> Mapping[str, str]:
        """Of Odoo's own codes they are told with its problems."""
        odoo = odoo_state(self.planning.db)
        return {problem.code: problem.remedy for problem in (odoo.problems if odoo else ())} | dict(ALL)


def kept_holds(planning: Planning, month: int, customer: int | None = None) -> Kept:
    """What runs have held; of one *customer*, or of all."""
    query = "SELECT customer, code, message, since FROM invoice_holds WHERE month = ?1 AND (?2 IS NULL OR customer = ?2)"
    return {(who, (code, message)): since for who, code, message, since in planning.db.connection.execute(query, [month, customer])}


def unseen(planning: Planning, month: int, code: str, customer: int | None, seen: Iterable[str]) -> list[str]:
    """What a release of *code* would let go besides what was *seen*: words of holds that came since the page was made."""
    known = set(seen)
    query = "SELECT customer, message FROM releases WHERE month = ? AND code = ?"
    released: set[tuple[int | None, str]] = set(planning.db.connection.execute(query, [month, code]).fetchall())
    kept = [(who, message) for who, (held_for, message) in kept_holds(planning, month, customer) if held_for == code]
    return sorted({message for who, message in kept if message not in known and not released & {(who, message), (None, message)}})
