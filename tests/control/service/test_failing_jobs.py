"""A job that fails in a process of its own is seen wherever somebody looks: page, metrics, doctor."""

from __future__ import annotations

import html
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from prometheus_client import generate_latest

from control_app import create_app
from control_app.cli.main import control
from control_app.service import soundness
from control_app.service.assembly import assemble, jobs_of
from control_app.service.jobs import Jobs
from control_app.service.settings import Settings
from control_app.storage.nightly_copy import CopyError
from tests.control.support.models import annotated, write

DAMAGED = "the copy is damaged, so the database may be: row 7 missing from index offers_by_model"


class Location(NamedTuple):
    """A web whose jobs run elsewhere, and these jobs."""

    folder: Path
    web: FlaskClient
    jobs: Jobs

    def page(self) -> str:
        return " ".join(html.unescape(re.sub("<[^>]+>", " ", self.web.get("/").text)).split())

    def metrics(self) -> list[str]:
        """Lines about jobs, without their times."""
        told = generate_latest(self.web.application.extensions["services"].metrics.registry).decode().splitlines()
        return [re.sub(r"(timestamp_seconds\{.*\}) .*", r"\1", line) for line in told if line.startswith("control_job")]

    def doctor(self) -> dict[str, Any]:
        """Its lines about jobs: state and detail."""
        names = {"DATABASE": "control.sqlite3", "SHEET_FILE": "sheet.json", "MODELS_DIR": ""}
        given = {f"CONTROL_{name}": str(self.folder / file) for name, file in names.items()}
        done = CliRunner(env=given).invoke(control, ["doctor", "--json"])
        rows = json.loads(done.stdout)
        assert done.exit_code == any(row["state"] == "problem" for row in rows)
        return {row["check"]: (row["state"], row["detail"]) for row in rows if row["check"].startswith("job")}


@pytest.fixture
def location(tmp_path: Path) -> Iterator[Location]:
    write(tmp_path, annotated())
    settings = Settings.of(database=tmp_path / "control.sqlite3", sheet_file=tmp_path / "sheet.json", models_dir=tmp_path, jobs="elsewhere")
    parts = assemble(settings)
    app = create_app(settings)
    yield Location(tmp_path, app.test_client(), jobs_of(parts))
    parts.db.close()
    app.extensions["services"].db.close()


@pytest.fixture
def damaged(location: Location, monkeypatch: pytest.MonkeyPatch) -> Location:
    """Whose nightly copy succeeded once, and was found damaged since."""
    location.jobs.run("copy")
    (location.folder / "control.sqlite3.nightly").unlink()

    def check(_copy: sqlite3.Connection) -> None:
        raise CopyError(DAMAGED)

    monkeypatch.setattr(soundness, "refuse_damage", check)
    location.jobs.run("copy")
    return location


def test_before_any_job_ran_nothing_fails_and_nothing_succeeded(location: Location) -> None:
    assert "copy never none" in location.page()
    assert "fails" not in location.page()
    assert location.metrics() == [f'control_job_failures_total{{job="{name}"}} 0.0' for name in location.jobs.all]
    assert location.doctor() == {f"job {name}": ("ok", "has not succeeded yet") for name in location.jobs.all}


def test_every_job_is_documented(location: Location) -> None:
    page = (Path(__file__).parents[3] / "docs" / "control-service.md").read_text().partition("## Jobs\n")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    # This location has the double of a gateway, at which no model is called.
    assert [name for name in documented if name != "proofs"] == list(location.jobs.all)
    assert "proofs" in documented


def test_a_success_in_another_process_is_seen_with_its_time(location: Location) -> None:
    location.jobs.run("copy")
    assert re.search(r"copy 2\d{3}-\d\d-\d\d \d\d:\d\d none", location.page())
    assert 'control_job_last_success_timestamp_seconds{job="copy"}' in location.metrics()
    state, detail = location.doctor()["job copy"]
    assert (state, detail[:16]) == ("ok", "succeeded last 2")


def test_a_database_that_may_be_damaged_is_on_the_first_page(damaged: Location) -> None:
    text = damaged.page()
    assert "1 job fails copy since 2" in text
    assert text.count(f"CopyError: {DAMAGED}") == 2, "above, and beside its last success"


def test_a_database_that_may_be_damaged_is_counted_by_prometheus(damaged: Location) -> None:
    assert 'control_job_failures_total{job="copy"} 1.0' in damaged.metrics()
    assert 'control_job_last_success_timestamp_seconds{job="copy"}' in damaged.metrics(), "of the time before"


def test_a_database_that_may_be_damaged_is_named_by_the_doctor(damaged: Location) -> None:
    state, detail = damaged.doctor()["job copy"]
    assert state == "problem"
    assert re.fullmatch(rf"fails since 2.*Z, succeeded last 2.*Z: CopyError: {DAMAGED}", detail)


def test_what_failed_before_and_succeeded_since_is_told_as_the_last_failure(damaged: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    damaged.jobs.run("copy")
    assert "fails" not in damaged.page()
    assert f"CopyError: {DAMAGED}" in damaged.page()
    assert damaged.doctor()["job copy"][0] == "ok"
    assert 'control_job_failures_total{job="copy"} 1.0' in damaged.metrics()


def test_a_job_that_the_service_no_longer_has_is_told_nowhere(location: Location) -> None:
    connection = location.web.application.extensions["services"].db.connection
    connection.execute("INSERT INTO jobs VALUES ('former', 1, 1, 1, 1, 'away')")
    assert "former" not in "".join([location.page(), *location.metrics(), *location.doctor()])


def test_an_error_is_shown_as_text(location: Location) -> None:
    connection = location.web.application.extensions["services"].db.connection
    connection.execute("INSERT INTO jobs VALUES ('copy', 1, 1, 1, 1, '<script>x</script>')")
    assert "<script>" not in location.web.get("/").text
