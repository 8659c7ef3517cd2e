"""The command line: what it tells, what it decides, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from control_app.accounting.odoo.client import OdooClient
from control_app.accounting.port import Problem, UnavailableError
from control_app.accounting.watch import AccountingState, Watch
from control_app.cli.main import control
from control_app.core.time import microseconds
from control_app.gateway.bifrost.api import GatewayApi
from control_app.gateway.engines import EngineReading, EnginesRead
from control_app.gateway.vllm import VllmEngines
from control_app.ledger.ledger import Ledger
from control_app.service.tables import open_database
from control_app.storage.database import Db
from tests.control.support.ledgers import row
from tests.control.support.models import NAME, annotated, priced, write

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
AT = microseconds(datetime(2026, 11, 1, tzinfo=UTC))
SHEET = "INSERT INTO sheet_state (id, checked_at, in_sync, out_since, written_at, differences, error) VALUES"
RUN = f"""INSERT INTO runs (id, month, trigger, target, by, started_at, error, finished_at)
  VALUES ('r', {2026 * 12 + 9}, 'manual', 'sent', 'ana', {AT}, 'Odoo is away'"""  # noqa: S608 (numbers of ours)
BOTH_MONTHS = ("--from", "2026-10-01", "--to", "2026-12-01")
"""Of the sample."""


def place(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """The folder of the models of a service that keeps its books beside them in *folder*, as the settings say."""
    models = folder / "models"
    models.mkdir()
    write(models, annotated())
    patch.setenv("CONTROL_DATABASE", str(folder / "control.sqlite3"))
    patch.setenv("CONTROL_SHEET_FILE", str(folder / "sheet.json"))
    patch.setenv("CONTROL_MODELS_DIR", str(models))
    return models


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return place(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The books of a service with the sample, made once: it takes seconds."""
    folder = tmp_path_factory.mktemp("sample")
    with pytest.MonkeyPatch.context() as patch:
        place(folder, patch)
        assert run("seed-demo").exit_code == 0
    return folder


@pytest.fixture
def seeded(sample: Path, models: Path) -> Path:
    shutil.copytree(sample, models.parent, dirs_exist_ok=True)
    return models


def run(*words: str) -> Result:
    return CliRunner().invoke(control, words, obj=lambda: NOW)


def answer(*words: str) -> Any:
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.usefixtures("seeded")
def test_the_same_usage_adds_up_by_model_day_key_and_customer() -> None:
    by = {what: answer("usage", *BOTH_MONTHS, "--by", what) for what in ("model", "day", "key", "customer")}
    for count in ("requests", "prompt", "completion"):
        assert len({sum(row[count] for row in rows) for rows in by.values()}) == 1
    assert len({sum(Decimal(row["cost"]) for row in rows) for rows in by.values()}) == 1
    assert sum(row["requests"] for row in by["model"]) > 5_000


@pytest.mark.usefixtures("seeded")
def test_seeding_again_takes_nothing_twice() -> None:
    before = answer("usage", *BOTH_MONTHS)
    for word in ("seed-demo", "sync"):
        assert " 0 new" in run(word).output
    assert answer("usage", *BOTH_MONTHS) == before


@pytest.mark.usefixtures("seeded")
def test_usage_is_of_one_customer_where_one_is_named() -> None:
    everybody = answer("usage", *BOTH_MONTHS, "--by", "customer")
    acme = answer("usage", *BOTH_MONTHS, "--customer", "acme")
    assert acme[0]["requests"] == next(row["requests"] for row in everybody if row["customer"].endswith("(acme)"))


@pytest.mark.usefixtures("seeded")
def test_people_get_a_table_with_a_total_and_how_far_it_goes() -> None:
    text = run("usage").stdout
    assert "total" in text
    assert "Complete through 2026-11-02 11:45:00Z" in text


@pytest.mark.usefixtures("models")
def test_usage_is_of_this_month_up_to_the_end_of_today_where_nothing_is_said() -> None:
    assert "Usage from 2026-11-01 00:00:00Z to 2026-11-03 00:00:00Z" in run("usage").stdout


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
        (("prices", "withdraw", "nothing", "--reason", "it is time"), "nothing has no price to withdraw"),
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
    acts = open_database(tmp_path / "control.sqlite3").connection.execute("SELECT what, subject, reason FROM audit").fetchall()
    assert acts == [("withdraw price", NAME, "the server is sold")]


@pytest.mark.usefixtures("seeded")
def test_the_doctor_finds_nothing_where_all_is_well() -> None:
    done = run("doctor")
    assert done.exit_code == 0, done.output
    assert "problem" not in done.output.replace("with problems", "")


@pytest.mark.usefixtures("models")
def test_the_doctor_names_keys_that_can_call_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GatewayApi, "barred", _barred)
    (found,) = [row for row in json.loads(run("doctor", "--json").stdout) if row["check"] == "keys"]
    assert found["state"] == "problem"
    assert "2 can call no model" in found["detail"]
    assert "acme, new; " in found["detail"]
    assert "A new virtual key" in found["detail"]


