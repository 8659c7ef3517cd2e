"""The add-ons of a location, each waiting for what it needs and for nothing else."""

from __future__ import annotations

from cdktf import ITerraformDependable, TerraformStack

from ib_constructs import (
    AddonProps,
    Backup,
    BackupProps,
    Bifrost,
    BifrostProps,
    Bucket,
    Certificates,
    CertificatesProps,
    ClusterDns,
    ClusterDnsProps,
    Dex,
    DexProps,
    Gpu,
    GpuProps,
    Headlamp,
    HeadlampProps,
    IngressController,
    IngressControllerProps,
    KeyPair,
    KubeAi,
    KubeAiProps,
    LogsAndTraces,
    LogsAndTracesProps,
    Longhorn,
    LonghornProps,
    MetalLb,
    MetalLbProps,
    ModelBrowser,
    ModelBrowserProps,
    Monitoring,
    MonitoringKinds,
    MonitoringKindsProps,
    MonitoringProps,
    Oauth2Proxy,
    Oauth2ProxyProps,
    Operators,
    OperatorsProps,
    Slack,
)
from ib_constructs.addons import longhorn
from ib_constructs.addons.gpu import Vendor
from ib_constructs.addons.kubeai import CACHE_CLAIM
from ib_constructs.addons.logs_and_traces import TRACES_TO
from ib_constructs.base.warnings import warn
from stacks.authority import Authority
from stacks.config.schema import Location, SlackChannels
from stacks.variables import Variables

MOST_REPLICAS = 2
"""Most replicas of what every request goes through, the ingress controller and the login: with two, one may be away."""
VENDORS: dict[str, tuple[Vendor, ...]] = {"auto": ("nvidia", "amd"), "nvidia": ("nvidia",), "amd": ("amd",), "none": ()}


