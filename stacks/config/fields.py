"""Field types of a location file: each parses one value, or says in the operator's words what is wrong with it.

No text of a location file is free: what it becomes (Terraform's configuration, a script's argument, a URL) has characters of its
own, and a value that holds them would be read there as more than a value.
"""

from __future__ import annotations

import base64
import re
import ssl
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address
from itertools import pairwise
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator

from stacks.config.currencies import CURRENCIES

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
HOST_KEY_TYPE = "ecdsa-sha2-nistp256"
HOST_KEY_BYTES = 104
MAX_NAME = 253
"""Most characters that a DNS name may have (RFC 1035)."""
PRIVATE_NETWORKS = tuple(IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
"""Networks that the internet does not use: private ones (RFC 1918), and what carriers have between them and us (RFC 6598)."""
_THIS_MACHINE = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


@dataclass(frozen=True)
class AddressRange:
    """An inclusive range of IPv4 addresses, written `first-last` as MetalLB writes it."""

    first: IPv4Address
    last: IPv4Address

    def __contains__(self, address: IPv4Address) -> bool:
        return self.first <= address <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True)
class AddressRanges:
    """One or several ranges, as they stand in the location file."""

    parts: tuple[AddressRange, ...]

    def __contains__(self, address: IPv4Address) -> bool:
        return any(address in part for part in self.parts)

    def __str__(self) -> str:
        return ", ".join(str(part) for part in self.parts)


