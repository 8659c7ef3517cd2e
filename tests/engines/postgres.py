"""A real PostgreSQL of Debian's, on a socket in a folder of its own and on no port."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROLES = Path(__file__).parents[2] / "constructs" / "ib_constructs" / "addons" / "sql" / "roles.sql"
"""What the cluster's Job runs. Not imported: the package starts Node, which a benchmark of memory would count."""
GATEWAY = {"PGPASSWORD": "for the gateway"}


def programs() -> Path:
    """Debian keeps them off the PATH, in a folder for each major version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "needs Debian's package postgresql"
    return found[-1].parent


@dataclass
class Server:
    """PostgreSQL on a socket in *folder* and on no port."""

    folder: Path
    programs: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "PGHOST": str(self.folder), "LC_ALL": "C.UTF-8"}

    def client(self, user: str, *arguments: str) -> list[str]:
        options = ("--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password")
        return [str(self.programs / "psql"), *options, "--username", user, *arguments]

    def psql(self, user: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run psql as *user*, who gives the password in *environment*, if any."""
        command = self.client(user, *arguments)
        return subprocess.run(command, env=self.environment | environment, capture_output=True, text=True, check=False)

    @contextmanager
    def open_transaction(self, sql: str) -> Generator[None]:
        """One of the gateway's that has said *sql*, and is committed at the end."""
        command = self.client("bifrost", "--dbname", "bifrost", "--set", "ON_ERROR_STOP=1")
        with subprocess.Popen(command, env=self.environment | GATEWAY, stdin=subprocess.PIPE, text=True) as session:
            assert session.stdin
            session.stdin.write(f"BEGIN; {sql};\n")
            session.stdin.flush()
            yield
            session.stdin.write("COMMIT;\n")
            session.stdin.close()
        assert session.returncode == 0

    def apply_roles(self, bifrost: str = "for the gateway", reader: str = "for 'billing'") -> None:
        """What the Job does."""
        done = self.psql("postgres", "--file", str(ROLES), BIFROST_PASSWORD=bifrost, READER_PASSWORD=reader)
        assert done.returncode == 0, done.stderr

    def bifrost(self, *statements: str) -> str:
        """What *statements* answer the gateway."""
        commands = [argument for sql in statements for argument in ("--command", sql)]
        strict = ("--dbname", "bifrost", "--set", "ON_ERROR_STOP=1")
        done = self.psql("bifrost", *strict, *commands, **GATEWAY)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def reader(self, *statements: str) -> subprocess.CompletedProcess[str]:
        """What *statements* answer billing, one transaction each."""
        commands = [argument for sql in statements for argument in ("--command", sql)]
        return self.psql("billing_reader", "--dbname", "bifrost", *commands, PGPASSWORD="for 'billing'")


@contextmanager
def server() -> Generator[Server]:
    """A server of its own, without any role but the superuser."""
    where = programs()
    # A socket's path is short, and pytest's own folders are closed to the user that the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    shutil.chown(folder, user)

    def run(program: str, *arguments: str) -> None:
        command = [str(where / program), "--pgdata", str(folder / "data"), *arguments]
        done = subprocess.run(command, cwd=folder, user=user, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout

    try:
        run("initdb", "--username=postgres", "--auth=trust", "--no-sync", "--locale=C.UTF-8")
        # Who says that the password counts is the server, so only the superuser is let in without.
        (folder / "data" / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        run("pg_ctl", "--wait", f"--log={folder}/log", "--options", f"-k {folder} -c listen_addresses='' -c fsync=off", "start")
        try:
            yield Server(folder, where)
        finally:
            run("pg_ctl", "--mode=immediate", "--wait", "stop")
    finally:
        shutil.rmtree(folder)


TABLES = """
CREATE TABLE logs (
  id varchar(255) PRIMARY KEY, parent_request_id varchar(255), "timestamp" timestamptz NOT NULL, object_type varchar(255) NOT NULL,
  provider varchar(255) NOT NULL, model varchar(255) NOT NULL, number_of_retries bigint DEFAULT 0, fallback_index bigint DEFAULT 0,
  virtual_key_id varchar(255), virtual_key_name varchar(255), customer_id varchar(255), latency numeric, token_usage text, cost numeric,
  customer_name varchar(255), error_details text,
  status varchar(50) NOT NULL, stream boolean DEFAULT false, input_history text, output_message text, created_at timestamptz NOT NULL,
  prompt_tokens bigint DEFAULT 0, completion_tokens bigint DEFAULT 0, total_tokens bigint DEFAULT 0, cached_read_tokens bigint DEFAULT 0
);
CREATE INDEX idx_logs_timestamp ON logs ("timestamp");
CREATE INDEX idx_logs_virtual_key_id ON logs (virtual_key_id);
CREATE TABLE governance_customers (id varchar(255) PRIMARY KEY, name varchar(255), created_at timestamptz, updated_at timestamptz);
CREATE TABLE governance_teams (id varchar(255) PRIMARY KEY, name varchar(255), customer_id varchar(255));
CREATE TABLE governance_virtual_keys (
  id varchar(255) PRIMARY KEY, name varchar(255), value text, is_active boolean, team_id varchar(255), customer_id varchar(255),
  created_at timestamptz, updated_at timestamptz
);
CREATE TABLE governance_model_pricing (
  id bigserial PRIMARY KEY, model varchar(255), provider varchar(50), mode varchar(50), input_cost_per_token double precision,
  output_cost_per_token double precision, cache_read_input_token_cost double precision
);
"""
"""The gateway's, as its line 1.4 makes them (docs/facts/bifrost.md, Database), with the customer of later ones."""
