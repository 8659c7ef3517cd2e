"""Namespaces: how much its pods may do, and who may open connections to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cdktf import ITerraformDependable, TerraformResourceLifecycle
from cdktf_cdktf_provider_kubernetes.namespace_v1 import NamespaceV1, NamespaceV1Metadata
from cdktf_cdktf_provider_kubernetes.network_policy_v1 import (
    NetworkPolicyV1,
    NetworkPolicyV1Metadata,
    NetworkPolicyV1Spec,
    NetworkPolicyV1SpecIngress,
    NetworkPolicyV1SpecIngressFrom,
    NetworkPolicyV1SpecIngressFromNamespaceSelector,
    NetworkPolicyV1SpecIngressFromPodSelector,
    NetworkPolicyV1SpecIngressPorts,
    NetworkPolicyV1SpecPodSelector,
)
from cdktf_cdktf_provider_kubernetes.secret_v1 import SecretV1, SecretV1Metadata
from constructs import Construct

PodSecurity = Literal["privileged", "baseline", "restricted"]
INGRESS, BIFROST, CONTROL = "ingress", "bifrost", "control"
MONITORING = "monitoring"
"""Namespaces that others name: of the ingress controller, of the gateway, of the control service, and of Prometheus, which scrapes all."""


@dataclass(frozen=True, kw_only=True)
class NamespaceProps:
    """`pod_security`: the level that is enforced. `cluster`: the resource after which there is an API.

    `reached_from`: namespaces whose pods may connect to this one's, besides its own and Prometheus.
    `open_ports`: container ports anyone may connect to: the API server calls webhooks from a server's address.
    `protect`: a plan that would destroy it, and the volumes in it, fails.
    `guarded`: False leaves connections alone; for the cluster's own plumbing, which works from the hosts' network.
    """

    name: str
    pod_security: PodSecurity
    cluster: ITerraformDependable
    reached_from: Sequence[str] = ()
    open_ports: Sequence[int] = ()
    guarded: bool = True
    protect: bool = False


class Namespace(Construct):
    """A namespace of ours, closed to whoever is not named. `ready`: the namespace, and the policy where it is guarded.

    `name` refers to the resource: whoever uses it waits for it.
    """

    def __init__(self, scope: Construct, id: str, props: NamespaceProps) -> None:
        super().__init__(scope, id)
        labels = {f"pod-security.kubernetes.io/{mode}": props.pod_security for mode in ("enforce", "warn")}
        namespace = NamespaceV1(
            self,
            "namespace",
            metadata=NamespaceV1Metadata(name=props.name, labels=labels),
            depends_on=[props.cluster],
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if props.protect else None,
        )
        self.name: str = namespace.metadata.name
        self.ready: ITerraformDependable = namespace
        if props.guarded:
            self.ready = self._closed(props)

    def _closed(self, props: NamespaceProps) -> NetworkPolicyV1:
        own = NetworkPolicyV1SpecIngressFrom(pod_selector=NetworkPolicyV1SpecIngressFromPodSelector())
        others = [_pods_of(name) for name in sorted({*props.reached_from, MONITORING} - {props.name})]
        rules = [NetworkPolicyV1SpecIngress(from_=[own, *others])]
        if props.open_ports:
            ports = [NetworkPolicyV1SpecIngressPorts(port=str(port), protocol="TCP") for port in props.open_ports]
            rules.append(NetworkPolicyV1SpecIngress(ports=ports))
        return NetworkPolicyV1(
            self,
            "closed",
            metadata=NetworkPolicyV1Metadata(name="closed", namespace=self.name),
            spec=NetworkPolicyV1Spec(pod_selector=NetworkPolicyV1SpecPodSelector(), policy_types=["Ingress"], ingress=rules),
        )

    def secret(self, scope: Construct, name: str, data: Mapping[str, str], type: str = "Opaque") -> SecretV1:
        """A Secret in this namespace, of *scope*; *data* in plain text, as variables and generated passwords give it."""
        metadata = SecretV1Metadata(name=name, namespace=self.name)
        return SecretV1(scope, name, metadata=metadata, data=dict(data), type=type)


def _pods_of(namespace: str) -> NetworkPolicyV1SpecIngressFrom:
    # The API server itself puts this label on every namespace.
    labels = {"kubernetes.io/metadata.name": namespace}
    return NetworkPolicyV1SpecIngressFrom(namespace_selector=NetworkPolicyV1SpecIngressFromNamespaceSelector(match_labels=labels))
