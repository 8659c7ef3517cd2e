"""Whole requests and answers of a real Odoo (tests/control/accounting/odoo/recorded/; each file names its source)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "accounting/odoo/recorded"
HEADERS = {"Content-Type": "application/json", "X-Odoo-Database": "odoo", "Authorization": "bearer <key>"}
CONTEXT = {"lang": "en_US", "tz": "UTC", "allowed_company_ids": [1]}
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Recorded:
    """A request and its answer. `body`, `answer`: JSON, or text where it was none; of an error all but the traceback."""

    title: str
    path: str
    body: Any
    status: int
    answer: Any
    method: str = "POST"
    type: str = JSON
    headers: Mapping[str, str] = field(default_factory=lambda: HEADERS)

    @property
    def model(self) -> str:
        """Of whom it was asked."""
        return self.path.split("/")[3]


def recorded(name: str) -> Sequence[Recorded]:
    """The calls of a file, in their order. Where one had the usual context, the file leaves that out."""
    calls = json.loads((FOLDER / f"{name}.json").read_text())["calls"]
    return [Recorded(**{key: value for key, value in call.items() if key not in ("whole", "body")}, body=_body(call)) for call in calls]


def _body(call: Mapping[str, Any]) -> Any:
    return call["body"] if call.get("whole") else {**call["body"], "context": CONTEXT}
