"""The gateway and its database: what must be true from their first start on, since invoices are made of what they write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cdktf import TerraformStack

from control_app.gateway.double.writer import COLUMNS, PARAMETERS
from ib_constructs import Bifrost, BifrostProps, Bucket
from ib_constructs.addons import postgres
from ib_constructs.addons.postgres import ROLES
from ib_constructs.versions import POSTGRES_IMAGE
from tests.infra.synthesis import Document, given, only, resources, synthesise

BUCKET = Bucket(
    endpoint="https://s3.example.com",
    name="backups",
    region="eu",
    folder="here",
    access_key="${var.s3_access_key}",
    secret_key="${var.s3_secret_key}",  # noqa: S106 (a reference)
)


@cache
def gateway(*, monitored: bool = False, protect: bool = False, **changes: Any) -> Document:
    def build(stack: TerraformStack) -> None:
        Bifrost(stack, "bifrost", BifrostProps(given=given(stack, monitored=monitored, protect=protect), **changes))

    return synthesise(build)


def release(document: Document, name: str) -> dict[str, Any]:
    (found,) = [item for item in resources(document, "helm_release") if item["name"] == name]
    return found


def values(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(release(gateway(**changes), "bifrost")["values"][0])
    return found


def objects(document: Document, name: str) -> dict[str, dict[str, Any]]:
    """The objects that release *name* makes, by kind."""
    return {item["kind"]: item for item in yaml.safe_load(release(document, name)["values"][0])["objects"]}


def secrets(document: Document) -> dict[str, dict[str, str]]:
    return {item["metadata"]["name"]: item["data"] for item in resources(document, "kubernetes_secret_v1")}


def pods(document: Document) -> Iterator[dict[str, Any]]:
    """The pods of the database's server, of its roles' Job and of its dumps."""
    found = objects(document, "postgres") | objects(document, "postgres-roles")
    for kind in ("StatefulSet", "Job"):
        yield found[kind]["spec"]["template"]["spec"]
    if "CronJob" in found:
        yield found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def containers(document: Document) -> list[dict[str, Any]]:
    return [container for pod in pods(document) for container in (*pod.get("initContainers", []), *pod["containers"])]


def test_the_image_is_one_whose_management_api_is_shut_before_the_first_login() -> None:
    version = tuple(int(part) for part in values()["image"]["tag"].removeprefix("v").split("."))
    assert version >= (2, 2, 6)
    assert values()["image"]["tag"].startswith("v"), "as the chart wants it"


def test_the_management_api_asks_for_a_password_of_every_class_from_the_first_start() -> None:
    document, found = gateway(), values()["bifrost"]
    name = found["authConfig"]["existingSecret"]
    assert found["authConfig"] == {"isEnabled": True, "existingSecret": Bifrost.admin_secret}
    assert set(secrets(document)[name]) == {"username", "password", "encryption-key"}
    password = only(document, "random_password", "bifrost_admin")
    assert password["length"] >= 12
    assert all(password[f"min_{kind}"] >= 1 for kind in ("lower", "upper", "numeric", "special"))
    assert secrets(document)[name]["password"].startswith("${random_password.bifrost_admin")


def test_what_the_database_keeps_of_keys_is_encrypted() -> None:
    name, key = values()["bifrost"]["encryptionKeySecret"].values()
    assert secrets(gateway())[name][key].startswith("${random_password.bifrost_encryption-key")


def test_nobody_is_served_without_a_key() -> None:
    found = values()["bifrost"]
    assert found["plugins"]["governance"] == {"enabled": True, "config": {"is_vk_mandatory": True}}
    assert found["client"]["enforceAuthOnInference"] is True


def test_each_request_is_logged_for_a_year_and_no_word_of_it() -> None:
    found = values(traces_to="tempo:4317")["bifrost"]
    assert found["plugins"]["logging"] == {"enabled": True, "config": {"disable_content_logging": True}}
    assert (found["client"]["enableLogging"], found["client"]["disableContentLogging"]) == (True, True)
    assert found["client"]["logRetentionDays"] == 365
    assert found["plugins"]["otel"]["config"]["disable_content_logging"] is True


def test_requests_are_counted_a_second_time_by_telemetry() -> None:
    assert values()["bifrost"]["plugins"]["telemetry"]["enabled"] is True


def test_traces_go_where_they_are_collected_and_nowhere_otherwise() -> None:
    assert "otel" not in values()["bifrost"]["plugins"]
    otel = values(traces_to="tempo:4317")["bifrost"]["plugins"]["otel"]
    assert otel["enabled"] is True
    assert (otel["config"]["collector_url"], otel["config"]["protocol"]) == ("tempo:4317", "grpc")


def test_models_are_reached_as_a_provider_without_keys_at_a_private_address() -> None:
    (provider,) = values()["bifrost"]["providers"].values()
    network, custom = provider["network_config"], provider["custom_provider_config"]
    assert custom["is_key_less"] is True
    assert custom["base_provider_type"] == "openai"
    assert custom["allowed_requests"]["chat_completion_stream"] is True
    assert network["base_url"] == "http://kubeai.kubeai.svc.cluster.local/openai"
    assert network["allow_private_network"] is True
    assert network["max_retries"] == 0, "one row for two answers"
    assert network["default_request_timeout_in_seconds"] < 15 * 60, "the gateway forgets what takes longer"
    assert all("value" not in key for key in provider["keys"])


def mounted(setting: str) -> tuple[dict[str, Any], str]:
    """The ConfigMap, and the name in it, of the file that a *setting* of prices has the gateway read before it starts."""
    document, found = gateway(), values()
    url = found["bifrost"]["framework"]["pricing"][setting]
    assert url.startswith("file:///")
    file = Path(url.removeprefix("file://"))
    (mount,) = [mount for mount in found["volumeMounts"] if mount["mountPath"] == str(file.parent)]
    assert mount["readOnly"] is True
    (volume,) = [volume for volume in found["volumes"] if volume["name"] == mount["name"]]
    configs = document["resource"]["kubernetes_config_map_v1"].items()
    ((address, config),) = [item for item in configs if item[1]["metadata"]["name"] == volume["configMap"]["name"]]
    assert f"kubernetes_config_map_v1.{address}" in release(document, "bifrost")["depends_on"]
    return config, file.name


def test_prices_are_a_mounted_file_that_is_there_before_the_gateway_and_has_a_row() -> None:
    config, name = mounted("pricingUrl")
    assert json.loads(config["data"][name]), "a gateway without a row serves unpriced"
    assert config["lifecycle"]["ignore_changes"] == ["data"], "the control service writes it from then on"


def test_nothing_that_the_first_start_reads_is_on_the_internet() -> None:
    config, name = mounted("modelParametersUrl")
    assert json.loads(config["data"][name]) == {}
    assert "https://" not in json.dumps(values()["bifrost"]["framework"])


def test_a_batch_of_rows_has_no_more_parameters_than_postgresql_takes_and_waits_for_a_second() -> None:
    writer = values()["storage"]["logsStore"]["writer"]
    assert writer == {"maxBatchSize": 500, "batchInterval": "1s"}
    assert writer["maxBatchSize"] * COLUMNS <= PARAMETERS


def test_rows_go_to_the_database_outside_the_chart_under_the_gateways_own_role() -> None:
    found = values()
    external = found["postgresql"]["external"]
    assert (found["storage"]["mode"], found["storage"]["persistence"]) == ("postgres", {"enabled": False})
    assert external["enabled"] is True
    assert (external["host"], external["user"], external["database"]) == ("postgres", "bifrost", "bifrost")
    assert "password" not in external
    assert set(secrets(gateway())[external["existingSecret"]]) == {"password"}


def test_the_gateway_waits_for_its_database_roles_and_they_for_what_makes_volumes() -> None:
    document = gateway()
    for earlier, later in (("postgres", "postgres-roles"), ("postgres-roles", "bifrost")):
        waits = release(document, later)["depends_on"]
        assert any(name.startswith(f"helm_release.bifrost_{earlier.replace('-', '_')}") for name in waits), later
    assert "terraform_data.before" in release(document, "postgres")["depends_on"]


def test_a_stopped_gateway_has_time_to_end_its_answers_and_write_their_rows() -> None:
    assert values()["terminationGracePeriodSeconds"] >= 60
    assert values()["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_a_drain_goes_on_one_gateway_at_a_time() -> None:
    document = gateway()
    spec = only(document, "kubernetes_pod_disruption_budget_v1")["spec"]
    assert spec == {"max_unavailable": "1", "selector": {"match_labels": {"app.kubernetes.io/name": "bifrost"}}}
    assert any(name.startswith("kubernetes_pod_disruption_budget_v1.") for name in release(document, "bifrost")["depends_on"])


def test_what_money_is_counted_by_is_evicted_last() -> None:
    document = gateway()
    ((address, priority),) = document["resource"]["kubernetes_priority_class_v1"].items()
    assert priority["value"] > 0
    assert priority["metadata"] == {"name": "billing"}
    assert objects(document, "postgres")["StatefulSet"]["spec"]["template"]["spec"]["priorityClassName"] == "billing"
    assert f"kubernetes_priority_class_v1.{address}" in release(document, "postgres")["depends_on"]
    renderer = release(document, "bifrost")["postrender"]
    assert renderer["args"][0].endswith("/set-priority.sh"), "the chart has no value for it"
    assert renderer["args"][1:] == ["billing"]


def test_metrics_are_read_with_the_password_only_where_somebody_monitors() -> None:
    assert [item["name"] for item in resources(gateway(), "helm_release") if "monitor" in item["name"]] == []
    document = gateway(monitored=True)
    (endpoint,) = objects(document, "bifrost-monitor")["ServiceMonitor"]["spec"]["endpoints"]
    assert endpoint["path"] == "/metrics"
    for part in ("username", "password"):
        reference = endpoint["basicAuth"][part]
        assert reference["key"] in secrets(document)[reference["name"]]


def test_postgres_is_one_that_the_log_store_takes() -> None:
    version = re.search(r"/postgres:(\d+)\.\d+", POSTGRES_IMAGE)
    assert version
    assert int(version[1]) >= 16
    assert objects(gateway(), "postgres")["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]["image"] == POSTGRES_IMAGE


def test_no_container_of_the_database_may_more_than_it_must() -> None:
    document = gateway(bucket=BUCKET)
    assert only(document, "kubernetes_namespace_v1")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pods(document):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
    found = containers(document)
    assert [container["name"] for container in found] == ["postgres", "psql", "dump", "copy"]
    for container in found:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"]["memory"]
        assert container["resources"]["limits"]["memory"]


def test_no_password_stands_on_a_command_line_or_in_an_object() -> None:
    document = gateway(bucket=BUCKET)
    for container in containers(document):
        command = " ".join([*container.get("command", []), *container.get("args", [])])
        assert not re.search("password|secret|_key", command, re.IGNORECASE)
        for entry in container.get("env", []):
            assert "PASSWORD" not in entry["name"] or set(entry) == {"name", "valueFrom"}
    assert all(
        "${" in value
        for name, data in secrets(document).items()
        if name != "postgres-bucket"
        for key, value in data.items()
        if key != "username"
    )


def roles_job() -> str:
    found = objects(gateway.__wrapped__(), "postgres-roles")
    (mount,) = found["Job"]["spec"]["template"]["spec"]["volumes"]
    assert mount["configMap"] == {"name": found["ConfigMap"]["metadata"]["name"]}
    assert found["ConfigMap"]["data"] == {"roles.sql": mount and postgres.ROLES.read_text()}
    return str(found["Job"]["metadata"]["name"])


def test_changed_roles_are_another_job_since_a_job_never_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = tmp_path / "roles.sql"
    changed.write_text(ROLES.read_text() + "-- more\n")
    first = roles_job()
    assert roles_job() == first
    monkeypatch.setattr(postgres, "ROLES", changed)
    assert roles_job() != first


def test_another_image_is_another_job_too(monkeypatch: pytest.MonkeyPatch) -> None:
    first = roles_job()
    monkeypatch.setattr(postgres, "POSTGRES_IMAGE", "docker.io/library/postgres:17.99-trixie")
    assert roles_job() != first, "Kubernetes refuses a Job whose template changed"


def test_each_night_a_dump_is_read_back_and_then_copied_to_the_bucket() -> None:
    document = gateway(bucket=BUCKET)
    job = objects(document, "postgres")["CronJob"]["spec"]
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", job["schedule"])
    assert job["concurrencyPolicy"] == "Forbid"
    ((dump,), (copy,)) = pod["initContainers"], pod["containers"]
    assert dump["command"][:2] == ["sh", "-ec"], "a dump that fails is not copied"
    assert 0 < dump["command"][2].index("pg_dump") < dump["command"][2].index("pg_restore --list")
    assert "rclone copy /dumps bucket:backups/here/postgres" in copy["command"][2]
    assert "--min-age 30d" in copy["command"][2]
    (reference,) = copy["envFrom"]
    remote = secrets(document)[reference["secretRef"]["name"]]
    assert remote["RCLONE_CONFIG_BUCKET_SECRET_ACCESS_KEY"] == BUCKET.secret_key
    assert remote["RCLONE_CONFIG_BUCKET_ENDPOINT"] == BUCKET.endpoint


def test_without_a_bucket_nothing_is_dumped() -> None:
    document = gateway()
    assert "CronJob" not in objects(document, "postgres")
    assert "postgres-bucket" not in secrets(document)


@pytest.mark.parametrize("protect", [False, True])
def test_a_protected_locations_rows_survive_a_plan_that_would_destroy_them(*, protect: bool) -> None:
    document = gateway(protect=protect)
    for kept in (release(document, "postgres"), only(document, "kubernetes_namespace_v1")):
        assert kept.get("lifecycle", {}).get("prevent_destroy", False) is protect
