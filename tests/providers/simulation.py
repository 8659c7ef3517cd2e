"""A cluster in which pods are objects only: real API, controllers and scheduler, and kwok says that whatever is asked of a
Node is done. Volumes are there beforehand, and a load balancer's address comes from here."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import yaml

from ib_constructs import K3sSettings
from ib_constructs.cluster.k3s_config import manifests
from tests.engines.cluster import Cluster, program, start_cluster
from tests.support.identities import client_certificate, make_identity
from tests.support.waiting import until

NODES = ("s1", "s2", "s3")
VOLUMES, VOLUME_GIB = 12, 300
LOAD_BALANCER = "192.168.1.240"


@contextlib.contextmanager
def simulated_cluster(folder: Path, engines: Path, storage_class: str) -> Generator[Cluster]:
    """A cluster of three Nodes with volumes of *storage_class*."""
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(start_cluster(folder, engines, make_identity(), webhooks=False))
        _bind_administrators(cluster)
        config = f"--kubeconfig={cluster.admin_kubeconfig()}"
        keys = (f"--service-account-private-key-file={folder}/service.key", f"--root-ca-file={folder}/root-ca.crt")
        (folder / "root-ca.crt").write_text(cluster.identity.server_ca)
        # On a busy machine kwok's heartbeats come late; nobody shall take a Node for dead, and its pods with it.
        alive = "--node-monitor-grace-period=1h"
        controllers = [str(engines / "kube-controller-manager"), config, *keys, "--use-service-account-credentials", "--leader-elect=false"]
        stack.enter_context(program([*controllers, alive, "--secure-port=0"], folder))
        stack.enter_context(program([str(engines / "kube-scheduler"), config, "--leader-elect=false", "--secure-port=0"], folder))
        stack.enter_context(program([str(engines / "kwok"), config, "--manage-all-nodes=true"], folder))
        for item in [_default_class(storage_class), *map(_node, NODES), *(_volume(number, storage_class) for number in range(VOLUMES))]:
            _create(cluster, item)
        stack.enter_context(_load_balancer(cluster))
        yield cluster


def _bind_administrators(cluster: Cluster) -> None:
    masters = client_certificate(cluster.identity.authorities["client-ca"], "k3s", "system:masters")
    binding = yaml.safe_load(manifests(K3sSettings(api_vip=None, api_names=[], issuer="https://dex.example.com"))["ib-admins.yaml"])
    assert cluster.request(masters, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)[0] == 201


def _create(cluster: Cluster, item: dict[str, Any]) -> None:
    done = cluster.run(cluster.admin_kubeconfig(), "kubectl", "create", "-f", "-", stdin=json.dumps(item))
    assert done.returncode == 0, done.stderr


def _node(name: str) -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    room = {"cpu": "16", "memory": "64Gi", "pods": "250"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"allocatable": room, "capacity": room},
    }


def _default_class(name: str) -> dict[str, Any]:
    """Longhorn's manager makes it, when it runs."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "driver.longhorn.io",
    }


def _volume(number: int, storage_class: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"volume-{number}"},
        "spec": {
            "capacity": {"storage": f"{VOLUME_GIB}Gi"},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "storageClassName": storage_class,
            "hostPath": {"path": f"/volumes/{number}"},
        },
    }


@contextlib.contextmanager
def _load_balancer(cluster: Cluster) -> Generator[None]:
    """Give every Service that waits for an address one, as MetalLB would."""
    done = threading.Event()
    pair = cluster.identity.admin

    def serve() -> None:
        while not done.wait(1):
            status, text = cluster.request(pair, "GET", "/api/v1/services")
            services: list[dict[str, Any]] = json.loads(text)["items"] if status == 200 else []
            for item in services:
                if item["spec"]["type"] == "LoadBalancer" and not item["status"]["loadBalancer"]:
                    path = f"/api/v1/namespaces/{item['metadata']['namespace']}/services/{item['metadata']['name']}/status"
                    cluster.request(pair, "PATCH", path, {"status": {"loadBalancer": {"ingress": [{"ip": LOAD_BALANCER}]}}})

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def wait_for_nodes(cluster: Cluster) -> None:
    """Until kwok has made every Node ready."""

    def ready() -> bool:
        done = cluster.run(cluster.admin_kubeconfig(), "kubectl", "get", "nodes", "--no-headers")
        return done.stdout.count(" Ready ") == len(NODES)

    until(ready, "all nodes are ready", 60)
