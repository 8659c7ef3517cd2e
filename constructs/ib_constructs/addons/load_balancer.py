"""MetalLB: addresses for Services of type LoadBalancer, announced by ARP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cdktf import ITerraformDependable
from constructs import Construct

from ib_constructs.base.helm import AddonProps, HelmAddon, HelmAddonProps, Objects, ObjectsProps
from ib_constructs.base.namespace import Namespace, NamespaceProps
from ib_constructs.base.pods import resources
from ib_constructs.versions import METALLB

POOL = "location"


@dataclass(frozen=True, kw_only=True)
class MetalLbProps:
    """`address_ranges`: each `first-last`, inclusive, free addresses on the servers' subnet."""

    given: AddonProps
    address_ranges: Sequence[str]


class MetalLb(Construct):
    """MetalLB in layer 2 mode with one address pool. `ready`: the pool."""

    def __init__(self, scope: Construct, id: str, props: MetalLbProps) -> None:
        super().__init__(scope, id)
        # The speaker answers ARP from the host's network.
        namespace = Namespace(
            self,
            "namespace",
            NamespaceProps(name="metallb-system", pod_security="privileged", cluster=props.given.cluster, guarded=False),
        )
        addon = HelmAddon(
            self,
            "addon",
            HelmAddonProps(chart=METALLB, given=props.given, namespace=namespace, values=_values(monitored=props.given.monitored)),
        )
        pool = {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": {"name": POOL},
            "spec": {"addresses": list(props.address_ranges), "avoidBuggyIPs": True},
        }
        advertisement = {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "L2Advertisement",
            "metadata": {"name": POOL},
            "spec": {"ipAddressPools": [POOL]},
        }
        objects = Objects(
            self,
            "pool",
            ObjectsProps(name="metallb-pool", namespace=namespace, objects=[pool, advertisement], waits_for=[addon.ready]),
        )
        self.ready: ITerraformDependable = objects.ready


def _values(*, monitored: bool) -> dict[str, Any]:
    return {
        "frrk8s": {"enabled": False},  # BGP only; on by default since 0.16
        "prometheus": {"serviceMonitor": {"enabled": monitored}, "rbacPrometheus": False},
        "controller": {"resources": resources("20m", "64Mi", "128Mi")},
        "speaker": {
            "ignoreExcludeLB": True,  # on one server, the control plane also balances
            "resources": resources("20m", "64Mi", "128Mi"),
        },
    }
