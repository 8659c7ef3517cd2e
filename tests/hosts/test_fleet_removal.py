"""Who leaves a location of several servers, and what stays of them: nothing."""

from __future__ import annotations

from tests.hosts.fleet import VIP, Fleet
from tests.hosts.test_one_server import LEFT_BEHIND
from tests.support.waiting import until

KEPT_POD = """
kind: PodDisruptionBudget
apiVersion: policy/v1
metadata: {name: keep}
spec: {minAvailable: 1, selector: {matchLabels: {app: kept}}}
---
kind: Pod
apiVersion: v1
metadata: {name: kept, labels: {app: kept}}
spec:
  nodeName: a2
  containers: [{name: c, image: i}]
  tolerations: [{operator: Exists}]
"""

VOLUME_OF_A2 = """
kind: PersistentVolume
apiVersion: v1
metadata: {name: of-a2}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  claimRef: {namespace: default, name: precious}
  hostPath: {path: /var/lib/rancher/k3s/storage/of-a2}
  nodeAffinity:
    required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [a2]}]}]}
---
kind: PersistentVolumeClaim
apiVersion: v1
metadata: {name: precious}
spec:
  storageClassName: ""
  volumeName: of-a2
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
"""


def test_an_agent_with_the_only_copy_of_a_volume_stays_until_a_person_lets_it_go(fleet: Fleet) -> None:
    fleet.kubectl("create namespace ingress")
    fleet.kubectl("apply -f -", stdin=VOLUME_OF_A2)
    until(lambda: "Bound" in fleet.kubectl("get persistentvolume of-a2"), "the claim has its volume", 60)
    role = fleet.roles.pop("a2")

    refused = fleet.apply()

    assert refused.code == 1, refused.output
    assert "a2 has the only copy of default/precious, and stays" in refused.output
    fleet.roles["a2"] = role
    assert fleet.all_ready(), "neither its pods nor its data were touched"

    fleet.kubectl("annotate node a2 inferencebros.com/volumes-may-go=yes")
    fleet.roles.pop("a2")
    gone = fleet.apply()

    assert gone.code == 0, gone.output
    assert "a2: K3s and its data are gone" in gone.output
    fleet.kubectl("delete persistentvolumeclaim/precious persistentvolume/of-a2 namespace/ingress --wait=false")
    fleet.roles["a2"] = role
    assert fleet.apply().code == 0


def test_an_agent_that_leaves_is_drained_deleted_and_cleaned_and_may_come_back(fleet: Fleet) -> None:
    fleet.kubectl("label namespace default pod-security.kubernetes.io/enforce=privileged --overwrite")
    fleet.kubectl("apply -f -", stdin=KEPT_POD)
    until(lambda: "Running" in fleet.kubectl("get pod kept"), "the pod runs", 60)
    before = {name: fleet.started(name) for name in ("s1", "s2", "s3", "a1")}
    fleet.roles.pop("a2")

    shrunk = fleet.apply()

    assert shrunk.code == 0, shrunk.output
    assert "s1: a2 could not be drained in time" in shrunk.output
    assert "disruption budget" in shrunk.output, "what kept it is named"
    assert "s1: node a2 is deleted" in shrunk.output
    assert "a2: K3s and its data are gone" in shrunk.output
    assert [name for name, mark in fleet.deployment.secret_marks().items() if mark in shrunk.output] == []
    assert fleet.all_ready()
    assert fleet.hosts["a2"].run(LEFT_BEHIND) == ""
    assert {name: fleet.started(name) for name in before} == before, "nobody else is touched"

    fleet.kubectl("delete pdb keep")
    fleet.roles["a2"] = "agent"
    back = fleet.apply()
    assert back.code == 0, back.output
    assert fleet.all_ready()


def test_servers_that_become_agents_leave_etcd_first_and_the_last_one_goes_on(fleet: Fleet) -> None:
    fleet.roles |= {"s2": "agent", "s3": "agent"}

    demoted = fleet.apply()

    assert demoted.code == 0, demoted.output
    assert fleet.members() == ["s1"]
    assert fleet.all_ready()
    for name in ("s2", "s3"):
        kept = fleet.deployment.files_with_secrets(fleet.hosts[name])
        assert {path for path in kept if not path.startswith("/var/lib/rancher/k3s/agent/")} == {"/etc/rancher/k3s/agent-token"}
    assert "192.168.1.12" not in fleet.hosts["s1"].run("nft list set inet inference_platform control_plane")


def test_a_location_that_is_destroyed_while_its_api_is_down_leaves_nothing_on_its_servers(fleet: Fleet) -> None:
    fleet.hosts["s1"].run("systemctl stop k3s")

    destroyed = fleet.deployment.destroy()

    assert destroyed.code == 0, destroyed.output
    assert [name for name, mark in fleet.deployment.secret_marks().items() if mark in destroyed.output] == []
    for name, host in fleet.hosts.items():
        assert f"{name}: K3s and its data are gone" in destroyed.output
        assert host.run(LEFT_BEHIND) == ""
        assert "inference" not in host.run(
            "nft list tables; cat /etc/hosts; ls /etc/systemd/system /etc/sysctl.d /etc/modules-load.d /etc/apt/apt.conf.d"
        )
        assert VIP not in host.run("ip -4 address")
        assert fleet.deployment.files_with_secrets(host) == set()
