"""K3s's configuration files of one server, as text. No secret stands in them: tokens are named by file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ib_constructs.identity import ADMIN_GROUP
from ib_constructs.versions import KUBE_VIP_IMAGE

CONFIG_DIR = "/etc/rancher/k3s"
ADMIN_KUBECONFIG = f"{CONFIG_DIR}/k3s.yaml"


@dataclass(frozen=True, kw_only=True)
class K3sSettings:
    """What all servers of a location share.

    `api_names`: addresses and names by which the Kubernetes API is reached, besides the servers' own.
    `packaged_storage`: K3s's local-path provisioner; off where Longhorn is.
    """

    api_vip: str | None
    api_names: Sequence[str]
    packaged_storage: bool = True


def server_config(name: str, ip: str, settings: K3sSettings) -> str:
    """`config.yaml` of a server that runs the control plane (keys: docs.k3s.io/cli/server)."""
    disabled = ["servicelb", "traefik"]  # MetalLB and our own ingress controller take their places
    if not settings.packaged_storage:
        disabled.append("local-storage")
    return _yaml(
        {
            "node-name": name,
            "node-ip": ip,
            "token-file": f"{CONFIG_DIR}/server-token",
            "agent-token-file": f"{CONFIG_DIR}/agent-token",
            "tls-san": list(dict.fromkeys([ip, *settings.api_names])),
            "disable": disabled,
            "write-kubeconfig-mode": "0600",
            # Cannot be switched on later.
            "secrets-encryption": True,
        }
    )


def agent_config(name: str, ip: str) -> str:
    """`config.yaml` of a server that only runs workloads (keys: docs.k3s.io/cli/agent)."""
    return _yaml({"node-name": name, "node-ip": ip, "token-file": f"{CONFIG_DIR}/agent-token"})


def manifests(settings: K3sSettings) -> dict[str, str]:
    """Objects that K3s applies itself, before any Terraform provider can: file name to text.

    The prefix tells our files from K3s's own.
    """
    files = {"ib-admins.yaml": _yaml(_admin_binding())}
    if settings.api_vip:
        files["ib-kube-vip.yaml"] = _yaml(_kube_vip(settings.api_vip))
    return files


def _admin_binding() -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "ib-admins"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": ADMIN_GROUP}],
    }


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


def _yaml(value: dict[str, Any]) -> str:
    return yaml.safe_dump(value, sort_keys=False)
