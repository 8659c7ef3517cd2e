"""Constructs that describe one location. The contract of a construct is in this folder's README."""

from ib_constructs.cluster_identity import ClusterIdentity, ClusterIdentityProps
from ib_constructs.dns import CloudflareDns, CloudflareDnsProps
from ib_constructs.helm import ChartMissingError, HelmAddon, HelmAddonProps, Objects, ObjectsProps
from ib_constructs.identity import Identity, KeyPair
from ib_constructs.k3s import K3sCluster, K3sClusterProps
from ib_constructs.k3s_config import K3sSettings
from ib_constructs.kubeconfig import Kubeconfig
from ib_constructs.load_balancer import MetalLb, MetalLbProps
from ib_constructs.root_authority import RootAuthority, RootAuthorityProps
from ib_constructs.ssh import Server

__all__ = [
    "ChartMissingError",
    "CloudflareDns",
    "CloudflareDnsProps",
    "ClusterIdentity",
    "ClusterIdentityProps",
    "HelmAddon",
    "HelmAddonProps",
    "Identity",
    "K3sCluster",
    "K3sClusterProps",
    "K3sSettings",
    "KeyPair",
    "Kubeconfig",
    "MetalLb",
    "MetalLbProps",
    "Objects",
    "ObjectsProps",
    "RootAuthority",
    "RootAuthorityProps",
    "Server",
]
