"""Constructs that describe one location. The contract of a construct is in this folder's README."""

from ib_constructs.addons.alert_routes import Slack
from ib_constructs.addons.backup import Backup, BackupProps
from ib_constructs.addons.bifrost import Bifrost, BifrostProps
from ib_constructs.addons.certificates import Certificates, CertificatesProps
from ib_constructs.addons.cluster_dns import ClusterDns, ClusterDnsProps
from ib_constructs.addons.dex import Dex, DexProps
from ib_constructs.addons.gpu import Gpu, GpuProps
from ib_constructs.addons.headlamp import Headlamp, HeadlampProps
from ib_constructs.addons.ingress_controller import IngressController, IngressControllerProps
from ib_constructs.addons.kubeai import KubeAi, KubeAiProps
from ib_constructs.addons.load_balancer import MetalLb, MetalLbProps
from ib_constructs.addons.login import Oauth2Proxy, Oauth2ProxyProps
from ib_constructs.addons.logs_and_traces import LogsAndTraces, LogsAndTracesProps
from ib_constructs.addons.longhorn import Longhorn, LonghornProps
from ib_constructs.addons.model_browser import ModelBrowser, ModelBrowserProps
from ib_constructs.addons.monitoring import Monitoring, MonitoringKinds, MonitoringKindsProps, MonitoringProps
from ib_constructs.addons.operators import Operators, OperatorsProps
from ib_constructs.addons.postgres import Postgres, PostgresProps
from ib_constructs.base.helm import AddonProps, ChartMissingError, HelmAddon, HelmAddonProps, Objects, ObjectsProps
from ib_constructs.base.ingress import Ingress, IngressProps, Login
from ib_constructs.base.namespace import Namespace, NamespaceProps
from ib_constructs.base.root_authority import RootAuthority, RootAuthorityProps
from ib_constructs.base.s3 import Bucket
from ib_constructs.cluster.cluster_identity import ClusterIdentity, ClusterIdentityProps
from ib_constructs.cluster.identity import Identity, KeyPair
from ib_constructs.cluster.k3s import K3sCluster, K3sClusterProps
from ib_constructs.cluster.k3s_config import K3sSettings
from ib_constructs.cluster.kubeconfig import Kubeconfig
from ib_constructs.cluster.ssh import Server
from ib_constructs.dns import CloudflareDns, CloudflareDnsProps

__all__ = [
    "AddonProps",
    "Backup",
    "BackupProps",
    "Bifrost",
    "BifrostProps",
    "Bucket",
    "Certificates",
    "CertificatesProps",
    "ChartMissingError",
    "CloudflareDns",
    "CloudflareDnsProps",
    "ClusterDns",
    "ClusterDnsProps",
    "ClusterIdentity",
    "ClusterIdentityProps",
    "Dex",
    "DexProps",
    "Gpu",
    "GpuProps",
    "Headlamp",
    "HeadlampProps",
    "HelmAddon",
    "HelmAddonProps",
    "Identity",
    "Ingress",
    "IngressController",
    "IngressControllerProps",
    "IngressProps",
    "K3sCluster",
    "K3sClusterProps",
    "K3sSettings",
    "KeyPair",
    "KubeAi",
    "KubeAiProps",
    "Kubeconfig",
    "Login",
    "LogsAndTraces",
    "LogsAndTracesProps",
    "Longhorn",
    "LonghornProps",
    "MetalLb",
    "MetalLbProps",
    "ModelBrowser",
    "ModelBrowserProps",
    "Monitoring",
    "MonitoringKinds",
    "MonitoringKindsProps",
    "MonitoringProps",
    "Namespace",
    "NamespaceProps",
    "Oauth2Proxy",
    "Oauth2ProxyProps",
    "Objects",
    "ObjectsProps",
    "Operators",
    "OperatorsProps",
    "Postgres",
    "PostgresProps",
    "RootAuthority",
    "RootAuthorityProps",
    "Server",
    "Slack",
]
