"""The whole service in one process, with the double in the gateway's place: what a laptop runs."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from control_app import create_app
from control_app.assembly import assemble, jobs_of
from control_app.demo import KEYS, OWN_KEY
from control_app.publication import sheet_state
from control_app.settings import Settings
from control_app.web.context import Services
from tests.control_app.models import NAME, annotated, write


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("service")
    write(folder, annotated())
    return Settings(database=folder / "control.sqlite3", sheet_file=folder / "sheet.json", models_dir=folder)


@pytest.fixture(scope="module")
def app(settings: Settings) -> Any:
    """After one turn of every job."""
    app = create_app(settings)
    services: Services = app.extensions["services"]
    for name in services.jobs.all:
        services.jobs.run(name)
    assert {name: job.error for name, job in services.jobs.all.items()} == dict.fromkeys(services.jobs.all)
    return app


def test_a_demo_key_is_told_its_own_usage_and_no_other(app: Any) -> None:
    found: dict[str, Any] = {}
    for key in KEYS:
        headers = {"Authorization": f"Bearer sk-bf-demo-{key.id}"}
        answer = app.test_client().get("/usage?start_date=2026-01-01&end_date=2026-12-31", headers=headers)
        assert answer.status_code == 200, answer.text
        found[key.id] = answer.json["summary"]["total_requests"]
    rows = app.extensions["services"].db.connection.execute("SELECT count(*) FROM requests").fetchone()[0]
    assert sum(found.values()) == rows
    assert all(found.values())


def test_the_gateway_has_the_prices_that_are_published(app: Any, settings: Settings) -> None:
    state = sheet_state(app.extensions["services"].db)
    assert state
    assert (state.in_sync, state.error) == (True, None)
    assert list(json.loads(settings.sheet_file.read_text())) == [f"kubeai/{NAME}"]


def test_the_metrics_are_all_told(app: Any) -> None:
    names = {family.name for family in app.extensions["services"].metrics.registry.collect()}
    assert names >= {
        *("control_models", "control_price_annotation_broken", "control_price_sheet_in_sync", "control_ledger_missing_requests"),
        *("control_gateway_dropped_logs", "control_usage_tokens", "control_revenue", "control_ledger_complete_through_timestamp_seconds"),
    }


def test_a_key_that_prices_are_read_with_has_no_usage(app: Any) -> None:
    answer = app.test_client().get("/usage?start_date=2026-01-01&end_date=2026-12-31", headers={"Authorization": OWN_KEY})
    assert answer.json["summary"]["total_requests"] == 0


def test_invoices_go_to_the_odoo_that_the_settings_name(settings: Settings, tmp_path: Path) -> None:
    named = {"odoo": "json2", "odoo_url": "https://x.odoo.com", "odoo_database": "x", "odoo_key": SecretStr("k")}
    parts = assemble(settings.model_copy(update={"database": tmp_path / "other.sqlite3", **named})).invoicing
    assert parts.client
    assert (parts.double, parts.client.key) == (None, "k")
    nowhere = assemble(settings.model_copy(update={"database": tmp_path / "other.sqlite3", "odoo": "none"})).invoicing
    assert (nowhere.double, nowhere.client, nowhere.planning.accounting) == (None, None, None)


def test_a_second_process_makes_the_same_sample(settings: Settings, app: Any, tmp_path: Path) -> None:
    other = assemble(settings.model_copy(update={"database": tmp_path / "other.sqlite3"}))
    jobs = jobs_of(other)
    for name in ("sample", "rows"):
        jobs.run(name)
    query = "SELECT id, at, prompt, completion FROM requests WHERE at < (SELECT max(at) FROM requests) - ? ORDER BY at, id"
    hour = [timedelta(hours=1) // timedelta(microseconds=1)]
    both = [db.connection.execute(query, hour).fetchall() for db in (other.db, app.extensions["services"].db)]
    common = set(both[0]) & set(both[1])
    assert len(common) >= min(map(len, both))
