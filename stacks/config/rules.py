"""Rules that span several sections of a location file.

Each rule names the sections it reads; it runs only where all of them parsed, so that one broken section
does not hide the problems of the others. A rule yields sentences: the value, the other side, the remedy.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from stacks.config.fields import address_of, url_host
from stacks.config.schema import Location

Check = Callable[[Location], Iterator[str]]


@dataclass(frozen=True)
class Rule:
    """A check and the sections it needs."""

    sections: frozenset[str]
    check: Check


RULES: list[Rule] = []
MOST_VOTERS = 5
"""What etcd's documentation recommends at most for production (etcd.io/docs, FAQ)."""
NODE_PREFIX = 24
"""Each server takes so large a part of cluster_cidr for its pods (kube-controller-manager's default, which K3s keeps)."""
CLUSTER_NETWORKS = ("cluster_cidr", "service_cidr")
BUGGY = (0, 255)
"""Last bytes of the addresses that MetalLB leaves out, since some equipment does not answer them."""
SERVICE_PREFIXES = range(12, 25)
"""A larger service_cidr is refused by the API server; in a smaller one the add-ons' Services are soon too many."""


def rule(*sections: str) -> Callable[[Check], Check]:
    """Register a check that reads *sections*."""

    def register(check: Check) -> Check:
        RULES.append(Rule(frozenset(sections), check))
        return check

    return register


@rule("servers")
def control_plane_can_vote(location: Location) -> Iterator[str]:
    """Etcd needs a majority: two or four members tolerate no more failures than one or three, and each beyond five slows every write."""
    count = len(location.control_plane)
    if count == 0:
        yield f"servers: none of the {len(location.servers)} has role 'server'; a location needs 1, 3 or 5 of them"
    elif count % 2 == 0:
        yield (
            f"servers: {count} have role 'server' ({_names(location)}), and an even number survives no more failures than "
            f'{count - 1}; make one of them role = "agent" or add one'
        )
    elif count > MOST_VOTERS:
        yield (
            f"servers: {count} have role 'server' ({_names(location)}), and etcd writes each change to all of them; "
            f'keep {MOST_VOTERS}, and make the others role = "agent"'
        )


@rule("servers")
def servers_differ(location: Location) -> Iterator[str]:
    """Names, addresses, SSH endpoints and host keys are each one server's own."""
    by_name: dict[object, list[str]] = defaultdict(list)
    by_ip: dict[object, list[str]] = defaultdict(list)
    by_endpoint: dict[object, list[str]] = defaultdict(list)
    by_key: dict[object, list[str]] = defaultdict(list)
    for position, server in enumerate(location.servers, start=1):
        by_name[server.name].append(f"servers[{position}]")
        by_ip[server.ip].append(server.name)
        host, port = server.ssh_endpoint
        by_endpoint[f"{host}:{port}"].append(server.name)
        by_key[f"…{server.ssh_host_key[-16:]}"].append(server.name)
    for what, seen, remedy in (
        ("name", by_name, "give each server its own name"),
        ("ip", by_ip, "give each server its own address"),
        ("SSH endpoint", by_endpoint, "forward a port of its own to each server's sshd and name it as ssh_port"),
        ("ssh_host_key", by_key, "print each machine's own; where both have one, they were cloned: make new keys on one of them"),
    ):
        for value, owners in seen.items():
            if len(owners) > 1:
                yield f"servers: {what} {value} is used by {' and '.join(owners)}; {remedy}"


@rule("servers")
def labels_and_taints_are_each_given_once(location: Location) -> Iterator[str]:
    """A label has one value, a taint of one effect too; and something has to run on some server."""
    for server in location.servers:
        for key, given in (
            ("labels", [label.partition("=")[0] for label in server.labels]),
            ("taints", [f"{re.split('[=:]', taint)[0]}:{taint.rpartition(':')[2]}" for taint in server.taints]),
        ):
            for twice in sorted({each for each in given if given.count(each) > 1}):
                yield f"servers.{server.name}.{key}: {twice} is given twice; keep one of them"
    if location.servers and all(any(not taint.endswith(":PreferNoSchedule") for taint in each.taints) for each in location.servers):
        yield (
            f"servers: each of {', '.join(server.name for server in location.servers)} has taints, which the platform does not tolerate; "
            "leave one server without, or use the effect PreferNoSchedule"
        )


@rule("registries")
def registries_say_something_once(location: Location) -> Iterator[str]:
    """Where there is neither a login nor an authority to name, K3s needs no word of a registry."""
    hosts = [registry.host for registry in location.registries]
    for twice in sorted({host for host in hosts if hosts.count(host) > 1}):
        yield f"registries: {twice} is named twice; keep one of them"
    for registry in location.registries:
        if not registry.username and not registry.ca:
            yield f"registries: {registry.host} has neither username nor ca; add what it needs, or remove it"


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
    for key, address in [*([("network.api_vip", vip)] if vip else []), *_ways_in(location)]:
        if address in span:
            yield f"{key}: {address} is inside load_balancer_range {span}, so MetalLB may give it away; choose one outside"
    if network.ingress_ip not in span:
        yield f"network.ingress_ip: {network.ingress_ip} is outside load_balancer_range {span}; choose one inside, or widen the range"


