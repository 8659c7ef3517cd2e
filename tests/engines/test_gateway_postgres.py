"""The gateway's database, on a real PostgreSQL and by the role that billing gets: what is read of it, and how it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from control_app.core.time import SECOND
from control_app.gateway.bifrost.postgres import PAGE, GatewayPostgres
from control_app.gateway.port import Customer, GatewayError, Key, Unreadable, UsageRow
from tests.control.support.recomputation import at
from tests.engines import postgres
from tests.engines.postgres import Server

USAGE = """{"prompt_tokens":100,"prompt_tokens_details":{"cached_read_tokens":40,"cached_tokens":40,"cached_write_tokens":7},
 "completion_tokens":20,"completion_tokens_details":{"reasoning_tokens":5},"total_tokens":120}"""
LOGGED = {
    "object_type": "'chat_completion'",
    "provider": "'kubeai'",
    "model": "'llama'",
    "virtual_key_id": "'k1'",
    "virtual_key_name": "'one'",
    "status": "'success'",
    "prompt_tokens": "100",
    "completion_tokens": "20",
    "cached_read_tokens": "40",
    "cost": "0.000104",
    "token_usage": f"'{USAGE}'",
}
DSN = "user=billing_reader dbname=bifrost password='for \\'billing\\'' host={}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres.server() as started:
        started.apply_roles()
        started.bifrost(postgres.TABLES)
        yield started


@pytest.fixture
def database(server: Server) -> Iterator[Server]:
    yield server
    server.bifrost("TRUNCATE logs, governance_customers, governance_teams, governance_virtual_keys, governance_model_pricing")


@pytest.fixture
def gateway(database: Server) -> GatewayPostgres:
    return GatewayPostgres(DSN.format(database.folder))


def log(database: Server, name: str, time: str = "2026-10-05 12:00:00.123456+00", **changed: str) -> None:
    """One log row; *changed* columns in SQL."""
    columns = dict.fromkeys(("timestamp", "created_at"), f"'{time}'") | LOGGED | {"id": f"'{name}'"} | changed
    database.bifrost(f"INSERT INTO logs ({', '.join(columns)}) VALUES ({', '.join(columns.values())})")


def rows(gateway: GatewayPostgres, start: str = "2026-10-01", end: str = "2026-11-01") -> list[UsageRow]:
    return [row for page in gateway.rows(at(start), at(end)) for row in page if isinstance(row, UsageRow)]


def test_the_present_is_told_by_the_databases_own_clock(gateway: GatewayPostgres) -> None:
    first, second = gateway.now(), gateway.now()
    assert at("2026-01-01T00:00") < first < second < first + 60 * SECOND


def test_a_row_comes_with_its_exact_time_and_all_counts(database: Server, gateway: GatewayPostgres) -> None:
    log(database, "r1")
    (row,) = rows(gateway)
    assert row == UsageRow("r1", at("2026-10-05T12:00:00.123456"), "k1", "one", None, "llama", 100, 40, 7, 20, 5, "0.000104", True, 120)


def test_the_range_is_half_open(database: Server, gateway: GatewayPostgres) -> None:
    for name, time in {
        "before": "2026-09-30 23:59:59.999999+00",
        "first": "2026-10-01 00:00+00",
        "last": "2026-10-31 23:59:59.999999+00",
        "after": "2026-11-01 00:00+00",
    }.items():
        log(database, name, time)
    assert [row.id for row in rows(gateway)] == ["first", "last"]


def test_rows_come_in_order_of_time_in_pages(database: Server, gateway: GatewayPostgres) -> None:
    database.bifrost(
        f"""INSERT INTO logs (id, timestamp, created_at, object_type, provider, model, status)
        SELECT 'r' || (i * 7919 % 20011), '2026-10-05'::timestamptz + i % 5 * interval '1 s', now(), 'chat', 'kubeai', 'm', 'success'
        FROM generate_series(1, {PAGE + 10}) i"""
    )
    pages = list(gateway.rows(at("2026-10-01"), at("2026-11-01")))
    assert [len(page) for page in pages] == [PAGE, 10]
    read = [(row.at, row.id) for page in pages for row in page]
    assert read == sorted(read)
    assert len(set(read)) == PAGE + 10


def test_successes_and_cancelled_requests_are_read_and_no_other(database: Server, gateway: GatewayPostgres) -> None:
    for status in ("success", "cancelled", "error", "processing"):
        log(database, status, status=f"'{status}'")
    assert {row.id for row in rows(gateway)} == {"success", "cancelled"}


def test_an_error_is_read_where_the_client_cancelled_it_and_never_else(database: Server, gateway: GatewayPostgres) -> None:
    told = {
        "hung up": '{"status_code":499,"error":{"type":"request_cancelled","message":"Request cancelled: client disconnected"}}',
        "by its type": '{"error":{"type":"request_cancelled"}}',
        "failed": '{"status_code":502,"error":{"type":"upstream","message":"499"}}',
        "torn": '{"status_code":499',
        "empty": "",
    }
    for name, details in told.items():
        log(database, name, status="'error'", error_details=f"'{details}'")
    assert {row.id: (row.prompt, row.succeeded) for row in rows(gateway)} == {"hung up": (100, False), "by its type": (100, False)}


def test_a_row_names_its_customer_as_it_was_called(database: Server, gateway: GatewayPostgres) -> None:
    log(database, "r1", customer_id="'acme'", customer_name="'Acme'")
    log(database, "r2", customer_name="''")
    assert [(row.customer, row.customer_name) for row in rows(gateway)] == [("acme", "Acme"), (None, None)]


def test_a_question_for_the_list_of_models_is_no_usage(database: Server, gateway: GatewayPostgres) -> None:
    log(database, "r1", object_type="'list_models'", prompt_tokens="0", completion_tokens="0")
    assert rows(gateway) == []


def test_another_providers_model_keeps_its_providers_name(database: Server, gateway: GatewayPostgres) -> None:
    log(database, "r1", provider="'openai'", model="'gpt-9'")
    assert rows(gateway)[0].model == "openai/gpt-9"


def test_a_row_names_its_own_customer_where_it_has_one(database: Server, gateway: GatewayPostgres) -> None:
    log(database, "named", customer_id="'acme'")
    log(database, "empty", customer_id="''")
    assert {row.id: row.customer for row in rows(gateway)} == {"named": "acme", "empty": None}


@pytest.mark.parametrize("usage", ["NULL", "''"])
def test_a_success_without_usage_has_no_tokens(database: Server, gateway: GatewayPostgres, usage: str) -> None:
    log(database, "r1", token_usage=usage, cost="NULL")
    (row,) = rows(gateway)
    assert row[6:12] == (0, 0, 0, 0, 0, None)


@pytest.mark.parametrize(
    ("details", "read", "write"),
    [
        ('{"cached_read_tokens":4,"cached_tokens":4}', 4, 0),
        ('{"cached_tokens":4}', 4, 0),
        ('{"cached_write_tokens":4,"cached_tokens":4}', 0, 4),
        ("null", 0, 0),
    ],
)
def test_cached_tokens_are_read_as_the_api_tells_them(
    database: Server, gateway: GatewayPostgres, details: str, read: int, write: int
) -> None:
    usage = f'{{"prompt_tokens":9,"prompt_tokens_details":{details}}}'
    log(database, "r1", token_usage=f"'{usage}'")
    (row,) = rows(gateway)
    assert row[6:9] == (9, read, write)


def test_a_cancelled_row_is_billed_and_did_not_succeed(database: Server, gateway: GatewayPostgres) -> None:
    log(database, "done")
    log(database, "cancelled", status="'cancelled'")
    assert {row.id: row.succeeded for row in rows(gateway)} == {"done": True, "cancelled": False}


def test_a_count_below_0_is_0(database: Server, gateway: GatewayPostgres) -> None:
    log(database, "r1", token_usage="""'{"prompt_tokens":-5,"prompt_tokens_details":{"cached_read_tokens":-1}}'""")  # noqa: S106 (a column)
    assert rows(gateway)[0][6:8] == (0, 0)


def test_a_row_without_a_key_is_nobodys(database: Server, gateway: GatewayPostgres) -> None:
    log(database, "r1", virtual_key_id="NULL", virtual_key_name="NULL")
    assert (rows(gateway)[0].key, rows(gateway)[0].key_name) == ("", "")


def test_a_version_without_younger_columns_is_read_too(database: Server, gateway: GatewayPostgres) -> None:
    database.bifrost("ALTER TABLE logs RENAME customer_id TO c", "ALTER TABLE logs RENAME customer_name TO d")
    try:
        database.bifrost(
            f"""INSERT INTO logs (id, timestamp, created_at, object_type, provider, model, status, token_usage)
            VALUES ('r1', '2026-10-05', now(), 'chat_completion', 'kubeai', 'llama', 'success', '{USAGE}')"""
        )
        (row,) = rows(gateway)
    finally:
        database.bifrost("ALTER TABLE logs RENAME c TO customer_id", "ALTER TABLE logs RENAME d TO customer_name")
    assert (row.customer, row.customer_name, row.cached_read) == (None, None, 40)


def test_the_oldest_row_is_known(database: Server, gateway: GatewayPostgres) -> None:
    assert gateway.first() is None
    log(database, "younger")
    log(database, "older", "2026-03-01 00:00+00")
    assert gateway.first() == at("2026-03-01")


def test_keys_come_with_who_is_billed_and_without_their_secret(database: Server, gateway: GatewayPostgres) -> None:
    database.bifrost(
        "INSERT INTO governance_customers VALUES ('acme', 'Acme', now(), now())",
        "INSERT INTO governance_teams VALUES ('t1', 'Team', 'acme')",
        """INSERT INTO governance_virtual_keys (id, name, value, is_active, team_id, customer_id, updated_at) VALUES
        ('k1', 'own', 'sk-bf-secret', true, NULL, 'acme', '2026-10-01 10:00+00'),
        ('k2', 'by team', 's', NULL, 't1', '', '2026-10-01 10:00+00'),
        ('k3', 'stray', 's', false, NULL, NULL, '2026-10-01 10:00+00')""",
    )
    found = gateway.directory()
    time = int(datetime(2026, 10, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000
    assert found.customers == [Customer("acme", "Acme")]
    assert found.keys == [
        Key("k1", "own", "acme", is_active=True, updated_at=time),
        Key("k2", "by team", "acme", is_active=True, updated_at=time),
        Key("k3", "stray", None, is_active=False, updated_at=time),
    ]


def test_prices_are_read_back_to_the_last_digit_and_only_ours(database: Server, gateway: GatewayPostgres) -> None:
    database.bifrost(
        """INSERT INTO governance_model_pricing (model, provider, mode, input_cost_per_token, output_cost_per_token) VALUES
        ('llama', 'kubeai', 'chat', 0.000000000123, 1.5e-7), ('llama', 'kubeai', 'completion', 0.000000000123, 2e-7),
        ('gpt-9', 'openai', 'chat', 1, 1)"""
    )
    prompt = {"prompt": Decimal("0.000000000123")}
    assert gateway.prices() == {"llama": [prompt | {"completion": Decimal("0.00000015")}, prompt | {"completion": Decimal("0.0000002")}]}


@pytest.mark.parametrize(
    ("usage", "reason"),
    [
        ('{"prompt', "Input data was truncated"),
        ('{"prompt_tokens":null}', "Expected `int`, got `null`"),
        ('{"prompt_tokens":"9"}', "Expected `int`, got `str`"),
        ("[]", "Expected `object`, got `array`"),
    ],
)
def test_usage_that_cannot_be_read_is_told_with_its_text_and_stops_no_other(
    database: Server, gateway: GatewayPostgres, usage: str, reason: str
) -> None:
    log(database, "r1", token_usage=f"'{usage}'")
    log(database, "r2")
    ((broken, sound),) = gateway.rows(at("2026-10-01"), at("2026-11-01"))
    assert isinstance(broken, Unreadable)
    assert (broken.id, broken.at, broken.key, broken.key_name) == ("r1", at("2026-10-05T12:00:00.123456"), "k1", "one")
    assert reason in broken.reason
    assert broken.text == usage
    assert sound.id == "r2"


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path: object) -> None:
    with pytest.raises(GatewayError) as refused:
        GatewayPostgres(DSN.format(tmp_path)).first()
    assert "the oldest row" in str(refused.value)
    assert "billing'" not in str(refused.value)


def test_a_table_that_is_not_there_is_named(database: Server, gateway: GatewayPostgres) -> None:
    database.bifrost("ALTER TABLE logs RENAME TO journal")
    try:
        with pytest.raises(GatewayError, match="shows no id, timestamp"):
            rows(gateway)
    finally:
        database.bifrost("ALTER TABLE journal RENAME TO logs")


def test_the_gateways_database_stays_as_it_is(database: Server, gateway: GatewayPostgres) -> None:
    log(database, "r1")
    before = database.bifrost("SELECT pg_current_wal_lsn()")
    assert [rows(gateway), gateway.first(), gateway.directory(), gateway.prices()]
    assert database.bifrost("SELECT pg_current_wal_lsn()") == before
