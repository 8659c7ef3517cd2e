"""MetalLB: addresses for Services of type LoadBalancer, announced by ARP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import ITerraformDependable
from constructs import Construct

from ib_constructs.helm import HelmAddon, HelmAddonProps, Objects, ObjectsProps
from ib_constructs.versions import METALLB

POOL = "location"


@dataclass(frozen=True, kw_only=True)
class MetalLbProps:
    """`address_range`: `first-last`, inclusive, free addresses on the servers' subnet."""

    address_range: str
    waits_for: Sequence[ITerraformDependable]
    charts_mirror: str | None = None


class MetalLb(Construct):
    """MetalLB in layer 2 mode with one address pool. `ready`: the pool."""

    def __init__(self, scope: Construct, id: str, props: MetalLbProps) -> None:
        super().__init__(scope, id)
        addon = HelmAddon(
            self,
            "addon",
            HelmAddonProps(
                chart=METALLB,
                namespace="metallb-system",
                # The speaker answers ARP from the host's network.
                pod_security="privileged",
                values={
                    "frrk8s": {"enabled": False},  # BGP only; on by default since 0.16
                    "controller": {"resources": {"requests": {"cpu": "20m", "memory": "64Mi"}}},
                    "speaker": {
                        "ignoreExcludeLB": True,  # on one server, the control plane also balances
                        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
                    },
                },
                waits_for=props.waits_for,
                charts_mirror=props.charts_mirror,
            ),
        )
        pool = {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": {"name": POOL},
            "spec": {"addresses": [props.address_range], "avoidBuggyIPs": True},
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
            ObjectsProps(name="metallb-pool", namespace=addon.namespace, objects=[pool, advertisement], waits_for=[addon.ready]),
        )
        self.ready: ITerraformDependable = objects.ready
