"""Our scripts by themselves: every way they can go, and a kill before each of their commands."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ib_constructs.cluster.k3s import SCRIPTS
from ib_constructs.cluster.ssh import Provisioner, run_script
from tests.hosts.sandbox import Sandbox

DATA, CONFIG, MIRROR = "var/lib/rancher/k3s", "etc/rancher/k3s", "http://mirror/v1.36.5"
TLS = ("server-ca", "client-ca", "request-header-ca", "etcd/peer-ca", "etcd/server-ca")
PREPARE = {
    "ROLE": "server",
    "CONTROL_PLANE": "192.168.1.11 192.168.1.12",
    "HOSTS": "192.168.1.240 dex.example.com",
    "SHARED_STORAGE": "yes",
}
IDENTITY = {
    "server-ca.crt": "CA",
    "server-token": "K10x::server:y",
    "agent-token": "K10x::node:y",
    **{f"tls/{name}.{end}": f"{name} {end}" for name in TLS for end in ("crt", "key")},
    "tls/service.key": "service",
}
INSTALL = {
    "ROLE": "server",
    "FINGERPRINT": "mine",
    "FOUNDER": "yes",
    "PEERS": "192.168.1.12 192.168.1.252",
    "JOIN_ADDRESS": "192.168.1.252",
    "K3S_VERSION": "v1.36.5+k3s1",
    "K3S_URL": MIRROR,
    "K3S_SHA256": "",
    "IMAGES_SHA256": "",
}
CONFIGURE = {
    "ROLE": "server",
    "SERVER_IP": "192.168.1.11",
    "INSTALLATION": "label",
    "CA_SHA256": hashlib.sha256(b"CA").hexdigest(),
    "API_VIP": "",
    "PEERS": "192.168.1.12",
    "JOIN_ADDRESS": "192.168.1.252",
}
FILES = {"etc/config.yaml": "new: true\n", "etc/admission.yaml": "a: b\n", "manifests/ib-admins.yaml": "kind: Binding\n"}
LEAVE = {"API_VIP": "", "STAYING": "s1"}
FIRST_START, ETCD = f"{CONFIG}/first-start", f"{DATA}/server/db/etcd"


@pytest.fixture
def make(rootfs: Path, tmp_path: Path) -> Callable[[str], Sandbox]:
    """A sandbox of that name."""
    return lambda name: Sandbox(rootfs, tmp_path / name)


@pytest.fixture
def sandbox(make: Callable[[str], Sandbox]) -> Sandbox:
    """A fresh machine, with K3s on the mirror."""
    return ready(make("machine"))


def ready(sandbox: Sandbox) -> Sandbox:
    binary = sandbox.path("stub/k3s")
    sandbox.write("stub/web/mirror_v1.36.5_k3s", binary.read_text())
    sandbox.write("stub/web/mirror_v1.36.5_sha256sum-amd64.txt", f"{digest(binary)}  k3s\n")
    sandbox.write("stub/web/127.0.0.1_6443_cacerts", "CA")
    return sandbox


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def installed(sandbox: Sandbox) -> Sandbox:
    """A founder as install.sh leaves it, with the etcd that its first start makes."""
    assert sandbox.run("install", INSTALL, IDENTITY).returncode == 0
    sandbox.write(f"{DATA}/server/tls/server-ca.crt", "server-ca crt")
    return sandbox


def member(sandbox: Sandbox) -> Sandbox:
    """A founder whose K3s was ready, and runs."""
    installed(sandbox)
    sandbox.path(FIRST_START).unlink()
    sandbox.write(f"{ETCD}/member/wal/0", "")
    sandbox.write("stub/k3s-active", "")
    return sandbox


# --- prepare.sh ---------------------------------------------------------------------------------------------------------


def test_a_prepared_server_is_prepared_no_further(sandbox: Sandbox) -> None:
    assert sandbox.run("prepare", PREPARE).returncode == 0
    before = sandbox.tree()
    assert sandbox.run("prepare", PREPARE).returncode == 0
    assert sandbox.tree() == before
    assert "etc/inference-platform/firewall.nft" in before
    assert "192.168.1.11, 192.168.1.12" in sandbox.path("etc/inference-platform/firewall.nft").read_text()


def test_packages_that_are_there_are_not_asked_for(sandbox: Sandbox) -> None:
    sandbox.run("prepare", PREPARE)
    assert [call for call in sandbox.calls() if call.startswith("apt-get")] == []


def test_missing_packages_are_installed_and_remembered(sandbox: Sandbox) -> None:
    sandbox.write("stub/packages", "curl\nnftables\nsystemd-timesyncd\n")
    assert sandbox.run("prepare", PREPARE).returncode == 0
    assert any(call.startswith("apt-get -qq install ") and "chrony" in call and "open-iscsi" in call for call in sandbox.calls())
    sandbox.run("leave", LEAVE)
    removal = next(call for call in reversed(sandbox.calls()) if call.startswith("apt-get"))
    assert "chrony-" in removal
    assert removal.endswith("systemd-timesyncd"), "what chrony replaced comes back"


def test_volumes_of_one_server_need_no_packages_for_shared_ones(sandbox: Sandbox) -> None:
    sandbox.write("stub/packages", "")
    sandbox.run("prepare", {**PREPARE, "SHARED_STORAGE": "no"})
    assert not [call for call in sandbox.calls() if "open-iscsi" in call]


def test_a_mirror_that_is_away_is_named_with_what_apt_says(sandbox: Sandbox) -> None:
    sandbox.write("stub/packages", "")
    sandbox.write("stub/no-mirror", "")
    failed = sandbox.run("prepare", PREPARE)
    assert failed.returncode == 1
    assert "E: mirror away" in failed.stderr
    assert "cannot install chrony curl nftables" in failed.stderr


def test_a_kernel_without_the_modules_is_named(sandbox: Sandbox) -> None:
    sandbox.write("stub/no-modules", "")
    failed = sandbox.run("prepare", PREPARE)
    assert "the kernel module br_netfilter cannot be loaded. Install the kernel of this Debian" in failed.stderr


def test_an_agent_has_no_firewall_and_a_server_that_becomes_one_loses_it(sandbox: Sandbox) -> None:
    sandbox.run("prepare", PREPARE)
    sandbox.run("prepare", {**PREPARE, "ROLE": "agent"})
    assert not sandbox.path("etc/inference-platform/firewall.nft").is_file()
    assert "nft delete table inet inference_platform" in sandbox.calls()


def test_lists_that_another_apt_holds_are_waited_for(sandbox: Sandbox) -> None:
    sandbox.write("stub/packages", "")
    sandbox.write("stub/locked", "x\nx\n")
    done = sandbox.run("prepare", PREPARE)
    assert done.returncode == 0, done.stderr
    assert sum("update" in call for call in sandbox.calls()) == 3


def test_a_file_that_cannot_be_written_stays_as_it_was(sandbox: Sandbox) -> None:
    sandbox.write("etc/hosts", "127.0.0.1 localhost\n")
    sandbox.write("stub/bin/cmp", "#!/bin/sh\nexit 1\n", 0o755)
    sandbox.write("stub/bin/chmod", "#!/bin/sh\necho no space left >&2; exit 1\n", 0o755)
    failed = sandbox.run("prepare", PREPARE)
    assert failed.returncode == 1
    assert "cannot write" in failed.stderr
    assert sandbox.path("etc/hosts").read_text() == "127.0.0.1 localhost\n"


def test_leaving_undoes_the_preparation(sandbox: Sandbox) -> None:
    sandbox.write("etc/hosts", "127.0.0.1 localhost\n")
    before = sandbox.tree()
    sandbox.run("prepare", PREPARE)
    assert sandbox.tree() != before
    left = sandbox.run("leave", LEAVE)
    assert left.returncode == 0, left.stderr
    assert sandbox.tree() == before


def test_a_disk_of_its_own_for_k3s_is_emptied_and_stays(sandbox: Sandbox) -> None:
    installed(sandbox)
    sandbox.write("stub/bin/rmdir", "#!/bin/sh\necho busy >&2; exit 1\n", 0o755)
    left = sandbox.run("leave", LEAVE)
    assert left.returncode == 0, left.stderr
    assert [path for path in sandbox.path(DATA).rglob("*") if path.is_file()] == []


# --- install.sh ---------------------------------------------------------------------------------------------------------


def start_of(sandbox: Sandbox) -> str:
    return sandbox.path(f"{CONFIG}/config.yaml.d/10-start.yaml").read_text()


def test_where_nobody_answers_the_founder_founds_with_all_authorities(sandbox: Sandbox) -> None:
    done = sandbox.run("install", INSTALL, IDENTITY)
    assert done.returncode == 0, done.stderr
    assert start_of(sandbox) == "cluster-init: true\n"
    assert sandbox.path(f"{DATA}/server/tls/etcd/peer-ca.key").read_text() == "etcd/peer-ca key"
    assert not sandbox.path("run/inference-platform/stage").exists(), "no secret stays in memory"


def test_where_a_member_answers_the_founder_joins_it(sandbox: Sandbox) -> None:
    sandbox.write("stub/web/192.168.1.12_6443_cacerts", "CA")
    done = sandbox.run("install", INSTALL, IDENTITY)
    assert "finds the cluster running at 192.168.1.12" in done.stdout
    assert start_of(sandbox) == "server: https://192.168.1.12:6443\n"
    assert not sandbox.path(f"{DATA}/server/tls").exists(), "a joiner gets the authorities from the cluster"


def test_a_founder_does_not_found_where_another_cluster_answers(sandbox: Sandbox) -> None:
    sandbox.write("stub/web/192.168.1.252_6443_cacerts", "another CA")
    failed = sandbox.run("install", INSTALL, IDENTITY)
    assert failed.returncode == 1
    assert "another Kubernetes cluster answers at 192.168.1.252:6443" in failed.stderr
    assert not sandbox.path(f"{DATA}/server/tls").exists()


def test_a_peer_that_cannot_be_asked_stops_the_founding(sandbox: Sandbox) -> None:
    sandbox.write("stub/web/192.168.1.12_6443_cacerts.code", "28")
    failed = sandbox.run("install", INSTALL, IDENTITY)
    assert "it cannot be told whether a member of this cluster is at 192.168.1.12:6443 (curl: 28)" in failed.stderr
    assert not sandbox.path(f"{DATA}/server/tls").exists()


def test_a_folder_that_etcd_never_ran_in_makes_no_member(sandbox: Sandbox) -> None:
    sandbox.write(f"{ETCD}/name", "s1-12345678")
    done = sandbox.run("install", {**INSTALL, "FOUNDER": "no"}, IDENTITY)
    assert "joins the cluster at 192.168.1.252" in done.stdout


@pytest.mark.parametrize(("founder", "begins"), [("yes", "founds the cluster"), ("no", "joins the cluster at 192.168.1.252")])
def test_a_server_whose_k3s_was_never_ready_begins_anew_with_the_same_authorities(sandbox: Sandbox, founder: str, begins: str) -> None:
    installed(sandbox)
    sandbox.write(f"{ETCD}/member/wal/0", "")
    done = sandbox.run("install", {**INSTALL, "FOUNDER": founder}, IDENTITY)
    assert begins in done.stdout
    assert sandbox.path(FIRST_START).is_file()
    assert sandbox.path(f"{DATA}/server/tls/client-ca.key").read_text() == "client-ca key"


def test_a_server_whose_k3s_was_ready_is_a_member_until_the_others_take_it_out(sandbox: Sandbox) -> None:
    member(sandbox)
    assert "is a member already" in sandbox.run("install", {**INSTALL, "FOUNDER": "no"}, IDENTITY).stdout
    sandbox.write(f"{ETCD}/tombstone", "")
    assert "joins the cluster" in sandbox.run("install", {**INSTALL, "FOUNDER": "no"}, IDENTITY).stdout
    assert not sandbox.path(FIRST_START).exists(), "a Node of it was there"


@pytest.mark.parametrize(
    ("running", "wanted", "reason"),
    [
        ("v1.36.5+k3s1", "v1.36.4+k3s1", "cannot go back to v1.36.4+k3s1"),
        ("v1.36.5+k3s2", "v1.36.5+k3s1", "cannot go back to v1.36.5+k3s1"),
        ("v1.36.5+k3s1", "v1.38.0+k3s1", "v1.38.0+k3s1 skips a minor version"),
        ("v1.36.5+k3s1", "v2.0.0+k3s1", "v2.0.0+k3s1 skips a minor version"),
    ],
)
def test_a_version_below_or_beyond_the_next_minor_is_refused(sandbox: Sandbox, running: str, wanted: str, reason: str) -> None:
    installed(sandbox)
    sandbox.write("stub/version", running)
    before = sandbox.tree()
    failed = sandbox.run("install", {**INSTALL, "K3S_VERSION": wanted}, IDENTITY)
    assert failed.returncode == 1
    assert reason in failed.stderr
    assert sandbox.tree() == before


@pytest.mark.parametrize("wanted", ["v1.36.5+k3s1", "v1.36.5+k3s2", "v1.36.10+k3s1", "v1.37.0+k3s1"])
def test_the_same_version_the_next_patch_and_the_next_minor_are_taken(sandbox: Sandbox, wanted: str) -> None:
    installed(sandbox)
    assert sandbox.run("install", {**INSTALL, "K3S_VERSION": wanted}, IDENTITY).returncode == 0


def test_a_binary_of_another_checksum_is_not_installed(sandbox: Sandbox) -> None:
    failed = sandbox.run("install", {**INSTALL, "K3S_SHA256": "0" * 64}, IDENTITY)
    assert f"expected {'0' * 64}. It is not the pinned release; nothing was installed." in failed.stderr
    assert not sandbox.path("usr/local/bin/k3s").exists()
    assert not sandbox.path("usr/local/bin/k3s.new").exists()


@pytest.mark.parametrize("missing", ["k3s", "sha256sum-amd64.txt"])
def test_a_mirror_without_the_release_is_named(sandbox: Sandbox, missing: str) -> None:
    sandbox.path(f"stub/web/mirror_v1.36.5_{missing}").unlink()
    failed = sandbox.run("install", INSTALL, IDENTITY)
    assert failed.returncode == 1
    assert f"{MIRROR}/{missing}" in failed.stderr
    assert "mirrors.k3s" in failed.stderr


def test_a_server_that_becomes_an_agent_forgets_the_control_plane(sandbox: Sandbox) -> None:
    installed(sandbox)
    sandbox.write(f"{CONFIG}/admission.yaml", "a: b")
    done = sandbox.run("install", {**INSTALL, "ROLE": "agent", "FOUNDER": "no"}, {"server-ca.crt": "CA", "agent-token": "K10x::node:y"})
    assert done.returncode == 0, done.stderr
    left = [name for name in sandbox.tree() if name.startswith((DATA, CONFIG))]
    assert left == [f"{CONFIG}/agent-token", f"{CONFIG}/begin.sh", f"{CONFIG}/config.yaml.d/10-start.yaml", f"{CONFIG}/location-identity"]
    assert "ExecStart=/usr/local/bin/k3s agent" in sandbox.path("etc/systemd/system/k3s.service").read_text()


# --- begin.sh -----------------------------------------------------------------------------------------------------------

LISTED: dict[str, object] = {"ID": 2, "name": "s1-12345678", "peerURLs": ["https://192.168.1.11:2380"]}
OTHER: dict[str, object] = {"ID": 1, "name": "s2-12345678", "peerURLs": ["https://192.168.1.111:2380"]}


def begin(sandbox: Sandbox, start: str, members: list[dict[str, object]] | None) -> bool:
    """Whether etcd's files outlive the next start of a K3s that was never ready."""
    installed(sandbox)
    sandbox.write(f"{CONFIG}/config.yaml.d/10-start.yaml", start)
    sandbox.write(f"{CONFIG}/config.yaml", "node-name: s1\nnode-ip: 192.168.1.11\n")
    sandbox.write(f"{ETCD}/member/wal/0", "")
    if members is not None:
        sandbox.write("stub/web/192.168.1.252_6443_db_info", json.dumps({"members": members}))
    assert sandbox.run("begin", {}).returncode == 0
    return sandbox.path(f"{ETCD}/member/wal/0").exists()


