"""The roles of the gateway's database, on a real PostgreSQL: what billing may read, and that it may do nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines import postgres
from tests.engines.postgres import ROLES, Server
from tests.support.waiting import until

TABLES = """
CREATE TABLE logs (
  id varchar(255) PRIMARY KEY, "timestamp" timestamptz, cost numeric, status text, input_history text, output_message text
);
CREATE TABLE governance_virtual_keys (id text, name text, value text, is_active boolean);
CREATE TABLE governance_customers (id text, name text);
CREATE TABLE config_keys (id text, name text, value text);
INSERT INTO logs VALUES ('r1', now(), 0.000104, 'success', 'a question', 'an answer');
INSERT INTO governance_virtual_keys VALUES ('k1', 'ana', 'sk-bf-secret', true);
"""
# What the roles come to, in the catalogue's own words; a password's hash changes whenever it is set.
CATALOGUE = """
SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolconnlimit, rolconfig FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1;
SELECT datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datacl FROM pg_database ORDER BY 1;
SELECT nspname, nspacl FROM pg_namespace WHERE nspname = 'public';
SELECT attrelid::regclass, attname, attacl FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid >= 16384 ORDER BY 1, 2;
SELECT proname, prosrc, proacl FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1;
SELECT evtname, evtevent, evtfoid::regproc, evtenabled, evttags FROM pg_event_trigger ORDER BY 1;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres.server() as started:
        yield started


@pytest.fixture(scope="module")
def database(server: Server) -> Server:
    """With its roles, and with tables that the gateway made after them."""
    server.apply_roles()
    server.bifrost(TABLES)
    return server


def test_running_the_roles_again_changes_nothing(database: Server) -> None:
    before = database.psql("postgres", "--dbname", "bifrost", "--command", CATALOGUE).stdout
    assert "billing_reader" in before
    database.apply_roles()
    assert database.psql("postgres", "--dbname", "bifrost", "--command", CATALOGUE).stdout == before


def test_passwords_are_the_environments_and_follow_it(database: Server) -> None:
    assert database.reader("SELECT 1").stdout.strip() == "1"
    refused = database.psql("billing_reader", "--dbname", "bifrost", "--command", "SELECT 1", PGPASSWORD="another")
    assert "password authentication failed" in refused.stderr
    database.apply_roles(reader="another")
    try:
        assert "password authentication failed" in database.reader("SELECT 1").stderr
    finally:
        database.apply_roles()


def test_the_gateway_owns_its_database_and_is_no_superuser(database: Server) -> None:
    owner = "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
    assert database.bifrost(owner) == "bifrost|UTF8"
    assert database.bifrost("SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user") == "f"
    assert database.bifrost("SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname = 'public'") == "bifrost"


def test_billing_may_read_what_it_needs_of_tables_that_came_after_it(database: Server) -> None:
    assert database.reader("SELECT id, cost, status FROM logs").stdout.strip() == "r1|0.000104|success"
    assert database.reader("SELECT id, name, is_active FROM governance_virtual_keys").stdout.strip() == "k1|ana|t"
    assert database.reader("SELECT id, name FROM governance_customers").returncode == 0


def test_billing_may_read_exactly_the_columns_that_are_named(database: Server) -> None:
    granted = """SELECT string_agg(table_name || '.' || column_name, ' ' ORDER BY table_name, ordinal_position)
        FROM information_schema.columns WHERE table_schema = 'public'
        AND has_column_privilege('billing_reader', format('%I', table_name), column_name, 'SELECT')
        AND table_name IN ('logs', 'governance_virtual_keys', 'governance_customers', 'config_keys') AND column_name <> 'inc_number'"""
    assert database.bifrost(granted).split() == [
        *("governance_customers.id", "governance_customers.name"),
        *("governance_virtual_keys.id", "governance_virtual_keys.name", "governance_virtual_keys.is_active"),
        *("logs.id", "logs.timestamp", "logs.cost", "logs.status"),
    ]


def test_billing_may_read_a_named_column_that_is_added_later(database: Server) -> None:
    assert "does not exist" in database.reader("SELECT inc_number FROM logs").stderr
    database.bifrost("ALTER TABLE logs ADD COLUMN inc_number bigint, ADD COLUMN raw_request text")
    assert database.reader("SELECT inc_number FROM logs").returncode == 0
    assert "permission denied" in database.reader("SELECT raw_request FROM logs").stderr


def test_two_gateways_may_change_two_tables_at_once(database: Server) -> None:
    with database.open_transaction("ALTER TABLE governance_customers ADD COLUMN created_at text"):
        held = "SELECT count(*) FROM pg_locks WHERE relation = 'governance_customers'::regclass AND mode = 'AccessExclusiveLock'"
        until(lambda: database.bifrost(held) != "0", "the first is at its table", seconds=10)
        database.bifrost("ALTER TABLE logs ADD COLUMN routing_rule_id text")
    assert database.reader("SELECT created_at FROM governance_customers").returncode == 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT input_history FROM logs",
        "SELECT output_message FROM logs",
        "SELECT * FROM logs",
        "SELECT value FROM governance_virtual_keys",
        "SELECT id FROM config_keys",
        "INSERT INTO logs (id) VALUES ('mine')",
        "UPDATE logs SET cost = 0",
        "DELETE FROM logs",
        "TRUNCATE logs",
        "CREATE TABLE mine (id text)",
        "CREATE TEMPORARY TABLE mine (id text)",
        "GRANT SELECT ON logs TO billing_reader",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_billing_is_refused_everything_else(database: Server, sql: str) -> None:
    # It may lift its own default of reading only: what it may is decided by its rights alone.
    done = database.reader("SET default_transaction_read_only = off", sql)
    assert done.returncode != 0
    assert "permission denied" in done.stderr
    assert database.bifrost("SELECT count(*), sum(cost) FROM logs") == "1|0.000104"


def test_billing_begins_every_transaction_as_one_that_reads(database: Server) -> None:
    assert database.reader("SHOW default_transaction_read_only").stdout.strip() == "on"
    assert database.reader("SHOW statement_timeout").stdout.strip() == "1min"


def test_a_password_that_is_not_in_the_environment_leaves_the_role_as_it_was(database: Server) -> None:
    done = database.psql("postgres", "--file", str(ROLES), BIFROST_PASSWORD="for the gateway")  # noqa: S106 (of a test)
    assert done.returncode != 0
    assert database.reader("SELECT 1").stdout.strip() == "1"
