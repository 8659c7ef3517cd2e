"""Dex: who operators are. The Kubernetes API, the login before every UI, and Grafana take its word."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cdktf import Fn, ITerraformDependable
from cdktf_cdktf_provider_random.password import Password
from constructs import Construct

from ib_constructs.base.helm import AddonProps, HelmAddon, HelmAddonProps
from ib_constructs.base.namespace import INGRESS, Namespace, NamespaceProps
from ib_constructs.base.pods import CONTAINER_RESTRICTED, POD_RESTRICTED, resources
from ib_constructs.versions import DEX, DEX_TAG

NAMESPACE, PORT = "dex", 5556
SECRETS = "dex-secrets"  # the chart has one of its own by its own name
INTERNAL_URL = f"http://dex.{NAMESPACE}.svc.cluster.local:{PORT}"
"""Dex's address inside the cluster: there pods exchange codes and fetch keys before ingress and certificate are up."""
OPERATORS_GROUP = "operators"
KUBECTL_PORTS = (8000, 18000)
"""Ports at which the kubectl plugin `oidc-login` listens on a person's own machine (int128/kubelogin, --listen-address)."""


@dataclass(frozen=True, kw_only=True)
class DexProps:
    """`operators`: e-mail addresses; `password_hashes`: reference to a map from them to bcrypt hashes."""

    given: AddonProps
    domain: str
    operators: Sequence[str]
    password_hashes: str


class Dex(Construct):
    """The issuer `https://dex.<domain>` with one user for each operator. `ready`: it answers inside the cluster.

    `oauth2_proxy_secret`, `grafana_secret`: the secrets of its two confidential clients; client `k3s` is public, with PKCE.
    """

    def __init__(self, scope: Construct, id: str, props: DexProps) -> None:
        super().__init__(scope, id)
        self.namespace = Namespace(
            self,
            "namespace",
            NamespaceProps(
                name=NAMESPACE, pod_security="restricted", cluster=props.given.cluster, reached_from=(INGRESS, "oauth2-proxy", "monitoring")
            ),
        )
        self.oauth2_proxy_secret: str = Password(self, "oauth2-proxy-secret", length=32, special=False).result
        self.grafana_secret: str = Password(self, "grafana-secret", length=32, special=False).result
        hashes = {_hash_variable(i): Fn.lookup(props.password_hashes, email) for i, email in enumerate(props.operators)}
        secret = {"OAUTH2_PROXY_SECRET": self.oauth2_proxy_secret, "GRAFANA_SECRET": self.grafana_secret, **hashes}
        self.ready: ITerraformDependable = HelmAddon(
            self,
            "addon",
            HelmAddonProps(
                chart=DEX,
                given=props.given,
                namespace=self.namespace,
                values=_values(props),
                secrets={SECRETS: secret},
                pod_annotations="podAnnotations",
            ),
        ).ready


def _values(props: DexProps) -> dict[str, Any]:
    return {
        # The chart's own is older than the groups of static passwords (docs/facts/dex.md, Versions).
        "image": {"tag": DEX_TAG},
        "envFrom": [{"secretRef": {"name": SECRETS}}],
        "config": _config(props),
        "podSecurityContext": dict(POD_RESTRICTED) | {"runAsUser": 1001},
        "securityContext": dict(CONTAINER_RESTRICTED),
        "resources": resources("10m", "64Mi", "128Mi"),
        "serviceMonitor": {"enabled": props.given.monitored},
    }


def _config(props: DexProps) -> dict[str, Any]:
    def client(name: str, callback: str) -> dict[str, Any]:
        secret = f"{name.upper().replace('-', '_')}_SECRET"
        return {"id": name, "name": name, "secretEnv": secret, "redirectURIs": [f"https://{name}.{props.domain}/{callback}"]}

    kubectl = [f"http://localhost:{port}" for port in KUBECTL_PORTS]
    return {
        "issuer": f"https://dex.{props.domain}",
        "storage": {"type": "kubernetes", "config": {"inCluster": True}},
        "web": {"http": f"0.0.0.0:{PORT}"},
        "telemetry": {"http": "0.0.0.0:5558"},
        "oauth2": {"skipApprovalScreen": True, "alwaysShowLoginScreen": False, "passwordConnector": "local"},
        "expiry": {"idTokens": "1h", "refreshTokens": {"validIfNotUsedFor": "168h", "absoluteLifetime": "720h"}},
        "enablePasswordDB": True,
        "staticPasswords": [_operator(i, email) for i, email in enumerate(props.operators)],
        "staticClients": [
            # Headlamp logs in as the API server's own audience; kubectl from people's own machines.
            {
                "id": "k3s",
                "name": "Kubernetes",
                "public": True,
                "redirectURIs": [*kubectl, f"https://headlamp.{props.domain}/oidc-callback"],
            },
            client("oauth2-proxy", "oauth2/callback"),
            client("grafana", "login/generic_oauth"),
        ],
    }


def _operator(position: int, email: str) -> dict[str, Any]:
    return {
        "email": email,
        "username": email.partition("@")[0],
        # The same person on every synthesis: the tokens of another would not be theirs.
        "userID": str(uuid.uuid5(uuid.NAMESPACE_URL, f"mailto:{email}")),
        "hashFromEnv": _hash_variable(position),
        "groups": [OPERATORS_GROUP],
    }


def _hash_variable(position: int) -> str:
    return f"OPERATOR_{position}_HASH"