def test_a_founder_that_was_never_ready_begins_anew_at_each_start(sandbox: Sandbox) -> None:
    assert not begin(sandbox, "cluster-init: true\n", None)


@pytest.mark.parametrize(
    ("members", "kept"),
    [
        ([OTHER, LISTED], True),
        ([OTHER, {**LISTED, "isLearner": True}], True),
        ([OTHER, {**LISTED, "name": ""}], True),
        ([OTHER], False),
        (None, True),
        ([{"name": "s2-12345678"}], True),
    ],
    ids=["full member", "learner", "not yet named", "unknown", "nobody answers", "an etcd that does not answer"],
)
def test_a_joiner_that_was_never_ready_begins_anew_unless_etcd_may_list_it(
    sandbox: Sandbox, members: list[dict[str, object]] | None, *, kept: bool
) -> None:
    assert begin(sandbox, "server: https://192.168.1.252:6443\n", members) is kept
    assert all("K10" not in call and "server:y" not in call for call in sandbox.calls() if call.startswith("curl")), "no token in a command"


def test_a_server_whose_k3s_was_ready_keeps_its_etcd_at_every_start(sandbox: Sandbox) -> None:
    member(sandbox)
    assert sandbox.run("begin", {}).returncode == 0
    assert sandbox.path(f"{ETCD}/member/wal/0").exists()


