"""The command line: what it tells, what it decides, and what it refuses."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from control_app.cli.main import control
from control_app.database import Db
from tests.control_app.models import NAME, annotated, priced, write


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the models are of a service that keeps its books beside them."""
    folder = tmp_path / "models"
    folder.mkdir()
    write(folder, annotated())
    monkeypatch.setenv("CONTROL_DATABASE", str(tmp_path / "control.sqlite3"))
    monkeypatch.setenv("CONTROL_SHEET_FILE", str(tmp_path / "sheet.json"))
    monkeypatch.setenv("CONTROL_MODELS_DIR", str(folder))
    return folder


@pytest.fixture
def seeded(models: Path) -> Path:
    assert run("seed-demo").exit_code == 0
    return models


def run(*words: str) -> Result:
    return CliRunner().invoke(control, words)


def answer(*words: str) -> Any:
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.usefixtures("seeded")
def test_the_same_usage_adds_up_by_model_day_key_and_customer() -> None:
    by = {what: answer("usage", "--from", "2026-01-01", "--to", "2026-12-31", "--by", what) for what in ("model", "day", "key", "customer")}
    for count in ("requests", "prompt", "completion"):
        assert len({sum(row[count] for row in rows) for rows in by.values()}) == 1
    assert len({sum(Decimal(row["cost"]) for row in rows) for rows in by.values()}) == 1
    assert sum(row["requests"] for row in by["model"]) > 5_000


@pytest.mark.usefixtures("seeded")
def test_seeding_again_takes_nothing_twice() -> None:
    assert run("seed-demo").output.count(" new") == 1
    before = answer("usage", "--from", "2026-01-01", "--to", "2026-12-01")
    run("sync")
    after = answer("usage", "--from", "2026-01-01", "--to", "2026-12-01")
    assert after[0]["requests"] - before[0]["requests"] < 100, "a few may have come meanwhile"


@pytest.mark.usefixtures("seeded")
def test_usage_is_of_one_customer_where_one_is_named() -> None:
    everybody = answer("usage", "--from", "2026-01-01", "--to", "2026-12-01", "--by", "customer")
    acme = answer("usage", "--from", "2026-01-01", "--to", "2026-12-01", "--customer", "acme")
    assert acme[0]["requests"] == next(row["requests"] for row in everybody if row["customer"].endswith("(acme)"))


@pytest.mark.usefixtures("seeded")
def test_people_get_a_table_with_a_total_and_how_far_it_goes() -> None:
    text = run("usage").stdout
    assert "total" in text
    assert "Complete through 2" in text


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("usage", "--from", "yesterday"), "start_date"),
        (("usage", "--from", "2026-11-01", "--to", "2026-10-01"), "not after"),
        (("usage", "--customer", "nobody"), "no customer 'nobody'"),
        (("usage", "--by", "colour"), "'colour' is not one of"),
        (("prices", "accept", NAME), "Missing option '--reason'"),
        (("prices", "accept", NAME, "--reason", "it is time"), "no price of"),
        (("prices", "withdraw", NAME, "--reason", "it is time"), "is for sale"),
        (("fly",), "No such command 'fly'"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(words: tuple[str, ...], reason: str) -> None:
    done = run(*words)
    assert done.exit_code != 0
    assert reason in done.output
    assert "Traceback" not in done.output


def test_a_large_change_waits_until_a_person_accepts_it(models: Path) -> None:
    assert answer("prices")[0]["prompt"] == "0.000008"
    write(models, priced(prompt="0.00008"))
    assert answer("prices")[0]["prompt"] == "0.000008"
    assert "pending" in run("prices").stdout
    done = run("prices", "accept", NAME, "--reason", "the contract of November")
    assert "Put this in force?" in done.output
    assert answer("prices")[0]["prompt"] == "0.000008", "nobody said yes"
    done = run("prices", "accept", NAME, "--reason", "the contract of November", "--yes")
    assert "0.000008 -> 0.00008" in done.stdout
    assert answer("prices")[0]["prompt"] == "0.00008"


def test_a_removed_models_price_stays_until_a_person_withdraws_it(models: Path, tmp_path: Path) -> None:
    run("prices")
    (models / f"{NAME}.yaml").unlink()
    assert answer("prices")[0]["prompt"] == "0.000008"
    assert run("prices", "withdraw", NAME, "--reason", "the server is sold").exit_code == 0
    assert answer("prices")[0]["prompt"] == "0"
    acts = Db(tmp_path / "control.sqlite3").connection.execute("SELECT what, subject, reason FROM audit").fetchall()
    assert acts == [("withdraw price", NAME, "the server is sold")]


@pytest.mark.usefixtures("seeded")
def test_the_doctor_finds_nothing_where_all_is_well() -> None:
    done = run("doctor")
    assert done.exit_code == 0, done.output
    assert "problem" not in done.output.replace("with problems", "")


def test_the_doctor_names_what_is_wrong_and_goes_on(models: Path) -> None:
    (models / "slip.yaml").write_text("{")
    done = run("doctor", "--json")
    assert done.exit_code == 1
    states = {row["check"]: row["state"] for row in json.loads(done.stdout)}
    assert states["models"] == "problem"
    assert states["database"] == states["gateway"] == "ok"
    assert states["holds"] == "problem", "nothing was read yet"


@pytest.mark.usefixtures("models")
def test_invented_usage_does_not_go_beside_real_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"GATEWAY": "api", "GATEWAY_URL": "http://127.0.0.1:9", "GATEWAY_PASSWORD": "p"}.items():
        monkeypatch.setenv(f"CONTROL_{name}", value)
    done = run("seed-demo")
    assert done.exit_code == 2
    assert "CONTROL_GATEWAY is api" in done.output


@pytest.mark.usefixtures("models")
def test_a_gateway_that_is_away_is_an_error_and_no_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"GATEWAY": "api", "GATEWAY_URL": "http://127.0.0.1:9", "GATEWAY_PASSWORD": "p"}.items():
        monkeypatch.setenv(f"CONTROL_{name}", value)
    done = run("sync")
    assert done.exit_code == 1
    assert "GET /metrics: the gateway did not answer" in done.output


def test_settings_that_do_not_suffice_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTROL_GATEWAY", "postgres")
    done = run("usage")
    assert done.exit_code == 2
    for name in ("URL", "PASSWORD", "DSN"):
        assert f"CONTROL_GATEWAY_{name}: missing" in done.output
