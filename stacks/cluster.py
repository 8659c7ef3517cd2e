"""The servers of a location as a K3s cluster."""

from __future__ import annotations

from ipaddress import IPv4Address

from constructs import Construct

from ib_constructs import Identity, K3sCluster, K3sClusterProps, K3sSettings, Server
from ib_constructs.cluster.k3s import RELEASES
from ib_constructs.versions import K3S_SHA256
from stacks.config.schema import Location


def k3s_cluster(scope: Construct, location: Location, identity: Identity, ssh_private_key: str, issuer_ca: str | None = None) -> K3sCluster:
    """The servers of *location* as a cluster with *identity*.

    *issuer_ca*: root certificate (PEM) behind Dex's, where it is not a public authority's.
    """
    return K3sCluster(scope, "k3s", k3s_props(location, identity, ssh_private_key, issuer_ca))


def k3s_props(location: Location, identity: Identity, ssh_private_key: str, issuer_ca: str | None = None) -> K3sClusterProps:
    """What a location file says of its cluster."""
    mirrors = location.mirrors
    return K3sClusterProps(
        servers=k3s_servers(location),
        identity=identity,
        ssh_private_key=ssh_private_key,
        settings=k3s_settings(location, issuer_ca),
        ingress_ip=str(location.network.ingress_ip),
        issuer_host=f"dex.{location.domain}",
        shared_storage=location.storage.longhorn,
        gpu_runtime=location.gpu.runtime,
        releases_url=mirrors.k3s or RELEASES,
        binary_sha256=mirrors.k3s_sha256 or K3S_SHA256,
        images_sha256=mirrors.k3s_images_sha256,
        protect=location.protect,
    )


def k3s_settings(location: Location, issuer_ca: str | None = None) -> K3sSettings:
    """What all servers of a location share. *issuer_ca*: as `k3s_cluster` has it."""
    api_names: list[str | IPv4Address] = [location.cluster_address, location.api_address, f"k3s.{location.domain}"]
    mirrors = location.mirrors
    return K3sSettings(
        api_vip=str(location.network.api_vip) if location.network.api_vip else None,
        api_names=[str(name) for name in api_names],
        issuer=f"https://dex.{location.domain}",
        issuer_ca=issuer_ca,
        cluster_cidr=str(location.network.cluster_cidr),
        service_cidr=str(location.network.service_cidr),
        packaged_storage=not location.storage.longhorn,
        snapshots_to_s3=location.backup is not None,
        image_mirror=mirrors.images,
        embedded_registry=mirrors.embedded_registry,
    )


def k3s_servers(location: Location) -> list[Server]:
    """The machines of a location, in its file's order."""
    return [
        Server(
            name=server.name,
            role=server.role,
            ip=str(server.ip),
            ssh_host=server.ssh_endpoint[0],
            ssh_port=server.ssh_endpoint[1],
            ssh_host_key=server.ssh_host_key,
        )
        for server in location.servers
    ]
