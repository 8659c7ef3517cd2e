"""What operators do to a running location from their own machine."""

from __future__ import annotations

import base64
import re

from tests.hosts.fleet import Fleet
from tests.support.waiting import until

STATE = (
    "find /etc /var/lib/rancher/k3s/server/manifests /root -newer /proc/1/cmdline -type f ! -name '.terraform-*' 2>/dev/null | sort;"
    " ls /run/inference-platform"
)


def test_preflight_of_a_healthy_location_is_a_table_without_a_problem_and_changes_nothing(fleet: Fleet) -> None:
    before = fleet.hosts["s1"].run(STATE)

    done = fleet.operate("preflight")

    assert done.code == 0, done.output
    assert re.search(r"Check .*s1 .*s2 .*s3 .*a1 .*a2", done.output)
    assert re.search(r"disk latency .*ok", done.output)
    assert "5 servers" in done.output
    assert "0 problems. Nothing was changed." in done.output
    assert fleet.hosts["s1"].run(STATE) == before


def test_preflight_names_every_problem_of_every_server_and_machines_cloned_from_one_disk(fleet: Fleet) -> None:
    first, second = fleet.hosts["s1"], fleet.hosts["a2"]
    own = second.run("cat /etc/machine-id")
    second.run("cat > /etc/machine-id", stdin=first.run("cat /etc/machine-id"))
    second.run("mount -o remount,noexec /tmp 2>/dev/null || mount -t tmpfs -o noexec tmpfs /tmp; hostname other")

    done = fleet.operate("preflight")

    assert done.code == 1
    said = " ".join(done.output.split())
    assert "a2: programs may not be run from /tmp. Mount it without noexec" in said
    assert "a2: the machine calls itself other. Give it its name in the location file: hostnamectl set-hostname a2" in said
    assert re.search(r"a2: the machine id is \w+, as is that of s1\. On all but one", said)
    assert "3 problems" in said
    second.run("hostname a2; umount /tmp || mount -o remount,exec /tmp")
    second.run("cat > /etc/machine-id", stdin=own)


def test_preflight_without_the_right_key_says_how_to_name_it(fleet: Fleet) -> None:
    key = fleet.lab.folder / "id"
    right = key.read_text()
    key.write_text("")
    try:
        done = fleet.operate("preflight")
    finally:
        key.write_text(right)
    assert done.code == 1
    assert "SSH_KEY=<file>" in done.output


def test_reboot_rolls_through_the_servers_then_the_agents(fleet: Fleet) -> None:
    before = {name: fleet.started(name) for name in fleet.roles}

    done = fleet.operate("reboot", "--server", "s2", "--server", "a1")

    assert done.code == 0, done.output
    steps = [done.output.index(line) for line in ("s2: reboots", "s2: is ready", "a1: is drained", "a1: reboots", "a1: is ready")]
    assert steps == sorted(steps)
    changed = {name for name in fleet.roles if fleet.started(name) != before[name]}
    assert changed == {"s2", "a1"}
    assert fleet.all_ready()
    until(lambda: "unschedulable" not in fleet.kubectl("get nodes -o yaml"), "no Node is cordoned or tainted", seconds=30)
    assert "inference_platform" in fleet.hosts["s2"].run("nft list tables"), "the firewall is back before anyone is"


def test_reboot_knows_its_servers(fleet: Fleet) -> None:
    done = fleet.operate("reboot", "--server", "s9")
    assert done.code == 1
    assert "no server is named s9; the location has s1, s2, s3, a1, a2" in done.output


def test_reboot_does_not_begin_while_a_server_is_not_well(fleet: Fleet) -> None:
    fleet.kubectl("cordon a2")
    before = fleet.started("s1")

    done = fleet.operate("reboot")

    assert done.code == 1
    assert "not ready, or cordoned: a2" in done.output
    assert "kubectl uncordon a2" in done.output
    assert fleet.started("s1") == before
    fleet.kubectl("uncordon a2")