# --- configure.sh -------------------------------------------------------------------------------------------------------


def test_a_configured_founder_never_founds_again(sandbox: Sandbox) -> None:
    done = installed(sandbox).run("configure", CONFIGURE, FILES)
    assert done.returncode == 0, done.stderr
    assert start_of(sandbox) == "server: https://192.168.1.252:6443\n"
    assert sandbox.path(f"{DATA}/server/tls/server-ca.crt").stat().st_mode & 0o777 == 0o600


def test_a_server_without_others_has_nobody_to_join(sandbox: Sandbox) -> None:
    installed(sandbox).run("configure", {**CONFIGURE, "PEERS": ""}, FILES)
    assert start_of(sandbox) == "cluster-init: true\n"
    sandbox.write(f"{CONFIG}/config.yaml.d/10-start.yaml", "server: https://192.168.1.12:6443\n")
    sandbox.run("configure", {**CONFIGURE, "PEERS": ""}, FILES)
    assert start_of(sandbox) == "cluster-init: true\n", "the others left"


def test_a_first_configuration_that_fails_is_taken_away_and_k3s_stopped(sandbox: Sandbox) -> None:
    installed(sandbox)
    sandbox.write("stub/refused", "new")
    failed = sandbox.run("configure", CONFIGURE, FILES)
    assert failed.returncode == 1
    assert "K3s does not come up; correct what is named above and deploy again" in failed.stderr
    assert "journal says why" in failed.stderr
    assert not sandbox.path(f"{CONFIG}/config.yaml").exists()
    assert not sandbox.path("stub/k3s-active").exists(), "K3s would try for ever"


def test_a_later_one_that_fails_is_replaced_by_the_last_one_that_worked(sandbox: Sandbox) -> None:
    installed(sandbox).run("configure", CONFIGURE, FILES)
    before = sandbox.tree()
    sandbox.write("stub/refused", "newer")
    failed = sandbox.run("configure", CONFIGURE, {**FILES, "etc/config.yaml": "newer: true\n", "etc/registries.yaml": "m: n\n"})
    assert "K3s does not come up with the new configuration; it runs with the last one again" in failed.stderr
    assert sandbox.tree() == before


def test_authorities_of_registries_come_go_and_are_rolled_back_with_the_rest(sandbox: Sandbox) -> None:
    first = {**FILES, "etc/registries.yaml": "a: b\n", "etc/registry-harbor.lan_5000.pem": "CA"}
    installed(sandbox).run("configure", CONFIGURE, first)
    assert sandbox.path(f"{CONFIG}/registry-harbor.lan_5000.pem").read_text() == "CA"
    before = sandbox.tree()
    sandbox.write("stub/refused", "newer")
    newer = {**FILES, "etc/config.yaml": "newer: true\n", "etc/registry-ghcr.io.pem": "other CA"}
    assert sandbox.run("configure", CONFIGURE, newer).returncode == 1
    assert sandbox.tree() == before
    assert sandbox.run("configure", CONFIGURE, FILES).returncode == 0
    assert not any("registr" in name for name in sandbox.tree())


def test_a_wire_that_fails_is_replaced_by_the_last_one_that_worked(sandbox: Sandbox) -> None:
    installed(sandbox).run("configure", CONFIGURE, FILES)
    before = sandbox.tree()
    other = sandbox.path("stub/bin/ip").read_text().replace("eth0", "eth1")
    sandbox.write("stub/bin/ip", other, 0o755)
    sandbox.write("stub/refused", "newer")
    failed = sandbox.run("configure", CONFIGURE, {**FILES, "etc/config.yaml": "newer: true\n"})
    assert "it runs with the last one again" in failed.stderr
    assert sandbox.tree() == before


def test_a_kubelet_that_dies_after_the_start_is_noticed_though_its_node_still_counts_as_ready(sandbox: Sandbox) -> None:
    installed(sandbox)
    sandbox.write("stub/lease", "1970-01-01T00:00:00.000000Z")
    failed = sandbox.run("configure", CONFIGURE, FILES)
    assert failed.returncode == 1
    assert "check failed: the kubelet renews the Lease of node s1" in failed.stderr


def test_the_networks_of_a_cluster_that_lives_are_kept(sandbox: Sandbox) -> None:
    networks = "cluster-cidr: 10.42.0.0/16\nservice-cidr: 10.43.0.0/16\n"
    member(sandbox).run("configure", CONFIGURE, {**FILES, "etc/config.yaml": networks})
    before = sandbox.tree()
    failed = sandbox.run("configure", CONFIGURE, {**FILES, "etc/config.yaml": networks.replace("10.43", "10.143")})
    assert failed.returncode == 1
    assert "service-cidr is 10.43.0.0/16, and a cluster that lives cannot change it to 10.143.0.0/16" in failed.stderr
    assert sandbox.tree() == before


def test_flannel_is_told_the_wire_that_the_servers_address_is_on(sandbox: Sandbox) -> None:
    installed(sandbox).run("configure", CONFIGURE, FILES)
    assert sandbox.path(f"{CONFIG}/config.yaml.d/20-interface.yaml").read_text() == "flannel-iface: eth0\n"
    failed = sandbox.run("configure", CONFIGURE | {"SERVER_IP": "192.168.1.99"}, FILES)
    assert "192.168.1.99 is no address of this machine; correct ip of s1" in failed.stderr


