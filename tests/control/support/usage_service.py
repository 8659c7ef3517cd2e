"""A service with a small ledger behind it: two customers, three keys, two models, and an operator."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from control_app import create_app
from control_app.gateway.port import Customer, Key, UsageRow
from control_app.ledger.progress import SOURCE
from control_app.service.settings import Settings
from tests.control.support.ledgers import NOW, RATES, Books, row
from tests.control.support.models import NAME, priced, write

THIRD_OF_NOVEMBER = datetime(2026, 11, 3, tzinfo=UTC)
OCTOBER = {"start_date": "2026-10-01", "end_date": "2026-11-01"}
OPERATOR, BOOKKEEPER, UNREAD = "operators-key", "bookkeepers-key", "sk-unread"
SECRETS = {"sk-one": "id-one", "sk-two": "id-two", "sk-other": "id-other", UNREAD: "id-unread"}
ADMINS = ",".join(
    f"{name}:{scopes}:{hashlib.sha256(secret.encode()).hexdigest()}"
    for name, scopes, secret in (("operator", "usage+prices", OPERATOR), ("bookkeeper", "invoices", BOOKKEEPER))
)


class Service:
    """The application in *folder*, where it is `now`. `gateway_error`: what asking the gateway for a key raises."""

    def __init__(self, folder: Path, *rows: UsageRow, is_up: bool = True, **settings: Any) -> None:
        models = folder / "models"
        models.mkdir()
        write(models, priced(**{kind: f"{rate:f}" for kind, rate in RATES.items()}, input_cache_write=None))
        self.books = Books(folder)
        for model in ("llama", NAME):
            self.books.price(model, 0, RATES)
        customers = [Customer("acme", "Acme"), Customer("umbra", "Umbra")]
        owners = {"one": "acme", "two": "acme", "other": "umbra"}
        keys = [Key(f"id-{name}", name, customer, is_active=True, updated_at=0) for name, customer in owners.items()]
        self.books.directory(customers, keys)
        self.books.ledger.ingest(rows, NOW, SOURCE, NOW)
        self.now = THIRD_OF_NOVEMBER
        self.gateway_error: Exception | None = None
        self.asked = 0
        given: Mapping[str, Any] = {"usage_per_minute": 10_000, "admin_keys": ADMINS, **settings}
        self.settings = Settings.of(database=folder / "control.sqlite3", models_dir=models, **given)
        self.app = create_app(self.settings, self._key_of, lambda: self.now)
        if is_up:
            self.app.extensions["services"].catalog.current()  # as the worker does when it is up
        self.client: FlaskClient = self.app.test_client()

    def get(self, by: str | None = "sk-one", *, headers: Mapping[str, str] | None = None, **query: Any) -> TestResponse:
        """Ask for usage; a parameter that is None is left out, October's dates stand for those not said."""
        sent = {} if by is None else {"Authorization": f"Bearer {by}"}
        asked = {name: value for name, value in {**OCTOBER, **query}.items() if value is not None}
        return self.client.get("/usage", query_string=asked, headers={**sent, **(headers or {})})

    def report(self, by: str = "sk-one", **query: Any) -> dict[str, Any]:
        """The JSON of a good answer."""
        answer = self.get(by, **query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def _key_of(self, secret: str) -> str | None:
        self.asked += 1
        if self.gateway_error:
            raise self.gateway_error
        return SECRETS.get(secret)


def used(time: str = "2026-10-05T12:00", key: str = "one", model: str = "llama", **other: Any) -> UsageRow:
    """A call with a key of the service; 0.000104 at the rates there."""
    return row(time, f"id-{key}", model, **{"key_name": key, **other})
