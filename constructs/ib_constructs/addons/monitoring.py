"""Metrics and alerts: Prometheus, Alertmanager to Slack, Grafana with the location's dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdktf import AssetType, ITerraformDependable, TerraformAsset
from cdktf_cdktf_provider_helm.release import Release
from cdktf_cdktf_provider_random.password import Password
from constructs import Construct

from ib_constructs.addons import dex
from ib_constructs.addons.alert_routes import Slack, routes
from ib_constructs.base.helm import RELEASE_DEFAULTS, AddonProps, HelmAddon, HelmAddonProps
from ib_constructs.base.namespace import BIFROST, CONTROL, INGRESS, MONITORING, Namespace, NamespaceProps
from ib_constructs.base.pods import resources
from ib_constructs.versions import PROMETHEUS_CRDS, PROMETHEUS_STACK

OBSERVABILITY_CHART = Path(__file__).parent / "charts" / "observability"
RELEASE = PROMETHEUS_STACK.name
PROMETHEUS, ALERTMANAGER, GRAFANA = f"{RELEASE}-prometheus", f"{RELEASE}-alertmanager", f"{RELEASE}-grafana"
"""Names of the Services through which the three are reached."""
PROMETHEUS_PORT, ALERTMANAGER_PORT, GRAFANA_PORT = 9090, 9093, 80
OPERATOR_WEBHOOK_PORT = 10250
DAYS_OF_METRICS = 30
ALERT_SECRET, GRAFANA_SECRET = "alertmanager-receivers", "grafana"


@dataclass(frozen=True, kw_only=True)
class MonitoringKindsProps:
    """The kinds need nothing but what every add-on is given."""

    given: AddonProps


class MonitoringKinds(Construct):
    """The namespace `monitoring` and the kinds by which add-ons tell Prometheus what to scrape. `ready`: they are served."""

    def __init__(self, scope: Construct, id: str, props: MonitoringKindsProps) -> None:
        super().__init__(scope, id)
        # The exporters of the servers' own figures and logs look at the hosts.
        self.namespace = Namespace(
            self,
            "namespace",
            NamespaceProps(
                name=MONITORING,
                pod_security="privileged",
                cluster=props.given.cluster,
                reached_from=(INGRESS, BIFROST, CONTROL),
                open_ports=(OPERATOR_WEBHOOK_PORT,),
                protect=props.given.protect,
            ),
        )
        self.ready: ITerraformDependable = HelmAddon(
            self,
            "addon",
            HelmAddonProps(
                chart=PROMETHEUS_CRDS,
                given=props.given,
                namespace=self.namespace,
                values={},
                # With the kinds every monitor and rule of the cluster would go.
                protect=props.given.protect,
            ),
        ).ready


@dataclass(frozen=True, kw_only=True)
class MonitoringProps:
    """`namespace`: the one that `MonitoringKinds` made. `grafana_client_secret`: of Dex's client `grafana`.

    `slack`: None sends nothing. `heartbeat_url`: reference to a URL that is called every few minutes for as long as alerts work.
    """

    given: AddonProps
    namespace: Namespace
    domain: str
    grafana_client_secret: str
    slack: Slack | None = None
    heartbeat_url: str | None = None


class Monitoring(Construct):
    """Prometheus, Alertmanager and Grafana. `ready`: they run, and have the location's alerts and dashboards."""

    def __init__(self, scope: Construct, id: str, props: MonitoringProps) -> None:
        super().__init__(scope, id)
        admin = Password(self, "grafana-admin", length=32, special=False)
        receivers = {"slack": props.slack.webhook_url} if props.slack else {}
        if props.heartbeat_url:
            receivers["heartbeat"] = props.heartbeat_url
        stack = HelmAddon(
            self,
            "addon",
            HelmAddonProps(
                chart=PROMETHEUS_STACK,
                given=props.given,
                namespace=props.namespace,
                values=_values(props),
                secrets={
                    ALERT_SECRET: receivers,
                    GRAFANA_SECRET: {
                        "admin-user": "admin",
                        "admin-password": admin.result,
                        "GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET": props.grafana_client_secret,
                    },
                },
                timeout_sec=900,
            ),
        )
        chart = TerraformAsset(self, "chart", path=str(OBSERVABILITY_CHART), type=AssetType.DIRECTORY)
        self.ready: ITerraformDependable = Release(
            self,
            "dashboards-and-rules",
            name="observability",
            namespace=props.namespace.name,
            chart=chart.path,
            # The operator's webhook checks the rules.
            depends_on=[stack.ready],
            **RELEASE_DEFAULTS,
        )


