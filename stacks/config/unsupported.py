"""Keys that people look for and that no location file has: each is refused with what to do instead."""

from __future__ import annotations

import re

_NETWORK = "IPv6 and dual stack are not supported: write IPv4 addresses, and let a router or a proxy outside answer by IPv6"
_JUMP_HOST = (
    "a jump host is not supported: forward a port to each server's sshd and name it as ssh_host and ssh_port, or deploy from within "
    "the location's network, by a VPN or an agent of Terraform Cloud"
)
_DATA = "another data directory of K3s is not supported: mount the disk at /var/lib/rancher/k3s, before the first deploy"
_FORWARD = "ports are forwarded by the router: ssh_host and ssh_port name its address and the port that leads to the server's sshd"
_SECRET = "a location file holds no secret: it is a variable, see terraform.tfvars.example"  # noqa: S105 - no password
_PATTERNS = {
    r".*(ipv6|ip6|dual_?stack).*": _NETWORK,
    r".*(jump|bastion|proxy_?command).*": _JUMP_HOST,
    r"(k3s_)?data_?(dir|directory|path|root)": _DATA,
    r".*(port_?forward|forwarded_?port|tunnel).*": _FORWARD,
    r".*(password|passphrase|private_?key|token|secret).*": _SECRET,
}


def instead_of(key: str) -> str | None:
    """What to do instead of the unknown *key*, or None where it is not known what was meant."""
    plain = key.lower().replace("-", "_")
    return next((instead for pattern, instead in _PATTERNS.items() if re.fullmatch(pattern, plain)), None)
