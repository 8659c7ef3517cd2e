"""Logs and traces beside the metrics: Alloy collects, Loki and Tempo keep, Grafana shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_null.resource import Resource
from constructs import Construct

from ib_constructs.base.helm import AddonProps, HelmAddon, HelmAddonProps
from ib_constructs.base.namespace import MONITORING, Namespace
from ib_constructs.base.pods import resources
from ib_constructs.versions import ALLOY, LOKI, TEMPO

TRACES_TO = f"tempo.{MONITORING}.svc.cluster.local:4317"
"""Where Tempo takes traces, by OTLP over gRPC: `host:port`."""
DAYS_OF_LOGS, DAYS_OF_TRACES = 14, 7
# What Alloy does with each server's pods: reads their files where they are, and sends them with the pod's names.
PIPELINE = f"""\
discovery.kubernetes "pods" {{
  role = "pod"
  selectors {{
    role  = "pod"
    field = "spec.nodeName=" + coalesce(sys.env("HOSTNAME"), constants.hostname)
  }}
}}

discovery.relabel "pods" {{
  targets = discovery.kubernetes.pods.targets
  rule {{
    source_labels = ["__meta_kubernetes_namespace"]
    target_label  = "namespace"
  }}
  rule {{
    source_labels = ["__meta_kubernetes_pod_name"]
    target_label  = "pod"
  }}
  rule {{
    source_labels = ["__meta_kubernetes_pod_container_name"]
    target_label  = "container"
  }}
  rule {{
    source_labels = ["__meta_kubernetes_pod_label_app_kubernetes_io_name"]
    target_label  = "app"
  }}
  rule {{
    source_labels = ["__meta_kubernetes_pod_uid", "__meta_kubernetes_pod_container_name"]
    separator     = "/"
    target_label  = "__path__"
    replacement   = "/var/log/pods/*$1/*.log"
  }}
}}

local.file_match "pods" {{
  path_targets = discovery.relabel.pods.output
}}

loki.source.file "pods" {{
  targets    = local.file_match.pods.targets
  forward_to = [loki.process.pods.receiver]
}}

loki.process "pods" {{
  stage.cri {{}}
  forward_to = [loki.write.default.receiver]
}}

loki.write "default" {{
  endpoint {{
    url = "http://loki.{MONITORING}.svc.cluster.local:3100/loki/api/v1/push"
  }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class LogsAndTracesProps:
    """`namespace`: the one that `MonitoringKinds` made."""

    given: AddonProps
    namespace: Namespace


class LogsAndTraces(Construct):
    """Loki keeps all pods' logs for two weeks, Tempo the gateway's traces for one. `ready`: both run, and Alloy collects logs."""

    def __init__(self, scope: Construct, id: str, props: LogsAndTracesProps) -> None:
        super().__init__(scope, id)
        charts = {"loki": (LOKI, _loki()), "tempo": (TEMPO, _tempo()), "alloy": (ALLOY, _alloy())}
        ready = [
            HelmAddon(
                self,
                name,
                HelmAddonProps(chart=chart, given=props.given, namespace=props.namespace, values=values),
            ).ready
            for name, (chart, values) in charts.items()
        ]
        self.ready: ITerraformDependable = Resource(self, "ready", depends_on=ready)


def _loki() -> dict[str, Any]:
    """One process with a volume; what the chart makes for many is switched off."""
    several = ("backend", "read", "write")
    return {
        "deploymentMode": "Monolithic",
        "singleBinary": {"replicas": 1, "persistence": {"size": "20Gi"}, "resources": resources("100m", "256Mi", "1Gi")},
        **{part: {"replicas": 0} for part in several},
        **{part: {"enabled": False} for part in ("chunksCache", "resultsCache", "lokiCanary", "test", "gateway")},
        "sidecar": {"rules": {"enabled": False}},
        "monitoring": {"serviceMonitor": {"enabled": True}},
        "loki": {
            "auth_enabled": False,
            "analytics": {"reporting_enabled": False},
            "commonConfig": {"replication_factor": 1},
            "storage": {"type": "filesystem"},
            "schemaConfig": {
                "configs": [
                    {
                        "from": "2026-01-01",
                        "store": "tsdb",
                        "object_store": "filesystem",
                        "schema": "v13",
                        "index": {"prefix": "index_", "period": "24h"},
                    }
                ]
            },
            "limits_config": {"retention_period": f"{DAYS_OF_LOGS * 24}h"},
            "compactor": {"retention_enabled": True, "delete_request_store": "filesystem"},
        },
    }


def _tempo() -> dict[str, Any]:
    return {
        "tempo": {
            "retention": f"{DAYS_OF_TRACES * 24}h",
            "reportingEnabled": False,
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "0.0.0.0:4317"}, "http": {"endpoint": "0.0.0.0:4318"}}}},
            "resources": resources("50m", "256Mi", "1Gi"),
        },
        "persistence": {"enabled": True, "size": "10Gi"},
        "serviceMonitor": {"enabled": True},
    }


def _alloy() -> dict[str, Any]:
    return {
        "crds": {"create": False},
        "alloy": {
            "configMap": {"content": PIPELINE},
            "mounts": {"varlog": True},
            "enableReporting": False,
            "resources": resources("30m", "128Mi", "512Mi"),
        },
        "configReloader": {"resources": resources("5m", "32Mi", "64Mi")},
        "controller": {"tolerations": [{"operator": "Exists", "effect": "NoSchedule"}]},
        "serviceMonitor": {"enabled": True},
    }
