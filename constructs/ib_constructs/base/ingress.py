"""Host names of the location that its ingress answers.

Both controllers read ingress-nginx's annotations; Traefik needs one more for the login.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_kubernetes.ingress_v1 import (
    IngressV1,
    IngressV1Metadata,
    IngressV1Spec,
    IngressV1SpecRule,
    IngressV1SpecRuleHttp,
    IngressV1SpecRuleHttpPath,
    IngressV1SpecRuleHttpPathBackend,
    IngressV1SpecRuleHttpPathBackendService,
    IngressV1SpecRuleHttpPathBackendServicePort,
    IngressV1SpecTls,
)
from constructs import Construct

from ib_constructs.base.namespace import Namespace

CLASS = "nginx"
"""The IngressClass of either controller."""
ISSUER = "location"
"""The ClusterIssuer of every certificate at a location."""
STREAM_TIMEOUT_SEC = 900
"""Longest time between two pieces of an answer: longer than a model thinks, no longer than the gateway waits, which drops the billing
row of a request that is idle for 15 minutes (docs/facts/bifrost.md, Rows)."""
NGINX = "nginx.ingress.kubernetes.io"
RENEW_SESSION = "auth_request_set $auth_cookie $upstream_http_set_cookie; add_header Set-Cookie $auth_cookie;"
Controller = Literal["ingress-nginx", "traefik"]


@dataclass(frozen=True, kw_only=True)
class Login:
    """oauth2-proxy as the ingress reaches it, `auth_url`, and as browsers do, `host`."""

    auth_url: str
    host: str
    controller: Controller

    def annotations(self) -> dict[str, str]:
        """Ask oauth2-proxy about every request, send who has no session to the login, and tell the service who it is."""
        annotations = {
            f"{NGINX}/auth-url": self.auth_url,
            f"{NGINX}/auth-signin": f"https://{self.host}/oauth2/start?rd=$scheme://$host$escaped_request_uri",
            f"{NGINX}/auth-response-headers": "X-Auth-Request-User,X-Auth-Request-Email,X-Auth-Request-Groups",
        }
        if self.controller == "traefik":
            # ingress-nginx does so by itself, and refuses the annotation. Without it a session that oauth2-proxy renewed is lost.
            annotations[f"{NGINX}/configuration-snippet"] = RENEW_SESSION
        return annotations


@dataclass(frozen=True, kw_only=True)
class IngressProps:
    """`host` and `paths` (prefixes) are answered by `service`:`port` in `namespace`.

    `login`: who has no session is sent to it; None leaves the service to anyone, which the service must stand.
    `max_body_mib`: larger requests are refused; 0 for no limit.
    `streams`: answers may take minutes and are passed on piece by piece.
    `tls`: False serves plain HTTP. `shares_certificate`: another Ingress of the host asks for it.
    """

    host: str
    namespace: Namespace
    service: str
    port: int
    login: Login | None
    waits_for: Sequence[ITerraformDependable]
    paths: Sequence[str] = ("/",)
    max_body_mib: int = 10
    streams: bool = False
    tls: bool = True
    shares_certificate: bool = False


class Ingress(Construct):
    """A host name with a certificate of its own. `ready`: the Ingress object; the certificate follows within minutes."""

    def __init__(self, scope: Construct, id: str, props: IngressProps) -> None:
        super().__init__(scope, id)
        backend = IngressV1SpecRuleHttpPathBackend(
            service=IngressV1SpecRuleHttpPathBackendService(
                name=props.service, port=IngressV1SpecRuleHttpPathBackendServicePort(number=props.port)
            )
        )
        paths = [IngressV1SpecRuleHttpPath(path=path, path_type="Prefix", backend=backend) for path in props.paths]
        self.ready: ITerraformDependable = IngressV1(
            self,
            "ingress",
            metadata=IngressV1Metadata(name=id, namespace=props.namespace.name, annotations=_annotations(props)),
            spec=IngressV1Spec(
                ingress_class_name=CLASS,
                rule=[IngressV1SpecRule(host=props.host, http=IngressV1SpecRuleHttp(path=paths))],
                tls=[IngressV1SpecTls(hosts=[props.host], secret_name=f"{props.host}-tls")] if props.tls else None,
            ),
            depends_on=list(props.waits_for),
        )


def _annotations(props: IngressProps) -> dict[str, str]:
    annotations = {f"{NGINX}/proxy-body-size": f"{props.max_body_mib}m" if props.max_body_mib else "0"}
    if not props.tls:
        annotations[f"{NGINX}/ssl-redirect"] = "false"
    elif not props.shares_certificate:
        annotations["cert-manager.io/cluster-issuer"] = ISSUER
    if props.streams:
        timeout = str(STREAM_TIMEOUT_SEC)
        annotations |= {f"{NGINX}/proxy-read-timeout": timeout, f"{NGINX}/proxy-send-timeout": timeout}
        # Requests are buffered: Traefik limits only those.
        annotations[f"{NGINX}/proxy-buffering"] = "off"
    if props.login:
        annotations |= props.login.annotations()
    return annotations
