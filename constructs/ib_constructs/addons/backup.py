"""Backups of what is in the cluster: objects and volumes by Velero, to the location's bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdktf import Fn, ITerraformDependable
from cdktf_cdktf_provider_random.password import Password
from constructs import Construct

from ib_constructs.base.helm import AddonProps, HelmAddon, HelmAddonProps, Objects, ObjectsProps
from ib_constructs.base.namespace import INGRESS, Namespace, NamespaceProps
from ib_constructs.base.pods import CONTAINER_RESTRICTED, POD_RESTRICTED, resources
from ib_constructs.base.s3 import Bucket
from ib_constructs.versions import SNAPSHOT_CONTROLLER, VELERO, VELERO_AWS_IMAGE, VELERO_TAG, VELERO_UI

NAMESPACE = "velero"
UI_SERVICE, UI_PORT = "velero-ui", 3000
CREDENTIALS = "bucket"
KEPT = "720h"
"""How long Velero keeps a backup: a month."""
SNAPSHOT_CLASS = {
    "apiVersion": "snapshot.storage.k8s.io/v1",
    "kind": "VolumeSnapshotClass",
    "metadata": {"name": "longhorn", "labels": {"velero.io/csi-volumesnapshot-class": "true"}},
    "driver": "driver.longhorn.io",
    "deletionPolicy": "Delete",
    # `bak` would make Longhorn back up by its own means; here Velero moves what a snapshot holds.
    "parameters": {"type": "snap"},
}


@dataclass(frozen=True, kw_only=True)
class BackupProps:
    """`snapshots`: volumes are Longhorn's, and are saved as snapshots moved to the bucket; else their files are read."""

    given: AddonProps
    bucket: Bucket
    snapshots: bool


class Backup(Construct):
    """Velero backs up all namespaces every night. `ready`: it reaches the bucket, and its UI runs. `namespace`: for the UI's Ingress."""

    def __init__(self, scope: Construct, id: str, props: BackupProps) -> None:
        super().__init__(scope, id)
        # Its agent on each server reads the pods' directories.
        self.namespace = Namespace(
            self,
            "namespace",
            NamespaceProps(name=NAMESPACE, pod_security="privileged", cluster=props.given.cluster, reached_from=(INGRESS,)),
        )
        waits_for: list[ITerraformDependable] = []
        if props.snapshots:
            controller = HelmAddonProps(
                chart=SNAPSHOT_CONTROLLER,
                given=props.given,
                namespace=self.namespace,
                values=_snapshot_controller(monitored=props.given.monitored),
            )
            kinds = HelmAddon(self, "snapshots", controller).ready
            # In the controller's own release the class would come before its kind.
            snapshot_class = ObjectsProps(name="snapshot-class", namespace=self.namespace, objects=[SNAPSHOT_CLASS], waits_for=[kinds])
            waits_for.append(Objects(self, "snapshot-class", snapshot_class).ready)
        velero = HelmAddon(
            self,
            "addon",
            HelmAddonProps(
                chart=VELERO,
                given=props.given,
                namespace=self.namespace,
                values=_velero(props),
                secrets={CREDENTIALS: {"cloud": _credentials(props.bucket)}},
                pod_annotations="podAnnotations",
                waits_for=waits_for,
            ),
        )
        pass_phrase = Password(self, "ui-pass-phrase", length=48, special=False)
        self.ready: ITerraformDependable = HelmAddon(
            self,
            "ui",
            HelmAddonProps(
                chart=VELERO_UI,
                given=props.given,
                namespace=self.namespace,
                values=_ui(),
                secrets={"velero-ui": {"pass_phrase": pass_phrase.result}},
                waits_for=[velero.ready],
            ),
        ).ready


def _snapshot_controller(*, monitored: bool) -> dict[str, Any]:
    return {
        "controller": {
            "replicaCount": 1,
            "securityContext": dict(CONTAINER_RESTRICTED) | {"runAsNonRoot": True, "runAsUser": 1000},
            "resources": resources("10m", "32Mi", "128Mi"),
            "serviceMonitor": {"create": monitored},
        },
    }


def _velero(props: BackupProps) -> dict[str, Any]:
    bucket = props.bucket
    location = {
        "name": "default",
        "provider": "aws",
        "bucket": bucket.name,
        "prefix": f"{bucket.folder}/velero",
        "default": True,
        # Stores that are like S3 know no checksum of its newer kinds (docs/facts/velero.md, Checksums).
        "config": {"region": bucket.region, "s3Url": bucket.endpoint, "s3ForcePathStyle": "true", "checksumAlgorithm": ""},
    }
    plugin = {
        "name": "plugin-for-aws",
        "image": VELERO_AWS_IMAGE,
        "volumeMounts": [{"mountPath": "/target", "name": "plugins"}],
        "securityContext": dict(CONTAINER_RESTRICTED),
        "resources": resources("10m", "32Mi", "64Mi"),
    }
    nightly = {
        "schedule": "0 3 * * *",
        "useOwnerReferencesInBackup": False,
        "template": {"ttl": KEPT, "includedNamespaces": ["*"], "snapshotMoveData": props.snapshots},
    }
    monitor = {"enabled": props.given.monitored, "autodetect": False}
    return {
        "image": {"tag": VELERO_TAG},
        "initContainers": [plugin],
        "credentials": {"existingSecret": CREDENTIALS},
        "snapshotsEnabled": props.snapshots,
        "deployNodeAgent": True,
        "configuration": {
            "backupStorageLocation": [location],
            # The chart's own entry has no provider, which the API refuses.
            "volumeSnapshotLocation": [],
            "features": "EnableCSI" if props.snapshots else "",
            "defaultVolumesToFsBackup": not props.snapshots,
            "uploaderType": "kopia",
        },
        "schedules": {"nightly": nightly},
        "metrics": {"serviceMonitor": monitor, "nodeAgentPodMonitor": monitor},
        "podSecurityContext": dict(POD_RESTRICTED) | {"runAsUser": 65532, "fsGroup": 65532},
        "containerSecurityContext": dict(CONTAINER_RESTRICTED),
        "resources": resources("50m", "128Mi", "1Gi"),
        "nodeAgent": {"resources": resources("50m", "128Mi", "2Gi")},
        "kubectl": {"resources": resources("10m", "32Mi", "64Mi")},
    }


def _ui() -> dict[str, Any]:
    """Velero's UI reads and orders backups for anyone who reaches it: they have passed the login."""
    return {
        "configuration": {"general": {"veleroNamespace": NAMESPACE, "secretPassPhrase": {"existingSecret": "velero-ui"}}},
        "rbac": {"clusterAdministrator": False},
        "resources": resources("10m", "128Mi", "384Mi"),
    }


def _credentials(bucket: Bucket) -> str:
    return Fn.join("", ["[default]\naws_access_key_id=", bucket.access_key, "\naws_secret_access_key=", bucket.secret_key, "\n"])