def test_where_neither_works_both_are_said(sandbox: Sandbox) -> None:
    installed(sandbox).run("configure", CONFIGURE, FILES)
    sandbox.write("stub/not-ready", "")
    failed = sandbox.run("configure", CONFIGURE, {**FILES, "etc/config.yaml": "newer: true\n"})
    assert "check failed: the API server is ready (/readyz)" in failed.stderr
    assert "K3s comes up neither with the new configuration nor with the last one" in failed.stderr


def test_a_member_is_not_restarted_while_another_is_down(sandbox: Sandbox) -> None:
    member(sandbox).run("configure", CONFIGURE, FILES)
    sandbox.write("stub/addresses", "192.168.1.11 192.168.1.12")
    sandbox.write("stub/down", "")
    before = sandbox.tree()
    failed = sandbox.run("configure", CONFIGURE, {**FILES, "etc/config.yaml": "newer: true\n"})
    assert "K3s is not restarted here: the API of the server 192.168.1.12 is not ready" in failed.stderr
    assert any("client-admin.key" in call and "192.168.1.12:6443/readyz" in call for call in sandbox.calls()), "/ping is no health"
    assert sandbox.tree() == before
    sandbox.write("stub/addresses", "192.168.1.11")
    sandbox.path("stub/down").unlink()
    assert sandbox.run("configure", CONFIGURE, FILES).returncode == 0, "one that never joined is not waited for"


def test_objects_of_a_withdrawn_manifest_are_deleted(sandbox: Sandbox) -> None:
    installed(sandbox).run("configure", CONFIGURE, {**FILES, "manifests/ib-kube-vip.yaml": "kind: DaemonSet\n"})
    sandbox.run("configure", CONFIGURE, FILES)
    assert any("delete --ignore-not-found -f" in call and "ib-kube-vip.yaml" in call for call in sandbox.calls())
    assert not sandbox.path(f"{DATA}/server/manifests/ib-kube-vip.yaml").is_file()


def test_an_agent_asks_with_its_own_rights(sandbox: Sandbox) -> None:
    agent = {"server-ca.crt": "CA", "agent-token": "K10x::node:y"}
    sandbox.run("install", {**INSTALL, "ROLE": "agent", "FOUNDER": "no"}, agent)
    done = sandbox.run("configure", {**CONFIGURE, "ROLE": "agent"}, {"etc/config.yaml": "new: true\n"})
    assert done.returncode == 0, done.stderr
    assert any("--kubeconfig /var/lib/rancher/k3s/agent/kubelet.kubeconfig get node s1" in call for call in sandbox.calls())


# --- retire.sh ----------------------------------------------------------------------------------------------------------


def retire(sandbox: Sandbox, label: str | None, installation: str = "", **behaviour: str) -> tuple[int, str, list[str]]:
    sandbox.write("stub/k3s-active", "")
    sandbox.write(f"{CONFIG}/k3s.yaml", "")
    sandbox.write(f"{CONFIG}/server-token", "K10x::server:y")
    sandbox.write("usr/local/bin/k3s", sandbox.path("stub/k3s").read_text(), 0o755)
    if label is not None:
        sandbox.write("stub/label", label)
    for name in behaviour:
        sandbox.write(f"stub/{name.replace('_', '-')}", "")
    done = sandbox.run("retire", {"NODE": "a1", "INSTALLATION": installation})
    return (
        done.returncode,
        done.stdout + done.stderr,
        [call for call in sandbox.calls() if call.startswith("k3s") and ("drain" in call or "delete" in call)],
    )


def test_a_node_that_leaves_is_drained_and_deleted(sandbox: Sandbox) -> None:
    code, said, calls = retire(sandbox, "any")
    assert (code, len(calls)) == (0, 2)
    assert "node a1 is deleted" in said


def test_a_node_of_this_very_installation_stays(sandbox: Sandbox) -> None:
    assert retire(sandbox, "mine", "mine") == (0, "", [])


def test_a_node_of_an_earlier_installation_goes(sandbox: Sandbox) -> None:
    assert len(retire(sandbox, "another", "mine")[2]) == 2


def test_a_node_that_is_gone_is_left_in_peace(sandbox: Sandbox) -> None:
    assert retire(sandbox, None) == (0, "", [])


def test_a_drain_that_a_budget_forbids_is_named_and_does_not_keep_the_node(sandbox: Sandbox) -> None:
    code, said, calls = retire(sandbox, "any", budget="")
    assert code == 0
    assert "a1 could not be drained in time" in said
    assert "disruption budget" in said
    assert len(calls) == 2


def test_a_node_that_cannot_be_deleted_stops_its_successor_and_not_its_leaving(sandbox: Sandbox) -> None:
    code, said, _ = retire(sandbox, "any", no_delete="")
    assert code == 0
    assert "kubectl delete node a1" in said
    assert retire(sandbox, "another", "mine")[0] == 1


def test_where_no_k3s_is_nobody_can_be_let_go(sandbox: Sandbox) -> None:
    done = sandbox.run("retire", {"NODE": "a1", "INSTALLATION": "mine"})
    assert (done.returncode, "no K3s is here that could let a1 go" in done.stdout) == (0, True)
    done = sandbox.run("retire", {"NODE": "s1", "INSTALLATION": ""})
    assert (done.returncode, done.stdout) == (0, ""), "nobody lets itself go"


def test_where_k3s_is_but_does_not_run_a_successor_waits_and_a_leaver_does_not(sandbox: Sandbox) -> None:
    sandbox.write(f"{CONFIG}/k3s.yaml", "")
    done = sandbox.run("retire", {"NODE": "a1", "INSTALLATION": "mine"})
    assert (done.returncode, "K3s does not run here, so that node a1 may still be there" in done.stderr) == (1, True)
    assert sandbox.run("retire", {"NODE": "a1", "INSTALLATION": ""}).returncode == 0


def test_an_api_that_does_not_answer_stops_a_successor(sandbox: Sandbox) -> None:
    sandbox.write("stub/no-api", "")
    code, said, calls = retire(sandbox, None, "mine")
    assert (code, calls) == (1, [])
    assert "cannot ask the API for node a1 (connection refused)" in said


@pytest.mark.parametrize(("installation", "code"), [("", 0), ("mine", 1)])
def test_a_member_of_etcd_that_outlives_its_node_is_named_with_the_way_out(sandbox: Sandbox, installation: str, code: int) -> None:
    sandbox.write("stub/web/127.0.0.1_6443_db_info", '{"members": [{"ID": 7, "name": "a1-0123abcd"}]}')
    done, said, _ = retire(sandbox, None, installation)
    assert (done, "etcd still has a member of a1, whose Node is gone" in said, "make recover SERVER=s1" in said) == (code, True, True)


# --- keep.sh, volumes.sh ------------------------------------------------------------------------------------------------

HERE, THERE, BROKEN, YOUNG, DEAD, LEAVING = (
    "pvc-1 a1 built=2026-11-23T00:00:00Z failed=",
    "pvc-1 s1 built=2026-11-23T00:00:00Z failed=",
    "pvc-1 s1 built=2026-11-23T00:00:00Z failed=2026-11-24T00:00:00Z",
    "pvc-1 s1 built= failed=",
    "pvc-1 b1 built=2026-11-23T00:00:00Z failed=",
    "pvc-1 c1 built=2026-11-23T00:00:00Z failed=",
)
"""Longhorn's copies of one volume: on the server that leaves, on another, failed there, not built yet, on one away, on one leaving."""
HELPERS = "s1 root 192.168.1.11 22 ecdsa-sha2-nistp256 AAAA\ns2 ana 192.168.1.12 2202 ecdsa-sha2-nistp256 BBBB"
LEAVES = "k3s kubectl --request-timeout=20s annotate --overwrite node a1 inferencebros.com/leaves=yes"
STAYS = "k3s kubectl --request-timeout=20s annotate node a1 inferencebros.com/leaves-"


