"""Files that K3s's configuration points at: who may log in, what is audited, what pods may do. No secret stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cdktf import Fn

from ib_constructs.base.yaml_text import as_yaml

CONFIG_DIR = "/etc/rancher/k3s"
OIDC_PREFIX = "oidc:"
"""Before the name and the groups of a person who logged in at the issuer, so that no token can claim a name of the cluster's own."""
PRIVILEGED_NAMESPACES = ("kube-system",)
"""Namespaces outside Pod Security's default: K3s's own components and kube-vip need the host. Others carry a label of their own."""


def authentication(issuer: str, client_id: str, authority: str | None) -> str:
    """Who may log in besides certificates: people with a token of *issuer* for *client_id*.

    *authority*: the issuer's root certificate (PEM, or a reference to it), where the server's own trust store does not have it.
    """
    provider: dict[str, Any] = {"url": issuer, "audiences": [client_id]}
    if authority:
        provider["certificateAuthority"] = "AUTHORITY"
    text = as_yaml(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            # K3s drops its own `anonymous-auth=false` as soon as there is this file (docs/facts/k3s.md, Anonymous requests).
            "anonymous": {"enabled": False},
            "jwt": [
                {
                    "issuer": provider,
                    "claimMappings": {
                        # With the claim `email` the API server insists on `email_verified`.
                        "username": {"claim": "email", "prefix": OIDC_PREFIX},
                        "groups": {"claim": "groups", "prefix": OIDC_PREFIX},
                    },
                }
            ],
        }
    )
    # As JSON, which is YAML, since Terraform writes it in only when it knows it.
    return text.replace("AUTHORITY", Fn.jsonencode(authority)) if authority else text


def audit_policy() -> str:
    """The API server's audit policy: it writes down every change with its author, no secret's content, and no idle chatter."""
    system = ["system:kube-controller-manager", "system:kube-scheduler", "system:apiserver", "system:kube-proxy"]
    return as_yaml(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [
                {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi*"]},
                {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
                {"level": "None", "resources": [{"group": "", "resources": ["events"]}, {"group": "events.k8s.io"}]},
                {"level": "None", "verbs": ["get", "list", "watch"], "users": system},
                {"level": "None", "verbs": ["get", "list", "watch"], "userGroups": ["system:nodes"]},
                # Who read or wrote them, never what they say.
                {
                    "level": "Metadata",
                    "resources": [
                        {"group": "", "resources": ["secrets", "configmaps", "serviceaccounts/token"]},
                        {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
                    ],
                },
                {"level": "Metadata", "verbs": ["get", "list", "watch"]},
                {"level": "Request", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
                {"level": "Metadata"},
            ],
        }
    )


def admission() -> str:
    """Pod Security: `restricted` where a namespace says nothing, with named exemptions; and a limit on floods of events."""
    modes = dict.fromkeys(("enforce", "audit", "warn"), "restricted")
    return as_yaml(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AdmissionConfiguration",
            "plugins": [
                {
                    "name": "PodSecurity",
                    "configuration": {
                        "apiVersion": "pod-security.admission.config.k8s.io/v1",
                        "kind": "PodSecurityConfiguration",
                        "defaults": modes,
                        "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": list(PRIVILEGED_NAMESPACES)},
                    },
                },
                {"name": "EventRateLimit", "path": f"{CONFIG_DIR}/event-rate-limit.yaml"},
            ],
        }
    )


def event_rate_limit() -> str:
    """How many events the API server takes, by the figures of K3s's hardening guide."""
    return as_yaml(
        {
            "apiVersion": "eventratelimit.admission.k8s.io/v1alpha1",
            "kind": "Configuration",
            "limits": [{"type": "Server", "qps": 5000, "burst": 20000}],
        }
    )


@dataclass(frozen=True, kw_only=True)
class Registry:
    """A registry (`host` or `host:port`) that asks for a login, or whose certificate is signed by *ca* (PEM).

    `password`: a reference, since it stands in no file of ours; empty where what is written is not for a server.
    """

    host: str
    username: str | None = None
    password: str = ""
    ca: str | None = None

    @property
    def ca_file(self) -> str:
        """Name of the file that has *ca*, beside K3s's configuration."""
        return f"registry-{self.host.replace(':', '_')}.pem"


def registries(mirror: str | None, known: Sequence[Registry], *, embedded: bool) -> str:
    """`registries.yaml`: where images come from, and how one logs in there (docs.k3s.io, Private Registry Configuration).

    *embedded*: from the other servers first (docs.k3s.io, registry-mirror).
    """
    told: dict[str, Any] = {}
    if mirror or embedded:
        told["mirrors"] = {"*": {"endpoint": [mirror]} if mirror else {}}
    if known:
        told["configs"] = {registry.host: _registry(registry) for registry in known}
    text = as_yaml(told)
    # As JSON, which is YAML, since only Terraform knows them.
    for registry in known:
        if registry.password:
            text = text.replace(_placeholder(registry), Fn.jsonencode(registry.password))
    return text


def _registry(registry: Registry) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if registry.username:
        told["auth"] = {"username": registry.username, "password": _placeholder(registry)}
    if registry.ca:
        told["tls"] = {"ca_file": f"{CONFIG_DIR}/{registry.ca_file}"}
    return told


def _placeholder(registry: Registry) -> str:
    return f"PASSWORD_{registry.host.replace(':', '_')}_"


def cluster_admins(name: str, kind: str, subjects: Sequence[str]) -> str:
    """A ClusterRoleBinding that makes *subjects* (of *kind* Group or User) administrators; deleted, they are none."""
    return as_yaml(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": subject} for subject in subjects],
        }
    )
