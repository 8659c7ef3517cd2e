"""What is told of a range's usage: by model, and by day or key where asked. `/usage`, its CSV and the command line tell this."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET

from control_app.core.money import plain_amount
from control_app.core.numbers import CustomerNo, KeyNo, Pico
from control_app.core.periods import day_text, time_text, written_period
from control_app.core.time import SECOND, Range
from control_app.ledger import answer
from control_app.ledger.progress import complete_through
from control_app.ledger.reader import Dimension, UsageReader
from control_app.ledger.usage import Usage
from control_app.storage.database import Db

GroupBy = Literal["day", "key"]
_FORMULA = re.compile(r"(^|[;\t\r\n|]\s*\"?)([=+\-@\t\r])")
_WHOLE_COLUMNS = ("currency", "complete_through", "notices")
_GROUP_COLUMNS: Mapping[GroupBy | None, tuple[str, ...]] = {None: (), "day": ("date",), "key": ("key_id", "key_name")}


class UsageReports:
    """Reads the ledger in *db*. *model_names*: what models are called, by their ids; a model that is not there is called by its id."""

    def __init__(self, db: Db, currency: str, model_names: Callable[[], Mapping[str, str]]) -> None:
        self._db, self._currency, self._model_names = db, currency, model_names
        self._reader = UsageReader(db)
        self._model_ids: dict[int, str] = {}

    def report(
        self, period: Range, *, key: KeyNo | None = None, customer: CustomerNo | None = None, group_by: GroupBy | None = None
    ) -> answer.Usage:
        """The usage of one *key* or *customer*, else of all."""
        through = complete_through(self._db)  # before the rows: those may be newer, never older
        # The sum over all customers is made here: SQLite's integers would overflow.
        dimension: Dimension | None = group_by or ("day" if key is None and customer is None else None)
        found = self._reader.by((dimension, "model") if dimension else ("model",), period, key=key, customer=customer)
        models: dict[int, Usage] = {}
        groups: dict[Any, dict[int, Usage]] = {}
        for cell, usage in found.items():
            model = cell[-1]
            models[model] = models[model] + usage if model in models else usage
            if usage.requests:
                groups.setdefault(cell[0], {})[model] = usage
        if through is not None:
            through -= through % SECOND
        return answer.Usage(
            period=written_period(period),
            complete_through=None if through is None else time_text(through),
            summary=answer.Summary(**_totals(*models.values()), currency=self._currency),
            models=self._lines(models),
            days=self._days(groups) if group_by == "day" else UNSET,
            keys=self._keys(groups) if group_by == "key" else UNSET,
            notices=list(_notices(models.values(), through, period)),
        )

    def _days(self, groups: Mapping[int, Mapping[int, Usage]]) -> list[answer.DayUsage]:
        return [answer.DayUsage(date=day_text(day), **self._group(groups[day])) for day in sorted(groups)]

    def _group(self, models: Mapping[int, Usage]) -> dict[str, Any]:
        return {"models": self._lines(models), **_totals(*models.values())}

    def _keys(self, groups: Mapping[int, Mapping[int, Usage]]) -> list[answer.KeyUsage]:
        names = {number: row for number, *row in self._db.connection.execute("SELECT id, gateway_id, name FROM keys")}
        costs = {key: sum(usage.amount for usage in models.values()) for key, models in groups.items()}
        order = sorted(groups, key=lambda key: (-costs[key], names[key][0]))
        return [answer.KeyUsage(key_id=names[key][0], key_name=names[key][1], **self._group(groups[key])) for key in order]

    def _lines(self, models: Mapping[int, Usage]) -> list[answer.ModelUsage]:
        """The costliest first. Models whose requests all failed to report usage are left out: a notice tells of them."""
        if not models.keys() <= self._model_ids.keys():
            self._model_ids = dict(self._db.connection.execute("SELECT id, name FROM models").fetchall())
        called = self._model_names()
        ordered = sorted((-usage.amount, self._model_ids[model], usage) for model, usage in models.items() if usage.requests)
        return [_line(name, called.get(name, name), usage) for _, name, usage in ordered]


def to_csv(report: answer.Usage, group_by: GroupBy | None) -> str:
    """The report's models, one a row, by day or key where it is grouped so; RFC 4180."""
    columns = _GROUP_COLUMNS[group_by]
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow([*columns, *answer.ModelUsage.__struct_fields__, *_WHOLE_COLUMNS])
    whole = [report.summary.currency, report.complete_through or "", " ".join(notice.code for notice in report.notices)]
    groups = report.days if group_by == "day" else report.keys if group_by == "key" else [report]
    for group in groups or ():
        for line in group.models:
            rows.writerow(safe([*(getattr(group, name) for name in columns), *msgspec.structs.astuple(line), *whole]))
    return text.getvalue()


def safe(cells: Iterable[Any]) -> Iterator[Any]:
    """What begins like a formula gets an apostrophe, or spreadsheets would compute it.

    Where the comma is for decimals, spreadsheets begin a cell at every semicolon, whatever the quotes say; others do at tabs.
    """
    for cell in cells:
        yield _FORMULA.sub(r"\1'\2", cell) if isinstance(cell, str) else cell


def _totals(*parts: Usage) -> dict[str, Any]:
    return {
        "total_tokens": sum(part.tokens for part in parts),
        "total_requests": sum(part.requests for part in parts),
        "total_cost": plain_amount(Pico(sum(part.amount for part in parts))),
    }


def _line(model_id: str, name: str, usage: Usage) -> answer.ModelUsage:
    return answer.ModelUsage(
        model_id=model_id,
        model_name=name,
        prompt_tokens=usage.prompt,
        cached_tokens=usage.cached_read,
        completion_tokens=usage.completion,
        reasoning_tokens=usage.reasoning,
        **_totals(usage),
    )


def _notices(parts: Collection[Usage], through: int | None, period: Range) -> Iterator[answer.Notice]:
    if unrated := sum(part.unrated for part in parts):
        yield answer.Notice("unrated", f"not in total_cost: {_requests(unrated)} without a price yet")
    if unused := sum(part.unused for part in parts):
        yield answer.Notice("unused", f"no tokens billed: {_requests(unused)} without reported usage")
    if cancelled := sum(part.cancelled for part in parts):
        yield answer.Notice("cancelled", f"not billed: {_requests(cancelled)} that the client cancelled before there was usage")
    if through is None:
        yield answer.Notice("not-complete", "usage has not been read from the gateway yet")
    elif through < period.end:
        yield answer.Notice("not-complete", f"requests that started after {time_text(through)} may be missing")


def _requests(count: int) -> str:
    return f"{count} request{'' if count == 1 else 's'}"
