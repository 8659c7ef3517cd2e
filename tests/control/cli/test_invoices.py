"""`control invoices` and `control odoo`, as people type them."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.cli.main import control
from control_app.service.tables import open_database

NOW, LAST_MONTH = datetime(2026, 11, 2, 12, tzinfo=UTC), "2026-10"
REF = f"embedded/acme/{LAST_MONTH}-1"


def _clock() -> datetime:
    return NOW


class Shell:
    """The sample's last month, in a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder)
        self.folder = folder

    def __call__(self, *arguments: str, typed: str | None = None) -> Result:
        result = CliRunner().invoke(control, arguments, input=typed, obj=_clock)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def odoo(self) -> FakeOdoo:
        return FakeOdoo(self.folder / "var" / "odoo.sqlite3", clock=_clock)

    def audit(self) -> list[str]:
        db = open_database(self.folder / "var" / "control.sqlite3")
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
    assert "│ partner-no-email │ give the partner an e-mail address in Odoo" in billed.output, "each remedy on a line of its own"
    assert "\\n" not in billed.output
    listed = shell("invoices", "list", LAST_MONTH)
    assert "sent as INV/" in listed.output
    assert "partner-no-email" in listed.output
    (first, *_) = json.loads(shell("invoices", "list", LAST_MONTH, "--json").stdout)
    assert first["payment"] == "not known"
    assert shell("invoices", "credit", REF, "1.50", "--reason", "outage").output.startswith(f"{REF}-credit-1")
    assert shell("invoices", "void", REF, "--reason", "wrong", "--rebill").exit_code == 0
    assert len(shell.odoo().moves()) == 4
    exported = shell("invoices", "export", LAST_MONTH).output
    assert {line.split(",")[1] for line in exported.splitlines()[1:]} == {move["ref"] for move in shell.odoo().moves()}
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


def test_an_order_number_is_named_on_invoices(shell: Shell) -> None:
    assert shell("invoices", "order-number", "acme", "PO-1", "--reason", "asked for").exit_code == 0
    shell("invoices", "generate", "--yes")
    assert "Your order: PO-1. " in str(shell.odoo().moves())


def test_a_customer_is_billed_in_another_currency_at_a_rate_that_a_person_gave(shell: Shell) -> None:
    assert shell("invoices", "currency", "acme", "EUR", "--reason", "asked for").exit_code == 0
    assert shell("invoices", "rate", "EUR", "2026-11-02", "0.91", "--reason", "from the bank").exit_code == 0
    odoo = shell.odoo()
    odoo.change("res.currency", 2, date="2026-11-02")
    odoo.close()
    shell("invoices", "generate", "--yes")
    assert " EUR" in shell("invoices", "list", LAST_MONTH).output
    assert "1 USD = 0.91 EUR (given by " in str(shell.odoo().moves())


def test_e_mails_that_failed_are_all_sent_again_in_one_act(shell: Shell) -> None:
    shell("invoices", "generate", "--yes")
    odoo = shell.odoo()
    for notification in odoo.records("mail.notification"):
        odoo.change("mail.notification", notification["id"], notification_status="exception", failure_type="mail_smtp")
    odoo.close()
    db = open_database(shell.folder / "var" / "control.sqlite3")
    with db.transaction() as connection:
        connection.execute("UPDATE invoices SET state = 'posted' WHERE state = 'sent'")
        connection.execute("INSERT INTO invoice_holds SELECT customer, month, ref, 'mail-failed', 'away', 0, 0 FROM invoices")
    db.close()
    sent = shell("invoices", "resend-failed", LAST_MONTH, "--reason", "the mail server is back")
    assert (sent.exit_code, sent.output.count("embedded/")) == (0, 2)
    assert len(shell.odoo().mails_sent()) == 2
    assert shell("invoices", "list", LAST_MONTH).output.count("sent as INV/") == 2


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
        (["resend-failed", "2026-10", "--reason", "x"], "no e-mail of 2026-10 has failed"),
        (["currency", "nobody", "EUR", "--reason", "x"], "the gateway has no customer 'nobody'"),
        (["currency", "acme", "euro", "--reason", "x"], "is no currency"),
        (["rate", "EUR", "2026-11-02", "much", "--reason", "x"], "is no rate; write it like 4.9765"),
        (["rate", "EUR", "2026-11-03", "0.9", "--reason", "x"], "is in the future"),
        (["order-number", "nobody", "--reason", "x"], "the gateway has no customer 'nobody'"),
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


def test_a_new_key_is_printed_for_the_settings_and_works(shell: Shell) -> None:
    result = shell("odoo", "rotate-key")
    assert result.exit_code == 0
    new, old = (line.split('"')[1] for line in result.stdout.splitlines())
    assert new != old == shell.odoo().credentials
    assert len({key["id"] for key in shell.odoo().records("res.users.apikeys")}) == 2


def test_what_is_missing_in_odoo_is_shown_and_made_only_when_a_person_says_so(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.odoo().remove("product.product", 1)
    shown = shell("odoo", "setup")
    assert (shown.exit_code, "AI-INFERENCE" in shown.output, "not by this user" in shown.output) == (0, True, True)
    assert "Make" not in shown.output, "nothing of it may be made by our user"
    monkeypatch.setattr("control_app.accounting.odoo.double.odoo.DENIED", frozenset[tuple[str, str]]())
    refused = shell("odoo", "setup", typed="n\n")
    assert (refused.exit_code, shell.odoo().records("product.product")) == (0, [])
    made = shell("odoo", "setup", "--administrator", typed=f"{shell.odoo().credentials}\ny\n")
    assert (made.exit_code, made.output.count("Made: ")) == (0, 2)
    assert shell.odoo().credentials not in made.output
    assert [product["default_code"] for product in shell.odoo().records("product.product")] == ["AI-INFERENCE"]
    nothing = shell("odoo", "setup", "--yes")
    assert (nothing.exit_code, "Made" in nothing.output) == (0, False)


def test_a_refusal_of_odoo_while_it_is_set_up_is_told(shell: Shell) -> None:
    refused = shell("odoo", "setup", "--administrator", typed="nonsense\n")
    assert (refused.exit_code, "Invalid apikey" in refused.output) == (1, True)


def test_advice_is_told_and_ends_well(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control_app.accounting.odoo.double.odoo.DENIED", frozenset[tuple[str, str]]())
    shell.odoo().change("ir.mail_server", 1, active=False)
    found = shell("odoo", "check")
    assert (found.exit_code, "no outgoing mail server" in found.output) == (0, True)


@pytest.mark.parametrize("command", ["check", "setup", "rotate-key"])
def test_a_location_without_odoo_says_so(shell: Shell, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("CONTROL_ODOO", "none")
    result = shell("odoo", command)
    assert (result.exit_code, "CONTROL_ODOO says where it is" in result.output) == (1, True)