class Addons:
    """Everything that is released into a location's cluster; `Hosts` makes the host names that lead to it.

    `controller`: the resource after which something listens at the ingress IP. `login`: what an Ingress needs to ask people who
    they are. `kinds`, `longhorn` and `backup` are None where the location file does without monitoring, Longhorn or a bucket.
    """

    def __init__(
        self, stack: TerraformStack, location: Location, variables: Variables, cluster: ITerraformDependable, authority: Authority
    ) -> None:
        self._stack, self._location, self._variables, self._cluster = stack, location, variables, cluster
        self._emails = [operator.email for operator in location.operators]
        self._replicas = min(len(location.servers), MOST_REPLICAS)
        self._bucket = self._s3()
        # Who has a monitor of its own waits for its kind; where nobody monitors, nobody does.
        self._monitors: list[ITerraformDependable] = []
        self.kinds = self._monitoring_kinds()
        self._names_and_rights()
        self.controller = self._traffic(authority.root)
        self.longhorn = self._longhorn()
        # What to wait for where a volume is needed; nothing with K3s's own.
        self._volumes = [self.longhorn.ready] if self.longhorn else []
        self.issuer = self._dex()
        self.proxy = self._oauth2_proxy()
        self.login = self.proxy.login
        self.headlamp = self._headlamp(authority.certificate)
        self._gpus()
        self.models = self._kubeai()
        self.gateway = self._bifrost()
        self._monitoring()
        self.backup = self._velero()

    def _given(self, *more: ITerraformDependable) -> AddonProps:
        """What every add-on is given; it waits for *more* than the monitors' kinds."""
        location = self._location
        return AddonProps(
            cluster=self._cluster,
            waits_for=[*self._monitors, *more],
            charts_mirror=location.mirrors.charts,
            monitored=location.monitoring.enabled,
            protect=location.protect,
        )

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

    def _monitoring_kinds(self) -> MonitoringKinds | None:
        if not self._location.monitoring.enabled:
            return None
        kinds = MonitoringKinds(self._stack, "monitoring-kinds", MonitoringKindsProps(given=self._given()))
        self._monitors.append(kinds.ready)
        return kinds

    def _names_and_rights(self) -> None:
        """What the cluster itself is told: the location's host names, and who may administer it."""
        location = self._location
        dns = ClusterDnsProps(
            domain=location.domain,
            ingress_ip=str(location.network.ingress_ip),
            api_address=str(location.cluster_address),
            waits_for=[self._cluster],
        )
        ClusterDns(self._stack, "cluster-dns", dns)
        Operators(self._stack, "operators", OperatorsProps(emails=self._emails, waits_for=[self._cluster]))
        if not self._emails:
            warn(
                self._stack,
                "operators",
                f"{location.name} has no operator, so nobody can log in to its services; add an [[operators]] with email",
            )

    def _traffic(self, root: KeyPair | None) -> ITerraformDependable:
        """Addresses, what listens at the ingress IP, and certificates."""
        location, stack = self._location, self._stack
        if location.ingress.controller == "ingress-nginx":
            warn(
                stack,
                "ingress_controller",
                "ingress-nginx is archived upstream since March 2026 and gets no more security fixes;"
                ' [ingress] controller = "traefik" is the maintained choice',
            )
        ranges = [str(part) for part in location.network.load_balancer_range.parts]
        addresses = MetalLb(stack, "metallb", MetalLbProps(given=self._given(), address_ranges=ranges))
        certificates = CertificatesProps(
            given=self._given(),
            authority=location.certificates.issuer,
            acme=location.certificates.acme,
            cloudflare_api_token=self._variables.cloudflare_api_token,
            root=root,
        )
        Certificates(stack, "certificates", certificates)
        controller = IngressControllerProps(
            given=self._given(addresses.ready),
            controller=location.ingress.controller,
            ingress_ip=str(location.network.ingress_ip),
            replicas=self._replicas,
        )
        return IngressController(stack, "ingress", controller).ready

    def _longhorn(self) -> Longhorn | None:
        storage = self._location.storage
        if not storage.longhorn:
            return None
        replicas = storage.replicas or min(len(self._location.servers), longhorn.MOST_REPLICAS)
        return Longhorn(self._stack, "longhorn", LonghornProps(given=self._given(), replicas=replicas, bucket=self._bucket))

    def _dex(self) -> Dex:
        hashes = self._variables.operator_password_hashes
        props = DexProps(given=self._given(), domain=self._location.domain, operators=self._emails, password_hashes=hashes)
        return Dex(self._stack, "dex", props)

    def _oauth2_proxy(self) -> Oauth2Proxy:
        props = Oauth2ProxyProps(
            given=self._given(),
            domain=self._location.domain,
            client_secret=self.issuer.oauth2_proxy_secret,
            replicas=self._replicas,
            controller=self._location.ingress.controller,
        )
        return Oauth2Proxy(self._stack, "oauth2-proxy", props)

    def _headlamp(self, issuer_ca: str | None) -> Headlamp:
        props = HeadlampProps(given=self._given(), domain=self._location.domain, issuer_ca=issuer_ca)
        return Headlamp(self._stack, "headlamp", props)

    def _gpus(self) -> None:
        settings = self._location.gpu
        if VENDORS[settings.operators]:
            Gpu(self._stack, "gpu", GpuProps(given=self._given(), vendors=VENDORS[settings.operators], runtime=settings.runtime))

    def _kubeai(self) -> KubeAi:
        """KubeAI runs the models; where it has a cache, people can look into it."""
        location = self._location
        props = KubeAiProps(
            given=self._given(*self._volumes),
            vendors=VENDORS[location.gpu.operators],
            runtime=location.gpu.runtime,
            hugging_face_token=self._variables.hugging_face_token,
            cache_gib=location.storage.model_cache_gib,
        )
        models = KubeAi(self._stack, "kubeai", props)
        if models.cache_claim:
            browser = ModelBrowserProps(
                given=self._given(models.cache_claim),
                namespace=models.namespace,
                claim=CACHE_CLAIM,
                administrator=self._emails[0] if self._emails else "nobody",
            )
            ModelBrowser(self._stack, "model-browser", browser)
        return models

    def _bifrost(self) -> Bifrost:
        traces_to = TRACES_TO if self.kinds else None
        props = BifrostProps(given=self._given(*self._volumes), bucket=self._bucket, traces_to=traces_to)
        return Bifrost(self._stack, "bifrost", props)

    def _monitoring(self) -> None:
        """Metrics, alerts, logs and traces, where the location wants them."""
        if self.kinds is None:
            return
        settings, variables = self._location.monitoring, self._variables
        props = MonitoringProps(
            given=self._given(*self._volumes),
            namespace=self.kinds.namespace,
            domain=self._location.domain,
            grafana_client_secret=self.issuer.grafana_secret,
            slack=_slack(settings.slack, variables.slack_webhook_url) if settings.slack else None,
            heartbeat_url=variables.heartbeat_url if settings.heartbeat else None,
        )
        Monitoring(self._stack, "monitoring", props)
        logs = LogsAndTracesProps(given=self._given(*self._volumes), namespace=self.kinds.namespace)
        LogsAndTraces(self._stack, "logs-and-traces", logs)

    def _velero(self) -> Backup | None:
        if self._bucket is None:
            return None
        props = BackupProps(given=self._given(), bucket=self._bucket, snapshots=self._location.storage.longhorn)
        return Backup(self._stack, "backup", props)


def _slack(channels: SlackChannels, webhook_url: str) -> Slack:
    return Slack(webhook_url=webhook_url, monitoring=channels.monitoring, incidents=channels.incidents, billing=channels.billing)