@pytest.mark.usefixtures("models")
def test_the_doctor_names_models_that_cannot_be_called(tmp_path: Path) -> None:
    def told() -> tuple[str, str]:
        (found,) = [row for row in json.loads(run("doctor", "--json").stdout) if row["check"] == "calls"]
        return found["state"], found["detail"]

    assert told() == ("ok", "0 of 1 models were called, and all answered")
    query = "INSERT INTO proofs (model, proved_at, tried_at, failing_since, error) VALUES (?, 1, 1, 1, 'answered 503')"
    open_database(tmp_path / "control.sqlite3").connection.execute(query, [NAME])
    assert told() == ("problem", f"{NAME} cannot be called: answered 503")


@pytest.mark.usefixtures("models")
def test_the_doctor_names_engines_that_do_not_tell_what_they_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> tuple[str, str]:
        (found,) = [row for row in json.loads(run("doctor", "--json").stdout) if row["check"] == "engines"]
        return found["state"], found["detail"]

    assert told() == ("ok", "no third count: CONTROL_ENGINE_METRICS names no engines")
    read = EnginesRead({"10.0.0.1": EngineReading({}, None)}, {})

    def asked(_: VllmEngines) -> EnginesRead:
        return read

    monkeypatch.setattr(VllmEngines, "read", asked)
    monkeypatch.setenv("CONTROL_ENGINE_METRICS", "vllm.kubeai.svc:8000")
    assert told() == ("ok", "1 of 1 engines tell what they answered")
    read = EnginesRead(read.processes, {"10.0.0.2": "ReadTimeout: timed out"})
    assert told() == ("problem", "1 of 2 engines tell what they answered; 10.0.0.2: ReadTimeout: timed out")


def test_the_doctor_names_what_is_wrong_and_goes_on(models: Path) -> None:
    (models / "slip.yaml").write_text("{")
    done = run("doctor", "--json")
    assert done.exit_code == 1
    states = {row["check"]: row["state"] for row in json.loads(done.stdout)}
    assert states["models"] == "problem"
    assert states["database"] == states["gateway"] == "ok"
    assert states["holds"] == "problem", "nothing was read yet"


def told(check: str) -> tuple[str, str]:
    """State and detail of one of the doctor's lines."""
    (found,) = [row for row in json.loads(run("doctor", "--json").stdout) if row["check"] == check]
    return found["state"], found["detail"]


