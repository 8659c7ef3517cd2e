"""What listens at the ingress IP: ingress-nginx (archived upstream since March 2026), or Traefik, which reads the same annotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdktf import ITerraformDependable
from constructs import Construct

from ib_constructs.base.helm import AddonProps, HelmAddon, HelmAddonProps, Objects, ObjectsProps
from ib_constructs.base.ingress import CLASS, STREAM_TIMEOUT_SEC, Controller
from ib_constructs.base.namespace import INGRESS, Namespace, NamespaceProps
from ib_constructs.base.pods import resources
from ib_constructs.versions import INGRESS_NGINX, TRAEFIK

NGINX_CONTROLLER = "k8s.io/ingress-nginx"
HEADERS = "headers"
YEAR_SEC = 31_536_000
MINUTES_TO_DRAIN = 5


@dataclass(frozen=True, kw_only=True)
class IngressControllerProps:
    """`ingress_ip`: the address of MetalLB's range that it listens at. `replicas`: at most one a server."""

    given: AddonProps
    controller: Controller
    ingress_ip: str
    replicas: int


class IngressController(Construct):
    """The controller of the IngressClass `nginx`. `ready`: it listens at the ingress IP and takes Ingress objects.

    No `x-request-id` of a client passes it (ingress-nginx sends one of its own, a new one each time): the gateway takes it
    for the key of its billing row, so a client that repeats one would not be billed (docs/facts/bifrost.md, Rows).
    """

    def __init__(self, scope: Construct, id: str, props: IngressControllerProps) -> None:
        super().__init__(scope, id)
        nginx = props.controller == "ingress-nginx"
        namespace = Namespace(
            self,
            "namespace",
            NamespaceProps(
                name=INGRESS,
                pod_security="restricted",
                cluster=props.given.cluster,
                # What listens for the world, and ingress-nginx's webhook.
                open_ports=(80, 443, 8443) if nginx else (8000, 8443),
            ),
        )
        waits_for = [] if nginx else [self._traefiks_objects(namespace)]
        self.ready: ITerraformDependable = HelmAddon(
            self,
            "addon",
            HelmAddonProps(
                chart=INGRESS_NGINX if nginx else TRAEFIK,
                given=props.given,
                namespace=namespace,
                values=_nginx(props) if nginx else _traefik(props),
                waits_for=waits_for,
            ),
        ).ready

    def _traefiks_objects(self, namespace: Namespace) -> ITerraformDependable:
        # ingress-nginx's chart brings its class; Traefik wants to find one.
        ingress_class = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": CLASS, "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
            "spec": {"controller": NGINX_CONTROLLER},
        }
        return Objects(self, "class", ObjectsProps(name="ingress-class", namespace=namespace, objects=[ingress_class])).ready


def _nginx(props: IngressControllerProps) -> dict[str, Any]:
    return {
        "controller": {
            "replicaCount": props.replicas,
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}, "type": "RollingUpdate"},
            "ingressClassResource": {"name": CLASS, "default": True},
            "service": {
                "annotations": {"metallb.io/loadBalancerIPs": props.ingress_ip},
                # Keeps the client's address, which limits and logs go by; MetalLB then answers ARP where a pod is.
                "externalTrafficPolicy": "Local",
            },
            "config": {
                # Setting the header would add a second one to the client's.
                "location-snippet": 'more_clear_input_headers "X-Request-ID";',
                "hsts": "true",
                # A login's cookie with its tokens nearly fills the 4k that are usual; what does not fit is an error 500.
                "proxy-buffer-size": "16k",
                "hide-headers": "Server,X-Powered-By",
                "ssl-protocols": "TLSv1.2 TLSv1.3",
                "use-gzip": "true",
                # Connections that stream end with the answer, not with a change of configuration.
                "worker-shutdown-timeout": f"{MINUTES_TO_DRAIN * 60}s",
            },
            "terminationGracePeriodSeconds": MINUTES_TO_DRAIN * 60,
            "metrics": {"enabled": True, "serviceMonitor": {"enabled": props.given.monitored}},
            "resources": resources("100m", "128Mi", "512Mi"),
            "admissionWebhooks": {
                "createSecretJob": {"resources": resources("10m", "32Mi", "64Mi")},
                "patchWebhookJob": {"resources": resources("10m", "32Mi", "64Mi")},
            },
        }
    }


def _traefik(props: IngressControllerProps) -> dict[str, Any]:
    headers = {
        "apiVersion": "traefik.io/v1alpha1",
        "kind": "Middleware",
        "metadata": {"name": HEADERS, "namespace": INGRESS},
        "spec": {
            "headers": {
                # An empty value removes the header.
                "customRequestHeaders": {"X-Request-ID": ""},
                "customResponseHeaders": {"Server": "", "X-Powered-By": ""},
                "stsSeconds": YEAR_SEC,
            }
        },
    }
    entry_point = {
        # A gateway that decodes `/v1/..%2fapi` would pass for the inference that needs no login.
        "http": {"middlewares": [f"{INGRESS}-{HEADERS}@kubernetescrd"], "encodedCharacters": {"allowEncodedSlash": False}},
        "transport": {"respondingTimeouts": {"readTimeout": f"{STREAM_TIMEOUT_SEC}s", "writeTimeout": "0s", "idleTimeout": "180s"}},
    }
    return {
        "deployment": {"replicas": props.replicas, "terminationGracePeriodSeconds": MINUTES_TO_DRAIN * 60},
        "updateStrategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        "podDisruptionBudget": {"enabled": True, "maxUnavailable": 1},
        "global": {"checkNewVersion": False},
        # The class is ours, named as ingress-nginx's.
        "ingressClass": {"enabled": False},
        "providers": {
            # Else it would find every Ingress twice.
            "kubernetesIngress": {"enabled": False},
            "kubernetesIngressNGINX": {
                "enabled": True,
                "controllerClass": NGINX_CONTROLLER,
                "ingressClass": CLASS,
                "publishService": {"enabled": True},
                # Limits of a body's size hold only then.
                "proxyRequestBuffering": True,
                # For the session's cookie (ingress.py); it takes no more than such directives.
                "allowSnippetAnnotations": True,
            },
        },
        "service": {"annotations": {"metallb.io/loadBalancerIPs": props.ingress_ip}, "spec": {"externalTrafficPolicy": "Local"}},
        "ports": {"web": entry_point, "websecure": entry_point},
        "metrics": {
            "prometheus": {
                "service": {"enabled": props.given.monitored},
                "serviceMonitor": {"enabled": props.given.monitored},
                # The chart asks the API for the kind, which helm template and a first plan cannot.
                "disableAPICheck": True,
            }
        },
        "resources": resources("100m", "128Mi", "512Mi"),
        "extraObjects": [headers],
    }
