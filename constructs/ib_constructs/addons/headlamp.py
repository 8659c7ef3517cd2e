"""Headlamp: the cluster in a browser, with each person's own rights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdktf import ITerraformDependable
from constructs import Construct

from ib_constructs.base.helm import AddonProps, HelmAddon, HelmAddonProps
from ib_constructs.base.namespace import INGRESS, Namespace, NamespaceProps
from ib_constructs.base.pods import CONTAINER_RESTRICTED, POD_RESTRICTED, resources
from ib_constructs.versions import HEADLAMP

NAMESPACE, SERVICE, PORT = "headlamp", "headlamp", 80
ROOTS = "issuer-roots"


@dataclass(frozen=True, kw_only=True)
class HeadlampProps:
    """`issuer_ca`: root certificate (PEM, or a reference) behind Dex's, where no trust store has it."""

    given: AddonProps
    domain: str
    issuer_ca: str | None = None


class Headlamp(Construct):
    """Its own account has no right at all: what a person may see and do is what the API grants their token.

    It logs in as client `k3s`, which is who the API server wants tokens to be for. `ready`: it answers the ingress.
    """

    def __init__(self, scope: Construct, id: str, props: HeadlampProps) -> None:
        super().__init__(scope, id)
        self.namespace = Namespace(
            self,
            "namespace",
            NamespaceProps(name=NAMESPACE, pod_security="restricted", cluster=props.given.cluster, reached_from=(INGRESS,)),
        )
        self.ready: ITerraformDependable = HelmAddon(
            self,
            "addon",
            HelmAddonProps(
                chart=HEADLAMP,
                given=props.given,
                namespace=self.namespace,
                values=_values(props),
                secrets={ROOTS: {"ca.crt": props.issuer_ca}} if props.issuer_ca else {},
            ),
        ).ready


def _values(props: HeadlampProps) -> dict[str, Any]:
    values: dict[str, Any] = {
        "config": {
            "oidc": {
                "secret": {"create": True},
                "clientID": "k3s",
                "issuerURL": f"https://dex.{props.domain}",
                "scopes": "email,profile,groups,offline_access",
                "callbackURL": f"https://headlamp.{props.domain}/oidc-callback",
                "usePKCE": True,
            },
        },
        "clusterRoleBinding": {"create": False},
        "podSecurityContext": dict(POD_RESTRICTED),
        "securityContext": dict(CONTAINER_RESTRICTED) | {"privileged": False, "runAsUser": 100, "runAsGroup": 101},
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "tmp", "mountPath": "/home/headlamp"}],  # noqa: S108 (in the container)
        "resources": resources("10m", "64Mi", "256Mi"),
    }
    if props.issuer_ca:
        values["volumes"].append({"name": "roots", "secret": {"secretName": ROOTS}})
        # Go trusts every file in this directory, besides the image's own bundle.
        mount = {"name": "roots", "mountPath": "/etc/ssl/certs/location.pem", "subPath": "ca.crt", "readOnly": True}
        values["volumeMounts"].append(mount)
    return values
