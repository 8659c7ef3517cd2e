"""The life of a location of three servers and two agents: who founds, who joins, what changes."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ed25519

from ib_constructs.versions import K3S_VERSION
from tests.hosts.artefacts import NEXT_MINOR, SKIPPED_MINOR
from tests.hosts.fleet import VIP, Fleet
from tests.hosts.keys import SshKey
from tests.hosts.test_one_server import KEEPS_SECRETS
from tests.support.waiting import until


def test_the_first_server_founds_the_others_join_through_the_vip_one_after_another(fleet: Fleet) -> None:
    output = fleet.first.output
    assert "s1: founds the cluster" in output
    for name in ("s2", "s3"):
        assert f"{name}: joins the cluster at {VIP}" in output
    ready = [output.index(f"{name}: K3s is ready") for name in fleet.roles]
    assert ready[:3] == sorted(ready[:3])
    assert max(ready[:3]) < min(ready[3:]), "agents come when the control plane is there"
    assert fleet.foundings() == ["s1"]
    assert fleet.members() == ["s1", "s2", "s3"]
    assert fleet.all_ready()


def test_a_second_apply_has_nothing_to_do(fleet: Fleet) -> None:
    before = {name: fleet.started(name) for name in fleet.roles}
    applied = fleet.apply()
    assert "No changes" in applied.output, applied.output
    assert {name: fleet.started(name) for name in fleet.roles} == before


def test_an_agent_has_nothing_that_makes_a_server(fleet: Fleet) -> None:
    for name in ("a1", "a2"):
        found = fleet.hosts[name].run("find /etc/rancher /var/lib/rancher/k3s/server -type f 2>/dev/null; true").split()
        assert [path for path in found if "server-token" in path or "/tls/" in path] == []
    for host in fleet.hosts.values():
        assert {path for path in fleet.deployment.files_with_secrets(host) if not path.startswith(KEEPS_SECRETS)} == set()


def test_a_server_that_founded_is_told_to_join_from_now_on(fleet: Fleet) -> None:
    starts = {fleet.hosts[name].run("cat /etc/rancher/k3s/config.yaml.d/10-start.yaml") for name in fleet.control_plane}
    assert starts == {f"server: https://{VIP}:6443\n"}


def test_the_vip_moves_when_the_k3s_of_its_holder_stops_though_its_pods_go_on(fleet: Fleet) -> None:
    def holders() -> list[str]:
        return [name for name in fleet.control_plane if VIP in fleet.hosts[name].run("ip -4 address")]

    until(lambda: len(holders()) == 1, "one server holds the VIP", 20)
    (holder,) = holders()
    fleet.hosts[holder].run("systemctl stop k3s")
    assert fleet.hosts[holder].run("pgrep -f containerd-shim") != "", "kube-vip's pod outlives K3s"

    until(lambda: len(holders()) == 1 and holders() != [holder], "another server holds the VIP, and the old one gave it up", 30)

    other = next(name for name in fleet.control_plane if name != holder)
    until(lambda: fleet.hosts["a1"].run(f"curl -sk https://{VIP}:6443/ping", check=False) == "pong", "the API answers at the VIP", 30)
    assert fleet.kubectl("get --raw /readyz", on=other) == "ok"
    fleet.hosts[holder].run("systemctl start k3s")
    until(lambda: fleet.all_ready(other), "all nodes are ready", 60)


def test_a_change_stops_at_the_first_server_that_refuses_it_and_is_taken_back_there(fleet: Fleet) -> None:
    fleet.hosts["s2"].run("echo moved.example.com > /root/refuse-configuration")
    before = {name: fleet.started(name) for name in ("s3", "a1", "a2")}
    config = fleet.hosts["s2"].run("cat /etc/rancher/k3s/config.yaml")
    fleet.domain = "moved.example.com"

    failed = fleet.apply()

    assert failed.code == 1
    assert "s1: K3s is ready" in failed.output
    assert "s2: K3s does not come up with the new configuration; it runs with the last one again" in failed.output
    assert "invalid configuration" in failed.output, "the journal's reason is shown"
    assert fleet.hosts["s2"].run("cat /etc/rancher/k3s/config.yaml") == config
    assert {name: fleet.started(name) for name in before} == before
    assert fleet.all_ready()

    fleet.hosts["s2"].run("rm /root/refuse-configuration")
    rolled = fleet.apply()
    assert rolled.code == 0, rolled.output
    order = [rolled.output.index(f"{name}: K3s is ready") for name in ("s2", "s3")]
    assert order == sorted(order)
    assert "s1: K3s is ready" not in rolled.output, "done in the run before"


def test_no_server_is_restarted_while_another_is_away(fleet: Fleet) -> None:
    fleet.hosts["s3"].run("systemctl stop k3s")
    before, fleet.domain = fleet.started("s1"), "test.example.com"

    failed = fleet.apply()

    assert failed.code == 1
    assert (
        "s1: K3s is not restarted here: the API of the server 192.168.1.13 is not ready, and etcd could lose its majority." in failed.output
    )
    assert fleet.started("s1") == before
    fleet.hosts["s3"].run("systemctl start k3s")
    applied = fleet.apply()
    assert applied.code == 0, applied.output


def test_a_rotated_ssh_key_is_no_business_of_k3s(fleet: Fleet) -> None:
    before, old = {name: fleet.started(name) for name in fleet.roles}, fleet.lab.user
    new = SshKey.make(ed25519.Ed25519PrivateKey)
    for host in fleet.hosts.values():
        host.run(f"echo '{new.public}' >> /root/.ssh/authorized_keys")
    fleet.deployment.rotate_ssh_key(new.private)

    applied = fleet.apply()

    assert "0 added, 5 changed, 0 destroyed" in applied.output, applied.output
    assert {name: fleet.started(name) for name in fleet.roles} == before
    assert [mark for name, mark in fleet.deployment.secret_marks().items() if name == "ssh key" and mark in applied.output] == []
    fleet.deployment.rotate_ssh_key(old.private)
    assert fleet.apply().code == 0


def test_a_first_server_installed_anew_joins_and_founds_no_second_cluster(fleet: Fleet) -> None:
    fleet.kubectl("create configmap from-before")
    fleet.boot("s1")

    replaced = fleet.apply()

    assert replaced.code == 0, replaced.output
    assert "s2: node s1 is deleted" in replaced.output
    assert "s1: finds the cluster running at 192.168.1.12" in replaced.output
    assert fleet.foundings() == [], "the machine that founded is gone, and no other did"
    assert fleet.members() == ["s1", "s2", "s3"]
    assert fleet.all_ready()
    assert "from-before" in fleet.kubectl("get configmap")


def test_an_upgrade_rolls_through_the_servers_then_the_agents(fleet: Fleet) -> None:
    fleet.deployment.version = NEXT_MINOR

    upgraded = fleet.apply()

    assert upgraded.code == 0, upgraded.output
    order = [upgraded.output.index(f"{name}: K3s is ready") for name in fleet.roles]
    assert order[:3] == sorted(order[:3])
    assert max(order[:3]) < min(order[3:])
    assert {version for _, version in fleet.nodes().values()} == {NEXT_MINOR}
    assert fleet.members() == ["s1", "s2", "s3"]


def test_a_version_below_is_refused(fleet: Fleet) -> None:
    before = fleet.started("s1")
    fleet.deployment.version = K3S_VERSION

    failed = fleet.apply()

    assert f"s1: runs K3s {NEXT_MINOR}, which cannot go back to {K3S_VERSION}" in failed.output
    assert fleet.started("s1") == before
    fleet.deployment.version = NEXT_MINOR
    assert fleet.apply().code == 0


def test_a_skipped_minor_version_is_refused(fleet: Fleet) -> None:
    # A server that missed the last upgrade.
    fleet.hosts["s1"].run(
        f"printf '#!/bin/sh\\necho k3s version {K3S_VERSION}\\n' > /root/old && chmod +x /root/old && cp -p /usr/local/bin/k3s /root/k3s"
    )
    fleet.hosts["s1"].run("mv /root/old /usr/local/bin/k3s")
    before, fleet.deployment.version = fleet.started("s1"), SKIPPED_MINOR

    failed = fleet.apply()

    assert f"s1: runs K3s {K3S_VERSION}; {SKIPPED_MINOR} skips a minor version" in failed.output, failed.output
    assert fleet.started("s1") == before
    fleet.hosts["s1"].run("mv /root/k3s /usr/local/bin/k3s")
    fleet.deployment.version = NEXT_MINOR
    assert fleet.apply().code == 0
