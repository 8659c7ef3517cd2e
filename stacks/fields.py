"""Field types of a location file: each parses one value, or says in the operator's words what is wrong with it."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
HOST_KEY_TYPE = "ecdsa-sha2-nistp256"
HOST_KEY_BYTES = 104
MAX_NAME = 253
"""Characters of a DNS name (RFC 1035)."""


@dataclass(frozen=True)
class AddressRange:
    """An inclusive range of IPv4 addresses, written `first-last` as MetalLB writes it."""

    first: IPv4Address
    last: IPv4Address

    def __contains__(self, address: IPv4Address) -> bool:
        return self.first <= address <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def _label(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise ValueError(f"{value!r} is not a host name label; use 1 to 63 of a-z, 0-9 and -, not - at an end")
    return value


def _hostname(value: str) -> str:
    labels = value.split(".")
    if len(labels) == 1 or len(value) > MAX_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(
            f"{value!r} is not a host name; write it like 'stalpeni.example.com': lower case, "
            "labels of a-z, 0-9 and - with dots between, no scheme, port, path or wildcard"
        )
    return value


def _ipv4(value: object) -> object:
    if isinstance(value, IPv4Address):
        return value
    try:
        return IPv4Address(str(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not an IPv4 address; write it like '192.168.1.11'") from error


def _subnet(value: object) -> IPv4Network:
    try:
        return IPv4Network(str(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not an IPv4 subnet ({error}); write it like '192.168.1.0/24'") from error


def _address_range(value: object) -> AddressRange:
    if isinstance(value, AddressRange):
        return value
    first, dash, last = str(value).partition("-")
    try:
        parsed = AddressRange(IPv4Address(first.strip()), IPv4Address(last.strip()))
    except ValueError as error:
        raise ValueError(
            f"{value!r} is not an address range; write the first and the last address, like '192.168.1.240-192.168.1.245'"
        ) from error
    if parsed.first > parsed.last:
        raise ValueError(f"{value!r} is reversed: {first} comes after {last}; write '{last}{dash}{first}'")
    return parsed


def host_key_problem(value: str) -> str | None:
    """Why *value* cannot serve as a server's `ssh_host_key`, or None.

    Terraform offers sshd only the one key type it is given, and sshd prefers ECDSA among its default keys: with any
    other type the connection fails with "key mismatch" (hashicorp/terraform#18940).
    """
    kind, _, rest = value.partition(" ")
    if kind != HOST_KEY_TYPE:
        return f"is of type {kind!r}, Terraform needs the host's {HOST_KEY_TYPE} key"
    blob = rest.split(" ")[0]
    try:
        raw = base64.b64decode(blob, validate=True)
    except binascii.Error:
        raw = b""
    if not raw.startswith(len(HOST_KEY_TYPE).to_bytes(4, "big") + HOST_KEY_TYPE.encode()) or len(raw) != HOST_KEY_BYTES:
        return f"is cut off or altered: {blob[:24]!r}… is not the base64 text of a {HOST_KEY_TYPE} key"
    return None


def _month(value: str) -> str:
    if not _MONTH.fullmatch(value):
        raise ValueError(f"{value!r} is not a month; write it like '2026-12'")
    return value


Label = Annotated[str, AfterValidator(_label)]
Hostname = Annotated[str, AfterValidator(_hostname)]
Ipv4 = Annotated[IPv4Address, BeforeValidator(_ipv4)]
Subnet = Annotated[IPv4Network, BeforeValidator(_subnet)]
Range = Annotated[AddressRange, BeforeValidator(_address_range)]
Month = Annotated[str, AfterValidator(_month)]
