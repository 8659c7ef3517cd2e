"""Settings come from the environment; what is missing or wrong is named at once."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from control_app import create_app
from control_app.service.settings import VARIABLES, Settings, SettingsError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], None]:
    """Set exactly these CONTROL_ variables."""
    for name in [name for name in os.environ if name.startswith("CONTROL_")]:
        monkeypatch.delenv(name)

    def apply(variables: Mapping[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return apply


Environment = Callable[[Mapping[str, str]], None]


def test_the_embedded_service_needs_no_setting(environment: Environment) -> None:
    environment({})
    settings = Settings.from_environment()
    assert (settings.access.bind, settings.cluster.models, settings.cluster.location) == ("127.0.0.1:8080", "files", "embedded")


def test_in_a_cluster_all_missing_names_and_wrong_values_come_together(environment: Environment) -> None:
    environment({"CONTROL_MODELS": "kubernetes", "CONTROL_DATABASE": "/data/control.sqlite3", "CONTROL_BIND": "8080"})
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment()
    text = str(refused.value)
    assert "CONTROL_LOCATION: missing" in text
    assert "CONTROL_MODELS_NAMESPACE: missing" in text
    assert "CONTROL_BIND: String should match pattern" in text
    assert "'8080'" in text
    assert "CONTROL_DATABASE" not in text


def test_an_empty_variable_is_a_missing_one(environment: Environment) -> None:
    environment({"CONTROL_MODELS": "kubernetes", "CONTROL_LOCATION": "", "CONTROL_DATABASE": "x", "CONTROL_MODELS_NAMESPACE": "kubeai"})
    with pytest.raises(SettingsError, match="CONTROL_LOCATION: missing"):
        Settings.from_environment()


def test_the_variables_that_kubernetes_gives_a_service_named_control_do_no_harm(environment: Environment) -> None:
    environment({"CONTROL_PORT": "tcp://10.43.0.9:80", "CONTROL_SERVICE_HOST": "10.43.0.9"})
    assert Settings.from_environment().access.bind == "127.0.0.1:8080"


def test_an_unknown_source_of_models_is_refused(environment: Environment) -> None:
    environment({"CONTROL_MODELS": "kubernets"})
    with pytest.raises(SettingsError, match="CONTROL_MODELS: Input should be 'files' or 'kubernetes', got 'kubernets'"):
        create_app()


@pytest.mark.parametrize("value", ["vllm.kubeai.svc", "http://vllm:8000", ":8000", "vllm:port"])
def test_engines_are_named_by_name_and_port(environment: Environment, value: str) -> None:
    environment({"CONTROL_ENGINE_METRICS": value})
    with pytest.raises(SettingsError, match="CONTROL_ENGINE_METRICS: String should match pattern"):
        Settings.from_environment()


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONTROL_")}
    command = [sys.executable, "-m", "control_app", *arguments]
    return subprocess.run(command, cwd=ROOT, env=clean | variables, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_ends_with_2_and_the_names_where_settings_are_missing() -> None:
    done = run(CONTROL_MODELS="kubernetes")
    assert done.returncode == 2
    assert done.stderr.startswith("control_app: CONTROL_LOCATION: missing")
    assert "Traceback" not in done.stderr


def test_an_address_in_use_is_named_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(CONTROL_BIND=f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert "CONTROL_BIND=127.0.0.1:8081" in done.stderr


def test_a_port_for_metrics_that_is_in_use_is_named_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(CONTROL_BIND="127.0.0.1:0", CONTROL_METRICS_BIND=f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1
    assert "choose another address with CONTROL_METRICS_BIND" in done.stderr


def test_a_malformed_admin_key_refuses_the_start_by_its_name_and_without_its_hash() -> None:
    done = run(CONTROL_ADMIN_KEYS="ops:usage:5ec2e7")
    assert done.returncode == 2
    assert "CONTROL_ADMIN_KEYS: ops: does not end with 64 hexadecimal digits" in done.stderr
    assert "5ec2e7" not in done.stderr


def test_hashes_of_admin_keys_are_not_shown_with_the_other_settings(environment: Environment) -> None:
    environment({"CONTROL_ADMIN_KEYS": f"ops:usage:{'0' * 64}"})
    assert "0" * 64 not in repr(Settings.from_environment())


def test_a_database_that_cannot_be_used_is_named_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database, and never was one")
    done = run(CONTROL_DATABASE=str(tmp_path / "text"), CONTROL_BIND="127.0.0.1:0", CONTROL_METRICS_BIND="127.0.0.1:0")
    assert done.returncode == 1
    assert "cannot use the database" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_lists_every_setting() -> None:
    text = run("--help").stdout
    assert [name for name in VARIABLES if f"CONTROL_{name.upper()} " not in text] == []


def test_a_cluster_never_takes_the_doubles_invented_usage(environment: Environment) -> None:
    cluster = {"MODELS": "kubernetes", "LOCATION": "here", "DATABASE": "/data/c.sqlite3", "MODELS_NAMESPACE": "kubeai"}
    for more, problem in (({}, "CONTROL_GATEWAY: missing"), ({"GATEWAY": "double"}, "CONTROL_GATEWAY: double, whose usage is invented")):
        environment({f"CONTROL_{name}": value for name, value in (cluster | more).items()})
        with pytest.raises(SettingsError, match=problem):
            Settings.from_environment()


def test_a_real_gateway_needs_its_address_and_password(environment: Environment) -> None:
    environment({"CONTROL_GATEWAY": "api"})
    with pytest.raises(SettingsError, match=r"CONTROL_GATEWAY_URL: missing.*CONTROL_GATEWAY_PASSWORD: missing"):
        Settings.from_environment()


CLUSTER = {
    "MODELS": "kubernetes",
    "LOCATION": "here",
    "DATABASE": "/data/c.sqlite3",
    "MODELS_NAMESPACE": "kubeai",
    "GATEWAY": "api",
    "GATEWAY_URL": "http://bifrost",
    "GATEWAY_PASSWORD": "p",
    "ODOO": "none",
    "LOGIN_HEADER": "X-Auth-Request-Email",
    "PROXIES": "1",
}


@pytest.mark.parametrize("in_files", [False, True])
def test_what_a_cluster_needs_may_be_given_either_way(environment: Environment, tmp_path: Path, *, in_files: bool) -> None:
    if in_files:
        for name, value in CLUSTER.items():
            (tmp_path / f"control_{name.lower()}").write_text(value)
    environment(
        {"CONTROL_SECRETS_DIR": str(tmp_path), **({} if in_files else {f"CONTROL_{name}": value for name, value in CLUSTER.items()})}
    )
    assert Settings.from_environment().access.proxies == 1


@pytest.mark.parametrize("name", ["LOCATION", "DATABASE", "MODELS_NAMESPACE", "GATEWAY", "ODOO", "LOGIN_HEADER", "PROXIES"])
def test_a_cluster_guesses_nothing_also_where_settings_are_files(environment: Environment, tmp_path: Path, name: str) -> None:
    for given in CLUSTER.keys() - {name}:
        (tmp_path / f"control_{given.lower()}").write_text(CLUSTER[given])
    environment({"CONTROL_SECRETS_DIR": str(tmp_path)})
    with pytest.raises(SettingsError, match=f"CONTROL_{name}: missing"):
        Settings.from_environment()


def test_secrets_may_stand_in_files(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "control_gateway_password").write_text("from a file")
    environment({"CONTROL_SECRETS_DIR": str(tmp_path)})
    settings = Settings.from_environment()
    assert settings.gateway.gateway_password.get_secret_value() == "from a file"
    assert "from a file" not in repr(settings)


ODOO = {"ODOO": "json2", "ODOO_URL": "https://x.odoo.com", "ODOO_DATABASE": "x", "ODOO_KEY": "k", "INVOICE_FROM": "2026-12"}
SEND = {"AUTOMATIC": "send", "BRAKE_INVOICE": "5000", "BRAKE_RUN": "100000", "BRAKE_CHANGE": "3.0"}


def test_invoicing_by_itself_is_set_up_with_an_odoo_a_first_month_and_brakes(environment: Environment) -> None:
    environment({f"CONTROL_{name}": value for name, value in {**ODOO, **SEND}.items()})
    settings = Settings.from_environment()
    assert (settings.invoicing.first_month, settings.invoicing.automatic) == (2026 * 12 + 11, "send")
    assert "k" not in repr(settings.invoicing.odoo_key)


@pytest.mark.parametrize("name", ["ODOO_URL", "ODOO_DATABASE", "ODOO_KEY", "INVOICE_FROM", "BRAKE_INVOICE", "BRAKE_RUN", "BRAKE_CHANGE"])
def test_what_invoicing_by_itself_needs_is_named_where_it_is_missing(environment: Environment, name: str) -> None:
    environment({f"CONTROL_{given}": value for given, value in {**ODOO, **SEND}.items() if given != name})
    with pytest.raises(SettingsError, match=f"CONTROL_{name}: missing"):
        Settings.from_environment()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"INVOICE_FROM": "December"}, "'December' is no month; write it like 2026-12"),
        ({"AUTOMATIC": "draft"}, "CONTROL_INVOICE_FROM: missing, and CONTROL_AUTOMATIC=draft bills from it on"),
        ({"AUTOMATIC": "draft", "INVOICE_FROM": "2026-12", "ODOO": "none"}, "CONTROL_ODOO=none makes no invoices"),
        ({"BRAKE_CHANGE": "1"}, "CONTROL_BRAKE_CHANGE"),
        ({"BRAKE_INVOICE": "-1"}, "CONTROL_BRAKE_INVOICE"),
        ({"ODOO": "double", **{name: value for name, value in CLUSTER.items() if name != "ODOO"}}, "whose invoices reach nobody"),
    ],
)
def test_what_cannot_be_billed_by_is_refused(environment: Environment, given: dict[str, str], problem: str) -> None:
    environment({f"CONTROL_{name}": value for name, value in given.items()})
    with pytest.raises(SettingsError, match=problem):
        Settings.from_environment()


EUROS = {
    "CURRENCY": "EUR",
    "DOLLAR_RATE": "1.0842",
    "DOLLAR_RATE_DATE": "2026-11-30",
    "BOUND_TOKEN": "0.009",
    "BOUND_REQUEST": "92",
    "BOUND_FIRST_TOKEN": "0.00018",
    "BOUND_FIRST_REQUEST": "0.046",
    "BOUND_ROW": "920",
    "BRAKE_CANCELLED": "18",
}


def test_a_price_book_in_another_currency_has_a_rate_with_its_day_and_bounds_of_its_own(environment: Environment) -> None:
    environment({f"CONTROL_{name}": value for name, value in EUROS.items()})
    found = Settings.from_environment()
    assert (found.invoicing.currency, found.prices.dollar_rate, found.prices.dollar_rate_date) == (
        "EUR",
        Decimal("1.0842"),
        date(2026, 11, 30),
    )
    assert found.prices.bounds()["first_token"] == Decimal("0.00018")


@pytest.mark.parametrize("name", [name for name in EUROS if name != "CURRENCY"])
def test_without_one_of_them_the_start_is_refused(environment: Environment, name: str) -> None:
    environment({f"CONTROL_{given}": value for given, value in EUROS.items() if given != name})
    with pytest.raises(SettingsError, match=f"^CONTROL_{name}: missing, and .* dollars") as refused:
        Settings.from_environment()
    assert ";" not in str(refused.value).replace("; say", "").replace("; give", "")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"DOLLAR_RATE": "1.0842"}, "CONTROL_DOLLAR_RATE: given, but CONTROL_CURRENCY is USD"),
        ({"DOLLAR_RATE_DATE": "2026-11-30"}, "CONTROL_DOLLAR_RATE_DATE: given, but CONTROL_CURRENCY is USD"),
        ({**EUROS, "DOLLAR_RATE": "0"}, "CONTROL_DOLLAR_RATE: Input should be greater than 0"),
        ({**EUROS, "DOLLAR_RATE_DATE": "yesterday"}, "CONTROL_DOLLAR_RATE_DATE: Input should be a valid date"),
        ({"BOUND_TOKEN": "-1"}, "CONTROL_BOUND_TOKEN: Input should be greater than 0"),
        ({"BOUND_ROW": "10000000"}, "CONTROL_BOUND_ROW: Input should be less than or equal to 9000000"),
    ],
)
def test_a_rate_or_a_bound_that_cannot_be_is_refused(environment: Environment, given: dict[str, str], problem: str) -> None:
    environment({f"CONTROL_{name}": value for name, value in given.items()})
    with pytest.raises(SettingsError, match=problem):
        Settings.from_environment()


def test_a_book_in_dollars_may_have_bounds_of_its_own(environment: Environment) -> None:
    environment({"CONTROL_BOUND_FIRST_TOKEN": "0.001"})
    assert Settings.from_environment().prices.bounds()["first_token"] == Decimal("0.001")


def test_all_that_is_wrong_comes_together_whatever_group_it_is_of(environment: Environment) -> None:
    wrong = {
        "BIND": "8080",
        "GATEWAY": "api",
        "ODOO": "json2",
        "AUTOMATIC": "send",
        "BRAKE_RUN": "much",
        "ADMIN_KEYS": "ops",
        "REPLICA": "x",
    }
    environment({f"CONTROL_{name}": value for name, value in wrong.items()})
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment()
    problems = str(refused.value).removeprefix("CONTROL_").split("; CONTROL_")
    assert [problem.partition(":")[0] for problem in problems] == [
        *("GATEWAY_URL", "GATEWAY_PASSWORD"),
        *("ODOO_URL", "ODOO_DATABASE", "ODOO_KEY", "INVOICE_FROM", "INVOICE_FROM", "BRAKE_INVOICE", "BRAKE_CHANGE"),
        *("ADMIN_KEYS", "REPLICA", "BRAKE_RUN", "BIND"),
    ]
    assert problems[-2] == "BRAKE_RUN: Input should be a valid decimal, got 'much'"


def test_of_a_variable_that_cannot_be_read_nothing_else_is_said(environment: Environment) -> None:
    environment({f"CONTROL_{name}": value for name, value in {**CLUSTER, "GATEWAY": "bifrost", "ODOO": "odoo"}.items()})
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment()
    assert str(refused.value) == (
        "CONTROL_GATEWAY: Input should be 'double', 'api' or 'postgres', got 'bifrost';"
        " CONTROL_ODOO: Input should be 'none', 'double' or 'json2', got 'odoo'"
    )


def test_what_is_given_in_files_is_not_missing_where_something_else_is_wrong(environment: Environment, tmp_path: Path) -> None:
    for name, value in CLUSTER.items():
        (tmp_path / f"control_{name.lower()}").write_text(value)
    environment({"CONTROL_SECRETS_DIR": str(tmp_path), "CONTROL_PAYMENT_DAYS": "-1"})
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment()
    assert str(refused.value) == "CONTROL_PAYMENT_DAYS: Input should be greater than or equal to 0, got '-1'"


def test_no_two_groups_have_a_setting_of_one_name() -> None:
    assert len(VARIABLES) == sum(len(group.model_dump()) for group in Settings.of())


def test_a_setting_that_there_is_not_is_refused_by_its_name() -> None:
    with pytest.raises(TypeError, match="no such settings: colour, odoo_colour"):
        Settings.of(odoo_colour="red", colour="red", database=Path("x"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("GATEWAY_URI", "CONTROL_GATEWAY_URI: no such setting; did you mean CONTROL_GATEWAY_URL?"),
        ("BRAKE_INVOICES", "CONTROL_BRAKE_INVOICES: no such setting; did you mean CONTROL_BRAKE_INVOICE?"),
        ("XYZ", "CONTROL_XYZ: no such setting ("),
        ("PORTS", "CONTROL_PORTS: no such setting"),
    ],
)
@pytest.mark.parametrize("in_file", [False, True])
def test_a_variable_that_no_setting_reads_is_named(
    environment: Environment, tmp_path: Path, name: str, said: str, *, in_file: bool
) -> None:
    (tmp_path / f"control_{name.lower()}").write_text("1")
    environment({"CONTROL_SECRETS_DIR": str(tmp_path)} if in_file else {f"CONTROL_{name}": "1"})
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment()
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    "name", ["PORT", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8080_TCP", "PORT_8080_TCP_ADDR", "METRICS_SERVICE_HOST"]
)
def test_variables_that_kubernetes_gives_to_every_pod_are_no_settings(environment: Environment, name: str) -> None:
    environment({f"CONTROL_{name}": "tcp://10.43.0.9:8080"})
    assert Settings.from_environment().access.bind == "127.0.0.1:8080"


BIFROST = {"GATEWAY": "postgres", "GATEWAY_URL": "http://bifrost", "GATEWAY_PASSWORD": "p"}


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://reader:pa@wo:rd@db/bifrost",
        "postgresql://reader:pa/wo@db/bifrost",
        "postgresql://reader:pa%wo@db/bifrost",
        "host=db user=reader password=pa wo",
        "host=db user=reader password='pawo",
        "pawo",
    ],
)
def test_a_database_address_that_is_none_is_refused_without_a_piece_of_it(environment: Environment, dsn: str) -> None:
    environment({f"CONTROL_{name}": value for name, value in {**BIFROST, "GATEWAY_DSN": dsn}.items()})
    with pytest.raises(SettingsError, match="CONTROL_GATEWAY_DSN: no libpq string") as refused:
        Settings.from_environment()
    assert not [piece for piece in ("pa", "wo", "reader", "db/") if re.search(rf"\b{piece}\b", str(refused.value).split("(it is")[0])]
    assert "pawo" not in str(refused.value)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://reader:pa%40wo%2F@db:5432/bifrost?sslmode=require",
        "host=db,other port=5432,5433 user=reader password='pa wo'",
        "service=bifrost",
        "postgresql://reader:pa?w#o@db/bifrost",
        "postgresql:///bifrost?host=/run/postgresql",
    ],
)
def test_a_database_address_is_taken_as_libpq_takes_it(environment: Environment, dsn: str) -> None:
    environment({f"CONTROL_{name}": value for name, value in {**BIFROST, "GATEWAY_DSN": dsn}.items()})
    assert Settings.from_environment().gateway.gateway_dsn.get_secret_value() == dsn