def keep(sandbox: Sandbox, **files: str) -> tuple[int, str]:
    """Whether a1 is kept where *files* say what is there (1: it is), and what was said."""
    sandbox.write(f"{CONFIG}/k3s.yaml", "")
    sandbox.write("usr/local/bin/k3s", sandbox.path("stub/k3s").read_text(), 0o755)
    for name, text in ({"k3s-active": ""} | files).items():
        sandbox.write(f"stub/{name.replace('_', '-')}", text)
    sandbox.write("stub/bin/sudo", '#!/bin/sh\necho "sudo $*" >> /stub/calls\nshift\nexec "$@"\n', 0o755)
    done = sandbox.run("keep", {"NODE": "a1", "HELPERS": HELPERS, "SSH_PRIVATE_KEY": "a secret"})
    left = [path for path in sandbox.path("").rglob("*") if path.is_file() and "a secret" in path.read_text(errors="replace")]
    assert left == [], "the key is left nowhere"
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "copies",
    [[HERE], [HERE, BROKEN], [HERE, YOUNG], [HERE, DEAD], [HERE, LEAVING], [THERE.replace("pvc-1", "pvc-0"), HERE]],
    ids=["only here", "failed elsewhere", "not built elsewhere", "on a server that is away", "on one that leaves, too", "another volume's"],
)
def test_a_server_with_the_last_healthy_copy_of_a_volume_stays(sandbox: Sandbox, copies: list[str]) -> None:
    code, said = keep(sandbox, copies="\n".join(copies))
    assert code == 1
    assert "s1: a1 has the only copy of pvc-1, and stays" in said
    assert "kubectl annotate node a1 inferencebros.com/volumes-may-go=yes" in said
    assert [call for call in sandbox.calls() if call in (LEAVES, STAYS)] == [LEAVES, STAYS], "it keeps volumes for others again"


@pytest.mark.parametrize(
    "copies", [[HERE, THERE], [THERE], ["pvc-1 a1 built= failed="], [""]], ids=["both", "elsewhere", "unbuilt", "none"]
)
def test_a_server_whose_volumes_are_elsewhere_too_may_go(sandbox: Sandbox, copies: list[str]) -> None:
    assert keep(sandbox, copies="\n".join(copies))[0] == 0
    assert not any("evictionRequested" in call for call in sandbox.calls())
    assert [call for call in sandbox.calls() if call in (LEAVES, STAYS)] == [LEAVES]


def test_longhorn_is_asked_to_move_the_last_copy_and_the_server_may_go_when_it_is_elsewhere(sandbox: Sandbox) -> None:
    code, said = keep(sandbox, copies=HERE, evicted=f"{HERE}\n{THERE}")
    assert code == 0
    assert "Longhorn copies to other servers what only a1 has (at most 30 minutes): pvc-1" in said
    assert any("patch nodes.longhorn.io a1" in call and '"evictionRequested":true' in call for call in sandbox.calls())


def test_a_server_on_whose_own_disk_a_claim_is_stays(sandbox: Sandbox) -> None:
    code, said = keep(sandbox, claims="bifrost/data-0 a1\nother/data s1\nshared/files a1 s1\nnowhere/else\n")
    assert code == 1
    assert "a1 has the only copy of bifrost/data-0, and stays" in said


def test_volumes_that_a_person_lets_go_are_lost_with_their_server(sandbox: Sandbox) -> None:
    assert keep(sandbox, copies=HERE, claims="bifrost/data-0 a1", word="yes")[0] == 0


@pytest.mark.parametrize("word", ["no", "YES", "true", ""])
def test_another_word_lets_no_volume_go(sandbox: Sandbox, word: str) -> None:
    assert keep(sandbox, claims="bifrost/data-0 a1", word=word)[0] == 1


def test_a_server_stays_while_nobody_can_say_what_it_would_take_with_it(sandbox: Sandbox) -> None:
    code, said = keep(sandbox, no_answer="")
    assert code == 1
    assert "cannot ask the API which volumes a1 would take with it" in said


def test_the_second_server_is_asked_where_the_first_does_not_answer(sandbox: Sandbox) -> None:
    code, said = keep(sandbox, claims="bifrost/data-0 a1", **{"away-root@192.168.1.11": ""})
    assert code == 1
    assert "s2: a1 has the only copy of bifrost/data-0" in said
    assert "sudo -n env SERVER_NAME=s2 NODE=a1 sh -eus" in sandbox.calls(), "who logs in there is not root"


@pytest.mark.parametrize(
    "files",
    [
        {"away-root@192.168.1.11": "", "away-ana@192.168.1.12": ""},
        {"no_api": "", "claims": "bifrost/data-0 a1"},
        {"gone": "", "claims": "bifrost/data-0 a1"},
    ],
    ids=["no server answers", "no API answers", "its Node is gone"],
)
def test_where_nobody_can_be_asked_of_it_a_server_may_go(sandbox: Sandbox, files: dict[str, str]) -> None:
    assert keep(sandbox, **files)[0] == 0


def test_a_location_that_is_taken_down_takes_its_volumes_with_it(sandbox: Sandbox) -> None:
    assert keep(sandbox, copies=HERE, claims="bifrost/data-0 a1", ingress_gone="")[0] == 0


# --- label-node.sh ------------------------------------------------------------------------------------------------------


def label_node(sandbox: Sandbox, labels: str = "", taints: str = "") -> tuple[int, str, list[str]]:
    """Exit code, what was said, and what kubectl was told to change."""
    sandbox.write("usr/local/bin/k3s", sandbox.path("stub/k3s").read_text(), 0o755)
    sandbox.write("stub/calls", "")
    done = sandbox.run("label-node", {"NODE": "a1", "LABELS": labels, "TAINTS": taints})
    changes = [call.split("--request-timeout=20s ")[1] for call in sandbox.calls() if " get " not in call and "kubectl" in call]
    return done.returncode, done.stdout + done.stderr, changes


def test_a_node_gets_the_labels_and_taints_of_the_file_and_what_was_given_is_noted_before(sandbox: Sandbox) -> None:
    code, said, changes = label_node(sandbox, "rack=a1 example.com/x=", "gpu=yes:NoSchedule spare:NoExecute")
    given = "label/rack label/example.com/x taint/gpu:NoSchedule taint/spare:NoExecute"
    assert (code, "node a1 has the labels and taints of the location file" in said) == (0, True)
    assert changes == [
        f"annotate --overwrite node a1 inferencebros.com/given= {given}",
        "label --overwrite node a1 rack=a1 example.com/x=",
        "taint --overwrite node a1 gpu=yes:NoSchedule spare:NoExecute",
        f"annotate --overwrite node a1 inferencebros.com/given={given}",
    ]


def test_what_the_file_no_longer_says_is_taken_off_the_node_and_nothing_else(sandbox: Sandbox) -> None:
    label_node(sandbox, "rack=a1 hall=2", "gpu=yes:NoSchedule gpu=yes:NoExecute")
    sandbox.write("stub/taints", "gpu:NoSchedule\ngpu:NoExecute\nsomebody:NoSchedule\n")
    _, _, changes = label_node(sandbox, "hall=3", "gpu=no:NoSchedule")
    assert [change for change in changes if change.endswith("-")] == ["label node a1 rack-", "taint node a1 gpu:NoExecute-"]
    _, _, changes = label_node(sandbox)
    assert changes[1:] == ["label node a1 hall-", "taint node a1 gpu:NoSchedule-", "annotate node a1 inferencebros.com/given-"]


def test_a_taint_that_somebody_took_off_already_is_no_failure(sandbox: Sandbox) -> None:
    label_node(sandbox, taints="gpu:NoSchedule")
    code, _, changes = label_node(sandbox)
    assert code == 0
    assert not any(change.startswith("taint") for change in changes)


