"""The login before every UI: oauth2-proxy, asked by the ingress about each request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_random.password import Password
from constructs import Construct

from ib_constructs.addons import dex
from ib_constructs.base.helm import AddonProps, HelmAddon, HelmAddonProps
from ib_constructs.base.ingress import Controller, Login
from ib_constructs.base.namespace import INGRESS, Namespace, NamespaceProps
from ib_constructs.base.pods import CONTAINER_RESTRICTED, POD_RESTRICTED, resources
from ib_constructs.versions import OAUTH2_PROXY

NAMESPACE, PORT = "oauth2-proxy", 80
COOKIE_SECRET_BYTES = 32
"""Length of the key that cookies are encrypted with by AES-256; oauth2-proxy takes 16, 24 or 32 bytes."""


@dataclass(frozen=True, kw_only=True)
class Oauth2ProxyProps:
    """`client_secret`: of Dex's client `oauth2-proxy`. `replicas`: at most one a server. `controller`: of the Ingresses."""

    given: AddonProps
    domain: str
    client_secret: str
    replicas: int
    controller: Controller


class Oauth2Proxy(Construct):
    """One session for all UIs of a location, kept in a cookie of `.<domain>`. `ready`: it answers the ingress.

    It lets in whoever is in Dex's group of operators, and tells the service behind who it is.
    `login`: what an Ingress needs to ask it.
    """

    def __init__(self, scope: Construct, id: str, props: Oauth2ProxyProps) -> None:
        super().__init__(scope, id)
        self.namespace = Namespace(
            self,
            "namespace",
            NamespaceProps(name=NAMESPACE, pod_security="restricted", cluster=props.given.cluster, reached_from=(INGRESS,)),
        )
        cookie = Password(self, "cookie-secret", length=COOKIE_SECRET_BYTES, special=False)
        secret = {"client-id": "oauth2-proxy", "client-secret": props.client_secret, "cookie-secret": cookie.result}
        self.ready: ITerraformDependable = HelmAddon(
            self,
            "addon",
            HelmAddonProps(
                chart=OAUTH2_PROXY,
                given=props.given,
                namespace=self.namespace,
                values=_values(props),
                secrets={"oauth2-proxy": secret},
                pod_annotations="podAnnotations",
            ),
        ).ready
        self.login = Login(
            auth_url=f"http://oauth2-proxy.{NAMESPACE}.svc.cluster.local/oauth2/auth",
            host=f"oauth2-proxy.{props.domain}",
            controller=props.controller,
        )


def _values(props: Oauth2ProxyProps) -> dict[str, Any]:
    return {
        "replicaCount": props.replicas,
        "podDisruptionBudget": {"enabled": props.replicas > 1},
        "config": {"existingSecret": "oauth2-proxy", "emailDomains": ["*"]},
        "extraArgs": _arguments(props.domain),
        "podSecurityContext": dict(POD_RESTRICTED),
        "securityContext": dict(CONTAINER_RESTRICTED),
        "resources": resources("10m", "32Mi", "128Mi"),
        "metrics": {"serviceMonitor": {"enabled": props.given.monitored}},
    }


def _arguments(domain: str) -> dict[str, Any]:
    return {
        "provider": "oidc",
        "oidc-issuer-url": f"https://dex.{domain}",
        # Told instead of discovered: it starts without the ingress, and trusts no public answer about its own issuer.
        "skip-oidc-discovery": True,
        "login-url": f"https://dex.{domain}/auth",
        "redeem-url": f"{dex.INTERNAL_URL}/token",
        "oidc-jwks-url": f"{dex.INTERNAL_URL}/keys",
        "redirect-url": f"https://oauth2-proxy.{domain}/oauth2/callback",
        "scope": "openid email profile groups offline_access",
        "code-challenge-method": "S256",
        "allowed-group": dex.OPERATORS_GROUP,
        "cookie-domain": f".{domain}",
        "whitelist-domain": f".{domain}",
        "cookie-secure": True,
        "cookie-samesite": "lax",
        "cookie-expire": "12h",
        # A person taken from the operators is out within this time.
        "cookie-refresh": "15m",
        "set-xauthrequest": True,
        "reverse-proxy": True,
        "skip-provider-button": True,
        "upstream": "static://202",
    }
