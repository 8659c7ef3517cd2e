"""`control invoices` and `control odoo`, as people type them."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from control_app.cli.main import control
from control_app.database import Db
from control_app.odoo.double import FakeOdoo

LAST_MONTH = (datetime.now(UTC).replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
REF = f"embedded/acme/{LAST_MONTH}-1"


class Shell:
    """The sample's last month, in a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder)
        self.folder = folder

    def __call__(self, *arguments: str, typed: str | None = None) -> Result:
        result = CliRunner().invoke(control, arguments, input=typed)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def odoo(self) -> FakeOdoo:
        return FakeOdoo(self.folder / "var" / "odoo.sqlite3")

    def audit(self) -> list[str]:
        db = Db(self.folder / "var" / "control.sqlite3")
        found = [what for (what,) in db.connection.execute("SELECT what FROM audit ORDER BY id")]
        db.close()
        return found


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: it takes seconds."""
    folder = tmp_path_factory.mktemp("sample")
    with pytest.MonkeyPatch.context() as patch:
        assert Shell(folder, patch)("seed-demo").exit_code == 0
    return folder


@pytest.fixture
def shell(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    folder = tmp_path / "shell"
    shutil.copytree(sample, folder)
    return Shell(folder, monkeypatch)


def test_a_month_is_billed_listed_credited_voided_and_exported(shell: Shell) -> None:
    dry = shell("invoices", "generate", "--dry-run", "all")
    assert "3 dry_run_skipped" in dry.output
    billed = shell("invoices", "generate", "--yes")
    assert (billed.exit_code, "1 held, 2 success" in billed.output) == (0, True)
    assert "give the partner an e-mail address in Odoo" in billed.output
    listed = shell("invoices", "list", LAST_MONTH)
    assert "sent as INV/" in listed.output
    assert "partner-no-email" in listed.output
    assert shell("invoices", "credit", REF, "1.50", "--reason", "outage").output.startswith(f"{REF}-credit-1")
    assert shell("invoices", "void", REF, "--reason", "wrong", "--rebill").exit_code == 0
    assert len(shell.odoo().moves()) == 4
    exported = shell("invoices", "export", LAST_MONTH).output
    assert exported.count(",total,") == 4
    again = json.loads(shell("invoices", "generate", "--yes", "--json").stdout)
    assert again["summary"]["created"] == 1
    assert shell.audit() == ["run, dry_run=all", "run, dry_run=none", "credit", "void and bill again", "run, dry_run=none"]


def test_nothing_is_sent_before_a_person_said_yes(shell: Shell) -> None:
    result = shell("invoices", "generate", typed="n\n")
    assert (result.exit_code, shell.odoo().moves()) == (1, [])
    assert f"Make, post and send the invoices of {LAST_MONTH} at embedded?" in result.output


def test_who_was_held_is_billed_by_resume_once_mapped(shell: Shell) -> None:
    shell("invoices", "generate", "--yes")
    other = shell.odoo().add_partner("Cobalt Games SRL", email="billing@cobalt.example")
    assert shell("invoices", "partner", "cobalt", str(other), "--reason", "the company that pays").exit_code == 0
    resumed = shell("invoices", "resume", LAST_MONTH, "--reason", "mapped", "--yes")
    assert "2 duplicate, 1 success" in resumed.output


def test_the_kill_switch_stops_and_lets_go_on(shell: Shell) -> None:
    assert shell("invoices", "stop", "--reason", "prices are wrong").exit_code == 0
    refused = shell("invoices", "generate", "--yes")
    assert (refused.exit_code, "invoicing was stopped by" in refused.output) == (1, True)
    assert "prices are wrong" in shell("doctor").output
    assert shell("invoices", "continue", "--reason", "they are right").exit_code == 0
    assert shell("invoices", "generate", "--yes").exit_code == 0


def test_a_pro_forma_is_json(shell: Shell) -> None:
    found = json.loads(shell("invoices", "pro-forma", "acme").stdout)
    assert (found["pro_forma"], found["customer_id"]) == (True, "acme")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", "--date", "soon", "--yes"], "is not a time"),
        (["generate", "--dry-run", "maybe"], "is not one of"),
        (["list", "October"], "is no month; write it like 2026-10"),
        (["void", "none", "--reason", "x"], "there is no invoice 'none'"),
        (["void", "none"], "Missing option '--reason'"),
        (["credit", "none", "much", "--reason", "x"], "is no amount"),
        (["resend", "none", "--reason", "x"], "there is no invoice"),
        (["release", "2026-10", "brake-run", "--reason", "x"], "nothing is held for brake-run"),
        (["release", "2026-10", "unrated", "--reason", "x"], "only resolved"),
        (["approve", "2026-10", "--ref", "none", "--reason", "x"], "no draft waits for approval under none"),
        (["partner", "nobody", "1", "--reason", "x"], "the gateway has no customer 'nobody'"),
        (["pro-forma", "nobody"], "the gateway has no customer 'nobody'"),
        (["continue", "--reason", " "], "is not stopped"),
        (["stop", "--reason", " "], "who does it, and why?"),
    ],
)
def test_what_cannot_be_is_said_and_ends_with_an_error(shell: Shell, arguments: list[str], said: str) -> None:
    result = shell("invoices", *arguments)
    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


def test_odoo_is_checked_in_its_own_words(shell: Shell) -> None:
    good = shell("odoo", "check")
    assert (good.exit_code, "Problems of Odoo 19.0: none" in good.output) == (0, True)
    shell.odoo().change("res.currency", 1, active=False)
    bad = shell("odoo", "check")
    assert (bad.exit_code, "odoo-currency" in bad.output) == (1, True)


def test_a_new_key_is_printed_for_the_settings_and_works(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(control, ["odoo", "rotate-key"])
    assert result.exit_code == 0
    new, old = (line.split('"')[1] for line in result.stdout.splitlines())
    assert new != old == shell.odoo().credentials
    assert len({key["id"] for key in shell.odoo().records("res.users.apikeys")}) == 2


@pytest.mark.parametrize("command", ["check", "rotate-key"])
def test_a_location_without_odoo_says_so(shell: Shell, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("CONTROL_ODOO", "none")
    result = shell("odoo", command)
    assert (result.exit_code, "CONTROL_ODOO says where it is" in result.output) == (1, True)