def test_rows_that_are_too_dear_are_billed_to_the_last_digit_when_the_told_remedy_is_followed(
    seeded: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def billed() -> list[tuple[str, str]]:
        dry = json.loads(run("invoices", "generate", "--dry-run", "all", "--json").stdout)
        return [(one["invoice"]["customer_id"], one["invoice"]["exact_cost"]) for one in dry["details"]]

    assert seeded
    right = billed()
    place(tmp_path_factory.mktemp("bounded"), monkeypatch)
    monkeypatch.setenv("CONTROL_BOUND_ROW", "0.001")
    assert run("seed-demo").exit_code == 0
    state, detail = told("holds")
    assert (state, "CONTROL_BOUND_ROW" in detail, "give the model a price" in detail) == ("problem", True, False)
    monkeypatch.setenv("CONTROL_BOUND_ROW", max(re.findall(r"the dearest costs ([0-9.]+)", detail), key=Decimal))
    assert run("sync").exit_code == 0
    assert told("holds") == ("ok", "none for 2026-10")
    assert run("sync").output.count(" 0 corrected") == 1
    assert billed() == right


@pytest.fixture
def books(seeded: Path) -> Db:
    """Those of the sample."""
    return open_database(seeded.parent / "control.sqlite3")


def test_the_doctor_tells_what_is_not_rated_a_line_a_model_however_many_customers_used_it(books: Db) -> None:
    keys = ("acme-production", "cobalt-npcs", "acme-staging")
    Ledger(books).ingest([*(row(key=key, model="new") for key in keys), row(key="cobalt-npcs", model="newer")], microseconds(NOW))
    state, detail = told("holds")
    assert state == "problem"
    first, second = detail.split("; unrated: ")
    assert first.startswith("unrated: 3 requests of 'new' have no price; 0.00")
    assert second.startswith("1 requests of 'newer' have no price; 0.00")
    assert [f"customers: {number} (give the model a price" in line for number, line in ((2, first), (1, second))] == [True, True]


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize(
    ("check", "detail"),
    [
        ("database", r".*/control.sqlite3 is sound; its chain ends in [0-9a-f]{16}"),
        ("gateway", "5 keys"),
        ("keys", "each may call models"),
        ("rows", "oldest of 2026-10-01 00:.*Z"),
        ("counters", "4 keys counted, 0 rows dropped"),
        ("sheet", "not looked at yet"),
        ("ledger", "complete through 2026-11-02 11:45:00Z"),
        ("holds", "none for 2026-10"),
        ("odoo", "Odoo 19.*, invoices can be made; the key ends 2027-01-31 12:00:00Z"),
        ("invoicing", "nothing was billed yet"),
    ],
)
def test_the_doctor_says_of_each_part_what_it_found(check: str, detail: str) -> None:
    state, said = told(check)
    assert state == "ok"
    assert re.fullmatch(detail, said), said


@pytest.mark.parametrize(
    ("check", "statement", "detail"),
    [
        ("database", "UPDATE days SET prompt = prompt + 1", "days at .* is not what the rows come to; stop the service, and restore.*"),
        ("holds", "DELETE FROM progress", r"not-read: not all rows were read yet \(wait for the next pass.*"),
        ("sheet", f"{SHEET} (1, 0, 0, NULL, NULL, '[]', 'it is away')", "the gateway's prices differ since the first look: it is away"),
        (
            "sheet",
            f"{SHEET} (1, {AT}, 0, {AT}, NULL, '[]', 'it is away')",
            "the gateway's prices differ since 2026-11-01 00:00Z.*",
        ),
        ("invoicing", f"{RUN}, NULL)", "the run r of 2026-10 is not through: Odoo is away"),
    ],
)
def test_the_doctor_says_of_each_part_what_is_wrong(books: Db, check: str, statement: str, detail: str) -> None:
    books.connection.execute(statement)
    state, said = told(check)
    assert state == "problem"
    assert re.fullmatch(detail, said), said


@pytest.mark.parametrize(
    ("check", "statement", "detail"),
    [
        ("sheet", f"{SHEET} (1, {AT}, 1, NULL, NULL, '[]', NULL)", "the gateway has our prices, .*, as of 2026-11-01 00:00Z"),
        ("ledger", "DELETE FROM progress", "complete through never"),
        ("invoicing", f"{RUN}, {AT})", "the last run was of 2026-10"),
    ],
)
def test_the_doctor_tells_how_far_things_are(books: Db, check: str, statement: str, detail: str) -> None:
    books.connection.execute(statement)
    state, said = told(check)
    assert state == "ok"
    assert re.fullmatch(detail, said), said


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("check", ["gateway", "keys", "rows", "counters"])
def test_the_doctor_names_a_gateway_that_is_away(monkeypatch: pytest.MonkeyPatch, check: str) -> None:
    for name, value in {"GATEWAY": "api", "GATEWAY_URL": "http://127.0.0.1:9", "GATEWAY_PASSWORD": "p"}.items():
        monkeypatch.setenv(f"CONTROL_{name}", value)
    state, detail = told(check)
    assert (state, "the gateway did not answer" in detail) == ("problem", True)


@pytest.mark.usefixtures("models")
def test_the_doctor_tells_of_a_location_without_odoo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTROL_ODOO", "none")
    assert told("odoo") == ("ok", "this location has none")


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(("days", "state"), [(21, "problem"), (22, "ok")])
def test_the_doctor_names_a_key_to_odoo_that_ends_soon(monkeypatch: pytest.MonkeyPatch, days: int, state: str) -> None:
    ends = microseconds(NOW + timedelta(days=days))
    monkeypatch.setattr(Watch, "look", _looks(AccountingState(microseconds(NOW), "19.0", ends, (), None)))
    found, detail = told("odoo")
    assert (found, f"the key to Odoo ends in {days} days; make a new one: control odoo rotate-key" == detail) == (state, state == "problem")


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("problems", "error", "detail"),
    [
        ((), "cannot connect", "cannot connect"),
        (
            (Problem("odoo-tax", "no tax", "set one"), Problem("odoo-journal", "no journal", "make one")),
            None,
            "no tax: set one; no journal: make one",
        ),
    ],
    ids=["away", "not set up"],
)
def test_the_doctor_names_what_is_wrong_with_odoo(
    monkeypatch: pytest.MonkeyPatch, problems: tuple[Problem, ...], error: str | None, detail: str
) -> None:
    monkeypatch.setattr(Watch, "look", _looks(AccountingState(0, "19.0", None, problems, error)))
    assert told("odoo") == ("problem", detail)


