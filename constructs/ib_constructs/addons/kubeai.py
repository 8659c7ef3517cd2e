"""KubeAI: runs the models, one Deployment each, and scales them by their requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cdktf import ITerraformDependable, TerraformResourceLifecycle
from cdktf_cdktf_provider_kubernetes.persistent_volume_claim_v1 import (
    PersistentVolumeClaimV1,
    PersistentVolumeClaimV1Metadata,
    PersistentVolumeClaimV1Spec,
    PersistentVolumeClaimV1SpecResources,
)
from cdktf_cdktf_provider_kubernetes.service_v1 import ServiceV1, ServiceV1Metadata, ServiceV1Spec, ServiceV1SpecPort
from constructs import Construct

from ib_constructs.addons.gpu import Runtime, Vendor
from ib_constructs.addons.model_profiles import CHARTS_PROFILES, ENGINE_IMAGES, resource_profiles
from ib_constructs.base.helm import AddonProps, HelmAddon, HelmAddonProps, Objects, ObjectsProps
from ib_constructs.base.namespace import BIFROST, CONTROL, INGRESS, Namespace, NamespaceProps
from ib_constructs.base.pods import CONTAINER_RESTRICTED, POD_RESTRICTED, resources
from ib_constructs.versions import KUBEAI

NAMESPACE = "kubeai"
INTERNAL_URL = f"http://kubeai.{NAMESPACE}.svc.cluster.local/openai"
"""Below it KubeAI answers as OpenAI's API does, `/v1/…`."""
CACHE_PROFILE = "storage"
CACHE_CLAIM = f"shared-model-cache-{CACHE_PROFILE}"
"""Name of the claim that KubeAI makes for the profile, of 10 GiB whatever it is told, unless the claim is there already."""
ENGINE_PORT = 8000
"""KubeAI has every engine listen there, for requests and for metrics."""
ENGINES = "engine-metrics"
ENGINE_METRICS = f"{ENGINES}.{NAMESPACE}.svc.cluster.local:{ENGINE_PORT}"
"""What the control service's CONTROL_ENGINE_METRICS is: the name resolves to the address of each process of vLLM."""
TOKEN_SECRET = "hugging-face"  # noqa: S105 (a name)


@dataclass(frozen=True, kw_only=True)
class KubeAiProps:
    """`vendors`: of the GPUs that models may ask for. `runtime`: as `Gpu` has it.

    `hugging_face_token`: reference to a variable, for models that ask for one; None for public models only.
    `cache_gib`: size of the volume that keeps downloaded models for all servers; None for none. `cache_class`: its StorageClass.
    """

    given: AddonProps
    vendors: Sequence[Vendor]
    runtime: Runtime = "nri"
    hugging_face_token: str | None = None
    cache_gib: int | None = None
    cache_class: str = "longhorn"


class KubeAi(Construct):
    """KubeAI with the location's resource profiles, and a name for all engines that count their requests.

    `ready`: it takes Models. `namespace`: where Models live.
    """

    def __init__(self, scope: Construct, id: str, props: KubeAiProps) -> None:
        super().__init__(scope, id)
        self.namespace = Namespace(
            self,
            "namespace",
            NamespaceProps(
                name=NAMESPACE,
                pod_security="baseline",
                cluster=props.given.cluster,
                reached_from=(BIFROST, CONTROL, INGRESS),
                protect=props.given.protect,
            ),
        )
        self.cache_claim: PersistentVolumeClaimV1 | None = self._cache(props) if props.cache_gib else None
        addon = HelmAddon(
            self,
            "addon",
            HelmAddonProps(
                chart=KUBEAI,
                given=props.given,
                namespace=self.namespace,
                values=_values(props),
                secrets={TOKEN_SECRET: {"token": props.hugging_face_token or ""}},
                pod_annotations="podAnnotations",
                waits_for=[self.cache_claim] if self.cache_claim else [],
                # With its kinds every Model would go.
                protect=props.given.protect,
            ),
        )
        self.ready: ITerraformDependable = addon.ready
        self._engines()
        if props.given.monitored:
            monitor = ObjectsProps(name="kubeai-monitor", namespace=self.namespace, objects=[_monitor()], waits_for=[addon.ready])
            Objects(self, "monitor", monitor)

    def _engines(self) -> None:
        """A headless Service, since each process counts for itself: a request to a common address would read one of them."""
        ServiceV1(
            self,
            "engines",
            metadata=ServiceV1Metadata(name=ENGINES, namespace=self.namespace.name),
            spec=ServiceV1Spec(
                cluster_ip="None",
                # Those that load or end, too: what is not read before its first request and after its last is not counted.
                publish_not_ready_addresses=True,
                selector={"app": "model", "app.kubernetes.io/managed-by": "kubeai", "app.kubernetes.io/name": "vllm"},
                port=[ServiceV1SpecPort(name="http", port=ENGINE_PORT)],
            ),
            depends_on=[self.namespace.ready],
        )

    def _cache(self, props: KubeAiProps) -> PersistentVolumeClaimV1:
        return PersistentVolumeClaimV1(
            self,
            "cache",
            metadata=PersistentVolumeClaimV1Metadata(name=CACHE_CLAIM, namespace=self.namespace.name),
            spec=PersistentVolumeClaimV1Spec(
                # KubeAI mounts it in every server's pods at once.
                access_modes=["ReadWriteMany"],
                storage_class_name=props.cache_class,
                resources=PersistentVolumeClaimV1SpecResources(requests={"storage": f"{props.cache_gib}Gi"}),
            ),
            wait_until_bound=True,
            # Without its class it would stay pending.
            depends_on=[self.namespace.ready, *props.given.waits_for],
            # KubeAI notes there which models it holds.
            lifecycle=TerraformResourceLifecycle(ignore_changes=["metadata[0].annotations"], prevent_destroy=props.given.protect),
        )


def _values(props: KubeAiProps) -> dict[str, Any]:
    values: dict[str, Any] = {
        "open-webui": {"enabled": False},
        "secrets": {"huggingface": {"create": False, "name": TOKEN_SECRET}},
        "modelServers": {engine: {"images": images} for engine, images in ENGINE_IMAGES.items()},
        # The chart's own profiles are for GPUs that one rents; Helm merges maps, and null takes an entry away.
        "resourceProfiles": dict.fromkeys(CHARTS_PROFILES) | resource_profiles(props.vendors, props.runtime),
        "modelAutoscaling": {"interval": "10s", "timeWindow": "10m"},
        "modelServerPods": {
            "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": False, "capabilities": {"drop": ["ALL"]}}
        },
        "metrics": {"prometheusOperator": {"vLLMPodMonitor": {"enabled": props.given.monitored}}},
        "podSecurityContext": dict(POD_RESTRICTED),
        "securityContext": dict(CONTAINER_RESTRICTED),
        "resources": resources("50m", "128Mi", "512Mi"),
    }
    if props.cache_gib:
        values["cacheProfiles"] = {CACHE_PROFILE: {"sharedFilesystem": {"storageClassName": props.cache_class}}}
    return values


def _monitor() -> dict[str, Any]:
    """The monitor of KubeAI itself, whose metrics' port has no name and no Service (kubeai 0.22.1, templates/deployment.yaml)."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "kubeai"},
        "spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": "kubeai"}}, "podMetricsEndpoints": [{"portNumber": 8080}]},
    }