@rule("servers", "network", "dns")
def networks_of_the_cluster_are_apart(location: Location) -> Iterator[str]:
    """K3s routes its own networks to itself on every server: whatever else has an address there is out of reach from then on."""
    network = location.network
    own: dict[str, IPv4Network] = {key: getattr(network, key) for key in CLUSTER_NETWORKS}
    if network.cluster_cidr.overlaps(network.service_cidr):
        yield f"network.cluster_cidr: {network.cluster_cidr} and service_cidr {network.service_cidr} overlap; give each its own"
    for key, cidr in own.items():
        if location.servers and location.subnet.overlaps(cidr):
            yield (
                f"network.{key}: {cidr} overlaps the servers' subnet {location.subnet}: the servers would lose each other, and SSH with "
                f"them, when K3s starts; set network.{key} to a private network that nothing else uses, or correct network.subnet"
            )
            continue
        yield from _within(key, cidr, _outside_addresses(location))


@rule("network", "backup", "control", "mirrors", "registries")
def urls_lead_out_of_the_cluster(location: Location) -> Iterator[str]:
    """What pods and servers call has to be where packets leave the cluster."""
    for key in CLUSTER_NETWORKS:
        yield from _within(key, getattr(location.network, key), _called_addresses(location))


def _within(key: str, cidr: IPv4Network, addresses: Iterable[tuple[str, IPv4Address]]) -> Iterator[str]:
    for name, address in addresses:
        if address in cidr:
            yield f"{name}: {address} is inside network.{key} {cidr}, which is the cluster's own; correct it, or set network.{key}"


def _called_addresses(location: Location) -> Iterator[tuple[str, IPv4Address]]:
    """The addresses that URLs name; what a name leads to is not known here."""
    mirrors, control, backup = location.mirrors, location.control, location.backup
    urls = {
        "backup.s3.endpoint": backup and backup.s3.endpoint,
        "control.odoo.url": control.odoo and control.odoo.url,
        "mirrors.k3s": mirrors.k3s,
        "mirrors.images": mirrors.images,
        "mirrors.charts": mirrors.charts,
    }
    for key, url in urls.items():
        if url and (address := address_of(url_host(url))):
            yield key, address
    for registry in location.registries:
        if address := address_of(registry.host.partition(":")[0]):
            yield f"registries.{registry.host}", address


@rule("servers", "network")
def networks_of_the_cluster_have_room(location: Location) -> Iterator[str]:
    """Neither can be enlarged later."""
    pods, services = location.network.cluster_cidr, location.network.service_cidr
    most = 2 ** (NODE_PREFIX - pods.prefixlen) if pods.prefixlen <= NODE_PREFIX else 0
    if most < len(location.servers):
        yield (
            f"network.cluster_cidr: {pods} has room for {most} servers, a /{NODE_PREFIX} each, and there are {len(location.servers)}; "
            "choose a larger one, like K3s's own 10.42.0.0/16"
        )
    if services.prefixlen not in SERVICE_PREFIXES:
        yield (
            f"network.service_cidr: {services} is not between /{SERVICE_PREFIXES[0]} and /{SERVICE_PREFIXES[-1]}; "
            "choose one like K3s's own 10.43.0.0/16"
        )


@rule("servers", "network")
def addresses_may_be_given(location: Location) -> Iterator[str]:
    """A subnet's first and last address are nobody's, and MetalLB gives none that ends in .0 or .255 (avoidBuggyIPs)."""
    if not location.servers:
        return
    for key, address in [*_on_the_wire(location), ("network.ingress_ip", location.network.ingress_ip)]:
        for what, nobodys in _nobodys(location.subnet).items():
            if address == nobodys:
                yield f"{key}: {address} is the {what} address of the servers' subnet {location.subnet}; choose another"
    span = location.network.load_balancer_range
    for what, nobodys in _nobodys(location.subnet).items():
        if nobodys in span and nobodys.packed[-1] not in BUGGY:
            yield f"network.load_balancer_range: {span} holds {nobodys}, the {what} address of the servers' subnet; leave it out"
    last = location.network.ingress_ip.packed[-1]
    if last in BUGGY and location.network.ingress_ip not in _nobodys(location.subnet).values():
        yield f"network.ingress_ip: {location.network.ingress_ip} ends in .{last}, which MetalLB never gives; choose another"


def _nobodys(subnet: IPv4Network) -> dict[str, IPv4Address]:
    """The addresses of *subnet* that no host may have; one of two addresses has none such (RFC 3021)."""
    return {"network": subnet.network_address, "broadcast": subnet.broadcast_address} if subnet.num_addresses > 2 else {}  # noqa: PLR2004


