"""Kubeconfigs as text, from values alone: no server is asked for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdktf import Fn

from ib_constructs.base.yaml_text import as_yaml
from ib_constructs.cluster.identity import Identity


@dataclass(frozen=True, kw_only=True)
class Kubeconfig:
    """The two ways to reach a location's Kubernetes API.

    `domain`: the location's; `api_address`: an address that needs no name service.
    """

    location: str
    domain: str
    api_address: str
    identity: Identity

    @property
    def server_name(self) -> str:
        """Name in the API's certificate, whatever address it is reached by."""
        return f"k3s.{self.domain}"

    def for_users(self) -> str:
        """Log in with one's own account at Dex, by the kubectl plugin `oidc-login` (int128/kubelogin).

        Holds no secret: rights are those of the person's groups.
        """
        arguments = [
            "oidc-login",
            "get-token",
            f"--oidc-issuer-url=https://dex.{self.domain}",
            "--oidc-client-id=k3s",
            "--oidc-extra-scope=email",
            "--oidc-extra-scope=groups",
        ]
        user = {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": "kubectl",
                "args": arguments,
                "interactiveMode": "IfAvailable",
                "installHint": "install the plugin: kubectl krew install oidc-login",
            }
        }
        return self._text("oidc", user, {"server": f"https://{self.server_name}:6443"})

    def for_admins(self) -> str:
        """Log in with the administrators' certificate, also where DNS and Dex are down."""
        admin = self.identity.admin
        user = {
            "client-certificate-data": Fn.base64encode(admin.certificate),
            "client-key-data": Fn.base64encode(admin.key),
        }
        return self._text("admin", user, {"server": f"https://{self.api_address}:6443", "tls-server-name": self.server_name})

    def _text(self, user_name: str, user: dict[str, Any], cluster: dict[str, str]) -> str:
        cluster = {**cluster, "certificate-authority-data": Fn.base64encode(self.identity.server_ca)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.location, "cluster": cluster}],
            "users": [{"name": f"{self.location}-{user_name}", "user": user}],
            "contexts": [{"name": self.location, "context": {"cluster": self.location, "user": f"{self.location}-{user_name}"}}],
            "current-context": self.location,
        }
        return as_yaml(config, width=100_000)
