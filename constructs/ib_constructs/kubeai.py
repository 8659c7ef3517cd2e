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
from constructs import Construct

from ib_constructs.gpu import Runtime, Vendor
from ib_constructs.helm import AddonProps, HelmAddon, HelmAddonProps, Objects, ObjectsProps
from ib_constructs.model_profiles import CHARTS_PROFILES, ENGINE_IMAGES, resource_profiles
from ib_constructs.namespace import BIFROST, CONTROL, INGRESS, Namespace, NamespaceProps
from ib_constructs.pods import CONTAINER_RESTRICTED, POD_RESTRICTED, resources
from ib_constructs.versions import KUBEAI

NAMESPACE = "kubeai"
INTERNAL_URL = f"http://kubeai.{NAMESPACE}.svc.cluster.local/openai"
"""Below it KubeAI answers as OpenAI's API does, `/v1/…`."""
CACHE_PROFILE = "storage"
CACHE_CLAIM = f"shared-model-cache-{CACHE_PROFILE}"
"""The claim that KubeAI would make for the profile by itself, of 10 GiB whatever it is told; one that is there it takes."""
TOKEN_SECRET = "hugging-face"  # noqa: S105 (a name)


@dataclass(frozen=True, kw_only=True)
class KubeAiProps(AddonProps):
    """`vendors`: of the GPUs that models may ask for. `runtime`: as `Gpu` has it.

    `hugging_face_token`: reference to a variable, for models that ask for one; None for public models only.
    `cache_gib`: size of the volume that keeps downloaded models for all servers; None for none. `cache_class`: its StorageClass.
    """

    vendors: Sequence[Vendor]
    runtime: Runtime = "nri"
    hugging_face_token: str | None = None
    cache_gib: int | None = None
    cache_class: str = "longhorn"


class KubeAi(Construct):
    """KubeAI with the location's resource profiles. `ready`: it takes Models. `namespace`: where Models live."""

    def __init__(self, scope: Construct, id: str, props: KubeAiProps) -> None:
        super().__init__(scope, id)
        self.namespace = Namespace(
            self,
            "namespace",
            NamespaceProps(
                name=NAMESPACE,
                pod_security="baseline",
                cluster=props.cluster,
                reached_from=(BIFROST, CONTROL, INGRESS),
                protect=props.protect,
            ),
        )
        self.cache_claim: PersistentVolumeClaimV1 | None = self._cache(props) if props.cache_gib else None
        addon = HelmAddon(
            self,
            "addon",
            HelmAddonProps(
                chart=KUBEAI,
                given=props,
                namespace=self.namespace,
                values=_values(props),
                secrets={TOKEN_SECRET: {"token": props.hugging_face_token or ""}},
                pod_annotations="podAnnotations",
                waits_for=[self.cache_claim] if self.cache_claim else [],
                # With its kinds every Model would go.
                protect=props.protect,
            ),
        )
        self.ready: ITerraformDependable = addon.ready
        if props.monitored:
            monitor = ObjectsProps(name="kubeai-monitor", namespace=self.namespace, objects=[_monitor()], waits_for=[addon.ready])
            Objects(self, "monitor", monitor)

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
            depends_on=[self.namespace.ready, *props.waits_for],
            # KubeAI notes there which models it holds.
            lifecycle=TerraformResourceLifecycle(ignore_changes=["metadata[0].annotations"], prevent_destroy=props.protect),
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
        "metrics": {"prometheusOperator": {"vLLMPodMonitor": {"enabled": props.monitored}}},
        "podSecurityContext": dict(POD_RESTRICTED),
        "securityContext": dict(CONTAINER_RESTRICTED),
        "resources": resources("50m", "128Mi", "512Mi"),
    }
    if props.cache_gib:
        values["cacheProfiles"] = {CACHE_PROFILE: {"sharedFilesystem": {"storageClassName": props.cache_class}}}
    return values


def _monitor() -> dict[str, Any]:
    """Of KubeAI itself: its metrics' port has no name and no Service (kubeai 0.22.1, templates/deployment.yaml)."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "kubeai"},
        "spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": "kubeai"}}, "podMetricsEndpoints": [{"portNumber": 8080}]},
    }