def _on_the_wire(location: Location) -> list[tuple[str, IPv4Address]]:
    """What servers have, and what moves between them."""
    vip = location.network.api_vip
    found = [(f"servers.{server.name}.ip", server.ip) for server in location.servers]
    return [*found, ("network.api_vip", vip)] if vip else found


def _outside_addresses(location: Location) -> Iterator[tuple[str, IPv4Address]]:
    """All addresses of a location file that are not the cluster's own."""
    network = location.network
    yield from _on_the_wire(location)
    yield "network.ingress_ip", network.ingress_ip
    for part in network.load_balancer_range.parts:
        yield "network.load_balancer_range", part.first
        yield "network.load_balancer_range", part.last
    if location.dns and location.dns.public_address:
        yield "dns.public_address", location.dns.public_address
    yield from _ways_in(location)


def _ways_in(location: Location) -> Iterator[tuple[str, IPv4Address]]:
    """Where Terraform and people reach the location's servers, as far as it is an address of its own."""
    if location.network.api_address:
        yield "network.api_address", location.network.api_address
    for server in location.servers:
        if server.ssh_host and (address := address_of(server.ssh_host)):
            yield f"servers.{server.name}.ssh_host", address


@rule("servers", "network")
def addresses_are_on_the_subnet(location: Location) -> Iterator[str]:
    """ARP, by which kube-vip and MetalLB announce addresses, ends at the subnet."""
    if not location.servers:
        return
    remedy = "correct the address, or set network.subnet"
    for key, address in _on_the_wire(location):
        if address not in location.subnet:
            yield f"{key}: {address} is not on the servers' subnet {location.subnet}; {remedy}"
    for span in location.network.load_balancer_range.parts:
        if span.first not in location.subnet or span.last not in location.subnet:
            yield f"network.load_balancer_range: {span} is not on the servers' subnet {location.subnet}; {remedy}"


@rule("dns")
def dns_points_somewhere(location: Location) -> Iterator[str]:
    """A DNS record has one target: an address or a host name."""
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
def dns_does_not_point_at_itself(location: Location) -> Iterator[str]:
    """The location's own wildcard would answer for the name that it points at."""
    target = location.dns.public_hostname if location.dns else None
    if target and (target == location.domain or target.endswith(f".{location.domain}")):
        yield f"dns.public_hostname: {target} is below domain {location.domain}, whose records would lead to itself; name the line's own"


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


@rule("ingress", "protect", "certificates", "dns")
def plain_http_stays_off_the_internet(location: Location) -> Iterator[str]:
    """Whoever is on the way reads the virtual keys: on an office's own network that may be chosen, on the internet never."""
    if not location.ingress.plain_http:
        return
    issuer, dns = location.certificates.issuer, location.dns
    said = "ingress.plain_http: true sends virtual keys unencrypted, but"
    if location.protect:
        yield f"{said} protect = true says that this is production; switch plain_http off"
    if issuer != "local":
        yield f'{said} certificates.issuer {issuer!r} is for what the internet can reach; switch plain_http off, or set issuer = "local"'
    if dns:
        yield f"{said} dns.zone {dns.zone} tells the internet where the location is; switch plain_http off, or remove [dns]"


@rule("monitoring")
def messages_have_a_sender(location: Location) -> Iterator[str]:
    """Without monitoring nobody watches, and nobody writes."""
    monitoring = location.monitoring
    for key, value in (("slack", monitoring.slack), ("heartbeat", monitoring.heartbeat)):
        if value and not monitoring.enabled:
            yield f"monitoring.{key}: set, but monitoring.enabled = false, so no message ever comes; switch it on, or remove {key}"


@rule("operators", "protect")
def operators_can_log_in(location: Location) -> Iterator[str]:
    """Dex takes the same address in other letters for the same person."""
    seen: dict[str, str] = {}
    for operator in location.operators:
        if earlier := seen.get(operator.email.lower()):
            yield f"operators: {operator.email} and {earlier} are one address; keep one of them"
        seen[operator.email.lower()] = operator.email
    if location.protect and not location.operators:
        yield "operators: nobody, but protect = true says that this is production, where people log in; add an [[operators]] with email"


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


@rule("control")
def dollars_are_told_of_another_currency(location: Location) -> Iterator[str]:
    """The price lists for OpenRouter and the gateway are dollars by their formats, and so are the bounds that are known."""
    control = location.control
    needed = {
        "dollar_rate": "the price lists for OpenRouter and the gateway are in dollars; say how many dollars one unit is, and of which day",
        "bounds": "the bounds of a price that are known are dollars; give them in that currency",
    }
    for key, why in needed.items():
        if control.currency != "USD" and getattr(control, key) is None:
            yield f"control.{key}: missing, but control.currency is {control.currency!r}, and {why}"
    if control.currency == "USD" and control.dollar_rate:
        yield f'control.dollar_rate: {control.dollar_rate.rate} given, but control.currency is "USD", which needs no rate; remove it'


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
