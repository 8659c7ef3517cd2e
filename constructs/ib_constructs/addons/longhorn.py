"""Longhorn: volumes replicated between the servers' own disks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdktf import ITerraformDependable
from constructs import Construct

from ib_constructs.base.helm import AddonProps, HelmAddon, HelmAddonProps
from ib_constructs.base.namespace import Namespace, NamespaceProps
from ib_constructs.base.pods import resources
from ib_constructs.base.s3 import Bucket
from ib_constructs.versions import LONGHORN

NAMESPACE = "longhorn-system"
UI_SERVICE, UI_PORT = "longhorn-frontend", 80
STORAGE_CLASS = "longhorn"
MOST_REPLICAS = 3
"""Most copies of a volume unless a location file says otherwise, which is Longhorn's own default: two servers may be lost."""
BACKUP_SECRET = "backup-target"  # noqa: S105 (a name)


@dataclass(frozen=True, kw_only=True)
class LonghornProps:
    """`replicas`: copies of each volume, each on another server. `bucket`: where volumes are backed up to; None for nowhere."""

    given: AddonProps
    replicas: int
    bucket: Bucket | None = None


class Longhorn(Construct):
    """The default StorageClass `longhorn`; volumes for one pod, or shared by several over NFS. `ready`: it makes volumes."""

    def __init__(self, scope: Construct, id: str, props: LonghornProps) -> None:
        super().__init__(scope, id)
        # It mounts disks on the hosts; its chart brings policies of its own for what may reach it.
        self.namespace = Namespace(
            self,
            "namespace",
            NamespaceProps(
                name=NAMESPACE, pod_security="privileged", cluster=props.given.cluster, guarded=False, protect=props.given.protect
            ),
        )
        self.ready: ITerraformDependable = HelmAddon(
            self,
            "addon",
            HelmAddonProps(
                chart=LONGHORN,
                given=props.given,
                namespace=self.namespace,
                values=_values(props),
                secrets={BACKUP_SECRET: _credentials(props.bucket)} if props.bucket else {},
                timeout_sec=900,
                protect=props.given.protect,
            ),
        ).ready


def _values(props: LonghornProps) -> dict[str, Any]:
    side_cars = dict.fromkeys(("attacher", "provisioner", "resizer", "snapshotter"), min(props.replicas, 2))
    values: dict[str, Any] = {
        "persistence": {"defaultClass": True, "defaultClassReplicaCount": props.replicas, "reclaimPolicy": "Delete"},
        "defaultSettings": {
            "defaultReplicaCount": props.replicas,
            "storageReservedPercentageForDefaultDisk": 20,
            # A drained server's only replica would be lost with its disk; a replica elsewhere lets the drain go on.
            "nodeDrainPolicy": "block-if-contains-last-replica" if props.replicas > 1 else "always-allow",
            "nodeDownPodDeletionPolicy": "delete-both-statefulset-and-deployment-pod",
            "allowCollectingLonghornUsageMetrics": False,
            "upgradeChecker": False,
            # Without it the chart cannot be removed: its job fails, and all volumes stay.
            "deletingConfirmationFlag": not props.given.protect,
        },
        "csi": {f"{name}ReplicaCount": count for name, count in side_cars.items()},
        "longhornUI": {"replicas": 1},
        "longhornManager": {"resources": resources("50m", "192Mi", "1Gi")},
        "metrics": {"serviceMonitor": {"enabled": props.given.monitored}},
        # The policies admit Longhorn's own pods only, and so keep Prometheus out (docs/facts/longhorn.md, Network policies).
        "networkPolicies": {"restrictInternalTraffic": not props.given.monitored},
    }
    if props.bucket:
        target = f"s3://{props.bucket.name}@{props.bucket.region}/{props.bucket.folder}/longhorn"
        values["defaultBackupStore"] = {"backupTarget": target, "backupTargetCredentialSecret": BACKUP_SECRET}
    return values


def _credentials(bucket: Bucket) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": bucket.access_key,
        "AWS_SECRET_ACCESS_KEY": bucket.secret_key,
        "AWS_ENDPOINTS": bucket.endpoint,
    }
