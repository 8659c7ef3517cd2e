"""Bifrost: the gateway that customers call, in front of KubeAI; its log rows are what invoices are made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdktf import ITerraformDependable, TerraformResourceLifecycle
from cdktf_cdktf_provider_kubernetes.config_map_v1 import ConfigMapV1, ConfigMapV1Metadata
from cdktf_cdktf_provider_kubernetes.pod_disruption_budget_v1 import (
    PodDisruptionBudgetV1,
    PodDisruptionBudgetV1Metadata,
    PodDisruptionBudgetV1Spec,
    PodDisruptionBudgetV1SpecSelector,
)
from cdktf_cdktf_provider_kubernetes.priority_class_v1 import PriorityClassV1, PriorityClassV1Metadata
from cdktf_cdktf_provider_random.password import Password
from constructs import Construct

from ib_constructs.addons import kubeai
from ib_constructs.addons.postgres import DATABASE, NAME, PORT, Postgres, PostgresProps
from ib_constructs.base.helm import AddonProps, HelmAddon, HelmAddonProps, Objects, ObjectsProps
from ib_constructs.base.ingress import STREAM_TIMEOUT_SEC
from ib_constructs.base.namespace import CONTROL, INGRESS, Namespace, NamespaceProps
from ib_constructs.base.pods import CONTAINER_RESTRICTED, POD_RESTRICTED, resources
from ib_constructs.base.s3 import Bucket
from ib_constructs.versions import BIFROST, BIFROST_TAG

NAMESPACE, SERVICE, HTTP_PORT = "bifrost", "bifrost", 8080
PUBLIC_PATHS = ("/v1", "/openai", "/anthropic", "/langchain", "/litellm", "/genai")
"""Paths of inference, which asks for a virtual key by itself; every other path is the management API or its UI."""
PRIORITY = "billing"
"""Priority class of what money is counted by: the gateway, its database, the control service."""
PRICES = "bifrost-prices"
"""Name of the ConfigMap with the price sheet, which the control service keeps up to date."""
SHEET = "/etc/bifrost/prices/sheet.json"
PARAMETERS = "/etc/bifrost/parameters/parameters.json"
"""What the gateway knows of models beside prices: nothing, or its first start would fetch it from the internet."""
# A gateway without one row of prices serves unpriced, or does not start (docs/facts/bifrost.md, Price sheet); no model can have this name.
NO_MODEL = {"kubeai/-": {"provider": "kubeai", "mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0}}
_FILES = (("prices", PRICES, SHEET), ("parameters", "bifrost-parameters", PARAMETERS))
DAYS_OF_LOGS = 365
STOP_SEC = 120
"""The gateway's time after SIGTERM to end answers and write the last rows, of which a kill loses those of WRITER's interval."""
# By its defaults, 1,000 rows after 5 seconds, a batch has more parameters than PostgreSQL takes, and the queue overflows
# (docs/facts/bifrost.md, Losing rows).
WRITER = {"maxBatchSize": 500, "batchInterval": "1s"}


@dataclass(frozen=True, kw_only=True)
class BifrostProps:
    """`bucket`: where the database is backed up to. `traces_to`: OTLP collector, `host:port`."""

    given: AddonProps
    bucket: Bucket | None = None
    traces_to: str | None = None


class Bifrost(Construct):
    """The gateway and its database. `ready`: it answers, with a price sheet mounted and its management API locked.

    `namespace`, for Ingresses; `admin_secret`: name of the Secret with `username` and `password` of the management API.
    """

    admin_secret = "bifrost"  # noqa: S105 (a name)

    def __init__(self, scope: Construct, id: str, props: BifrostProps) -> None:
        super().__init__(scope, id)
        priority = PriorityClassV1(
            self,
            "priority",
            metadata=PriorityClassV1Metadata(name=PRIORITY),
            value=1_000_000,
            description="What money is counted by: evicted last",
            depends_on=[props.given.cluster],
        )
        self.namespace = Namespace(
            self,
            "namespace",
            NamespaceProps(
                name=NAMESPACE,
                pod_security="restricted",
                cluster=props.given.cluster,
                reached_from=(INGRESS, CONTROL),
                protect=props.given.protect,
            ),
        )
        postgres = Postgres(
            self,
            "postgres",
            PostgresProps(given=props.given, namespace=self.namespace, bucket=props.bucket, waits_for=[priority]),
        )
        budget = self._disruption_budget()
        addon = HelmAddon(
            self,
            "addon",
            HelmAddonProps(
                chart=BIFROST,
                given=props.given,
                namespace=self.namespace,
                values=_values(props),
                secrets={self.admin_secret: self._secret()},
                pod_annotations="podAnnotations",
                priority_class=PRIORITY,
                waits_for=[postgres.ready, self._prices(), self._parameters(), budget],
            ),
        )
        self.ready: ITerraformDependable = addon.ready
        if props.given.monitored:
            monitor = ObjectsProps(name="bifrost-monitor", namespace=self.namespace, objects=[_monitor()], waits_for=[addon.ready])
            Objects(self, "monitor", monitor)

    def _secret(self) -> dict[str, str]:
        # The gateway asks for twelve characters of every class.
        password = Password(self, "admin", length=32, min_lower=1, min_upper=1, min_numeric=1, min_special=1, override_special="-_.!")
        key = Password(self, "encryption-key", length=32, special=False)
        return {"username": "admin", "password": password.result, "encryption-key": key.result}

    def _prices(self) -> ConfigMapV1:
        return ConfigMapV1(
            self,
            "prices",
            metadata=ConfigMapV1Metadata(name=PRICES, namespace=self.namespace.name),
            data={Path(SHEET).name: json.dumps(NO_MODEL)},
            # From its first start on the control service writes it.
            lifecycle=TerraformResourceLifecycle(ignore_changes=["data"]),
        )

    def _parameters(self) -> ConfigMapV1:
        metadata = ConfigMapV1Metadata(name="bifrost-parameters", namespace=self.namespace.name)
        return ConfigMapV1(self, "parameters", metadata=metadata, data={Path(PARAMETERS).name: "{}"})

    def _disruption_budget(self) -> PodDisruptionBudgetV1:
        selector = PodDisruptionBudgetV1SpecSelector(match_labels={"app.kubernetes.io/name": "bifrost"})
        return PodDisruptionBudgetV1(
            self,
            "budget",
            metadata=PodDisruptionBudgetV1Metadata(name="bifrost", namespace=self.namespace.name),
            # One pod at a time, so that a drain always goes on.
            spec=PodDisruptionBudgetV1Spec(max_unavailable="1", selector=selector),
        )


def _values(props: BifrostProps) -> dict[str, Any]:
    return {
        "image": {"tag": BIFROST_TAG},
        # Budgets and metrics are kept in each pod's memory: a second one would count apart.
        "replicaCount": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "terminationGracePeriodSeconds": STOP_SEC,
        "serviceAccount": {"automount": False},
        "rbac": {"podDiscovery": {"enabled": False}},
        "podSecurityContext": dict(POD_RESTRICTED) | {"runAsUser": 1000, "fsGroup": 1000},
        "securityContext": dict(CONTAINER_RESTRICTED) | {"readOnlyRootFilesystem": False, "runAsNonRoot": True, "runAsUser": 1000},
        "resources": resources("500m", "512Mi", "2Gi"),
        "storage": {"mode": "postgres", "persistence": {"enabled": False}, "logsStore": {"writer": dict(WRITER)}},
        "postgresql": {
            "external": {
                "enabled": True,
                "host": NAME,
                "port": PORT,
                "user": "bifrost",
                "database": DATABASE,
                "sslMode": "disable",  # within the namespace, which nobody else reaches
                "existingSecret": Postgres.password_secret,
            }
        },
        "volumes": [{"name": name, "configMap": {"name": config}} for name, config, _ in _FILES],
        "volumeMounts": [{"name": name, "mountPath": str(Path(file).parent), "readOnly": True} for name, _, file in _FILES],
        "bifrost": _gateway(props.traces_to),
    }


def _gateway(traces_to: str | None) -> dict[str, Any]:
    plugins: dict[str, Any] = {
        "telemetry": {"enabled": True},
        "logging": {"enabled": True, "config": {"disable_content_logging": True}},
        "governance": {"enabled": True, "config": {"is_vk_mandatory": True}},
    }
    if traces_to:
        otel = {
            "service_name": "bifrost",
            "collector_url": traces_to,
            "protocol": "grpc",
            "trace_type": "genai_extension",
            "insecure": True,
            "disable_content_logging": True,
        }
        plugins["otel"] = {"enabled": True, "config": otel}
    return {
        "encryptionKeySecret": {"name": Bifrost.admin_secret, "key": "encryption-key"},
        "authConfig": {"isEnabled": True, "existingSecret": Bifrost.admin_secret},
        "client": {
            "enableLogging": True,
            "disableContentLogging": True,
            "logRetentionDays": DAYS_OF_LOGS,
            "enforceAuthOnInference": True,
            "maxRequestBodySizeMb": 100,
        },
        # It refuses private addresses, but not files (docs/facts/bifrost.md, Price sheet).
        "framework": {"pricing": {"pricingUrl": f"file://{SHEET}", "modelParametersUrl": f"file://{PARAMETERS}"}},
        "plugins": plugins,
        "providers": {"kubeai": _provider()},
    }


def _provider() -> dict[str, Any]:
    return {
        # The chart insists on one; a provider without keys looks at none.
        "keys": [{"name": "none", "weight": 1, "models": ["*"]}],
        "network_config": {
            "base_url": kubeai.INTERNAL_URL,
            "allow_private_network": True,
            # Under the ingress's, so that the gateway writes the row of a request that it gave up.
            "default_request_timeout_in_seconds": STREAM_TIMEOUT_SEC - 60,
            "stream_idle_timeout_in_seconds": STREAM_TIMEOUT_SEC - 60,
            # KubeAI queues and retries by itself; a retried request would be one row for two answers.
            "max_retries": 0,
        },
        "custom_provider_config": {
            "base_provider_type": "openai",
            "is_key_less": True,
            "allowed_requests": dict.fromkeys(
                (
                    *("list_models", "text_completion", "text_completion_stream", "chat_completion", "chat_completion_stream"),
                    *("responses", "responses_stream", "embedding", "transcription", "transcription_stream"),
                ),
                True,
            ),
        },
    }


def _monitor() -> dict[str, Any]:
    secret = Bifrost.admin_secret
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": "bifrost"},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/name": "bifrost"}},
            "endpoints": [
                {
                    "port": "http",
                    "path": "/metrics",
                    "interval": "15s",
                    "basicAuth": {"username": {"name": secret, "key": "username"}, "password": {"name": secret, "key": "password"}},
                }
            ],
        },
    }
