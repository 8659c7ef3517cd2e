"""Metrics, alerts, logs and traces: what is found, who hears of it, and how long it is kept."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import yaml
from cdktf import TerraformStack

from ib_constructs import (
    LogsAndTraces,
    LogsAndTracesProps,
    Monitoring,
    MonitoringKinds,
    MonitoringKindsProps,
    MonitoringProps,
    Slack,
    versions,
)
from ib_constructs.addons.alert_routes import CHANNELS, routes
from ib_constructs.addons.logs_and_traces import TRACES_TO
from tests.infra.synthesis import Document, given, only, resources, synthesise
from tests.support.observability import RULES

SLACK = Slack(webhook_url="${var.slack_webhook_url}", monitoring="#ops", incidents="#down", billing="#money")
SECRET_FILES = "/etc/alertmanager/secrets/alerts"  # noqa: S105 (a folder)


@cache
def platform(*, protect: bool = False, **changes: Any) -> Document:
    """The kinds and what stands on them; *changes* of `Monitoring`."""

    def build(stack: TerraformStack) -> None:
        before = given(stack, protect=protect)
        kinds = MonitoringKinds(stack, "kinds", MonitoringKindsProps(given=before))
        after = replace(before, waits_for=[kinds.ready])
        defaults: dict[str, Any] = {"domain": "example.com", "grafana_client_secret": "${random_password.client.result}"}
        Monitoring(stack, "monitoring", MonitoringProps(given=after, namespace=kinds.namespace, **(defaults | changes)))
        LogsAndTraces(stack, "logs", LogsAndTracesProps(given=after, namespace=kinds.namespace))

    return synthesise(build)


def release(document: Document, name: str) -> dict[str, Any]:
    (found,) = [item for item in resources(document, "helm_release") if item["name"] == name]
    return found


def address(document: Document, name: str) -> str:
    (found,) = [key for key, item in document["resource"]["helm_release"].items() if item["name"] == name]
    return f"helm_release.{found}"


def values(name: str, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(release(platform(**changes), name)["values"][0])
    return found


def stack(**changes: Any) -> dict[str, Any]:
    return values(versions.PROMETHEUS_STACK.name, **changes)


def secret(name: str, **changes: Any) -> dict[str, str]:
    (found,) = [item["data"] for item in resources(platform(**changes), "kubernetes_secret_v1") if item["metadata"]["name"] == name]
    data: dict[str, str] = found
    return data


def test_kinds_come_first_then_who_serves_them_then_dashboards_and_rules() -> None:
    document = platform()
    order = ("prometheus-operator-crds", "kube-prometheus-stack", "observability")
    for earlier, later in pairwise(order):
        assert address(document, earlier) in release(document, later)["depends_on"]
    for name in ("loki", "tempo", "alloy"):
        assert address(document, order[0]) in release(document, name)["depends_on"]
    assert "terraform_data.before" in release(document, order[0])["depends_on"]
    assert stack()["crds"] == {"enabled": False}, "or an upgrade would leave them as they were"
    assert release(document, "observability")["chart"].startswith("assets/")


@pytest.mark.parametrize("protect", [False, True])
def test_the_kinds_of_a_protected_location_stay_and_with_them_every_monitor_and_rule(*, protect: bool) -> None:
    document = platform(protect=protect)
    for kept in (release(document, "prometheus-operator-crds"), only(document, "kubernetes_namespace_v1")):
        assert kept.get("lifecycle", {}).get("prevent_destroy", False) is protect


def test_the_operators_webhook_is_reached_by_the_api_server() -> None:
    ports = [port["port"] for rule in only(platform(), "kubernetes_network_policy_v1")["spec"]["ingress"] for port in rule.get("ports", [])]
    assert ports == ["10250"]


def test_what_k3s_has_in_one_process_is_not_looked_for() -> None:
    found = stack()
    for component in ("kubeControllerManager", "kubeScheduler", "kubeProxy", "kubeEtcd"):
        assert found[component] == {"enabled": False}, "an alert would say that it is down"


def test_monitors_and_rules_of_every_release_are_found() -> None:
    spec = stack()["prometheus"]["prometheusSpec"]
    for kind in ("serviceMonitor", "podMonitor", "rule", "probe", "scrapeConfig"):
        assert spec[f"{kind}SelectorNilUsesHelmValues"] is False


def test_metrics_are_kept_for_a_month_on_a_volume_that_never_fills() -> None:
    spec = stack()["prometheus"]["prometheusSpec"]
    requested = spec["storageSpec"]["volumeClaimTemplate"]["spec"]["resources"]["requests"]["storage"]
    assert spec["retention"] == "30d"
    assert int(spec["retentionSize"].removesuffix("GB")) < 0.95 * 1.073 * int(requested.removesuffix("Gi"))


def test_alertmanager_reads_urls_from_the_files_of_a_secret() -> None:
    changes: dict[str, Any] = {"slack": SLACK, "heartbeat_url": "${var.heartbeat_url}"}
    found = stack(**changes)["alertmanager"]
    (name,) = found["alertmanagerSpec"]["secrets"]
    assert secret(name, **changes) == {"slack": "${var.slack_webhook_url}", "heartbeat": "${var.heartbeat_url}"}
    receivers = {receiver["name"]: receiver for receiver in found["config"]["receivers"]}
    folder = f"/etc/alertmanager/secrets/{name}"
    assert {receivers[channel]["slack_configs"][0]["api_url_file"] for channel in CHANNELS} == {f"{folder}/slack"}
    assert receivers["heartbeat"]["webhook_configs"][0]["url_file"] == f"{folder}/heartbeat"
    assert "${" not in str(found)


def receiver(config: dict[str, Any], **labels: str) -> str:
    """Who gets an alert of *labels*: the first route of which all matchers, each an equality, hold."""
    for route in config["route"]["routes"]:
        if all(labels.get(key) == value.strip('"') for key, _, value in (matcher.partition(" = ") for matcher in route["matchers"])):
            return str(route["receiver"])
    return str(config["route"]["receiver"])


def test_an_alert_goes_to_the_channel_of_its_label_and_to_monitoring_without_one() -> None:
    config = routes(SLACK, heartbeat=False, secret="alerts")  # noqa: S106 (a name)
    channels = {item["name"]: item["slack_configs"][0]["channel"] for item in config["receivers"] if "slack_configs" in item}
    assert channels == {"monitoring": "#ops", "incidents": "#down", "billing": "#money"}
    for channel in CHANNELS:
        assert receiver(config, alertname="X", channel=channel) == channel
    assert receiver(config, alertname="X") == "monitoring"


def test_every_alert_of_ours_names_a_channel_there_is() -> None:
    rules = [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"] if "alert" in rule]
    assert {rule["labels"]["channel"] for rule in rules if rule["alert"] != "Watchdog"} == set(CHANNELS)


def test_every_receiver_that_is_routed_to_is_there() -> None:
    for slack in (None, SLACK):
        for heartbeat in (False, True):
            config = routes(slack, heartbeat=heartbeat, secret="alerts")  # noqa: S106 (a name)
            named = {config["route"]["receiver"], *(route["receiver"] for route in config["route"]["routes"])}
            assert named <= {item["name"] for item in config["receivers"]}


def test_without_slack_nobody_is_notified() -> None:
    config = routes(None, heartbeat=False, secret="alerts")  # noqa: S106 (a name)
    assert config["receivers"] == [{"name": "nobody"}]
    assert receiver(config, alertname="X", channel="billing") == "nobody"
    assert secret("alertmanager-receivers") == {}


def test_the_heartbeat_beats_only_where_it_is_heard_and_never_in_a_channel() -> None:
    assert receiver(routes(SLACK, heartbeat=False, secret="alerts"), alertname="Watchdog", channel="monitoring") == "nobody"  # noqa: S106 (a name)
    config = routes(None, heartbeat=True, secret="alerts")  # noqa: S106 (a name)
    assert receiver(config, alertname="Watchdog") == "heartbeat"
    (hook,) = next(item["webhook_configs"] for item in config["receivers"] if item["name"] == "heartbeat")
    assert hook == {"url_file": f"{SECRET_FILES}/heartbeat", "send_resolved": False}
    (beat,) = config["route"]["routes"]
    assert beat["repeat_interval"] == "2m", "every few minutes, not twice a day"


def test_the_heartbeat_is_our_own_alert_and_not_the_charts_as_well() -> None:
    assert stack()["defaultRules"]["disabled"]["Watchdog"] is True
    alerts = [rule.get("alert") for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    assert alerts.count("Watchdog") == 1


def test_grafana_lets_in_whom_dex_knows_and_asks_dex_from_inside() -> None:
    env = stack()["grafana"]["env"]
    login = {key.removeprefix("GF_AUTH_GENERIC_OAUTH_"): value for key, value in env.items() if "GENERIC_OAUTH" in key}
    assert login["ENABLED"] == "true"
    assert login["CLIENT_ID"] == "grafana"
    assert login["AUTH_URL"] == "https://dex.example.com/auth", "the browser goes there"
    for key in ("TOKEN_URL", "API_URL"):
        assert ".svc.cluster.local" in login[key], "Grafana knows no location's own authority"
    assert login["ROLE_ATTRIBUTE_PATH"].endswith("|| 'None'"), "whoever is no operator has no role"
    assert env["GF_SERVER_ROOT_URL"] == "https://grafana.example.com"
    assert env["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"


def test_grafanas_secrets_are_of_a_secret() -> None:
    found = stack()["grafana"]
    (source,) = found["envFromSecrets"]
    data = secret(source["name"])
    assert data["GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET"] == "${random_password.client.result}"  # noqa: S105 (a reference)
    assert "GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET" not in found["env"]
    admin = secret(found["admin"]["existingSecret"])
    assert admin["admin-password"].startswith("${random_password.monitoring_grafana-admin")


def test_grafana_shows_our_dashboards_logs_and_traces() -> None:
    found = stack()["grafana"]
    sources = {source["type"]: source["url"] for source in found["additionalDataSources"]}
    assert sources == {
        "loki": "http://loki.monitoring.svc.cluster.local:3100",
        "tempo": "http://tempo.monitoring.svc.cluster.local:3200",
    }
    dashboards = found["sidecar"]["dashboards"]
    assert (dashboards["label"], dashboards["labelValue"], dashboards["searchNamespace"]) == ("grafana_dashboard", "1", "ALL")


def test_loki_is_one_process_that_keeps_logs_on_its_disk_for_two_weeks() -> None:
    found = values("loki")
    loki = found["loki"]
    assert found["deploymentMode"] == "Monolithic"
    assert found["singleBinary"]["replicas"] == 1
    assert [found[part]["replicas"] for part in ("backend", "read", "write")] == [0, 0, 0], "or the chart does not render"
    assert [found[part]["enabled"] for part in ("chunksCache", "resultsCache")] == [False, False], "eleven gigabytes"
    assert loki["storage"] == {"type": "filesystem"}
    assert loki["commonConfig"] == {"replication_factor": 1}
    assert loki["schemaConfig"]["configs"][0]["object_store"] == "filesystem"
    assert loki["limits_config"]["retention_period"] == "336h"
    assert loki["compactor"] == {"retention_enabled": True, "delete_request_store": "filesystem"}, "or nothing is ever deleted"
    assert found["singleBinary"]["persistence"]["size"]


def test_tempo_takes_the_gateways_traces_where_they_are_sent() -> None:
    found = values("tempo")
    port = TRACES_TO.rpartition(":")[2]
    assert found["tempo"]["receivers"]["otlp"]["protocols"]["grpc"] == {"endpoint": f"0.0.0.0:{port}"}
    assert TRACES_TO == "tempo.monitoring.svc.cluster.local:4317"
    assert found["tempo"]["retention"] == "168h"
    assert found["persistence"]["enabled"] is True


def test_alloy_reads_the_files_of_its_servers_pods_and_sends_them_to_loki() -> None:
    alloy = values("alloy")["alloy"]
    pipeline = alloy["configMap"]["content"]
    assert alloy["mounts"] == {"varlog": True}
    assert "/var/log/pods/*$1/*.log" in pipeline
    assert '"spec.nodeName="' in pipeline, "each server reads its own pods' only"
    assert "http://loki.monitoring.svc.cluster.local:3100/loki/api/v1/push" in pipeline
    assert pipeline.count("{") == pipeline.count("}")


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("loki", ["singleBinary"]),
        ("tempo", ["tempo"]),
        ("alloy", ["alloy", "configReloader"]),
        (
            "kube-prometheus-stack",
            [
                *("prometheusOperator", "prometheusOperator.prometheusConfigReloader", "prometheusOperator.admissionWebhooks.patch"),
                *("kube-state-metrics", "prometheus-node-exporter", "prometheus.prometheusSpec", "alertmanager.alertmanagerSpec"),
                *("grafana", "grafana.sidecar"),
            ],
        ),
    ],
)
def test_every_container_asks_for_what_it_needs_and_has_a_limit(name: str, paths: list[str]) -> None:
    for path in paths:
        part = values(name)
        for key in path.split("."):
            part = part[key]
        assert part["resources"]["requests"].keys() == {"cpu", "memory"}, path
        assert part["resources"]["limits"]["memory"], path
