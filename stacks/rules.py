"""Rules that span several sections of a location file.

Each rule names the sections it reads; it runs only where all of them parsed, so that one broken section
does not hide the problems of the others. A rule yields sentences: the value, the other side, the remedy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from stacks.schema import Location

Check = Callable[[Location], Iterator[str]]


@dataclass(frozen=True)
class Rule:
    """A check and the sections it needs."""

    sections: frozenset[str]
    check: Check


RULES: list[Rule] = []


def rule(*sections: str) -> Callable[[Check], Check]:
    """Register a check that reads *sections*."""

    def register(check: Check) -> Check:
        RULES.append(Rule(frozenset(sections), check))
        return check

    return register


@rule("servers")
def control_plane_can_vote(location: Location) -> Iterator[str]:
    """Etcd needs a majority: two or four members tolerate no more failures than one or three."""
    count = len(location.control_plane)
    if count == 0:
        yield f"servers: none of the {len(location.servers)} has role 'server'; a location needs 1, 3 or 5 of them"
    elif count % 2 == 0:
        yield (
            f"servers: {count} have role 'server' ({_names(location)}), and an even number survives no more failures than "
            f'{count - 1}; make one of them role = "agent" or add one'
        )


@rule("servers")
def servers_differ(location: Location) -> Iterator[str]:
    """Names, addresses and SSH endpoints are each one server's own."""
    by_name: dict[object, list[str]] = defaultdict(list)
    by_ip: dict[object, list[str]] = defaultdict(list)
    by_endpoint: dict[object, list[str]] = defaultdict(list)
    for position, server in enumerate(location.servers, start=1):
        by_name[server.name].append(f"servers[{position}]")
        by_ip[server.ip].append(server.name)
        host, port = server.ssh_endpoint
        by_endpoint[f"{host}:{port}"].append(server.name)
    for what, seen, remedy in (
        ("name", by_name, "give each server its own name"),
        ("ip", by_ip, "give each server its own address"),
        ("SSH endpoint", by_endpoint, "forward a port of its own to each server's sshd and name it as ssh_port"),
    ):
        for value, owners in seen.items():
            if len(owners) > 1:
                yield f"servers: {what} {value} is used by {' and '.join(owners)}; {remedy}"


@rule("servers", "network")
def several_servers_share_a_vip(location: Location) -> Iterator[str]:
    """Without a VIP, losing the first server would cut off the others' agents and every kubeconfig."""
    if len(location.control_plane) > 1 and location.network.api_vip is None:
        yield (
            f"network.api_vip: missing, and {len(location.control_plane)} servers have role 'server' ({_names(location)}); "
            f"name a free address of {location.subnet} that moves between them"
        )


@rule("servers", "network")
def addresses_do_not_collide(location: Location) -> Iterator[str]:
    """The VIP, the servers and the load balancer's range are three separate things on the wire."""
    network, vip = location.network, location.network.api_vip
    span = network.load_balancer_range
    for server in location.servers:
        if vip == server.ip:
            yield f"network.api_vip: {vip} is server {server.name}'s own ip; name an address that no server has"
        if server.ip in span:
            yield f"network.load_balancer_range: {span} holds server {server.name}'s ip {server.ip}; choose a range without servers"
    if vip and vip in span:
        yield f"network.api_vip: {vip} is inside load_balancer_range {span}, so MetalLB may give it away; choose one outside"
    if network.ingress_ip not in span:
        yield f"network.ingress_ip: {network.ingress_ip} is outside load_balancer_range {span}; choose one inside, or widen the range"


