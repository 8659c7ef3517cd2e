"""`python -m tests.control.support.kinds`: what follows from the table of price kinds for its last kind, and what lacks it; as JSON."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from control_app.gateway.price_fields import FIELDS
from control_app.ledger.statements import INGEST
from control_app.ledger.usage import Usage
from control_app.pricing.kinds import KINDS
from control_app.pricing.offers import parse_offer
from control_app.pricing.openrouter import document
from control_app.pricing.prices import PriceError, parse_price
from control_app.pricing.rates import Rates
from control_app.service.tables import open_database
from control_app.web.pages.filters import as_shown
from tests.control.support.models import model, priced

ROLES = Path(__file__).parents[3] / "constructs" / "ib_constructs" / "addons" / "sql" / "roles.sql"
NOT_RATES = {"id", "model", "effective_from", "by_person"}


def left_behind() -> dict[str, list[str]]:
    """By place that does not follow from the table: the kinds that it lacks, or that only it has. Empty where all have the same."""
    found = {place: sorted(set(KINDS) ^ set(has)) for place, has in _places().items()}
    return {place: names for place, names in found.items() if names}


def _places() -> Mapping[str, Collection[str]]:
    granted = re.findall(r'"(\w+)"', ROLES.read_text().partition('"governance_model_pricing":')[2].partition("]")[0])
    return {
        "Rates": Rates._fields,
        "columns of price_versions": set(columns("price_versions")) - NOT_RATES,
        "fields of the sheet": FIELDS,
        "grants of the gateway's price table": [kind for kind, field in FIELDS.items() if field in granted],
        "sums of usage": [kind.name for kind in KINDS.values() if kind.measure in Usage.__struct_fields__],
    }


def columns(table: str) -> list[str]:
    """Of a *table* as the migrations make it."""
    with tempfile.TemporaryDirectory() as folder:
        db = open_database(Path(folder) / "control.sqlite3")
        found = [name for (name,) in db.connection.execute("SELECT name FROM pragma_table_info(?)", [table])]
        db.close()
    return found


def views() -> dict[str, Any]:
    """What is told of the table's last kind, which is one for a whole request."""
    *_, kind = KINDS.values()
    try:
        refusal = str(parse_price(kind.name, "1000"))
    except PriceError as error:
        refusal = str(error)
    return {
        "refused": refusal,
        "published": document(parse_offer(model(priced(**{kind.name: "0.25"}))))["pricing"],
        "rated": any(f"{kind.name} AS {kind.name}_rate" in statement and f"* p.{kind.name}_rate" in statement for statement in INGEST),
        "shown": [kind.heading, as_shown(Decimal("0.25"), kind.name), kind.absent],
    }


if __name__ == "__main__":
    print(json.dumps({"left behind": left_behind(), **views()}))  # noqa: T201 (its answer)