def _values(props: MonitoringProps) -> dict[str, Any]:
    return {
        "crds": {"enabled": False},
        # K3s runs them in one process, whose metrics the API server's show.
        **{component: {"enabled": False} for component in ("kubeControllerManager", "kubeScheduler", "kubeProxy", "kubeEtcd")},
        "defaultRules": {"disabled": {"Watchdog": True, "InfoInhibitor": True}, "rules": {"windows": False}},
        "prometheusOperator": {
            "resources": resources("20m", "96Mi", "256Mi"),
            "prometheusConfigReloader": {"resources": resources("5m", "32Mi", "64Mi")},
            "admissionWebhooks": {"patch": {"resources": resources("10m", "32Mi", "64Mi")}},
        },
        "kube-state-metrics": {"resources": resources("20m", "96Mi", "256Mi")},
        "prometheus-node-exporter": {"resources": resources("20m", "32Mi", "96Mi")},
        "prometheus": {"prometheusSpec": _prometheus(props.domain)},
        "alertmanager": _alertmanager(props),
        "grafana": _grafana(props.domain),
    }


def _volume(gib: int) -> dict[str, Any]:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": f"{gib}Gi"}}}
    return {"volumeClaimTemplate": {"spec": claim}}


def _prometheus(domain: str) -> dict[str, Any]:
    every_release = dict.fromkeys(("serviceMonitor", "podMonitor", "rule", "probe", "scrapeConfig"), False)
    return {
        **{f"{kind}SelectorNilUsesHelmValues": value for kind, value in every_release.items()},
        "externalUrl": f"https://prometheus.{domain}",
        "retention": f"{DAYS_OF_METRICS}d",
        "retentionSize": "45GB",
        "storageSpec": _volume(50),
        "resources": resources("200m", "1Gi", "3Gi"),
    }


def _alertmanager(props: MonitoringProps) -> dict[str, Any]:
    return {
        "config": routes(props.slack, heartbeat=props.heartbeat_url is not None, secret=ALERT_SECRET),
        "alertmanagerSpec": {
            "externalUrl": f"https://alertmanager.{props.domain}",
            "secrets": [ALERT_SECRET],
            "storage": _volume(2),
            "resources": resources("10m", "64Mi", "128Mi"),
        },
    }


def _grafana(domain: str) -> dict[str, Any]:
    sources = [
        _source("Loki", "loki", f"http://loki.{MONITORING}.svc.cluster.local:3100"),
        _source("Tempo", "tempo", f"http://tempo.{MONITORING}.svc.cluster.local:3200"),
    ]
    return {
        "admin": {"existingSecret": GRAFANA_SECRET},
        # The client's secret: Grafana takes GF_* for its settings.
        "envFromSecrets": [{"name": GRAFANA_SECRET}],
        "env": _grafana_settings(domain),
        "additionalDataSources": sources,
        "sidecar": {
            "dashboards": {"label": "grafana_dashboard", "labelValue": "1", "searchNamespace": "ALL", "folderAnnotation": "grafana_folder"},
            "resources": resources("10m", "96Mi", "256Mi"),
        },
        "resources": resources("50m", "192Mi", "512Mi"),
    }


def _grafana_settings(domain: str) -> Mapping[str, str]:
    """Grafana's settings as its environment has them, `GF_<section>_<key>`."""
    login = {
        "ENABLED": "true",
        "NAME": "Dex",
        "AUTO_LOGIN": "true",
        "CLIENT_ID": "grafana",
        "SCOPES": "openid email profile groups offline_access",
        "USE_PKCE": "true",
        "USE_REFRESH_TOKEN": "true",
        "AUTH_URL": f"https://dex.{domain}/auth",
        "TOKEN_URL": f"{dex.INTERNAL_URL}/token",
        "API_URL": f"{dex.INTERNAL_URL}/userinfo",
        "ALLOW_ASSIGN_GRAFANA_ADMIN": "true",
        "ROLE_ATTRIBUTE_PATH": f"contains(groups[*], '{dex.OPERATORS_GROUP}') && 'GrafanaAdmin' || 'None'",
    }
    return {
        "GF_SERVER_ROOT_URL": f"https://grafana.{domain}",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_DATE_FORMATS_DEFAULT_TIMEZONE": "utc",
        **{f"GF_AUTH_GENERIC_OAUTH_{key}": value for key, value in login.items()},
    }


def _source(name: str, type: str, url: str) -> dict[str, Any]:
    return {"name": name, "type": type, "uid": type, "url": url, "access": "proxy", "editable": False}