def test_a_location_goes_back_to_a_snapshot_with_all_of_its_servers(fleet: Fleet) -> None:
    fleet.kubectl("create configmap kept")
    away = fleet.operate("snapshot")
    assert away.code == 1
    assert "s1: a snapshot is saved on its disk" in away.output
    assert "not in the bucket" in away.output
    assert "no route to host" in away.output
    assert "Unknown flag" not in away.output, "thirty warnings hide no reason"
    fleet.hosts["s1"].run("touch /etc/rancher/k3s/stand-in-bucket")
    stored = fleet.operate("snapshot")
    assert stored.code == 0, stored.output
    assert "s1: a snapshot is saved in the bucket" in stored.output
    listed = fleet.operate("snapshots").output
    name = max(re.findall(r"by-hand-s1-\d+", listed))
    fleet.kubectl("create configmap undone")

    done = fleet.operate("restore", "--snapshot", name, "--yes")

    assert done.code == 0, done.output
    assert "test is restored: 5 nodes are ready" in done.output
    maps = fleet.kubectl("get configmap -o name", on="s2")
    assert "configmap/kept" in maps
    assert "configmap/undone" not in maps
    assert fleet.members() == ["s1", "s2", "s3"]
    assert fleet.foundings() == [] or fleet.foundings() == ["s1"]
    assert "what etcd had is kept in" in done.output
    assert fleet.hosts["s1"].run("find /var/lib/rancher/k3s/server -maxdepth 1 -name 'tls-*'") == "", "K3s copied the authorities' keys"
    assert fleet.hosts["s1"].run("cat /etc/rancher/k3s/config.yaml.d/10-start.yaml").startswith("server: ")
    until(lambda: "No changes" in fleet.deployment.plan().output, "the state still holds", 1)


def test_after_the_loss_of_the_majority_the_last_server_goes_back_alone_and_new_ones_join_it(fleet: Fleet) -> None:
    name = re.findall(r"by-hand-s1-\d+", fleet.operate("snapshots").output)[-1]
    for gone in ("s2", "s3"):
        fleet.hosts[gone].stop()

    refused = fleet.operate("restore", "--snapshot", name, "--yes")
    done = fleet.operate("restore", "--snapshot", name, "--yes", "--without", "s2,s3")

    assert refused.code == 1
    assert "no answer from s2, s3; nothing was changed" in refused.output
    assert "WITHOUT=s2,s3" in refused.output
    assert done.code == 0, done.output
    assert "test is restored: 3 nodes are ready" in done.output
    fleet.boot("s2", "s3")
    again = fleet.apply()
    assert again.code == 0, again.output
    assert fleet.members() == ["s1", "s2", "s3"]
    assert fleet.all_ready()
    assert "configmap/kept" in fleet.kubectl("get configmap -o name", on="s3")


def test_a_snapshot_that_is_nowhere_and_an_answer_that_is_not_yes_change_nothing(fleet: Fleet) -> None:
    before = {name: fleet.started(name) for name in fleet.roles}
    nowhere = fleet.operate("restore", "--snapshot", "nothing-here", "--yes")
    assert nowhere.code == 1
    assert "no server (s1, s2, s3) has a snapshot named nothing-here" in nowhere.output
    declined = fleet.operate("restore", "--snapshot", "nothing-here", stdin="no\n")
    assert declined.code == 1
    assert "nothing was changed" in declined.output
    assert {name: fleet.started(name) for name in fleet.roles} == before


def test_a_file_that_is_no_snapshot_is_refused_and_the_cluster_can_be_brought_back(fleet: Fleet) -> None:
    good = fleet.lab.folder / "good.snapshot"
    snapshots = "/var/lib/rancher/k3s/server/db/snapshots"
    encoded = fleet.hosts["s1"].run(f"base64 {snapshots}/$(ls {snapshots} | grep by-hand | tail -n 1)")
    good.write_bytes(base64.b64decode(encoded))
    bad = fleet.lab.folder / "bad.snapshot"
    bad.write_bytes(b"nothing that etcd wrote")

    refused = fleet.operate("restore", "--snapshot", str(bad), "--yes")

    assert refused.code == 1
    assert "s1: K3s cannot restore" in refused.output
    until(fleet.goes_on, "all go on with what they had", 120)
    assert "configmap/kept" in fleet.kubectl("get configmap -o name", on="s3")
    done = fleet.operate("restore", "--snapshot", str(good), "--yes")
    assert done.code == 0, done.output
    assert fleet.all_ready()
