"""The location's host names inside the cluster: pods reach them without the public DNS and the router in front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_kubernetes.config_map_v1 import ConfigMapV1, ConfigMapV1Metadata
from constructs import Construct

TTL_SEC = 30


@dataclass(frozen=True, kw_only=True)
class ClusterDnsProps:
    """`*.<domain>` is the ingress IP, and `k3s.<domain>` the address of the Kubernetes API."""

    domain: str
    ingress_ip: str
    api_address: str
    waits_for: Sequence[ITerraformDependable]


class ClusterDns(Construct):
    """A server block for K3s's CoreDNS, which reads `coredns-custom` within a minute. `ready`: the ConfigMap."""

    def __init__(self, scope: Construct, id: str, props: ClusterDnsProps) -> None:
        super().__init__(scope, id)
        self.ready: ITerraformDependable = ConfigMapV1(
            self,
            "coredns",
            metadata=ConfigMapV1Metadata(name="coredns-custom", namespace="kube-system"),
            data={"location.server": server_block(props)},
            depends_on=list(props.waits_for),
        )


def server_block(props: ClusterDnsProps) -> str:
    """CoreDNS configuration: A records for names directly under the domain, an empty answer for every other type of record.

    Deeper names do not exist: a server whose resolver searches the domain gives that to its pods, which then try every name
    of the world below it first.
    """
    escaped = props.domain.replace(".", "[.]")
    return f"""\
{props.domain}:53 {{
    errors
    template IN A k3s.{props.domain} {{
        match ^k3s[.]{escaped}[.]$
        answer "{{{{ .Name }}}} {TTL_SEC} IN A {props.api_address}"
        fallthrough
    }}
    template IN A {props.domain} {{
        match ^([^.]+[.])?{escaped}[.]$
        answer "{{{{ .Name }}}} {TTL_SEC} IN A {props.ingress_ip}"
        fallthrough
    }}
    template IN ANY {props.domain} {{
        match ^([^.]+[.])?{escaped}[.]$
        rcode NOERROR
        fallthrough
    }}
    template ANY ANY {props.domain} {{
        rcode NXDOMAIN
    }}
}}
"""
