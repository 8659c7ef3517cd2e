"""The add-ons of a location, each waiting for what it needs and for nothing else."""

from __future__ import annotations

from typing import Any

from cdktf import Annotations, ITerraformDependable, TerraformStack

from ib_constructs import alert_routes, backup, bifrost, dex, gpu, headlamp, kubeai, longhorn, model_browser, monitoring
from ib_constructs.certificates import Certificates, CertificatesProps
from ib_constructs.cluster_dns import ClusterDns, ClusterDnsProps
from ib_constructs.helm import AddonProps
from ib_constructs.identity import KeyPair
from ib_constructs.ingress import Ingress, IngressProps, Login
from ib_constructs.ingress_controller import IngressController, IngressControllerProps
from ib_constructs.load_balancer import MetalLb, MetalLbProps
from ib_constructs.login import NAMESPACE as LOGIN
from ib_constructs.login import Oauth2Proxy, Oauth2ProxyProps
from ib_constructs.logs_and_traces import TRACES_TO, LogsAndTraces, LogsAndTracesProps
from ib_constructs.namespace import Namespace
from ib_constructs.operators import Operators, OperatorsProps
from ib_constructs.s3 import Bucket
from stacks.schema import Location
from stacks.variables import Variables

MOST_REPLICAS = 2
"""Of what every request goes through: one of them may be away."""
VENDORS: dict[str, tuple[gpu.Vendor, ...]] = {"auto": ("nvidia", "amd"), "nvidia": ("nvidia",), "amd": ("amd",), "none": ()}


