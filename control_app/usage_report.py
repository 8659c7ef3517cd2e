"""What is told of a range's usage: by model, and by day or key where asked. `/usage`, its CSV and the command line tell this."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Literal

from control_app.database import Db
from control_app.money import plain_amount
from control_app.periods import day_text, time_text
from control_app.spans import SECOND, Range
from control_app.sync import complete_through
from control_app.usage import Dimension, Usage, UsageReader

GroupBy = Literal["day", "key"]
_MODEL_COLUMNS = (
    *("model_id", "model_name", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens"),
    *("total_tokens", "total_requests", "total_cost"),
)
_WHOLE_COLUMNS = ("currency", "complete_through", "notices")
_GROUPS: Mapping[GroupBy | None, tuple[str, tuple[str, ...]]] = {
    None: ("", ()),
    "day": ("days", ("date",)),
    "key": ("keys", ("key_id", "key_name")),
}


class UsageReports:
    """Reads the ledger in *db*. *model_names*: what models are called, by their ids; a model that is not there is called by its id."""

    def __init__(self, db: Db, currency: str, model_names: Callable[[], Mapping[str, str]]) -> None:
        self._db, self._currency, self._model_names = db, currency, model_names
        self._reader = UsageReader(db)
        self._model_ids: dict[int, str] = {}

    def report(
        self, period: Range, *, key: int | None = None, customer: int | None = None, group_by: GroupBy | None = None
    ) -> dict[str, Any]:
        """The usage of one *key* or *customer*, else of all, as JSON has it: amounts are strings, in plain notation."""
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
        report = {
            "period": {"start": time_text(period.start), "end": time_text(period.end)},
            "complete_through": None if through is None else time_text(through),
            "summary": {**_totals(*models.values()), "currency": self._currency},
            "models": self._lines(models),
        }
        if group_by == "day":
            report["days"] = [{"date": day_text(day), **self._group(groups[day])} for day in sorted(groups)]
        elif group_by == "key":
            report["keys"] = self._keys(groups)
        return report | {"notices": list(_notices(models.values(), through, period))}

    def _group(self, models: Mapping[int, Usage]) -> dict[str, Any]:
        return {"models": self._lines(models), **_totals(*models.values())}

    def _keys(self, groups: Mapping[int, Mapping[int, Usage]]) -> list[dict[str, Any]]:
        names = {number: row for number, *row in self._db.connection.execute("SELECT id, gateway_id, name FROM keys")}
        costs = {key: sum(usage.amount for usage in models.values()) for key, models in groups.items()}
        order = sorted(groups, key=lambda key: (-costs[key], names[key][0]))
        return [{"key_id": names[key][0], "key_name": names[key][1], **self._group(groups[key])} for key in order]

    def _lines(self, models: Mapping[int, Usage]) -> list[dict[str, Any]]:
        """The costliest first. Models whose requests all failed to report usage are left out: a notice tells of them."""
        if not models.keys() <= self._model_ids.keys():
            self._model_ids = dict(self._db.connection.execute("SELECT id, name FROM models").fetchall())
        called = self._model_names()
        ordered = sorted((-usage.amount, self._model_ids[model], usage) for model, usage in models.items() if usage.requests)
        return [_line(name, called.get(name, name), usage) for _, name, usage in ordered]


def to_csv(report: Mapping[str, Any], group_by: GroupBy | None) -> str:
    """The report's models, one a row, by day or key where it is grouped so; RFC 4180."""
    list_name, group_columns = _GROUPS[group_by]
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow([*group_columns, *_MODEL_COLUMNS, *_WHOLE_COLUMNS])
    notices = " ".join(notice["code"] for notice in report["notices"])
    whole = [report["summary"]["currency"], report["complete_through"] or "", notices]
    for group in report[list_name] if list_name else [report]:
        for line in group["models"]:
            rows.writerow(safe([*(group[name] for name in group_columns), *(line[name] for name in _MODEL_COLUMNS), *whole]))
    return text.getvalue()


def safe(cells: Iterable[Any]) -> Iterator[Any]:
    """A name that begins like a formula gets an apostrophe, or spreadsheets would compute it."""
    for cell in cells:
        yield f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _totals(*parts: Usage) -> dict[str, Any]:
    return {
        "total_tokens": sum(part.tokens for part in parts),
        "total_requests": sum(part.requests for part in parts),
        "total_cost": plain_amount(sum(part.amount for part in parts)),
    }


def _line(model_id: str, name: str, usage: Usage) -> dict[str, Any]:
    return {
        "model_id": model_id,
        "model_name": name,
        "prompt_tokens": usage.prompt,
        "cached_tokens": usage.cached_read,
        "completion_tokens": usage.completion,
        "reasoning_tokens": usage.reasoning,
        **_totals(usage),
    }


def _notices(parts: Collection[Usage], through: int | None, period: Range) -> Iterator[dict[str, str]]:
    if unrated := sum(part.unrated for part in parts):
        yield {"code": "unrated", "message": f"not in total_cost: {_requests(unrated)} without a price yet"}
    if unused := sum(part.unused for part in parts):
        yield {"code": "unused", "message": f"not billed: {_requests(unused)} without reported usage"}
    if through is None:
        yield {"code": "not-complete", "message": "usage has not been read from the gateway yet"}
    elif through < period.end:
        yield {"code": "not-complete", "message": f"requests that started after {time_text(through)} may be missing"}


def _requests(count: int) -> str:
    return f"{count} request{'' if count == 1 else 's'}"
