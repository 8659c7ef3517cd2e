"""The identity of a cluster as values: certificate authorities, keys and tokens, wherever they were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf import Fn

# K3s's own names below server/tls. Five independent authorities: K3s trusts the whole of etcd/server-ca.crt for etcd
# clients, so a root that signed all of them would let any kubelet's certificate write to etcd (docs/facts/k3s.md, Authorities).
AUTHORITIES = ("server-ca", "client-ca", "request-header-ca", "etcd/peer-ca", "etcd/server-ca")
ADMIN_GROUP = "ib:admins"
"""Group of the administrators' certificate. Its rights come from a ClusterRoleBinding, which can be deleted;
those of `system:masters` cannot be taken away."""


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A certificate and its private key, PEM."""

    certificate: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What makes a cluster this cluster. Known before the first server starts, so nothing is read back from one.

    Strings may be Terraform references. Key pairs and `service_key` are PEM; the passwords are alphanumeric.
    """

    authorities: Mapping[str, KeyPair]
    service_key: str
    server_password: str
    agent_password: str
    admin: KeyPair

    @property
    def server_ca(self) -> str:
        """Certificate that signs the Kubernetes API's, PEM."""
        return self.authorities["server-ca"].certificate

    @property
    def ca_hash(self) -> str:
        """SHA-256 (hex) of the server CA file's bytes, by which joiners know the cluster.

        True for a file of exactly one certificate; of a chain K3s hashes the root (k3s-io/k3s, pkg/clientaccess).
        """
        return Fn.sha256(self.server_ca)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the certificates of all authorities: the public name of this identity."""
        return Fn.sha256("".join(self.authorities[name].certificate for name in AUTHORITIES))

    @property
    def server_token(self) -> str:
        """Token that joins servers, in the secure form: the joiner verifies the cluster before it speaks."""
        return f"K10{self.ca_hash}::server:{self.server_password}"

    @property
    def agent_token(self) -> str:
        """Token that joins agents only."""
        return f"K10{self.ca_hash}::node:{self.agent_password}"

    def files(self, role: str, *, founder: bool) -> dict[str, str]:
        """Files that a server of *role* needs before K3s starts: only a founder holds the authorities' keys."""
        files = {"server-ca.crt": self.server_ca, "agent-token": self.agent_token}
        if role == "server":
            files["server-token"] = self.server_token
        if founder:
            for name in AUTHORITIES:
                files[f"tls/{name}.crt"] = self.authorities[name].certificate
                files[f"tls/{name}.key"] = self.authorities[name].key
            files["tls/service.key"] = self.service_key
        return files