def _matching(pattern: str, what: str, example: str, rule: str) -> AfterValidator:
    """Takes a text that is all *pattern*; another is refused as being not *what*, with an *example* and the *rule* of its kind."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"{value!r} is not {what}; write it like {example!r}: {rule}")
        return value

    return AfterValidator(check)


def _label(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise ValueError(f"{value!r} is not a host name label; use 1 to 63 of a-z, 0-9 and -, not - at an end")
    if value in _THIS_MACHINE:
        raise ValueError(f"{value!r} is every machine's own name for itself; give it another name")
    return value


def _hostname(value: str) -> str:
    if "." not in value or not _is_name(value):
        raise ValueError(
            f"{value!r} is not a host name; write it like 'stalpeni.example.com': lower case, "
            "labels of a-z, 0-9 and - with dots between, no scheme, port, path or wildcard"
        )
    return value


def _ipv4(value: object) -> IPv4Address:
    try:
        address = IPv4Address(str(value))
    except ValueError as error:
        remedy = _instead(value, "write it like '192.168.1.11'")
        raise ValueError(f"{value!r} is not an IPv4 address; {remedy}") from error
    if reason := _no_host(address):
        raise ValueError(f"{value!r} is {reason}, which no machine can have as its own; name the machine's address on its network")
    return address


def _instead(value: object, remedy: str) -> str:
    """*remedy*, but where *value* is made of IPv6 addresses, which no remedy of its form helps."""
    parts = re.split("[-,]", value) if isinstance(value, str) else []
    return "IPv6 is not supported, nor is dual stack: write the IPv4 one" if any(map(_is_ipv6, parts)) else remedy


def _is_ipv6(value: str) -> bool:
    """Whether *value* is an IPv6 address or network; in brackets, too, as in a URL."""
    try:
        IPv6Address(value.strip().partition("/")[0].strip("[]"))
    except AddressValueError:
        return False
    return True


def _no_host(address: IPv4Address) -> str | None:
    """Why no host may have *address* (IANA's special-purpose addresses, RFC 6890), or None."""
    reasons = {
        "an address of 0.0.0.0/8 (this network)": address in IPv4Network("0.0.0.0/8"),
        "a loopback address": address.is_loopback,
        "a link-local address": address.is_link_local,
        "a multicast address": address.is_multicast,
        "reserved": address.is_reserved,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _subnet(value: object) -> IPv4Network:
    try:
        subnet = IPv4Network(str(value))
    except ValueError as error:
        remedy = _instead(value, "write it like '192.168.1.0/24'")
        raise ValueError(f"{value!r} is not an IPv4 subnet ({error}); {remedy}") from error
    if reason := _no_host(subnet.network_address) or _no_host(subnet.broadcast_address):
        raise ValueError(f"{value!r} holds what is {reason}, which no machine can have as its own; write it like '192.168.1.0/24'")
    return subnet


def _own_network(value: object) -> IPv4Network:
    network = _subnet(value)
    if not any(network.subnet_of(private) for private in PRIVATE_NETWORKS):
        raise ValueError(
            f"{value!r} is not private, and what has an address there on the internet would be out of the cluster's reach; "
            f"choose one within {', '.join(str(private) for private in PRIVATE_NETWORKS)}"
        )
    return network


def _address_ranges(value: object) -> AddressRanges:
    """Raises ValueError also where two parts share addresses, which MetalLB refuses."""
    if isinstance(value, AddressRanges):
        return value
    texts: list[object] = list(value) if isinstance(value, list | tuple) else [value]  # pyright: ignore[reportUnknownArgumentType]
    if not texts:
        raise ValueError("it is empty; write a range like '192.168.1.240-192.168.1.245'")
    parts = tuple(_address_range(text) for text in texts)
    for lower, upper in pairwise(sorted(parts, key=lambda part: part.first)):
        if upper.first <= lower.last:
            raise ValueError(f"{lower} and {upper} overlap; give each address once")
    return AddressRanges(parts)


def _address_range(value: object) -> AddressRange:
    text = str(value)
    first, dash, last = text.partition("-")
    try:
        ends = IPv4Network(text) if "/" in text else (IPv4Address(first.strip()), IPv4Address(last.strip()))
    except ValueError as error:
        remedy = _instead(value, "write the first and the last address, like '192.168.1.240-192.168.1.245', or a subnet")
        raise ValueError(f"{value!r} is not an address range ({error}); {remedy}") from error
    parsed = AddressRange(ends[0], ends[-1])
    if parsed.first > parsed.last:
        raise ValueError(f"{value!r} is reversed: {first} comes after {last}; write '{last}{dash}{first}'")
    _ipv4(parsed.first)
    _ipv4(parsed.last)
    return parsed


def _reached_at(value: object) -> str:
    text = str(value)
    if not _is_name(text) and not re.fullmatch(r"[0-9a-fx.]+", text) and not _is_ipv6(text):
        raise ValueError(
            f"{text!r} is neither a host name nor an address; write it like '203.0.113.10' or 'line.example.com': "
            "the port is ssh_port, and the login ssh_user"
        )
    return _host(text)


def _host(text: str) -> str:
    """A host name, of one label too, or an IPv4 address; this machine's own where a tunnel ends.

    Raises ValueError, and so for what programs read as an address though it is not written as one: `127.1`, `0x7f000001`.
    """
    if _is_name(text):
        return text
    if re.fullmatch(r"127(\.[0-9]{1,3}){3}", text):
        return str(IPv4Address(text))
    return str(_ipv4(text))


def address_of(host: str) -> IPv4Address | None:
    """The address that a ReachedAt is, or None where it is a name."""
    return IPv4Address(host) if host.replace(".", "").isdigit() else None


def url_host(url: str) -> str:
    """The host that a Url, an HttpsUrl or an S3Endpoint leads to; of Charts in a folder none, an empty text."""
    return urlsplit(url).hostname or ""


def _is_name(text: str) -> bool:
    """Whether *text* is a host name; one that ends in a number is an address to resolvers (inet_aton) and browsers."""
    labels = text.split(".")
    return len(text) <= MAX_NAME and all(_LABEL.fullmatch(label) for label in labels) and not _NUMBER.fullmatch(labels[-1])


def _split_url(value: str, schemes: tuple[str, ...]) -> SplitResult:
    """Raises ValueError where *value* is no URL of one of *schemes* with a host and nothing but a path after it."""
    example = f"{schemes[-1]}://host.example.com/path"
    if not re.fullmatch(r"[A-Za-z0-9._~:/@%+-]{1,500}", value):
        raise ValueError(f"{value!r} is not a URL; write it like {example!r}, without blanks, quotes, braces, query or fragment")
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError as error:
        raise ValueError(f"{value!r} is not a URL ({error}); write it like {example!r}") from error
    if url.scheme not in schemes:
        raise ValueError(f"{value!r} begins with {url.scheme or 'no scheme'}; write it like {example!r}")
    if url.username is not None:
        raise ValueError("it names a user or a password, and a location file holds no secret; write it without what stands before @")
    if not url.hostname or port == 0 or url.netloc.endswith(":"):
        raise ValueError(f"{value!r} is not a URL; write it like {example!r}")
    try:
        _host(url.hostname)
    except ValueError as error:
        raise ValueError(f"{value!r} names a host that there cannot be: {error}; write it like {example!r}") from error
    return url


def _url(value: str) -> str:
    _split_url(value, ("http", "https"))
    return value


def _https_url(value: str) -> str:
    _split_url(value, ("https",))
    return value


def _s3_endpoint(value: str) -> str:
    url = _split_url(value, ("http", "https"))
    if url.path not in ("", "/"):
        raise ValueError(
            f"{value!r} has the path {url.path!r}, which K3s's client refuses; write scheme and host only, the bucket is bucket"
        )
    return value.rstrip("/")


def _bucket(value: str) -> str:
    """By S3's rules for names of buckets (docs.aws.amazon.com, General purpose bucket naming rules)."""
    looks = re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value) and ".." not in value and not re.fullmatch(r"[0-9.]+", value)
    if not looks or value.startswith(("xn--", "sthree-")) or value.endswith(("-s3alias", "--ol-s3")):
        raise ValueError(
            f"{value!r} is not the name of an S3 bucket; use 3 to 63 of a-z, 0-9, - and ., beginning and ending with a letter or a digit"
        )
    return value


def _charts(value: str) -> str:
    if "://" in value:
        return _url(value)
    if not re.fullmatch(r"[A-Za-z0-9._/-]{1,500}", value) or value.startswith("-"):
        raise ValueError(f"{value!r} is neither a URL nor a folder; write it like '/srv/charts', with A-Z, a-z, 0-9 and ._-/ only")
    return value


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError(f"{value!r} is not the code of a currency; write its three letters of ISO 4217, like 'USD' or 'EUR'")
    return value


def host_key_problem(value: str) -> str | None:
    """Why *value* cannot serve as a server's `ssh_host_key`, or None.

    Terraform offers sshd only the one key type it is given, and sshd prefers ECDSA among its default keys: with any
    other type the connection fails with "key mismatch" (hashicorp/terraform#18940).
    """
    kind, _, blob = value.partition(" ")
    if kind != HOST_KEY_TYPE:
        return f"is of type {kind!r}, Terraform needs the host's {HOST_KEY_TYPE} key"
    try:
        raw = base64.b64decode(blob, validate=True)
    except ValueError:  # binascii.Error, and of what is not ASCII
        raw = b""
    if not raw.startswith(len(HOST_KEY_TYPE).to_bytes(4, "big") + HOST_KEY_TYPE.encode()) or len(raw) != HOST_KEY_BYTES:
        return f"is cut off or altered: {blob[:24]!r}… is not the base64 text of a {HOST_KEY_TYPE} key"
    return None


def _registry(value: str) -> str:
    """A registry as images name it: host and, where it is not 443, port."""
    host, colon, port = value.partition(":")
    if colon and not re.fullmatch(r"[1-9][0-9]{0,4}", port):
        raise ValueError(f"{value!r} is not a registry; write it as images name it, like 'harbor.lan' or 'harbor.lan:5000'")
    if host == "docker.io":
        # Whose images come from there, and containerd looks for a login under the name that it calls.
        raise ValueError(f"{value!r} is called by another name; write 'registry-1.docker.io'")
    try:
        _host(host)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a registry: {error}; write it as images name it, like 'harbor.lan:5000'") from error
    return value


def _certificates(value: str) -> str:
    """One or several certificates as PEM."""
    block = r"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,76}\n)+-----END CERTIFICATE-----\n?"
    remedy = "write its PEM text, from -----BEGIN CERTIFICATE----- to the end, between three quotes"
    if not re.fullmatch(rf"({block})+", value):
        raise ValueError(f"it is not a certificate; {remedy}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
    except ssl.SSLError as error:
        raise ValueError(f"it is not a certificate ({error.reason}); {remedy}") from error
    return value


_NAME_PART = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_QUALIFIED = rf"(?P<prefix>[a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME_PART}"
_KUBERNETES = re.compile(r"([a-z0-9.-]+\.)?(kubernetes|k8s)\.io/")
_GIVEN_LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")
_GIVEN_TAINTS = ("node-role.kubernetes.io/control-plane",)
_OURS = "inferencebros.com/"


def _node_label(value: str) -> str:
    """`key=value`. A kubelet may give itself no other label of Kubernetes (NodeRestriction), and would not start."""
    if not re.fullmatch(rf"{_QUALIFIED}=({_NAME_PART})?", value):
        raise ValueError(f"{value!r} is not a label; write it like 'rack=a1' or 'example.com/rack=a1'")
    return _given(value, value.partition("=")[0], _GIVEN_LABELS)


def _node_taint(value: str) -> str:
    """`key=value:effect` or `key:effect`."""
    if not re.fullmatch(rf"{_QUALIFIED}(=({_NAME_PART})?)?:(NoSchedule|PreferNoSchedule|NoExecute)", value):
        raise ValueError(f"{value!r} is not a taint; write it like 'gpu=yes:NoSchedule', with NoSchedule, PreferNoSchedule or NoExecute")
    return _given(value, re.split("[=:]", value)[0], _GIVEN_TAINTS)


def _given(value: str, key: str, allowed: tuple[str, ...]) -> str:
    if key.startswith(_OURS) or (_KUBERNETES.match(key) and key not in allowed):
        raise ValueError(f"{value!r} is not for a location file to give; of Kubernetes's own keys only {' and '.join(allowed)} may be")
    return value


def _month(value: str) -> str:
    if not _MONTH.fullmatch(value):
        raise ValueError(f"{value!r} is not a month; write it like '2026-12'")
    return value


Label = Annotated[str, AfterValidator(_label)]
Hostname = Annotated[str, AfterValidator(_hostname)]
Ipv4 = Annotated[IPv4Address, BeforeValidator(_ipv4)]
Subnet = Annotated[IPv4Network, BeforeValidator(_subnet)]
OwnNetwork = Annotated[IPv4Network, BeforeValidator(_own_network)]
Ranges = Annotated[AddressRanges, BeforeValidator(_address_ranges)]
ReachedAt = Annotated[str, BeforeValidator(_reached_at)]
Url = Annotated[str, AfterValidator(_url)]
HttpsUrl = Annotated[str, AfterValidator(_https_url)]
S3Endpoint = Annotated[str, AfterValidator(_s3_endpoint)]
Bucket = Annotated[str, AfterValidator(_bucket)]
Charts = Annotated[str, AfterValidator(_charts)]
Currency = Annotated[str, AfterValidator(_currency)]
Month = Annotated[str, AfterValidator(_month)]
RegistryHost = Annotated[str, AfterValidator(_registry)]
CertificatesPem = Annotated[str, AfterValidator(_certificates)]
NodeLabel = Annotated[str, AfterValidator(_node_label)]
NodeTaint = Annotated[str, AfterValidator(_node_taint)]
UnixUser = Annotated[str, _matching(r"[a-z_][a-z0-9_-]{0,31}", "a user of Debian", "ana", "a-z, 0-9, _ and -, beginning with a letter")]
RegistryUser = Annotated[
    str, _matching(r"[A-Za-z0-9][A-Za-z0-9._@$+-]{0,127}", "a user of a registry", "robot$k3s", "letters, digits and ._@$+-")
]
Region = Annotated[str, _matching(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "the name of a region", "eu-central-1", "a-z, 0-9 and -")]
Email = Annotated[
    str,
    _matching(
        r"(?=.{3,254}\Z)[A-Za-z0-9]([A-Za-z0-9._+-]{0,62}[A-Za-z0-9])?@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])",
        "an e-mail address",
        "ana@example.com",
        "letters, digits and ._+- before @, a host name in lower case after it",
    ),
]
Organization = Annotated[
    str,
    _matching(r"[A-Za-z0-9_-]{3,40}", "an organization of Terraform Cloud", "example-org", "3 to 40 of A-Z, a-z, 0-9, _ and -"),
]
SlackChannel = Annotated[str, _matching(r"#[\w-]{1,80}", "a Slack channel", "#billing", "# and its name: letters, digits, - and _")]
OdooDatabase = Annotated[
    # The names that Odoo itself makes databases with.
    str, _matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", "the name of an Odoo database", "example", "letters, digits, _, . and -")
]
ProductReference = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9]([A-Za-z0-9 ._/-]{0,62}[A-Za-z0-9])?", "an internal reference", "AI-INFERENCE", "letters, digits, blank and ._/-"
    ),
]