def test_a_node_that_was_given_nothing_is_left_alone(sandbox: Sandbox) -> None:
    assert label_node(sandbox) == (0, "", [])


def test_a_node_that_cannot_be_labelled_stops_the_deployment(sandbox: Sandbox) -> None:
    sandbox.write("stub/no-api", "")
    code, said, changes = label_node(sandbox, "rack=a1")
    assert (code, changes) == (1, [])
    assert "connection refused" in said
    assert "cannot give node a1 its labels and taints" in said


# --- a login that is not root's -----------------------------------------------------------------------------------------

SUDO = {
    "id": """[ "$ROOT" != yes ] || exec /usr/bin/id "$@"
[ "$1" = -u ] && echo 65534 || echo nobody""",
    "sudo": """[ "$1" = -n ] || exit 9
[ ! -f /stub/no-sudo ] || { echo "sudo: a password is required" >&2; exit 1; }
shift
export ROOT=yes
exec "$@\"""",
    "systemctl": '[ "$ROOT" = yes ]',
    "systemd-run": '[ "$ROOT" = yes ]',
    "apt-get": '[ "$ROOT" = yes ]',
}


def provisioned(sandbox: Sandbox) -> subprocess.CompletedProcess[str]:
    """What Terraform's provisioners do for prepare.sh, as somebody who may use sudo."""
    for name, text in SUDO.items():
        sandbox.write(f"stub/bin/{name}", f"#!/bin/sh\n{text}\n", 0o755)
    first, upload, last = run_script("scripts", "prepare", {"SERVER_NAME": "s1", **PREPARE}, private_key="")

    def lines(step: Provisioner) -> str:
        return "\n".join(step["remote-exec"]["inline"]).replace("${self.input.name}", "s1")

    done = sandbox.enter("sh", "-c", lines(first))
    if done.returncode:
        return done
    stage = sandbox.path(upload["file"]["destination"].replace("${self.input.name}", "s1").removeprefix("/"))
    assert stage.owner() == "nobody", "who logs in has to write there"
    assert stage.stat().st_mode & 0o777 == 0o700
    shutil.copytree(SCRIPTS, stage, dirs_exist_ok=True)
    return sandbox.enter("sh", "-c", lines(last))


def test_who_logs_in_becomes_root_for_each_script_and_leaves_what_root_would(make: Callable[[str], Sandbox]) -> None:
    as_root, by_sudo = ready(make("root")), ready(make("sudo"))
    assert as_root.run("prepare", PREPARE).returncode == 0
    done = provisioned(by_sudo)
    assert done.returncode == 0, done.stderr
    assert by_sudo.tree() == as_root.tree()
    assert list(by_sudo.path("run/inference-platform").iterdir()) == [], "nothing of the upload stays"


def test_a_sudo_that_asks_for_a_password_is_named_before_anything_is_changed(sandbox: Sandbox) -> None:
    sandbox.write("stub/no-sudo", "")
    before = sandbox.tree()
    failed = provisioned(sandbox)
    assert failed.returncode == 1
    assert (
        "nobody may not use sudo without a password, or there is no sudo. As root: echo 'nobody ALL=(ALL) NOPASSWD: ALL'" in failed.stderr
    )
    assert sandbox.tree() == before


# --- step-down.sh -------------------------------------------------------------------------------------------------------

HOLD = "run/systemd/system/k3s.service.d/hold.conf"


def test_a_server_that_keeps_its_role_steps_down_from_nothing(sandbox: Sandbox) -> None:
    member(sandbox)
    before = sandbox.tree()
    for step in ("hold", "stop"):
        assert sandbox.run("step-down", {"ROLE": "server", "STEP": step}).returncode == 0
    assert sandbox.tree() == before
    assert sandbox.path("stub/k3s-active").exists()


@pytest.mark.parametrize("role", ["agent", ""])
def test_a_server_that_leaves_its_role_does_not_start_again_by_itself(sandbox: Sandbox, role: str) -> None:
    member(sandbox).run("step-down", {"ROLE": role, "STEP": "hold"})
    assert sandbox.path(HOLD).read_text() == "[Service]\nRestart=no\n"
    assert sandbox.path("stub/k3s-active").exists(), "its pods are still to be drained"
    sandbox.run("step-down", {"ROLE": "server", "STEP": "hold"})
    assert not sandbox.path(HOLD).exists(), "the change was taken back"


def test_k3s_is_stopped_once_etcd_does_without_it(sandbox: Sandbox) -> None:
    member(sandbox)
    refused = sandbox.run("step-down", {"ROLE": "agent", "STEP": "stop"})
    assert refused.returncode == 1
    assert "is still a member of etcd, and stays a server" in refused.stderr
    assert sandbox.path("stub/k3s-active").exists()
    sandbox.write(f"{ETCD}/tombstone", "")
    assert sandbox.run("step-down", {"ROLE": "agent", "STEP": "stop"}).returncode == 0
    assert not sandbox.path("stub/k3s-active").exists()


# --- leave.sh -----------------------------------------------------------------------------------------------------------


def test_a_server_that_etcd_counts_on_is_not_wiped_unless_all_leave(sandbox: Sandbox) -> None:
    member(sandbox)
    before = sandbox.tree()
    refused = sandbox.run("leave", {**LEAVE, "STAYING": "s2 s11"})
    assert refused.returncode == 1
    assert "is still a member of etcd, and nothing was taken off it" in refused.stderr
    assert sandbox.tree() == before
    assert sandbox.run("leave", LEAVE).returncode == 0
    assert not sandbox.path(ETCD).exists()


def test_a_server_that_etcd_let_go_or_whose_k3s_is_dead_is_wiped(sandbox: Sandbox) -> None:
    member(sandbox).write(f"{ETCD}/tombstone", "")
    assert sandbox.run("leave", {**LEAVE, "STAYING": "s2"}).returncode == 0
    member(sandbox).path("stub/k3s-active").unlink()
    assert sandbox.run("leave", {**LEAVE, "STAYING": "s2"}).returncode == 0
    assert not sandbox.path(ETCD).exists()


# --- preflight.sh -------------------------------------------------------------------------------------------------------

PREFLIGHT = {
    "ROLE": "agent",
    "FINGERPRINT": "mine",
    "CA_SHA256": "",
    "NOW": "2026-11-23T00:00:00Z",
    "SERVER_IP": "192.168.1.11",
    "CLUSTER_NETWORKS": "10.42.0.0/16 10.43.0.0/16",
    "PEERS": "192.168.1.12",
    "SILENT_PEER": "problem",
    "API_VIP": "",
    "INGRESS_IP": "192.168.1.240",
    "SHARED_STORAGE": "no",
    "GPU_RUNTIME": "nri",
    "REPORT": "yes",
}


def findings(sandbox: Sandbox, **changes: str) -> dict[str, str]:
    """What each check came to."""
    done = sandbox.run("preflight", PREFLIGHT | changes)
    assert done.returncode == 0, done.stderr
    return {line.split("|")[0]: line.split("|")[1] for line in done.stdout.splitlines()}


def test_a_fresh_disk_mounted_for_k3s_holds_no_k3s(sandbox: Sandbox) -> None:
    sandbox.path(f"{DATA}/lost+found").mkdir(parents=True)
    assert findings(sandbox)["earlier K3s"] == "ok"


def test_data_of_another_k3s_is_found_with_and_without_the_state_at_hand(sandbox: Sandbox) -> None:
    sandbox.write(f"{DATA}/agent/volume", "precious")
    assert findings(sandbox)["earlier K3s"] == "problem"
    assert findings(sandbox, FINGERPRINT="")["earlier K3s"] == "problem"
    sandbox.write(f"{CONFIG}/location-identity", "another\n")
    assert findings(sandbox)["earlier K3s"] == "problem"
    assert findings(sandbox, FINGERPRINT="")["earlier K3s"] == "ok", "whose it is cannot be told"


