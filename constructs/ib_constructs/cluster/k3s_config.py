"""K3s's configuration files of one server, as text. No secret stands in them: tokens are named by file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ib_constructs.base.yaml_text import as_yaml
from ib_constructs.cluster import k3s_files
from ib_constructs.cluster.identity import ADMIN_GROUP
from ib_constructs.cluster.k3s_files import CONFIG_DIR, Registry
from ib_constructs.versions import KUBE_VIP_IMAGE

ADMIN_KUBECONFIG = f"{CONFIG_DIR}/k3s.yaml"
OIDC_CLIENT = "k3s"
INSTALLATION_LABEL = "inferencebros.com/installation"
S3_SECRET = "k3s-etcd-snapshot-s3-config"  # noqa: S105 - the name of a Secret
"""Secret in kube-system that tells K3s where snapshots go besides its own disk."""
SNAPSHOTS_KEPT = 20
"""Number of etcd snapshots kept on each server and in the bucket: one every six hours makes five days."""
TLS_CIPHERS = ",".join(
    f"TLS_ECDHE_{key}_WITH_{cipher}"
    for cipher in ("AES_256_GCM_SHA384", "AES_128_GCM_SHA256", "CHACHA20_POLY1305_SHA256")
    for key in ("ECDSA", "RSA")
)


@dataclass(frozen=True, kw_only=True)
class K3sSettings:
    """What all servers of a location share.

    `api_names`: addresses and names by which the Kubernetes API is reached, besides the servers' own.
    `issuer`: URL of the OpenID Connect issuer where people log in; `issuer_ca`: its root certificate (PEM), where
    public trust stores do not have it.
    `cluster_cidr`, `service_cidr`: networks of pods and Services, which nothing else may have; K3s's own by default.
    `packaged_storage`: K3s's local-path provisioner; off where Longhorn is.
    `snapshots_to_s3`: etcd snapshots also go where the Secret S3_SECRET says.
    `image_mirror`: URL of a registry that stands in for all others; `embedded_registry`: servers share images;
    `registries`: those that ask for a login or have a certificate of a private authority.
    """

    api_vip: str | None
    api_names: Sequence[str]
    issuer: str
    issuer_ca: str | None = None
    cluster_cidr: str = "10.42.0.0/16"
    service_cidr: str = "10.43.0.0/16"
    packaged_storage: bool = True
    snapshots_to_s3: bool = False
    image_mirror: str | None = None
    embedded_registry: bool = False
    registries: Sequence[Registry] = ()


def files(  # noqa: PLR0913 - which server, and what it has of its own
    name: str, ip: str, role: str, installation: str, settings: K3sSettings, *, labels: Sequence[str] = (), taints: Sequence[str] = ()
) -> dict[str, str]:
    """All files of a server in *role*, by their path below `etc/` (K3s's configuration) and `manifests/` (its objects).

    *labels*, *taints*: what its Node is registered with; `label-node.sh` keeps them so.
    """
    common: dict[str, Any] = {"node-name": name, "node-ip": ip, "node-label": [f"{INSTALLATION_LABEL}={installation}", *labels]}
    common |= {"node-taint": list(taints)} if taints else {}
    common |= _kubelet()
    found = {"etc/config.yaml": as_yaml({**common, "token-file": f"{CONFIG_DIR}/agent-token"})}
    if settings.image_mirror or settings.embedded_registry or settings.registries:
        found["etc/registries.yaml"] = k3s_files.registries(settings.image_mirror, settings.registries, embedded=settings.embedded_registry)
    found |= {f"etc/{registry.ca_file}": registry.ca for registry in settings.registries if registry.ca}
    if role == "server":
        found |= {
            "etc/config.yaml": as_yaml({**common, **_control_plane(ip, settings)}),
            "etc/authentication.yaml": k3s_files.authentication(settings.issuer, OIDC_CLIENT, settings.issuer_ca),
            "etc/audit-policy.yaml": k3s_files.audit_policy(),
            "etc/admission.yaml": k3s_files.admission(),
            "etc/event-rate-limit.yaml": k3s_files.event_rate_limit(),
            **{f"manifests/{file}": text for file, text in manifests(settings).items()},
        }
    return found


def _kubelet() -> dict[str, Any]:
    """Keys of every server (docs.k3s.io/cli/agent); the limits are those of K3s's hardening guide."""
    return {
        "protect-kernel-defaults": True,
        "kubelet-arg": [
            "streaming-connection-idle-timeout=5m",
            "pod-max-pids=4096",
            "kube-reserved=cpu=250m,memory=512Mi",
            "system-reserved=cpu=250m,memory=512Mi",
            f"tls-cipher-suites={TLS_CIPHERS}",
        ],
    }


def _control_plane(ip: str, settings: K3sSettings) -> dict[str, Any]:
    """Keys of a server in role `server` (docs.k3s.io/cli/server)."""
    disabled = ["servicelb", "traefik"]  # MetalLB and our own ingress controller take their places
    if not settings.packaged_storage:
        disabled.append("local-storage")
    keys: dict[str, Any] = {
        "token-file": f"{CONFIG_DIR}/server-token",
        "agent-token-file": f"{CONFIG_DIR}/agent-token",
        "tls-san": list(dict.fromkeys([ip, *settings.api_names])),
        "cluster-cidr": settings.cluster_cidr,
        "service-cidr": settings.service_cidr,
        "disable": disabled,
        "write-kubeconfig-mode": "0600",
        # Cannot be switched on later.
        "secrets-encryption": True,
        # Every six hours, five days back; K3s's default is twelve hours, two and a half days.
        "etcd-snapshot-schedule-cron": "0 */6 * * *",
        "etcd-snapshot-retention": SNAPSHOTS_KEPT,
        "kube-apiserver-arg": [
            f"authentication-config={CONFIG_DIR}/authentication.yaml",
            f"admission-control-config-file={CONFIG_DIR}/admission.yaml",
            "enable-admission-plugins=NodeRestriction,EventRateLimit",
            f"audit-policy-file={CONFIG_DIR}/audit-policy.yaml",
            "audit-log-path=/var/lib/rancher/k3s/server/logs/audit.log",
            "audit-log-maxage=30",
            "audit-log-maxbackup=10",
            "audit-log-maxsize=100",
            "service-account-extend-token-expiration=false",
        ],
        "kube-controller-manager-arg": ["terminated-pod-gc-threshold=100"],
    }
    if settings.snapshots_to_s3:
        # With any other s3 key beside it K3s ignores the Secret (docs/facts/k3s.md, Snapshots).
        keys |= {"etcd-s3": True, "etcd-s3-config-secret": S3_SECRET}
    if settings.embedded_registry:
        keys["embedded-registry"] = True
    return keys


def manifests(settings: K3sSettings) -> dict[str, str]:
    """Objects that K3s applies itself, before any Terraform provider can: file name to text.

    The prefix tells our files from K3s's own.
    """
    found = {"ib-admins.yaml": k3s_files.cluster_admins("ib-admins", "Group", [ADMIN_GROUP])}
    if settings.api_vip:
        found["ib-kube-vip.yaml"] = as_yaml(_kube_vip(settings.api_vip))
    return found


def _kube_vip(vip: str) -> dict[str, Any]:
    """kube-vip as a DaemonSet on the control plane, ARP with leader election.

    It speaks to the API of its own server only (K3s's kubeconfig names 127.0.0.1), so a server whose K3s stopped
    loses the lease, and with it the VIP; by the Service address it would keep both (kube-vip/kube-vip#1786).
    """
    labels = {"app.kubernetes.io/name": "kube-vip"}
    env = {
        "vip_arp": "true",
        "address": vip,
        "port": "6443",
        "vip_subnet": "32",
        "cp_enable": "true",
        "cp_namespace": "kube-system",
        "svc_enable": "false",
        "vip_leaderelection": "true",
        "vip_leaseduration": "5",
        "vip_renewdeadline": "3",
        "vip_retryperiod": "1",
        "k8s_config_file": ADMIN_KUBECONFIG,
        "prometheus_server": "127.0.0.1:2112",
    }
    container = {
        "name": "kube-vip",
        "image": KUBE_VIP_IMAGE,
        "args": ["manager"],
        "env": [
            *({"name": key, "value": value} for key, value in env.items()),
            {"name": "vip_nodename", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "resources": {"requests": {"cpu": "20m", "memory": "48Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]},
        },
        "volumeMounts": [{"name": "kubeconfig", "mountPath": ADMIN_KUBECONFIG, "readOnly": True}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "kube-vip", "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [container],
                    "hostNetwork": True,
                    "automountServiceAccountToken": False,
                    "priorityClassName": "system-node-critical",
                    "nodeSelector": {"node-role.kubernetes.io/control-plane": "true"},
                    "tolerations": [{"operator": "Exists"}],
                    "volumes": [{"name": "kubeconfig", "hostPath": {"path": ADMIN_KUBECONFIG, "type": "File"}}],
                },
            },
        },
    }
