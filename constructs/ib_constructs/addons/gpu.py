"""GPUs: found on the servers, not declared. An operator's operands start only where its vendor's GPU is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml
from cdktf import ITerraformDependable
from cdktf_cdktf_provider_null.resource import Resource
from constructs import Construct

from ib_constructs.base.helm import AddonProps, HelmAddon, HelmAddonProps
from ib_constructs.base.namespace import Namespace, NamespaceProps
from ib_constructs.base.pods import resources
from ib_constructs.versions import (
    AMD_DEVICE_PLUGIN_IMAGE,
    AMD_METRICS_IMAGE,
    AMD_OPERATOR,
    NODE_FEATURE_DISCOVERY,
    NVIDIA_OPERATOR,
    Chart,
)

Vendor = Literal["nvidia", "amd"]
Runtime = Literal["nri", "runtimeclass"]
NAMESPACE = "gpu-operators"
SHARING = "sharing"
SHARING_LABEL = "nvidia.com/device-plugin.config"
"""Label of a server by which its GPUs are shared otherwise than the rest: the device plugin's own, read by its operator."""
WHOLE = "whole"
"""Its value on a server whose GPUs are given out whole."""
SHARES = 4
"""Models that may share one NVIDIA GPU, taking turns: the number of `nvidia.com/gpu` that it shows. Memory is not shared out:
each model is told what it may take (`--gpu-memory-utilization`)."""


@dataclass(frozen=True, kw_only=True)
class GpuProps:
    """`vendors` whose operators are installed. `runtime`: how NVIDIA's devices get into containers.

    `nri` asks containerd, changes nothing on the servers and needs no restart of K3s. `runtimeclass` needs NVIDIA's container
    toolkit on the servers before K3s starts, and names the class `nvidia` in the pods.
    """

    given: AddonProps
    vendors: tuple[Vendor, ...]
    runtime: Runtime = "nri"


class Gpu(Construct):
    """One node feature discovery, and the operators. `ready`: they watch; a GPU that comes later needs no deployment."""

    def __init__(self, scope: Construct, id: str, props: GpuProps) -> None:
        super().__init__(scope, id)
        self._given = props.given
        # Device plugins mount the kubelet's directories and the devices.
        self._namespace = Namespace(
            self, "namespace", NamespaceProps(name=NAMESPACE, pod_security="privileged", cluster=props.given.cluster, guarded=False)
        )
        discovery = self._addon("discovery", NODE_FEATURE_DISCOVERY, _discovery(monitored=props.given.monitored))
        # Their kinds and labels are discovery's.
        operators = {"nvidia": (NVIDIA_OPERATOR, _nvidia(props)), "amd": (AMD_OPERATOR, _amd(monitored=props.given.monitored))}
        ready = [discovery, *(self._addon(vendor, *operators[vendor], discovery) for vendor in props.vendors)]
        self.ready: ITerraformDependable = Resource(self, "ready", depends_on=ready)

    def _addon(self, id: str, chart: Chart, values: Mapping[str, Any], *waits_for: ITerraformDependable) -> ITerraformDependable:
        props = HelmAddonProps(chart=chart, given=self._given, namespace=self._namespace, values=values, waits_for=waits_for)
        return HelmAddon(self, id, props).ready


def _discovery(*, monitored: bool) -> dict[str, Any]:
    return {
        "master": {"resources": resources("20m", "128Mi", "512Mi")},
        "gc": {"resources": resources("10m", "64Mi", "256Mi")},
        "worker": {"resources": resources("5m", "64Mi", "256Mi"), "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}]},
        "prometheus": {"enable": monitored},
    }


def _nvidia(props: GpuProps) -> dict[str, Any]:
    # Two shares may be of one GPU, so that a model which asks for two would be told a lie.
    slices = {"failRequestsGreaterThanOne": True, "resources": [{"name": "nvidia.com/gpu", "replicas": SHARES}]}
    configs = {"shared": {"version": "v1", "sharing": {"timeSlicing": slices}}, WHOLE: {"version": "v1"}}
    return {
        "driver": {"enabled": False},  # the server's own, which the preflight looks for
        "nfd": {"enabled": False},
        "cdi": {"enabled": True, "nriPluginEnabled": props.runtime == "nri"},
        # The operator's own puts the devices' descriptions where NRI finds them; a runtime class is the server's own's.
        "toolkit": {"enabled": props.runtime == "nri", "resources": resources("10m", "32Mi", "256Mi")},
        "devicePlugin": {
            "config": {
                "create": True,
                "name": SHARING,
                "default": "shared",
                "data": {name: yaml.safe_dump(config, sort_keys=False) for name, config in configs.items()},
            },
            "resources": resources("10m", "32Mi", "128Mi"),
        },
        "gfd": {"resources": resources("10m", "32Mi", "128Mi")},
        "migManager": {"enabled": False},
        "dcgmExporter": {"serviceMonitor": {"enabled": props.given.monitored}, "resources": resources("20m", "128Mi", "512Mi")},
        "validator": {"resources": resources("10m", "16Mi", "64Mi")},
        "operator": {"upgradeCRD": True, "resources": resources("50m", "100Mi", "350Mi")},
    }


def _amd(*, monitored: bool) -> dict[str, Any]:
    return {
        "node-feature-discovery": {"enabled": False},
        "kmm": {"enabled": False, "watch": False},  # builds drivers; the server has its own
        "remediation": {"enabled": False},  # a workflow engine that drains servers by itself
        "controllerManager": {"manager": {"resources": resources("50m", "128Mi", "512Mi"), "imagePullPolicy": "IfNotPresent"}},
        "deviceConfig": {
            "spec": {
                "driver": {"enable": False},
                # The operator's defaults are no version at all.
                "devicePlugin": {"devicePluginImage": AMD_DEVICE_PLUGIN_IMAGE, "enableNodeLabeller": False},
                "metricsExporter": {"image": AMD_METRICS_IMAGE, "prometheus": {"serviceMonitor": {"enable": monitored}}},
            }
        },
    }
