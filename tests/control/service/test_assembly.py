"""The whole service in one process, with the double in the gateway's place: what a laptop runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlite_utils import Database

from control_app import create_app
from control_app.core.time import microseconds
from control_app.gateway.double.sample import KEYS, OWN_KEY
from control_app.gateway.publication import sheet_state
from control_app.service.assembly import assemble, jobs_of
from control_app.service.settings import Settings
from control_app.service.tables import migrations, proofs
from control_app.web.context import Services
from tests.control.support.gateways import Says, serving
from tests.control.support.models import NAME, annotated, write

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
BOTH_MONTHS = "/usage?start_date=2026-10-01&end_date=2026-12-01"
"""Of the sample."""


def clock() -> datetime:
    return NOW


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("service")
    write(folder, annotated())
    return Settings.of(database=folder / "control.sqlite3", sheet_file=folder / "sheet.json", models_dir=folder)


@pytest.fixture(scope="module")
def app(settings: Settings) -> Any:
    """After one turn of every job."""
    app = create_app(settings, clock=clock)
    services: Services = app.extensions["services"]
    for name in services.jobs.all:
        services.jobs.run(name)
    assert {result.name: result.error for result in services.jobs.results()} == dict.fromkeys(services.jobs.all)
    assert all(result.succeeded_at for result in services.jobs.results())
    return app


def test_a_demo_key_is_told_its_own_usage_and_no_other(app: Any) -> None:
    found: dict[str, Any] = {}
    for key in KEYS:
        headers = {"Authorization": f"Bearer sk-bf-demo-{key.id}"}
        answer = app.test_client().get(BOTH_MONTHS, headers=headers)
        assert answer.status_code == 200, answer.text
        found[key.id] = answer.json["summary"]["total_requests"]
    rows = app.extensions["services"].db.connection.execute("SELECT count(*) FROM requests").fetchone()[0]
    assert sum(found.values()) == rows
    assert all(found.values())


def test_the_gateway_has_the_prices_that_are_published(app: Any, settings: Settings) -> None:
    state = sheet_state(app.extensions["services"].db)
    assert state
    assert (state.in_sync, state.error) == (True, None)
    assert f"kubeai/{NAME}" in json.loads(settings.gateway.sheet_file.read_text())


def test_the_metrics_are_all_told(app: Any) -> None:
    names = {family.name for family in app.extensions["services"].metrics.registry.collect()}
    assert names >= {
        *("control_models", "control_price_annotation_broken", "control_price_sheet_in_sync", "control_ledger_missing_requests"),
        *("control_gateway_dropped_logs", "control_usage_tokens", "control_revenue", "control_ledger_complete_through_timestamp_seconds"),
    }


def test_a_key_that_prices_are_read_with_has_no_usage(app: Any) -> None:
    answer = app.test_client().get(BOTH_MONTHS, headers={"Authorization": OWN_KEY})
    assert answer.json["summary"]["total_requests"] == 0


def test_invoices_go_to_the_odoo_that_the_settings_name(settings: Settings, tmp_path: Path) -> None:
    given: dict[str, Any] = {"database": tmp_path / "other.sqlite3", "models_dir": settings.cluster.models_dir}
    named = {"odoo": "json2", "odoo_url": "https://x.odoo.com", "odoo_database": "x", "odoo_key": SecretStr("k")}
    parts = assemble(Settings.of(**given, **named), clock).invoicing
    assert parts.client
    assert (parts.double, parts.client.key) == (None, "k")
    nowhere = assemble(Settings.of(**given, odoo="none"), clock).invoicing
    assert (nowhere.double, nowhere.client, nowhere.planning.accounting) == (None, None, None)


def test_a_second_process_makes_the_same_sample(settings: Settings, app: Any, tmp_path: Path) -> None:
    storage = settings.storage.model_copy(update={"database": tmp_path / "other.sqlite3"})
    other = assemble(settings._replace(storage=storage), clock)
    jobs = jobs_of(other)
    for name in ("sample", "rows"):
        jobs.run(name)
    query = "SELECT id, at, prompt, completion FROM requests ORDER BY at, id"
    both = [db.connection.execute(query).fetchall() for db in (other.db, app.extensions["services"].db)]
    assert both[0] == both[1] != []


def test_with_a_real_gateway_models_are_listed_once_they_were_called_and_with_a_double_at_once(
    settings: Settings, app: Any, tmp_path: Path
) -> None:
    assert json.loads(app.test_client().get("/openrouter/models").text)["data"]
    assert "proofs" not in app.extensions["services"].jobs.all
    given: dict[str, Any] = {"database": tmp_path / "other.sqlite3", "models_dir": settings.cluster.models_dir}
    real = {"gateway": "api", "gateway_url": "http://127.0.0.1:9", "gateway_password": SecretStr("p"), "jobs": "elsewhere"}
    other = create_app(Settings.of(**given, **real), clock=clock)
    services: Services = other.extensions["services"]
    assert "proofs" in services.jobs.all
    assert json.loads(other.test_client().get("/openrouter/models").text) == {"data": []}
    assert [offer.model for offer in services.catalog.current().offers] == [NAME], "it is for sale, and not proven yet"


def test_engines_are_counted_where_the_settings_name_them(settings: Settings, app: Any, tmp_path: Path) -> None:
    assert "engines" not in app.extensions["services"].jobs.all
    given: dict[str, Any] = {"database": tmp_path / "other.sqlite3", "models_dir": settings.cluster.models_dir}
    text = 'vllm:request_success_total{model_name="llama",finished_reason="stop"} 3'
    now = NOW
    with serving(Says(text, kind="text/plain")) as url:
        parts = assemble(Settings.of(**given, engine_metrics=url.removeprefix("http://")), lambda: now)
        jobs = jobs_of(parts)
        jobs.run("engines")
    now += timedelta(seconds=5)
    jobs.run("engines")
    found = parts.db.connection.execute("SELECT address, at, failing_since IS NULL FROM engines").fetchall()
    assert found == [("127.0.0.1", microseconds(NOW), False)]
    assert [result.error for result in jobs.results() if result.name == "engines"] == [None], "one that cannot be read stops nothing"
    assert parts.db.connection.execute("SELECT name, answered FROM engine_counters").fetchall() == [("llama", 3)]


def test_what_was_for_sale_before_calls_were_made_counts_as_proven(tmp_path: Path) -> None:
    db = Database(tmp_path / "old.sqlite3")
    before = [migration for migration in migrations.pending(db) if migration.name != "proofs"]
    for migration in before:
        migration.fn(db)
    db.conn.execute("INSERT INTO price_versions (model, effective_from) VALUES ('llama', 1)")
    proofs(db)
    assert db.conn.execute("SELECT model, proved_at, error FROM proofs").fetchall() == [("llama", 0, None)]