def test_the_doctor_calls_models_with_problems_a_problem_and_names_them(models: Path) -> None:
    for number in range(7):
        write(models, "{", f"broken-{number}")
    write(models, {**priced(prompt="0.005"), "id": "dear"}, "dear")
    (row,) = [row for row in json.loads(run("doctor", "--json").stdout) if row["check"] == "models"]
    assert row["state"] == "problem"
    assert row["detail"].startswith("1 for sale, 7 with problems, 1 waits for a person: broken-0: openrouter.ai/json is not JSON")
    assert row["detail"].endswith("; and 2 more, see control prices")


def test_the_doctor_tells_what_waits_where_all_else_is_well(models: Path) -> None:
    write(models, {**priced(prompt="0.005"), "id": "dear"}, "dear")
    (row,) = [row for row in json.loads(run("doctor", "--json").stdout) if row["check"] == "models"]
    assert (row["state"], row["detail"]) == ("ok", "1 for sale, 0 with problems, 1 waits for a person")


@pytest.mark.usefixtures("seeded")
def test_books_in_one_currency_are_not_read_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = {"TOKEN": "0.01", "REQUEST": "100", "FIRST_TOKEN": "0.0002", "FIRST_REQUEST": "0.05", "ROW": "1000"}
    euros = {
        "CURRENCY": "EUR",
        "DOLLAR_RATE": "1.08",
        "DOLLAR_RATE_DATE": "2026-11-30",
        "BRAKE_CANCELLED": "20",
        **{f"BOUND_{name}": value for name, value in bounds.items()},
    }
    assert run("prices").exit_code == 0
    for name, value in euros.items():
        monkeypatch.setenv(f"CONTROL_{name}", value)
    for words in (("prices",), ("usage",), ()):
        done = run(*words)
        assert done.exit_code == 1
        assert "is in USD, and would be read as EUR: go on with USD, or begin a new database for EUR" in done.output


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
    assert "the gateway did not answer" in done.output


def test_settings_that_do_not_suffice_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTROL_GATEWAY", "postgres")
    done = run("usage")
    assert done.exit_code == 2
    for name in ("URL", "PASSWORD", "DSN"):
        assert f"CONTROL_GATEWAY_{name}: missing" in done.output


@pytest.mark.usefixtures("seeded")
def test_a_pass_reads_again_from_the_time_that_is_said() -> None:
    assert run("sync", "--since", "2026-10-31").exit_code == 0
    done = run("sync", "--since", "yesterday")
    assert done.exit_code == 2
    assert "since: 'yesterday' is not a time" in done.output


@pytest.mark.usefixtures("seeded")
def test_clocks_that_are_apart_are_told_by_a_pass_and_by_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GatewayApi, "now", _hours_ahead)
    for words in (["sync"], ["doctor"]):
        done = run(*words)
        assert done.exit_code == 1
        assert "our clock is 3:00:00 behind that of the gateway" in " ".join(done.output.split())


@pytest.mark.usefixtures("models")
def test_the_doctor_tells_whose_clocks_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the gateway agrees, and Odoo did 2026-11-02 12:00" in " ".join(run("doctor").output.split())
    monkeypatch.setenv("CONTROL_ODOO", "none")
    assert "the gateway agrees" in run("doctor").output


@pytest.mark.usefixtures("models")
def test_the_doctor_names_an_odoo_that_never_told_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: OdooClient, *, heard: bool) -> datetime:
        raise UnavailableError(f"cannot connect, heard or not: {heard}")

    monkeypatch.setattr(OdooClient, "now", away)
    rows = {row["check"]: row for row in json.loads(run("doctor", "--json").stdout)}
    assert rows["clocks"]["state"] == "problem"
    assert "Odoo never told its time" in rows["clocks"]["detail"]


def _looks(state: AccountingState) -> Callable[[Watch], AccountingState]:
    return lambda _: state


def _barred(_api: GatewayApi) -> list[str]:
    return ["new", "acme"]


def _hours_ahead(_api: GatewayApi) -> int:
    return microseconds(NOW + timedelta(hours=3))