def test_a_k3s_that_is_stopped_fell_out_of_etcd_or_has_no_api_is_found(sandbox: Sandbox) -> None:
    assert "K3s" not in findings(sandbox), "a fresh machine"
    member(sandbox).write(f"{CONFIG}/config.yaml", "")
    assert findings(sandbox, ROLE="server")["K3s"] == "ok"
    sandbox.write("stub/not-ready", "")
    assert findings(sandbox, ROLE="server")["K3s"] == "problem"
    assert findings(sandbox, ROLE="server", SILENT_PEER="warning")["K3s"] == "warning", "a deploy may be what mends it"
    sandbox.path("stub/not-ready").unlink()
    sandbox.write(f"{ETCD}/tombstone", "")
    assert findings(sandbox, ROLE="server")["K3s"] == "problem"
    sandbox.path("stub/k3s-active").unlink()
    assert findings(sandbox)["K3s"] == "problem"


def test_a_silent_peer_bars_a_first_deployment_and_not_a_later_one(sandbox: Sandbox) -> None:
    assert findings(sandbox)["server 192.168.1.12"] == "problem"
    assert findings(sandbox, SILENT_PEER="warning")["server 192.168.1.12"] == "warning"


def test_a_port_that_k3s_itself_holds_between_two_tries_is_free(sandbox: Sandbox) -> None:
    sandbox.write("stub/bin/ss", """#!/bin/sh\necho 'LISTEN 0 1 users:(("k3s-server",pid=1,fd=1))'\n""", 0o755)
    assert findings(sandbox)["port 10250"] == "ok"


@pytest.mark.parametrize(
    ("routes", "state"),
    [
        ("", "ok"),
        ("default via 192.168.1.1 dev eth0", "ok"),
        ("10.42.1.0/24 via 10.42.1.0 dev flannel.1 onlink", "ok"),
        ("10.42.0.0/24 dev cni0 proto kernel scope link src 10.42.0.1", "ok"),
        ("default \\\tnexthop via 192.168.1.1 dev eth0 weight 1 \\\tnexthop via 192.168.1.2 dev eth0 weight 1", "ok"),
        ("unreachable default metric 9999", "ok"),
        ("10.42.7.0/24 dev eth0 proto kernel scope link src 10.42.7.9", "problem"),
        ("10.0.0.0/8 dev eth0 proto kernel scope link src 10.1.2.3", "problem"),
    ],
)
def test_what_else_is_in_the_clusters_networks_is_found(sandbox: Sandbox, routes: str, state: str) -> None:
    sandbox.write("stub/routes", f"{routes}\n")
    assert findings(sandbox)["network 10.42.0.0/16"] == state


@pytest.mark.parametrize(
    ("address", "state"),
    [
        ("1: lo    inet 10.42.7.9/32 scope global lo", "problem"),
        ("5: flannel.1    inet 10.42.0.0/32 scope global flannel.1", "ok"),
        ("6: cni0    inet 10.42.0.1/24 brd 10.42.0.255 scope global cni0", "ok"),
    ],
)
def test_an_address_that_no_route_leads_to_is_found_in_the_clusters_networks(sandbox: Sandbox, address: str, state: str) -> None:
    sandbox.write("stub/own-addresses", f"{address}\n")
    assert findings(sandbox)["network 10.42.0.0/16"] == state


def test_an_address_that_the_machine_does_not_have_is_found(sandbox: Sandbox) -> None:
    assert findings(sandbox)["own address"] == "ok"
    assert findings(sandbox, SERVER_IP="192.168.1.99")["own address"] == "problem"


@pytest.mark.parametrize(
    ("route", "state"),
    [("default via 192.168.1.1 dev eth0", "ok"), ("default via 10.9.0.1 dev eth1 metric 100", "problem"), ("", "problem")],
)
def test_a_default_route_over_another_wire_or_none_is_found(sandbox: Sandbox, route: str, state: str) -> None:
    sandbox.write("stub/default-route", f"{route}\n")
    assert findings(sandbox, ROLE="server", API_VIP="192.168.1.252")["default route"] == state
    assert "default route" not in findings(sandbox, ROLE="server"), "without a VIP nothing depends on it"


def test_what_restores_and_upgrades_left_is_named_with_its_age(sandbox: Sandbox) -> None:
    for name in (
        "data/one",
        "data/two",
        "data/three",
        "server/tls",
        "server/tls-1795420986",
        "server/db/etcd",
        "server/db/etcd-old-1795420986",
    ):
        sandbox.write(f"{DATA}/{name}/file", "")
    sandbox.path(f"{DATA}/data/current").symlink_to("/var/lib/rancher/k3s/data/three")
    sandbox.path(f"{DATA}/data/previous").symlink_to("two")
    os.utime(sandbox.path(f"{DATA}/server/tls-1795420986"), (1_795_400_000, 1_795_400_000))
    done = sandbox.run("preflight", PREFLIGHT | {"NOW": "2026-11-28T00:00:00Z"})
    lines = {line.split("|")[0]: line for line in done.stdout.splitlines() if line.startswith("left behind")}
    assert set(lines) == {"left behind one", "left behind tls-1795420986", "left behind etcd-old-1795420986"}
    assert "4 days old" in lines["left behind tls-1795420986"]
    assert "rm -rf /var/lib/rancher/k3s/server/tls-1795420986" in lines["left behind tls-1795420986"]


def test_a_server_that_keeps_nothing_of_earlier_states_is_not_warned(sandbox: Sandbox) -> None:
    sandbox.write(f"{DATA}/server/db/etcd/file", "")
    assert not any(name.startswith("left behind") for name in findings(sandbox))


def gpu_of_nvidia(sandbox: Sandbox, device: str, *, driver: str | None, drives: str = "nvidia") -> None:
    """A card at PCI's address 0, as sysfs shows it."""
    for name, text in {"vendor": "0x10de", "class": "0x030200", "device": device}.items():
        sandbox.write(f"sys/bus/pci/devices/0/{name}", f"{text}\n")
    if driver is not None:
        sandbox.write("sys/module/nvidia/version", f"{driver}\n")
        sandbox.path("sys/bus/pci/devices/0/driver").symlink_to(f"../../drivers/{drives}")


@pytest.mark.parametrize(
    ("device", "driver", "state"),
    [
        pytest.param("0x1e04", "580.105.08", "ok", id="the first of Turing"),
        pytest.param("0x2684", "595.10", "ok", id="Ada with a newer driver"),
        pytest.param("0x20b0", "550.163.01", "problem", id="Ampere with Debian's driver"),
        pytest.param("0x2684", None, "problem", id="no driver"),
        pytest.param("0x1b38", "580.105.08", "ok", id="Pascal with its last driver"),
        pytest.param("0x15f8", "535.274.02", "ok", id="the first of Pascal, with an older driver"),
        pytest.param("0x1db4", "580.105.08", "ok", id="Volta is driven"),
    ],
)
def test_the_drivers_branch_is_held_against_the_card(sandbox: Sandbox, device: str, driver: str | None, state: str) -> None:
    gpu_of_nvidia(sandbox, device, driver=driver)
    assert findings(sandbox)["GPU 0"] == state


def test_a_card_that_the_loaded_driver_no_longer_drives_is_found(sandbox: Sandbox) -> None:
    gpu_of_nvidia(sandbox, "0x1b38", driver="590.44", drives="nouveau")
    done = sandbox.run("preflight", PREFLIGHT)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("GPU 0|")]
    assert line.split("|")[1:3] == ["problem", "there is a GPU of NVIDIA (Pascal), and driver 590 does not drive it"]
    assert "Install driver 580, the last that drives it" in line