class Addons:
    """Everything that is released into a location's cluster, and the host names that lead to it."""

    def __init__(self, stack: TerraformStack, location: Location, variables: Variables, cluster: ITerraformDependable) -> None:
        self._stack, self._location, self._variables, self._cluster = stack, location, variables, cluster
        self._replicas = min(len(location.servers), MOST_REPLICAS)
        self._kinds = None
        # Who has a monitor of its own waits for its kind; where nobody monitors, nobody does.
        self._monitors: list[ITerraformDependable] = []
        if location.monitoring.enabled:
            self._kinds = monitoring.MonitoringKinds(stack, "monitoring-kinds", monitoring.MonitoringKindsProps(**self._given()))
            self._monitors.append(self._kinds.ready)
        self._bucket = self._s3()

    def release(self, root: KeyPair | None, issuer_ca: str | None) -> None:
        """Add them all. *root*: the location's own authority, where it signs itself; *issuer_ca*: PEM behind Dex's certificate."""
        location = self._location
        ClusterDns(
            self._stack,
            "cluster-dns",
            ClusterDnsProps(
                domain=location.domain,
                ingress_ip=str(location.network.ingress_ip),
                api_address=str(location.cluster_address),
                waits_for=[self._cluster],
            ),
        )
        emails = [operator.email for operator in location.operators]
        Operators(self._stack, "operators", OperatorsProps(emails=emails, waits_for=[self._cluster]))
        self._traffic(root)
        volumes = self._longhorn()
        issuer = self._access(emails, issuer_ca)
        if VENDORS[location.gpu.operators]:
            props = gpu.GpuProps(**self._given(), vendors=VENDORS[location.gpu.operators], runtime=location.gpu.runtime)
            gpu.Gpu(self._stack, "gpu", props)
        self._models(volumes)
        self._gateway(volumes)
        self._observability(issuer, volumes)
        self._backup()

    def _given(self, *more: ITerraformDependable) -> dict[str, Any]:
        """What every add-on is given; it waits for *more* than the monitors' kinds."""
        location = self._location
        given = AddonProps(
            cluster=self._cluster,
            waits_for=[*self._monitors, *more],
            charts_mirror=location.mirrors.charts,
            monitored=location.monitoring.enabled,
            protect=location.protect,
        )
        return dict(vars(given))

    def _ingress(self, service: str, namespace: Namespace, backend: tuple[str, int], login: Login | None, **more: Any) -> None:
        """`https://<service>.<domain>`; *login* None leaves it to anyone."""
        name = more.pop("name", service)
        host = f"{service}.{self._location.domain}"
        props = IngressProps(
            host=host, namespace=namespace, service=backend[0], port=backend[1], login=login, waits_for=[self._controller], **more
        )
        Ingress(self._stack, f"ingress-{name}", props)

    def _s3(self) -> Bucket | None:
        if self._location.backup is None:
            return None
        s3, variables = self._location.backup.s3, self._variables
        return Bucket(
            endpoint=s3.endpoint,
            name=s3.bucket,
            region=s3.region,
            folder=self._location.name,
            access_key=variables.s3_access_key,
            secret_key=variables.s3_secret_key,
        )

    def _traffic(self, root: KeyPair | None) -> None:
        """Addresses, what listens at the ingress IP, and certificates."""
        location, stack = self._location, self._stack
        if location.ingress.controller == "ingress-nginx":
            Annotations.of(stack).add_warning(
                "ingress-nginx is archived upstream since March 2026 and gets no more security fixes;"
                ' [ingress] controller = "traefik" is the maintained choice'
            )
        addresses = MetalLb(stack, "metallb", MetalLbProps(**self._given(), address_range=str(location.network.load_balancer_range)))
        controller = IngressControllerProps(
            **self._given(addresses.ready),
            controller=location.ingress.controller,
            ingress_ip=str(location.network.ingress_ip),
            replicas=self._replicas,
        )
        self._controller = IngressController(stack, "ingress", controller).ready
        certificates = CertificatesProps(
            **self._given(),
            authority=location.certificates.issuer,
            acme=location.certificates.acme,
            cloudflare_api_token=self._variables.cloudflare_api_token,
            root=root,
        )
        Certificates(stack, "certificates", certificates)

    def _longhorn(self) -> list[ITerraformDependable]:
        """What to wait for where a volume is needed; nothing with K3s's own."""
        storage = self._location.storage
        if not storage.longhorn:
            return []
        replicas = storage.replicas or min(len(self._location.servers), longhorn.MOST_REPLICAS)
        props = longhorn.LonghornProps(**self._given(), replicas=replicas, bucket=self._bucket)
        self._longhorn_addon = longhorn.Longhorn(self._stack, "longhorn", props)
        return [self._longhorn_addon.ready]

    def _access(self, emails: list[str], issuer_ca: str | None) -> dex.Dex:
        """Who people are, the login before every UI, and the cluster in a browser."""
        location = self._location
        hashes = self._variables.operator_password_hashes
        props = dex.DexProps(**self._given(), domain=location.domain, operators=emails, password_hashes=hashes)
        issuer = dex.Dex(self._stack, "dex", props)
        proxy = Oauth2Proxy(
            self._stack,
            "oauth2-proxy",
            Oauth2ProxyProps(
                **self._given(),
                domain=location.domain,
                client_secret=issuer.oauth2_proxy_secret,
                replicas=self._replicas,
                controller=location.ingress.controller,
            ),
        )
        self._login = proxy.login
        cluster = headlamp.Headlamp(
            self._stack, "headlamp", headlamp.HeadlampProps(**self._given(), domain=location.domain, issuer_ca=issuer_ca)
        )
        self._ingress("dex", issuer.namespace, ("dex", dex.PORT), None)
        self._ingress("oauth2-proxy", proxy.namespace, (LOGIN, 80), None)
        self._ingress("headlamp", cluster.namespace, (headlamp.SERVICE, headlamp.PORT), self._login, streams=True)
        if location.storage.longhorn:
            backend = (longhorn.UI_SERVICE, longhorn.UI_PORT)
            self._ingress("longhorn", self._longhorn_addon.namespace, backend, self._login, streams=True)
        return issuer

    def _models(self, volumes: list[ITerraformDependable]) -> None:
        location = self._location
        props = kubeai.KubeAiProps(
            **self._given(*volumes),
            vendors=VENDORS[location.gpu.operators],
            runtime=location.gpu.runtime,
            hugging_face_token=self._variables.hugging_face_token,
            cache_gib=location.storage.model_cache_gib,
        )
        models = kubeai.KubeAi(self._stack, "kubeai", props)
        if models.cache_claim:
            administrator = location.operators[0].email if location.operators else "nobody"
            browser = model_browser.ModelBrowserProps(
                **self._given(models.cache_claim), namespace=models.namespace, claim=kubeai.CACHE_CLAIM, administrator=administrator
            )
            model_browser.ModelBrowser(self._stack, "model-browser", browser)
            self._ingress("models", models.namespace, (model_browser.NAME, 80), self._login)

    def _gateway(self, volumes: list[ITerraformDependable]) -> None:
        traces_to = TRACES_TO if self._location.monitoring.enabled else None
        gateway = bifrost.Bifrost(
            self._stack, "bifrost", bifrost.BifrostProps(**self._given(*volumes), bucket=self._bucket, traces_to=traces_to)
        )
        backend = (bifrost.SERVICE, bifrost.HTTP_PORT)
        streams = {"streams": True, "max_body_mib": 100}
        self._ingress("bifrost", gateway.namespace, backend, None, paths=bifrost.PUBLIC_PATHS, name="bifrost-inference", **streams)
        self._ingress("bifrost", gateway.namespace, backend, self._login, shares_certificate=True)
        if self._location.name == "local":
            self._ingress("bifrost-insecure", gateway.namespace, backend, None, paths=bifrost.PUBLIC_PATHS, tls=False, **streams)

    def _observability(self, issuer: dex.Dex, volumes: list[ITerraformDependable]) -> None:
        if self._kinds is None:
            return
        settings, namespace = self._location.monitoring, self._kinds.namespace
        slack = None
        if settings.slack:
            slack = alert_routes.Slack(webhook_url=self._variables.slack_webhook_url, **settings.slack.model_dump())
        props = monitoring.MonitoringProps(
            **self._given(*volumes),
            namespace=namespace,
            domain=self._location.domain,
            grafana_client_secret=issuer.grafana_secret,
            slack=slack,
            heartbeat_url=self._variables.heartbeat_url if settings.heartbeat else None,
        )
        monitoring.Monitoring(self._stack, "monitoring", props)
        LogsAndTraces(self._stack, "logs-and-traces", LogsAndTracesProps(**self._given(*volumes), namespace=namespace))
        self._ingress("grafana", namespace, (monitoring.GRAFANA, monitoring.GRAFANA_PORT), self._login, streams=True)
        self._ingress("prometheus", namespace, (monitoring.PROMETHEUS, monitoring.PROMETHEUS_PORT), self._login)
        self._ingress("alertmanager", namespace, (monitoring.ALERTMANAGER, monitoring.ALERTMANAGER_PORT), self._login)

    def _backup(self) -> None:
        if self._bucket is None:
            return
        props = backup.BackupProps(**self._given(), bucket=self._bucket, snapshots=self._location.storage.longhorn)
        velero = backup.Backup(self._stack, "backup", props)
        self._ingress("vui", velero.namespace, (backup.UI_SERVICE, backup.UI_PORT), self._login)
