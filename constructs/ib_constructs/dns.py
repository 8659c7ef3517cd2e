"""Public names of a location, in a Cloudflare zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_cloudflare.data_cloudflare_zone import DataCloudflareZone, DataCloudflareZoneFilter
from cdktf_cdktf_provider_cloudflare.dns_record import DnsRecord
from cdktf_cdktf_provider_null.resource import Resource
from constructs import Construct

TTL_SEC = 300
"""Short enough to move a location to another line within minutes."""


@dataclass(frozen=True, kw_only=True)
class CloudflareDnsProps:
    """`target`: the IPv4 address (A record) or host name (CNAME record) under which the location is reached."""

    zone: str
    domain: str
    record_type: Literal["A", "CNAME"]
    target: str


class CloudflareDns(Construct):
    """Records `*.<domain>` for everything behind the ingress, and `k3s.<domain>` for the Kubernetes API.

    Not proxied: Cloudflare would end the TLS connection, which streaming clients and kubectl's certificates forbid.
    `ready`: both records.
    """

    def __init__(self, scope: Construct, id: str, props: CloudflareDnsProps) -> None:
        super().__init__(scope, id)
        zone = DataCloudflareZone(self, "zone", filter=DataCloudflareZoneFilter(name=props.zone))
        records: list[ITerraformDependable] = [
            DnsRecord(
                self,
                label,
                zone_id=zone.zone_id,
                name=f"{name}.{props.domain}",
                type=props.record_type,
                content=props.target,
                ttl=TTL_SEC,
                proxied=False,
            )
            for label, name in (("wildcard", "*"), ("k3s", "k3s"))
        ]
        self.ready: ITerraformDependable = Resource(self, "ready", depends_on=records)
