"""Rules between locations: each is complete by itself, and shares nothing with another.

A location of the same file under two names would take the other's servers, names and backups for its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from itertools import permutations

from stacks.config.fields import address_of
from stacks.config.schema import Location

_OWN_NETWORKS = [IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")]
"""Private networks (RFC 1918), and this machine, where tunnels end: each place has its own addresses there."""


def problems_between(locations: Mapping[str, Location]) -> Iterator[str]:
    """What two of the *locations* (by name) cannot both have; a sentence each."""
    owners: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name, location in locations.items():
        for claim in set(_claims(location)):
            owners[claim].append(name)
    for (what, value, remedy), names in sorted(owners.items()):
        if len(names) > 1:
            yield f"{' and '.join(f'{name}.toml' for name in names)}: {what} {value} in each; {remedy}"
    for outer, inner in permutations(locations.values(), 2):
        if inner.domain.endswith(f".{outer.domain}"):
            yield (
                f"{inner.name}.toml: domain: {inner.domain} is below {outer.name}'s {outer.domain}, whose login cookies browsers would "
                f"send to it, and whose wildcard answers for its names; choose one beside it"
            )


def _claims(location: Location) -> Iterator[tuple[str, str, str]]:
    """What is this location's alone: what it is, its value, and the remedy where another has it."""
    yield "domain", location.domain, "give each its own"
    for server in location.servers:
        yield "server with ssh_host_key", f"…{server.ssh_host_key[-16:]}", "a machine belongs to one location: remove it from the other"
        host, port = server.ssh_endpoint
        if not _is_of_this_place(host):
            yield "server at", f"{host}:{port}", "forward another port to the other's server, and name it as ssh_port"
    if not _is_of_this_place(str(location.api_address)):
        yield "network.api_address", str(location.api_address), "one of them answers there: give the other an address of its own"
    if location.dns:
        target = str(location.dns.public_address or location.dns.public_hostname)
        yield "dns target", target, "one of them answers there: give the other a line of its own"
    if location.backup:
        bucket = f"{location.backup.s3.endpoint}/{location.backup.s3.bucket}"
        yield "backup.s3", bucket, "whoever may delete in it may delete the other's backups: give each a bucket"


def _is_of_this_place(host: str) -> bool:
    address = address_of(host)
    return host == "localhost" or (address is not None and any(address in network for network in _OWN_NETWORKS))
