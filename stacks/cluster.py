"""The servers of a location as a K3s cluster."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from types import MappingProxyType

from ib_constructs import Identity, K3sClusterProps, K3sSettings, Server
from ib_constructs.cluster.k3s import RELEASES
from ib_constructs.cluster.k3s_files import Registry
from ib_constructs.versions import K3S_SHA256
from stacks.config.schema import Location

NO_PASSWORDS: Mapping[str, str] = MappingProxyType({})


def k3s_props(
    location: Location,
    identity: Identity,
    ssh_private_key: str,
    issuer_ca: str | None = None,
    registry_passwords: Mapping[str, str] = NO_PASSWORDS,
) -> K3sClusterProps:
    """What a location file says of its cluster with *identity*.

    *issuer_ca*: root certificate (PEM) behind Dex's, where it is not a public authority's.
    *registry_passwords*: by host of a registry with a login.
    """
    mirrors = location.mirrors
    return K3sClusterProps(
        servers=k3s_servers(location),
        identity=identity,
        ssh_private_key=ssh_private_key,
        settings=k3s_settings(location, issuer_ca, registry_passwords),
        ingress_ip=str(location.network.ingress_ip),
        issuer_host=f"dex.{location.domain}",
        shared_storage=location.storage.longhorn,
        gpu_runtime=location.gpu.runtime,
        releases_url=mirrors.k3s or RELEASES,
        binary_sha256=mirrors.k3s_sha256 or K3S_SHA256,
        images_sha256=mirrors.k3s_images_sha256,
        protect=location.protect,
    )


def k3s_settings(location: Location, issuer_ca: str | None = None, registry_passwords: Mapping[str, str] = NO_PASSWORDS) -> K3sSettings:
    """What all servers of a location share. *issuer_ca*, *registry_passwords*: as `k3s_props` has them."""
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
        registries=[
            Registry(host=each.host, username=each.username, password=registry_passwords.get(each.host, ""), ca=each.ca)
            for each in location.registries
        ],
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
            ssh_user=server.ssh_user,
            labels=server.labels,
            taints=server.taints,
        )
        for server in location.servers
    ]