@rule("servers", "network")
def addresses_are_on_the_subnet(location: Location) -> Iterator[str]:
    """ARP, by which kube-vip and MetalLB announce addresses, ends at the subnet."""
    if not location.servers:
        return
    remedy = "correct the address, or set network.subnet"
    on_wire: list[tuple[str, IPv4Address]] = [(f"servers.{server.name}.ip", server.ip) for server in location.servers]
    if location.network.api_vip:
        on_wire.append(("network.api_vip", location.network.api_vip))
    for key, address in on_wire:
        if address not in location.subnet:
            yield f"{key}: {address} is not on the servers' subnet {location.subnet}; {remedy}"
    span = location.network.load_balancer_range
    if span.first not in location.subnet or span.last not in location.subnet:
        yield f"network.load_balancer_range: {span} is not on the servers' subnet {location.subnet}; {remedy}"


@rule("dns")
def dns_points_somewhere(location: Location) -> Iterator[str]:
    """A record has one target."""
    dns = location.dns
    if dns is None:
        return
    if dns.public_address is None and dns.public_hostname is None:
        yield f"dns: zone {dns.zone} is switched on without a target; set public_address or public_hostname, or remove [dns]"
    if dns.public_address is not None and dns.public_hostname is not None:
        yield (
            f"dns: public_address {dns.public_address} and public_hostname {dns.public_hostname} are both set; "
            "keep the address (A record) or the host name (CNAME record)"
        )


@rule("dns", "domain")
def domain_is_in_the_zone(location: Location) -> Iterator[str]:
    """Cloudflare refuses records outside their zone, but only at apply."""
    if location.dns and not location.domain.endswith(f".{location.dns.zone}"):
        yield f"domain: {location.domain} is not below dns.zone {location.dns.zone}; correct one of them"


@rule("dns", "certificates")
def acme_can_prove_the_domain(location: Location) -> Iterator[str]:
    """DNS-01 writes a record into the zone."""
    certificates = location.certificates
    if certificates.issuer != "local" and certificates.acme == "dns01" and location.dns is None:
        yield (
            f"certificates.issuer: {certificates.issuer!r} proves the domain by DNS-01, but there is no [dns]; "
            'add [dns], or set acme = "http01" or issuer = "local"'
        )


@rule("storage", "servers")
def storage_has_room(location: Location) -> Iterator[str]:
    """Longhorn keeps each replica on another server; only it can share a model cache between servers."""
    storage, count = location.storage, len(location.servers)
    if storage.replicas is not None and not storage.longhorn:
        yield f"storage.replicas: {storage.replicas} replicas asked for, but storage.longhorn is off; switch it on or remove replicas"
    elif storage.replicas is not None and storage.replicas > count:
        yield f"storage.replicas: {storage.replicas} replicas, but the location has {count} server(s) to keep them on; use at most {count}"
    if storage.model_cache_gib is not None and not storage.longhorn:
        yield (
            f"storage.model_cache_gib: a model cache of {storage.model_cache_gib} GiB needs a volume that all servers can mount, "
            "but storage.longhorn is off; switch it on or remove model_cache_gib"
        )


@rule("control")
def invoices_are_braked(location: Location) -> Iterator[str]:
    """What leaves without a person has limits, a start and a destination."""
    control = location.control
    if control.automatic == "off":
        return
    needed: dict[str, object] = {"odoo": control.odoo, "invoice_from": control.invoice_from}
    if control.automatic == "send":
        needed["brakes"] = control.brakes
    for key, value in needed.items():
        if value is None:
            yield f'control.{key}: missing, but automatic = {control.automatic!r} makes invoices by itself; set {key} or automatic = "off"'


@rule("mirrors")
def a_mirror_is_not_trusted(location: Location) -> Iterator[str]:
    """A checksum file from the same mirror as the binary proves nothing."""
    mirrors = location.mirrors
    if mirrors.k3s and not mirrors.k3s_sha256:
        yield f"mirrors.k3s_sha256: missing, but mirrors.k3s takes K3s from {mirrors.k3s}; write the SHA-256 of its k3s binary"
    if mirrors.k3s_images_sha256 and not mirrors.k3s:
        yield "mirrors.k3s_images_sha256: set, but mirrors.k3s names no place to take the archive of images from; set it, or remove the sum"


def _names(location: Location) -> str:
    return ", ".join(server.name for server in location.control_plane)
