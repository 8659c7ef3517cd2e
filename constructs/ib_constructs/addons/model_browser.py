"""The model cache in a browser: what is on the shared volume, and how large it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from cdktf import ITerraformDependable
from constructs import Construct

from ib_constructs.base.helm import AddonProps, Objects, ObjectsProps
from ib_constructs.base.namespace import Namespace
from ib_constructs.base.pods import CONTAINER_RESTRICTED, POD_RESTRICTED, resources
from ib_constructs.versions import FILEBROWSER_IMAGE

NAME, PORT = "model-browser", 8080
UID = 1000
USER_HEADER = "X-Auth-Request-Email"
"""Header in which the login says who is there. The browser believes it, so nobody else may reach the browser."""


@dataclass(frozen=True, kw_only=True)
class ModelBrowserProps:
    """`namespace`: KubeAI's, since a volume is mounted where its claim is. `claim`: of the cache.

    `administrator`: e-mail of who may change its settings.
    """

    given: AddonProps
    namespace: Namespace
    claim: str
    administrator: str


class ModelBrowser(Construct):
    """FileBrowser Quantum before the cache's volume. `ready`: it answers the ingress."""

    def __init__(self, scope: Construct, id: str, props: ModelBrowserProps) -> None:
        super().__init__(scope, id)
        objects = [_config(props.administrator), _service(), _deployment(props.claim)]
        self.ready: ITerraformDependable = Objects(
            self, "objects", ObjectsProps(name=NAME, namespace=props.namespace, objects=objects, waits_for=props.given.waits_for)
        ).ready


def _config(administrator: str) -> dict[str, Any]:
    config = {
        "server": {
            "port": PORT,
            "database": "/var/lib/filebrowser/database.db",
            "cacheDir": "/var/lib/filebrowser/cache",
            "disableUpdateCheck": True,
            "sources": [{"path": "/models", "name": "models", "config": {"defaultEnabled": True}}],
        },
        "auth": {
            "adminUsername": administrator,
            "methods": {"password": {"enabled": False}, "proxy": {"enabled": True, "header": USER_HEADER}},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME},
        "data": {"config.yaml": yaml.safe_dump(config, sort_keys=False)},
    }


def _service() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME},
        "spec": {"selector": {"app.kubernetes.io/name": NAME}, "ports": [{"name": "http", "port": 80, "targetPort": PORT}]},
    }


def _deployment(claim: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": NAME}
    health = {"httpGet": {"path": "/health", "port": PORT}}
    container = {
        "name": "filebrowser",
        "image": FILEBROWSER_IMAGE,
        "env": [{"name": "FILEBROWSER_CONFIG", "value": "/etc/filebrowser/config.yaml"}],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": health,
        "livenessProbe": health | {"periodSeconds": 30},
        "resources": resources("10m", "64Mi", "256Mi"),
        "securityContext": dict(CONTAINER_RESTRICTED),
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/filebrowser"},
            {"name": "models", "mountPath": "/models"},
            {"name": "state", "mountPath": "/var/lib/filebrowser"},
            {"name": "state", "mountPath": "/tmp", "subPath": "tmp"},  # noqa: S108 (in the container)
        ],
    }
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "securityContext": dict(POD_RESTRICTED) | {"runAsUser": UID, "runAsGroup": UID, "fsGroup": UID},
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": NAME}},
            {"name": "models", "persistentVolumeClaim": {"claimName": claim}},
            # Its index and its settings are made anew at each start.
            {"name": "state", "emptyDir": {}},
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "labels": labels},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
