"""Constructs that describe one location. The contract of a construct is in this folder's README."""

from ib_constructs.alert_routes import Slack
from ib_constructs.backup import Backup, BackupProps
from ib_constructs.bifrost import Bifrost, BifrostProps
from ib_constructs.certificates import Certificates, CertificatesProps
from ib_constructs.cluster_dns import ClusterDns, ClusterDnsProps
from ib_constructs.cluster_identity import ClusterIdentity, ClusterIdentityProps
from ib_constructs.dex import Dex, DexProps
from ib_constructs.dns import CloudflareDns, CloudflareDnsProps
from ib_constructs.gpu import Gpu, GpuProps
from ib_constructs.headlamp import Headlamp, HeadlampProps
from ib_constructs.helm import AddonProps, ChartMissingError, HelmAddon, HelmAddonProps, Objects, ObjectsProps
from ib_constructs.identity import Identity, KeyPair
from ib_constructs.ingress import Ingress, IngressProps, Login
from ib_constructs.ingress_controller import IngressController, IngressControllerProps
from ib_constructs.k3s import K3sCluster, K3sClusterProps
from ib_constructs.k3s_config import K3sSettings
from ib_constructs.kubeai import KubeAi, KubeAiProps
from ib_constructs.kubeconfig import Kubeconfig
from ib_constructs.load_balancer import MetalLb, MetalLbProps
from ib_constructs.login import Oauth2Proxy, Oauth2ProxyProps
from ib_constructs.logs_and_traces import LogsAndTraces, LogsAndTracesProps
from ib_constructs.longhorn import Longhorn, LonghornProps
from ib_constructs.model_browser import ModelBrowser, ModelBrowserProps
from ib_constructs.monitoring import Monitoring, MonitoringKinds, MonitoringKindsProps, MonitoringProps
from ib_constructs.namespace import Namespace, NamespaceProps
from ib_constructs.operators import Operators, OperatorsProps
from ib_constructs.postgres import Postgres, PostgresProps
from ib_constructs.root_authority import RootAuthority, RootAuthorityProps
from ib_constructs.s3 import Bucket
from ib_constructs.ssh import Server

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
