"""How a location shrinks and grows: nobody who leaves takes etcd's majority along."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.deployment import Deployment
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Lab
from tests.hosts.test_one_server import LEFT_BEHIND
from tests.support.waiting import until

KEPT_POD = """
kind: PodDisruptionBudget
apiVersion: policy/v1
metadata: {{name: keep-{name}}}
spec: {{minAvailable: 1, selector: {{matchLabels: {{app: kept-{name}}}}}}}
---
kind: Pod
apiVersion: v1
metadata: {{name: kept-{name}, labels: {{app: kept-{name}}}}}
spec:
  nodeName: {name}
  containers: [{{name: c, image: i}}]
  tolerations: [{{operator: Exists}}]
"""


@pytest.fixture(scope="module")
def fleet(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three servers and an agent; each test leaves the cluster well, and begins with the size that the one before left."""
    before = len(lab.hosts)
    deployment = Deployment(lab.inside, lab.user.private, tmp_path_factory.mktemp("sizes"), lab.k3s_sha256)
    fleet = Fleet(lab, deployment, {"s1": "server", "s2": "server", "s3": "server", "a1": "agent"})
    fleet.boot(*fleet.roles)
    fleet.first = fleet.apply()
    assert fleet.first.code == 0, fleet.first.output
    fleet.kubectl("create configmap from-the-beginning")
    yield fleet
    for host in lab.hosts[before:]:
        host.stop()


def become(fleet: Fleet, **roles: str) -> str:
    """Deploy the location with these servers; returns what Terraform said."""
    fleet.roles = roles
    applied = fleet.apply()
    assert applied.code == 0, applied.output
    return applied.output


def check(fleet: Fleet) -> None:
    """Members and Nodes are those of the location file, and nothing was lost."""
    through = fleet.control_plane[0]
    assert fleet.members(through) == fleet.control_plane
    until(lambda: fleet.all_ready(through), "all nodes are ready", 60)
    assert "from-the-beginning" in fleet.kubectl("get configmap", on=through)
    assert [name for name, host in fleet.hosts.items() if name not in fleet.roles and host.run(LEFT_BEHIND)] == []


def lead(fleet: Fleet, leader: str) -> None:
    """Have *leader* hold the Leases of K3s's own controllers, so that its K3s ends and starts again when it is taken out of etcd."""
    for name in fleet.control_plane:
        if name != leader:
            fleet.hosts[name].run("systemctl restart k3s")
    lease = "get lease k3s --namespace kube-system -o jsonpath={.spec.holderIdentity}"

    def leads() -> bool:
        try:
            return fleet.kubectl(lease, on=leader).startswith(leader)
        except AssertionError:  # its API starts
            return False

    until(leads, f"{leader} leads", 120)


def keep_a_pod(fleet: Fleet, *names: str) -> None:
    """On each of these servers a pod that no drain may move, so that a drain takes all of its minute."""
    fleet.kubectl("label namespace default pod-security.kubernetes.io/enforce=privileged --overwrite")
    for name in names:
        fleet.kubectl("apply -f -", stdin=KEPT_POD.format(name=name))
    until(lambda: fleet.kubectl("get pod").count("Running") == len(names), "the pods run", 60)


def test_two_servers_become_agents_at_once_though_one_of_them_leads_and_both_drains_take_long(fleet: Fleet) -> None:
    lead(fleet, "s2")
    keep_a_pod(fleet, "s2", "s3")

    become(fleet, s1="server", s2="agent", s3="agent", a1="agent")

    check(fleet)


def test_two_agents_become_servers_at_once(fleet: Fleet) -> None:
    become(fleet, s1="server", s2="server", s3="server", a1="agent")
    check(fleet)


def test_three_servers_and_an_agent_shrink_to_one_that_starts_again(fleet: Fleet) -> None:
    lead(fleet, "s3")

    said = become(fleet, s1="server")

    for name in ("s2", "s3", "a1"):
        assert f"s1: node {name} is deleted" in said
        assert f"{name}: K3s and its data are gone" in said
    check(fleet)
    fleet.hosts["s1"].run("systemctl restart k3s")
    check(fleet)


def test_the_only_server_is_not_replaced_by_an_agent_in_one_deploy(fleet: Fleet) -> None:
    become(fleet, s1="server", a1="agent")
    fleet.roles = {"s1": "agent", "a1": "server"}

    refused = fleet.apply()

    assert refused.code == 1
    assert "s1: is still a member of etcd, and stays a server" in refused.output
    become(fleet, s1="server", a1="agent")
    check(fleet)


def test_one_server_grows_to_three(fleet: Fleet) -> None:
    become(fleet, s1="server", s2="server", s3="server", a1="agent")
    check(fleet)


def test_a_server_whose_node_was_deleted_is_found_and_joins_again_with_the_next_deploy(fleet: Fleet) -> None:
    fleet.kubectl("delete node s3")
    fallen = fleet.hosts["s3"]
    until(lambda: "tombstone" in fallen.run("ls /var/lib/rancher/k3s/server/db/etcd"), "K3s on s3 notices", 30)
    assert fallen.run("systemctl is-active k3s; curl -sk https://127.0.0.1:6443/ping") == "active\npong"

    found = fleet.operate("preflight")
    assert found.code == 1
    assert "s3: K3s runs without etcd, since its Node was deleted. Restart it, and it joins again" in " ".join(found.output.split())

    fleet.domain = "moved.example.com"
    applied = fleet.apply()
    assert applied.code == 0, applied.output
    check(fleet)
    assert fleet.operate("preflight").code == 0


def test_a_cluster_that_is_well_is_not_recovered(fleet: Fleet) -> None:
    refused = fleet.operate("recover", "--server", "s1", "--yes")
    assert refused.code == 1
    assert "the API of s1, s2, s3 is ready, so etcd has its majority; nothing was changed" in " ".join(refused.output.split())
    assert "no server in role server is named a1; there are s1, s2, s3" in fleet.operate("recover", "--server", "a1", "--yes").output
    check(fleet)


def test_after_the_loss_of_the_majority_one_server_goes_on_without_a_snapshot_and_the_others_join_it(fleet: Fleet) -> None:
    for name in ("s2", "s3"):
        fleet.hosts[name].run("systemctl stop k3s; rm -rf /var/lib/rancher/k3s/server/db/etcd")

    done = fleet.operate("recover", "--server", "s1", "--yes")

    assert done.code == 0, done.output
    assert "test goes on: 4 nodes are ready" in done.output
    check(fleet)
    assert "No changes" in fleet.deployment.plan().output


def test_the_founder_and_another_leave_at_once_and_the_third_goes_on(fleet: Fleet) -> None:
    become(fleet, s3="server", a1="agent")
    check(fleet)
    fleet.hosts["s3"].run("systemctl restart k3s")
    check(fleet)
    become(fleet, s3="server")
    check(fleet)
