"""Volumes and backups: where data lies, where it goes at night, and what may not be destroyed."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
import yaml
from cdktf import TerraformStack

from ib_constructs import Backup, BackupProps, Bucket, Longhorn, LonghornProps
from ib_constructs.versions import LONGHORN, SNAPSHOT_CONTROLLER, VELERO, VELERO_UI
from tests.infra.synthesis import Document, given, only, resources, synthesise

BUCKET = Bucket(
    endpoint="https://s3.example.com",
    name="backups",
    region="eu",
    folder="here",
    access_key="${var.s3_access_key}",
    secret_key="${var.s3_secret_key}",  # noqa: S106 (a reference)
)


@cache
def longhorn(*, monitored: bool = False, protect: bool = False, **changes: Any) -> Document:
    def build(stack: TerraformStack) -> None:
        defaults: dict[str, Any] = {"replicas": 3}
        Longhorn(stack, "longhorn", LonghornProps(given=given(stack, monitored=monitored, protect=protect), **(defaults | changes)))

    return synthesise(build)


@cache
def backup(*, monitored: bool = False, snapshots: bool = True) -> Document:
    return synthesise(
        lambda stack: Backup(stack, "backup", BackupProps(given=given(stack, monitored=monitored), bucket=BUCKET, snapshots=snapshots))
    )


def release(document: Document, name: str) -> dict[str, Any]:
    (found,) = [item for item in resources(document, "helm_release") if item["name"] == name]
    return found


def waits(document: Document, name: str) -> list[str]:
    """Names of the releases that release *name* waits for."""
    addresses = {f"helm_release.{key}": item["name"] for key, item in document["resource"]["helm_release"].items()}
    return [addresses[item] for item in release(document, name)["depends_on"] if item in addresses]


def values(document: Document, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(release(document, name)["values"][0])
    return found


def secret(document: Document, name: str) -> dict[str, str]:
    (found,) = [item["data"] for item in resources(document, "kubernetes_secret_v1") if item["metadata"]["name"] == name]
    data: dict[str, str] = found
    return data


def test_longhorn_makes_the_volumes_that_nobody_gives_another_class() -> None:
    document = longhorn()
    found = release(document, LONGHORN.name)
    assert (found["chart"], found["version"]) == (LONGHORN.name, LONGHORN.version)
    assert "terraform_data.before" in found["depends_on"]
    assert values(document, "longhorn")["persistence"]["defaultClass"] is True


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_a_volume_has_as_many_copies_as_asked_for_whoever_makes_it(replicas: int) -> None:
    found = values(longhorn(replicas=replicas), "longhorn")
    assert found["persistence"]["defaultClassReplicaCount"] == replicas
    assert found["defaultSettings"]["defaultReplicaCount"] == replicas
    assert set(found["csi"].values()) == {min(replicas, 2)}, "one server runs no second"


@pytest.mark.parametrize(
    ("replicas", "policy"), [(1, "always-allow"), (2, "block-if-contains-last-replica"), (3, "block-if-contains-last-replica")]
)
def test_a_drain_waits_for_a_copy_elsewhere_where_there_can_be_one(replicas: int, policy: str) -> None:
    assert values(longhorn(replicas=replicas), "longhorn")["defaultSettings"]["nodeDrainPolicy"] == policy


def test_volumes_are_backed_up_to_the_bucket_with_credentials_of_a_secret() -> None:
    document = longhorn(bucket=BUCKET)
    store = values(document, "longhorn")["defaultBackupStore"]
    assert store["backupTarget"] == "s3://backups@eu/here/longhorn"
    assert secret(document, store["backupTargetCredentialSecret"]) == {
        "AWS_ACCESS_KEY_ID": BUCKET.access_key,
        "AWS_SECRET_ACCESS_KEY": BUCKET.secret_key,
        "AWS_ENDPOINTS": BUCKET.endpoint,
    }
    ((address, _),) = document["resource"]["kubernetes_secret_v1"].items()
    assert f"kubernetes_secret_v1.{address}" in release(document, "longhorn")["depends_on"]


def test_without_a_bucket_there_is_no_backup_target_and_no_secret() -> None:
    document = longhorn()
    assert "defaultBackupStore" not in values(document, "longhorn")
    assert resources(document, "kubernetes_secret_v1") == []


@pytest.mark.parametrize("monitored", [False, True])
def test_longhorns_own_policies_keep_everyone_out_but_who_monitors(*, monitored: bool) -> None:
    found = values(longhorn(monitored=monitored), "longhorn")
    assert found["metrics"]["serviceMonitor"] == {"enabled": monitored}
    assert found["networkPolicies"] == {"restrictInternalTraffic": not monitored}


@pytest.mark.parametrize("protect", [False, True])
def test_a_protected_locations_volumes_survive_a_plan_that_would_destroy_them(*, protect: bool) -> None:
    document = longhorn(protect=protect)
    for kind in ("helm_release", "kubernetes_namespace_v1"):
        assert only(document, kind).get("lifecycle", {}).get("prevent_destroy", False) is protect


def test_a_protected_locations_longhorn_refuses_to_be_removed_with_its_volumes() -> None:
    assert values(longhorn(protect=True), "longhorn")["defaultSettings"]["deletingConfirmationFlag"] is False


def test_longhorn_can_be_removed_where_nothing_is_protected_and_tells_nobody_of_its_use() -> None:
    settings = values(longhorn(), "longhorn")["defaultSettings"]
    assert settings["deletingConfirmationFlag"] is True, "without it the chart's job fails"
    assert settings["allowCollectingLonghornUsageMetrics"] is False
    assert settings["upgradeChecker"] is False


def version(text: str) -> tuple[int, ...]:
    (found,) = re.findall(r"v(\d+)\.(\d+)\.(\d+)$", text)
    return tuple(int(part) for part in found)


def test_velero_and_its_plugin_are_the_pair_that_reads_back_what_it_wrote() -> None:
    found = values(backup(), VELERO.name)
    (plugin,) = found["initContainers"]
    assert version(found["image"]["tag"]) >= (1, 18, 3)
    assert plugin["image"].startswith("docker.io/velero/velero-plugin-for-aws:")
    assert version(plugin["image"])[:2] == (1, 14), "the line for Velero 1.18"
    assert version(plugin["image"]) >= (1, 14, 3), "earlier ones corrupt what they write to S3-compatible stores"
    assert {"mountPath": "/target", "name": "plugins"} in plugin["volumeMounts"]


def test_veleros_place_is_a_folder_of_the_bucket_at_a_store_that_is_only_like_s3() -> None:
    (location,) = values(backup(), "velero")["configuration"]["backupStorageLocation"]
    assert location["default"] is True
    assert (location["provider"], location["bucket"], location["prefix"]) == ("aws", "backups", "here/velero")
    assert location["config"] == {"region": "eu", "s3Url": "https://s3.example.com", "s3ForcePathStyle": "true", "checksumAlgorithm": ""}


def test_veleros_credentials_are_of_a_secret_and_new_ones_restart_it() -> None:
    document = backup()
    name = values(document, "velero")["credentials"]["existingSecret"]
    cloud = secret(document, name)["cloud"]
    assert "var.s3_access_key" in cloud
    assert "var.s3_secret_key" in cloud
    assert cloud.index("[default]") < cloud.index("aws_access_key_id=") < cloud.index("aws_secret_access_key=")
    assert any("podAnnotations" in entry["name"] and "var.s3_secret_key" in entry["value"] for entry in release(document, "velero")["set"])


def test_longhorns_volumes_are_saved_as_snapshots_that_move_to_the_bucket() -> None:
    document = backup()
    found = values(document, "velero")
    assert "snapshot-class" in waits(document, "velero")
    assert waits(document, "snapshot-class") == [SNAPSHOT_CONTROLLER.name], "whose kind it is"
    assert found["snapshotsEnabled"] is True
    assert found["configuration"]["features"] == "EnableCSI"
    assert found["configuration"]["defaultVolumesToFsBackup"] is False
    assert found["schedules"]["nightly"]["template"]["snapshotMoveData"] is True
    (snapshots,) = values(document, "snapshot-class")["objects"]
    assert snapshots["driver"] == "driver.longhorn.io"
    assert snapshots["metadata"]["labels"] == {"velero.io/csi-volumesnapshot-class": "true"}
    assert snapshots["parameters"] == {"type": "snap"}


def test_other_volumes_have_their_files_read() -> None:
    document = backup(snapshots=False)
    found = values(document, "velero")
    assert [item["name"] for item in resources(document, "helm_release") if item["chart"] == SNAPSHOT_CONTROLLER.name] == []
    assert found["snapshotsEnabled"] is False
    assert found["configuration"]["features"] == ""
    assert found["configuration"]["defaultVolumesToFsBackup"] is True
    assert found["schedules"]["nightly"]["template"]["snapshotMoveData"] is False


@pytest.mark.parametrize("snapshots", [False, True])
def test_both_ways_need_the_agent_on_each_server_and_no_place_for_snapshots_elsewhere(*, snapshots: bool) -> None:
    found = values(backup(snapshots=snapshots), "velero")
    assert found["deployNodeAgent"] is True
    assert found["configuration"]["uploaderType"] == "kopia"
    assert found["configuration"]["volumeSnapshotLocation"] == [], "the chart's own has no provider, which the API refuses"


def test_every_night_all_namespaces_are_saved_and_kept_for_a_month() -> None:
    ((_, nightly),) = values(backup(), "velero")["schedules"].items()
    assert re.fullmatch(r"\d+ \d+ \* \* \*", nightly["schedule"])
    assert nightly["template"]["includedNamespaces"] == ["*"]
    assert nightly["template"]["ttl"] == f"{30 * 24}h"
    assert nightly.get("disabled", False) is False


@pytest.mark.parametrize("monitored", [False, True])
def test_backups_are_scraped_only_where_somebody_monitors(*, monitored: bool) -> None:
    document = backup(monitored=monitored)
    metrics = values(document, "velero")["metrics"]
    for monitor in ("serviceMonitor", "nodeAgentPodMonitor"):
        assert metrics[monitor]["enabled"] is monitored
        assert metrics[monitor]["autodetect"] is False, "a kind that is not there yet would be passed over in silence"
    assert values(document, SNAPSHOT_CONTROLLER.name)["controller"]["serviceMonitor"] == {"create": monitored}


def test_the_ui_comes_after_velero_and_is_no_administrator() -> None:
    document = backup()
    assert VELERO.name in waits(document, VELERO_UI.name)
    found = values(document, VELERO_UI.name)
    assert found["rbac"] == {"clusterAdministrator": False}
    assert found["configuration"]["general"]["veleroNamespace"] == only(document, "kubernetes_namespace_v1")["metadata"]["name"]


def test_the_ui_signs_with_a_pass_phrase_of_its_own_and_not_with_the_charts_public_one() -> None:
    document = backup()
    phrase = values(document, VELERO_UI.name)["configuration"]["general"]["secretPassPhrase"]
    assert set(phrase) == {"existingSecret"}
    assert secret(document, phrase["existingSecret"])["pass_phrase"].startswith("${random_password.backup_ui-pass-phrase")
    assert only(document, "random_password")["length"] >= 32


def test_only_who_comes_through_the_ingress_reaches_the_ui() -> None:
    (rule,) = only(backup(), "kubernetes_network_policy_v1")["spec"]["ingress"]
    named = {
        peer["namespace_selector"]["match_labels"]["kubernetes.io/metadata.name"] for peer in rule["from"] if "namespace_selector" in peer
    }
    assert named == {"ingress", "monitoring"}