@pytest.mark.parametrize(("device", "warned"), [("0x1e04", False), ("0x1b38", False), ("0x1db4", True), ("0x13c2", True)])
def test_a_card_that_no_profile_serves_is_told(sandbox: Sandbox, device: str, *, warned: bool) -> None:
    gpu_of_nvidia(sandbox, device, driver="580.105.08")
    assert ("profile of 0" in findings(sandbox)) is warned


# --- restore.sh ---------------------------------------------------------------------------------------------------------


def test_a_restore_keeps_what_was_there_and_starts_as_the_only_member(sandbox: Sandbox) -> None:
    installed(sandbox)
    sandbox.write(f"{DATA}/server/db/etcd/member/wal/0", "old")
    sandbox.write("root/snapshot", "x")
    done = sandbox.run("restore", {"STEP": "restore", "SNAPSHOT": "/root/snapshot"})
    assert done.returncode == 0, done.stderr
    assert "what etcd had is kept in /var/lib/rancher/k3s/server/etcd-before-restore-" in done.stdout
    (kept,) = sandbox.path(f"{DATA}/server").glob("etcd-before-restore-*")
    assert (kept / "member/wal/0").read_text() == "old"
    assert start_of(sandbox) == "cluster-init: true\n"
    sandbox.run("restore", {"STEP": "settle", "JOIN_ADDRESS": "192.168.1.252"})
    assert start_of(sandbox) == "server: https://192.168.1.252:6443\n"


def test_a_snapshot_that_k3s_refuses_leaves_etcd_and_its_start_as_they_were(sandbox: Sandbox) -> None:
    installed(sandbox)
    sandbox.write(f"{CONFIG}/config.yaml.d/10-start.yaml", "server: https://192.168.1.252:6443\n")
    sandbox.write(f"{DATA}/server/db/etcd/member/wal/0", "old")
    sandbox.write("root/snapshot", "x")
    sandbox.write("stub/no-reset", "")
    before = sandbox.tree()
    sandbox.run("restore", {"STEP": "stop"})
    assert "systemctl disable --quiet --now k3s" in sandbox.calls(), "half restored it must not start at a boot"

    failed = sandbox.run("restore", {"STEP": "restore", "SNAPSHOT": "/root/snapshot"})

    assert failed.returncode == 1
    assert "bad snapshot" in failed.stderr
    assert "K3s cannot restore /root/snapshot, and etcd has what it had" in failed.stderr
    assert sandbox.tree() == before
    sandbox.run("restore", {"STEP": "resume"})
    assert sandbox.calls()[-2:] == ["systemctl enable --quiet k3s", "systemctl start --no-block k3s"]


def test_after_a_killed_restore_a_refused_one_still_puts_etcd_back(sandbox: Sandbox) -> None:
    installed(sandbox)
    sandbox.write(f"{DATA}/server/etcd-before-restore-20261123T000000Z/member/wal/0", "old")
    sandbox.write("root/snapshot", "x")
    sandbox.write("stub/no-reset", "")
    assert sandbox.run("restore", {"STEP": "restore", "SNAPSHOT": "/root/snapshot"}).returncode == 1
    assert sandbox.path(f"{DATA}/server/db/etcd/member/wal/0").read_text() == "old"


def test_after_a_restore_each_node_takes_the_password_of_the_machine_that_is_there_now(sandbox: Sandbox) -> None:
    installed(sandbox)
    sandbox.write("root/snapshot", "x")
    sandbox.write("stub/secrets", "secret/other\nsecret/s1.node-password.k3s\nsecret/s2.node-password.k3s\n")
    sandbox.run("restore", {"STEP": "restore", "SNAPSHOT": "/root/snapshot"})
    (deleted,) = [call for call in sandbox.calls() if "kubectl delete" in call]
    assert deleted.endswith("secret/s1.node-password.k3s secret/s2.node-password.k3s")


def test_k3s_is_told_not_to_look_for_the_snapshot_in_a_bucket(sandbox: Sandbox) -> None:
    installed(sandbox)
    sandbox.write("root/snapshot", "x")
    sandbox.run("restore", {"STEP": "restore", "SNAPSHOT": "/root/snapshot"})
    (reset,) = [call for call in sandbox.calls() if "--cluster-reset" in call]
    assert "--etcd-s3=false" in reset


def test_a_snapshot_that_is_not_there_changes_nothing(sandbox: Sandbox) -> None:
    installed(sandbox)
    before = sandbox.tree()
    assert "there is no snapshot /root/none" in sandbox.run("restore", {"STEP": "restore", "SNAPSHOT": "/root/none"}).stderr
    assert sandbox.tree() == before


def test_a_member_goes_on_alone_with_what_it_has_and_keeps_a_copy(sandbox: Sandbox) -> None:
    member(sandbox).write(f"{ETCD}/member/wal/0", "old")
    done = sandbox.run("restore", {"STEP": "recover"})
    assert done.returncode == 0, done.stderr
    (reset,) = [call for call in sandbox.calls() if "--cluster-reset" in call]
    assert "restore-path" not in reset
    (kept,) = sandbox.path(f"{DATA}/server").glob("etcd-before-restore-*")
    assert (kept / "member/wal/0").read_text() == sandbox.path(f"{ETCD}/member/wal/0").read_text() == "old"
    assert start_of(sandbox) == "cluster-init: true\n"


def test_a_member_that_cannot_go_on_alone_has_what_it_had(sandbox: Sandbox) -> None:
    member(sandbox).write("stub/no-reset", "")
    before = sandbox.tree()
    refused = sandbox.run("restore", {"STEP": "recover"})
    assert refused.returncode == 1
    assert "cannot go on alone with what etcd has here, which is as it was" in refused.stderr
    assert sandbox.tree() == before


def test_who_is_no_member_has_nothing_to_go_on_with(sandbox: Sandbox) -> None:
    installed(sandbox)
    refused = sandbox.run("restore", {"STEP": "recover"})
    assert "is no member of etcd, so it has nothing to go on with" in refused.stderr


# --- killed before each command -----------------------------------------------------------------------------------------

KILLED: Mapping[str, tuple[dict[str, str], dict[str, str], bool]] = {
    "prepare": (PREPARE, {}, False),
    "install": (INSTALL, IDENTITY, False),
    "configure": (CONFIGURE, FILES, True),
    "leave": (LEAVE, {}, True),
}


@pytest.mark.parametrize("script", KILLED)
def test_killed_before_any_of_its_commands_and_run_again_it_comes_to_the_same(
    make: Callable[[str], Sandbox], tmp_path: Path, script: str
) -> None:
    environment, files, after_install = KILLED[script]

    base = ready(make("base"))
    base.write("etc/hosts", "127.0.0.1 localhost\n")
    if after_install:
        base.run("prepare", PREPARE)
        installed(base)

    def begin(name: str) -> Sandbox:
        subprocess.run(["cp", "-a", str(base.folder), str(tmp_path / name)], check=True)
        return Sandbox(base.rootfs, tmp_path / name)

    undisturbed = begin("undisturbed")
    assert undisturbed.run(script, environment, files, kill_at=0).returncode == 0
    steps, expected = int(undisturbed.path("stub/steps").read_text()), undisturbed.tree()

    def difference(step: int) -> str:
        sandbox = begin(f"killed-{step}")
        assert sandbox.run(script, environment, files, kill_at=step).returncode == -signal.SIGKILL, step
        again = sandbox.run(script, environment, files)
        differs = set(sandbox.tree().items()) ^ set(expected.items())
        shutil.rmtree(sandbox.folder)
        return f"killed before command {step}: {again.stderr[-300:]} {differs}" if again.returncode or differs else ""

    with ThreadPoolExecutor(4) as pool:
        different = [found for found in pool.map(difference, range(1, steps + 1)) if found]
    assert different == []
