"""Certificates of the location's host names: cert-manager and the one issuer that every Ingress names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_kubernetes.secret_v1 import SecretV1
from constructs import Construct

from ib_constructs.base.helm import AddonProps, HelmAddon, HelmAddonProps, Objects, ObjectsProps
from ib_constructs.base.ingress import CLASS, ISSUER
from ib_constructs.base.namespace import Namespace, NamespaceProps
from ib_constructs.base.pods import resources
from ib_constructs.cluster.identity import KeyPair
from ib_constructs.versions import CERT_MANAGER

Authority = Literal["letsencrypt", "letsencrypt-staging", "local"]
DIRECTORIES = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
PUBLIC_RESOLVERS = "1.1.1.1:53,9.9.9.9:53"
"""DNS servers that are asked whether a DNS-01 record is there: the cluster's own DNS answers the domain by itself."""
TOKEN_SECRET, ROOT_SECRET, ACCOUNT_SECRET = "cloudflare-api-token", "location-root", "acme-account"
WEBHOOK_PORT = 10250


@dataclass(frozen=True, kw_only=True)
class CertificatesProps:
    """`authority` signs. `acme`: how Let's Encrypt is shown that the domain is ours; `cloudflare_api_token` for `dns01`.

    `root`: the location's own root, for `local`.
    """

    given: AddonProps
    authority: Authority
    acme: Literal["dns01", "http01"] = "dns01"
    cloudflare_api_token: str | None = None
    root: KeyPair | None = None


class Certificates(Construct):
    """cert-manager with the ClusterIssuer `location`. `ready`: the issuer.

    Raises ValueError where the authority lacks what it needs.
    """

    def __init__(self, scope: Construct, id: str, props: CertificatesProps) -> None:
        super().__init__(scope, id)
        namespace = Namespace(
            self,
            "namespace",
            NamespaceProps(name="cert-manager", pod_security="restricted", cluster=props.given.cluster, open_ports=(WEBHOOK_PORT,)),
        )
        addon = HelmAddon(
            self,
            "addon",
            HelmAddonProps(chart=CERT_MANAGER, given=props.given, namespace=namespace, values=_values(props)),
        )
        secrets, spec = _issuer(self, namespace, props)
        issuer = {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": ISSUER}, "spec": spec}
        objects = ObjectsProps(name="issuer", namespace=namespace, objects=[issuer], waits_for=[addon.ready, *secrets])
        self.ready: ITerraformDependable = Objects(self, "issuer", objects).ready


def _values(props: CertificatesProps) -> dict[str, Any]:
    return {
        # They stay when the release goes: without them every certificate would.
        "crds": {"enabled": True, "keep": True},
        "global": {"leaderElection": {"namespace": "cert-manager"}},
        "dns01RecursiveNameservers": PUBLIC_RESOLVERS,
        "dns01RecursiveNameserversOnly": True,
        "prometheus": {"servicemonitor": {"enabled": props.given.monitored, "honorLabels": True}},
        "resources": resources("20m", "64Mi", "256Mi"),
        "webhook": {"resources": resources("10m", "32Mi", "128Mi")},
        "cainjector": {"resources": resources("10m", "64Mi", "256Mi")},
        "startupapicheck": {"resources": resources("10m", "32Mi", "64Mi")},
    }


def _issuer(scope: Construct, namespace: Namespace, props: CertificatesProps) -> tuple[list[SecretV1], dict[str, Any]]:
    if props.authority == "local":
        if props.root is None:
            raise ValueError("authority 'local' signs with the location's own root; give `root`")
        pair = {"tls.crt": props.root.certificate, "tls.key": props.root.key}
        return [namespace.secret(scope, ROOT_SECRET, pair, "kubernetes.io/tls")], {"ca": {"secretName": ROOT_SECRET}}
    secrets: list[SecretV1] = []
    if props.acme == "dns01":
        if props.cloudflare_api_token is None:
            raise ValueError("acme 'dns01' writes a record into the zone; give `cloudflare_api_token`")
        secrets.append(namespace.secret(scope, TOKEN_SECRET, {"token": props.cloudflare_api_token}))
        solver: dict[str, Any] = {"dns01": {"cloudflare": {"apiTokenSecretRef": {"name": TOKEN_SECRET, "key": "token"}}}}
    else:
        solver = {"http01": {"ingress": {"ingressClassName": CLASS}}}
    account = {"server": DIRECTORIES[props.authority], "privateKeySecretRef": {"name": ACCOUNT_SECRET}, "solvers": [solver]}
    return secrets, {"acme": account}
