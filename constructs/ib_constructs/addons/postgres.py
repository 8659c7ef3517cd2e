"""The gateway's PostgreSQL: its configuration, its customers' keys, and the log rows that invoices are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_random.password import Password
from constructs import Construct

from ib_constructs.base.helm import AddonProps, Objects, ObjectsProps
from ib_constructs.base.namespace import Namespace
from ib_constructs.base.pods import CONTAINER_RESTRICTED, POD_RESTRICTED, resources
from ib_constructs.base.s3 import Bucket
from ib_constructs.versions import POSTGRES_IMAGE, RCLONE_IMAGE

NAME, PORT, DATABASE = "postgres", 5432, "bifrost"
ROLES = Path(__file__).parent / "sql" / "roles.sql"
UID = 999
"""The user `postgres` of the image."""
STOP_SEC = 60
DAYS_KEPT = 30
DUMPS = [{"name": "dumps", "mountPath": "/dumps"}]
DUMP = f"""\
file=/dumps/{DATABASE}-$(date -u +%Y%m%dT%H%M%SZ).dump
pg_dump --format custom --file "$file" {DATABASE}
pg_restore --list "$file" > /dev/null
"""


@dataclass(frozen=True, kw_only=True)
class PostgresProps:
    """`waits_for`: what the server waits for besides what it is given.

    `size_gib`: of the volume; `bucket`: where each night's dump goes; None makes none.
    """

    given: AddonProps
    namespace: Namespace
    waits_for: Sequence[ITerraformDependable] = ()
    size_gib: int = 20
    bucket: Bucket | None = None


class Postgres(Construct):
    """One PostgreSQL server, with a role for the gateway and one for billing that may only read what it needs.

    `ready`: both roles can log in. `password_secret`: name of the Secret of the gateway's; `reader_secret`: of billing's.
    """

    password_secret = "postgres-bifrost"  # noqa: S105 (a name)
    reader_secret = "postgres-billing-reader"  # noqa: S105 (a name)

    def __init__(self, scope: Construct, id: str, props: PostgresProps) -> None:
        super().__init__(scope, id)
        namespace = props.namespace
        names = {"superuser": "postgres-superuser", "bifrost": self.password_secret, "billing-reader": self.reader_secret}
        secrets: list[ITerraformDependable] = [
            namespace.secret(self, name, {"password": Password(self, role, length=32, special=False).result})
            for role, name in names.items()
        ]
        if props.bucket:
            secrets.append(namespace.secret(self, "postgres-bucket", _rclone(props.bucket)))
        server = Objects(
            self,
            "server",
            ObjectsProps(
                name="postgres",
                namespace=namespace,
                objects=[*_server(props.size_gib), *([_backup(props.bucket)] if props.bucket else [])],
                waits_for=[*secrets, *props.waits_for, *props.given.waits_for],
                protect=props.given.protect,
            ),
        )
        roles = ObjectsProps(name="postgres-roles", namespace=namespace, objects=_roles(), waits_for=[server.ready])
        self.ready: ITerraformDependable = Objects(self, "roles", roles).ready


def _password(variable: str, secret: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": "password"}}}


def _container(name: str, command: list[str], **rest: Any) -> dict[str, Any]:
    return {"name": name, "image": POSTGRES_IMAGE, "command": command, "securityContext": dict(CONTAINER_RESTRICTED), **rest}


def _pod(**rest: Any) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "securityContext": dict(POD_RESTRICTED) | {"runAsUser": UID, "runAsGroup": UID, "fsGroup": UID},
        **rest,
    }


def _server(size_gib: int) -> list[dict[str, Any]]:
    labels = {"app.kubernetes.io/name": NAME}
    ready = {"exec": {"command": ["pg_isready", "--username", "postgres"]}, "periodSeconds": 5}
    server = {
        "name": "postgres",
        "image": POSTGRES_IMAGE,
        "args": ["-c", "shared_buffers=256MB", "-c", "max_connections=100", "-c", "log_min_duration_statement=1s"],
        "env": [
            _password("POSTGRES_PASSWORD", "postgres-superuser"),
            # A volume's root holds lost+found, which initdb refuses.
            {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
        ],
        "ports": [{"name": "postgres", "containerPort": PORT}],
        "readinessProbe": ready,
        "livenessProbe": ready | {"periodSeconds": 20, "failureThreshold": 6},
        "resources": resources("100m", "512Mi", "1Gi"),
        "securityContext": dict(CONTAINER_RESTRICTED),
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
            {"name": "run", "mountPath": "/var/run/postgresql"},
            {"name": "run", "mountPath": "/tmp", "subPath": "tmp"},  # noqa: S108 (a path in the container)
        ],
    }
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": f"{size_gib}Gi"}}},
    }
    stateful_set = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": NAME, "labels": labels},
        "spec": {
            "serviceName": NAME,
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": _pod(
                    priorityClassName="billing",
                    terminationGracePeriodSeconds=STOP_SEC,
                    containers=[server],
                    volumes=[{"name": "run", "emptyDir": {}}],
                ),
            },
            "volumeClaimTemplates": [claim],
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "labels": labels},
        "spec": {"selector": labels, "ports": [{"name": "postgres", "port": PORT}]},
    }
    return [service, stateful_set]


def _roles() -> list[dict[str, Any]]:
    """A Job named by what it runs: a changed one is a new one, since Kubernetes refuses a Job that changed."""
    sql = ROLES.read_text()
    psql = _container(
        "psql",
        ["sh", "-ec", "until pg_isready --quiet; do sleep 1; done; exec psql --no-psqlrc --file /sql/roles.sql"],
        env=[
            *(_password("PGPASSWORD", "postgres-superuser"), _password("BIFROST_PASSWORD", Postgres.password_secret)),
            *(_password("READER_PASSWORD", Postgres.reader_secret), {"name": "PGHOST", "value": NAME}),
            {"name": "PGUSER", "value": "postgres"},
        ],
        resources=resources("10m", "32Mi", "64Mi"),
        volumeMounts=[{"name": "sql", "mountPath": "/sql"}],
    )
    name = f"postgres-roles-{hashlib.sha256(json.dumps([sql, psql]).encode()).hexdigest()[:8]}"
    pod = _pod(restartPolicy="OnFailure", containers=[psql], volumes=[{"name": "sql", "configMap": {"name": name}}])
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"roles.sql": sql}},
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"backoffLimit": 6, "template": {"spec": pod}}},
    ]


def _backup(bucket: Bucket) -> dict[str, Any]:
    """The CronJob that makes a dump each night, reads it back and copies it to the bucket, which keeps a month of dumps."""
    dump = _container(
        "dump",
        ["sh", "-ec", DUMP],
        env=[_password("PGPASSWORD", "postgres-superuser"), {"name": "PGHOST", "value": NAME}, {"name": "PGUSER", "value": "postgres"}],
        resources=resources("50m", "64Mi", "512Mi"),
        volumeMounts=DUMPS,
    )
    target = f"bucket:{bucket.name}/{bucket.folder}/postgres"
    copy = {
        "name": "copy",
        "image": RCLONE_IMAGE,
        "command": ["sh", "-ec", f"rclone copy /dumps {target} && rclone delete --min-age {DAYS_KEPT}d {target}"],
        "envFrom": [{"secretRef": {"name": "postgres-bucket"}}],
        "resources": resources("50m", "64Mi", "256Mi"),
        "securityContext": dict(CONTAINER_RESTRICTED),
        "volumeMounts": DUMPS,
    }
    pod = _pod(restartPolicy="Never", initContainers=[dump], containers=[copy], volumes=[{"name": "dumps", "emptyDir": {}}])
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "postgres-dump"},
        "spec": {
            "schedule": "30 2 * * *",
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {"backoffLimit": 3, "template": {"spec": pod}}},
        },
    }


def _rclone(bucket: Bucket) -> Mapping[str, str]:
    """Rclone's remote `bucket`, as environment variables."""
    settings = {
        "type": "s3",
        "provider": "Other",
        "endpoint": bucket.endpoint,
        "region": bucket.region,
        "access_key_id": bucket.access_key,
        "secret_access_key": bucket.secret_key,
        "no_check_bucket": "true",
    }
    return {f"RCLONE_CONFIG_BUCKET_{key.upper()}": value for key, value in settings.items()}
