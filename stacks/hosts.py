"""The host names of a location: what answers each, who may come in, and the outputs that list them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cdktf import TerraformStack

from ib_constructs import Ingress, IngressProps, Login, Namespace
from ib_constructs.addons import backup, bifrost, dex, headlamp, login, longhorn, model_browser, monitoring
from stacks.addons import Addons
from stacks.config.schema import Location

PROMISED = "control"
"""The control service's name: this program does not deploy the service yet, but people write /etc/hosts and their bookmarks once.
Its Ingress will take this name's place."""


@dataclass(frozen=True)
class Backend:
    """What answers a host name: a port of a Service."""

    namespace: Namespace
    service: str
    port: int


class Hosts:
    """The host names below the location's domain, each with its Ingress. The outputs list those that were opened, in that order.

    People log in before every service but the login itself; inference asks for a virtual key instead.
    """

    def __init__(self, stack: TerraformStack, location: Location, addons: Addons) -> None:
        self._stack, self._location, self._addons = stack, location, addons
        self._schemes: dict[str, str] = {}
        self._gateway()
        self._schemes[self._host(PROMISED)] = "https"
        self._people()
        self._volumes()
        self._observability()
        if addons.backup:
            self._open("vui", Backend(addons.backup.namespace, backup.UI_SERVICE, backup.UI_PORT), addons.login)
        if location.ingress.plain_http:
            self._ingress("bifrost-insecure", replace(self._inference("bifrost-insecure"), tls=False))

    def urls(self) -> dict[str, str]:
        """The address of each service, and of the Kubernetes API."""
        urls = {host.partition(".")[0]: f"{scheme}://{host}" for host, scheme in self._schemes.items()}
        return {**urls, "k3s": f"https://{self._host('k3s')}:6443"}

    def etc_hosts(self) -> str:
        """Lines for a developer's /etc/hosts: the Kubernetes API, and every host name behind the ingress."""
        location = self._location
        return f"{location.api_address} {self._host('k3s')}\n{location.network.ingress_ip} {' '.join(self._schemes)}\n"

    def _gateway(self) -> None:
        """Inference is open to whoever has a virtual key; every other path is the gateway's management, for operators."""
        management = self._props("bifrost", self._gateway_service(), self._addons.login)
        self._ingress("bifrost-inference", self._inference("bifrost"))
        self._ingress("bifrost", replace(management, shares_certificate=True))

    def _inference(self, name: str) -> IngressProps:
        props = self._props(name, self._gateway_service(), None)
        return replace(props, paths=bifrost.PUBLIC_PATHS, streams=True, max_body_mib=100)

    def _gateway_service(self) -> Backend:
        return Backend(self._addons.gateway.namespace, bifrost.SERVICE, bifrost.HTTP_PORT)

    def _people(self) -> None:
        addons = self._addons
        self._open("dex", Backend(addons.issuer.namespace, "dex", dex.PORT), None)
        self._open("headlamp", Backend(addons.headlamp.namespace, headlamp.SERVICE, headlamp.PORT), addons.login, streams=True)
        self._open("oauth2-proxy", Backend(addons.proxy.namespace, "oauth2-proxy", login.PORT), None)

    def _volumes(self) -> None:
        addons = self._addons
        if addons.longhorn:
            self._open("longhorn", Backend(addons.longhorn.namespace, longhorn.UI_SERVICE, longhorn.UI_PORT), addons.login, streams=True)
        if addons.models.cache_claim:
            self._open("models", Backend(addons.models.namespace, model_browser.NAME, 80), addons.login)

    def _observability(self) -> None:
        addons = self._addons
        if addons.kinds is None:
            return
        namespace = addons.kinds.namespace
        self._open("grafana", Backend(namespace, monitoring.GRAFANA, monitoring.GRAFANA_PORT), addons.login, streams=True)
        self._open("prometheus", Backend(namespace, monitoring.PROMETHEUS, monitoring.PROMETHEUS_PORT), addons.login)
        self._open("alertmanager", Backend(namespace, monitoring.ALERTMANAGER, monitoring.ALERTMANAGER_PORT), addons.login)

    def _open(self, name: str, backend: Backend, login: Login | None, *, streams: bool = False) -> None:
        """`https://<name>.<domain>`; *login* None leaves it to anyone."""
        self._ingress(name, replace(self._props(name, backend, login), streams=streams))

    def _props(self, name: str, backend: Backend, login: Login | None) -> IngressProps:
        return IngressProps(
            host=self._host(name),
            namespace=backend.namespace,
            service=backend.service,
            port=backend.port,
            login=login,
            waits_for=[self._addons.controller],
        )

    def _ingress(self, id: str, props: IngressProps) -> None:
        Ingress(self._stack, f"ingress-{id}", props)
        self._schemes[props.host] = "https" if props.tls else "http"

    def _host(self, name: str) -> str:
        return f"{name}.{self._location.domain}"
