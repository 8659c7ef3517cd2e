"""A location of one server, applied by Terraform over SSH to a real Debian 13 machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.hosts.deployment import Applied, Deployment, server
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Host, Lab
from tests.support.waiting import until

K3S = "/var/lib/rancher/k3s"
KEEPS_SECRETS = (
    f"{K3S}/server/tls/",
    *("/etc/rancher/k3s/server-token", "/etc/rancher/k3s/agent-token"),
    *(f"{K3S}/server/token", f"{K3S}/server/agent-token", f"{K3S}/server/cred/passwd"),
)
LEFT_BEHIND = (
    "ls -d /usr/local/bin/k3s* /etc/rancher /var/lib/rancher /etc/systemd/system/k3s* /run/inference-platform/*"
    " /etc/inference-platform /etc/systemd/system/inference-platform* /etc/sysctl.d/*inference* /etc/modules-load.d/*inference*"
    " /etc/multipath /etc/apt/apt.conf.d/*inference* 2>/dev/null; dpkg -s chrony 2>/dev/null | grep '^Status: install';"
    " grep inference /etc/hosts; nft list tables | grep inference; true"
)


@pytest.fixture(scope="module")
def deployed(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployment, Host, Applied, list[str]]]:
    """A server deployed for the first time, with what was seen of secrets meanwhile."""
    deployment = Deployment(lab.inside, lab.user.private, tmp_path_factory.mktemp("one"), lab.k3s_sha256)
    host = lab.start_host("s1", "192.168.1.11")
    deployment.describe([server(host)])
    with deployment.watching_processes() as seen:
        applied = deployment.apply()
    yield deployment, host, applied, seen
    host.stop()


def test_a_server_serves_its_api_with_our_authorities_and_shows_no_secret(deployed: tuple[Deployment, Host, Applied, list[str]]) -> None:
    deployment, s1, applied, seen = deployed
    assert applied.code == 0, applied.output
    assert "s1: preflight passed" in applied.output
    assert "s1: founds the cluster" in applied.output
    assert "s1: K3s is ready" in applied.output
    assert s1.run(f"curl -s --cacert {K3S}/server/tls/server-ca.crt https://192.168.1.11:6443/ping") == "pong"
    assert s1.run("curl -sk https://192.168.1.11:6443/cacerts") == deployment.identity.server_ca
    states = s1.run("systemctl is-active k3s; systemctl is-enabled k3s; systemctl is-system-running").split()
    assert states == ["active", "enabled", "running"]

    assert seen == []
    marks = deployment.secret_marks().items()
    assert [name for name, mark in marks if mark in applied.output] == []
    texts = [path.read_text(errors="replace") for path in deployment.out.rglob("*") if path.is_file()]
    assert [name for name, mark in marks if any(mark in text for text in texts)] == []
    found = deployment.files_with_secrets(s1)
    assert f"{K3S}/server/tls/client-ca.key" in found, "the search itself must find what is there"
    assert {path for path in found if not path.startswith(KEEPS_SECRETS)} == set()


def test_a_second_apply_changes_nothing(deployed: tuple[Deployment, Host, Applied, list[str]]) -> None:
    deployment, s1, *_ = deployed
    before = s1.run("stat -c '%n %Y %i' /usr/local/bin/k3s /etc/rancher/k3s/config.yaml; systemctl show -p MainPID k3s")

    planned, applied = deployment.plan(), deployment.apply()

    assert planned.code == 0, planned.output
    assert "0 added, 0 changed, 0 destroyed" in applied.output
    assert s1.run("stat -c '%n %Y %i' /usr/local/bin/k3s /etc/rancher/k3s/config.yaml; systemctl show -p MainPID k3s") == before


def test_a_changed_setting_configures_anew_without_installing_anew(deployed: tuple[Deployment, Host, Applied, list[str]]) -> None:
    deployment, s1, *_ = deployed
    binary = s1.run("stat -c '%Y %i' /usr/local/bin/k3s")

    deployment.describe([server(s1)], domain="moved.example.com")
    applied = deployment.apply()

    assert "s1: K3s is ready" in applied.output
    assert "s1: K3s is installed" not in applied.output
    assert s1.run("stat -c '%Y %i' /usr/local/bin/k3s") == binary
    names = s1.run("openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName")
    assert "DNS:k3s.moved.example.com" in names
    assert s1.run("getent hosts dex.moved.example.com").split()[0] == "192.168.1.240"
    assert s1.run("grep -c inference-platform /etc/hosts") == "2\n", "one block"


def test_a_withdrawn_setting_takes_its_objects_and_files_along(deployed: tuple[Deployment, Host, Applied, list[str]]) -> None:
    deployment, s1, *_ = deployed
    deployment.describe([server(s1)], vip="192.168.1.252", mirrors=["embedded_registry = true"])
    assert deployment.apply().code == 0
    assert "kube-vip" in s1.run("k3s kubectl -n kube-system get daemonset")
    assert "'*'" in s1.run("cat /etc/rancher/k3s/registries.yaml")

    deployment.describe([server(s1)])
    withdrawn = deployment.apply()

    assert withdrawn.code == 0, withdrawn.output
    assert "kube-vip" not in s1.run("k3s kubectl -n kube-system get daemonset")
    assert s1.run("ls /etc/rancher/k3s/registries.yaml 2>/dev/null; true") == ""


def test_a_node_has_the_labels_and_taints_of_the_file_and_keeps_what_others_gave(
    deployed: tuple[Deployment, Host, Applied, list[str]],
) -> None:
    deployment, s1, *_ = deployed
    s1.run("k3s kubectl label node s1 somebody=else && k3s kubectl taint node s1 somebody=else:PreferNoSchedule")

    def given(**told: list[str]) -> list[str]:
        deployment.describe([server(s1, "server", **told)])
        applied = deployment.apply()
        assert applied.code == 0, applied.output
        labels = "{.metadata.labels.rack}/{.metadata.labels.hall}/{.metadata.labels.somebody}"
        taints = "{range .spec.taints[*]}{.key}={.value}:{.effect} {end}"
        found = s1.run(f"k3s kubectl get node s1 -o 'jsonpath={labels} {taints}'").split()
        return sorted(each for each in found if "kubernetes.io/" not in each)

    others = "somebody=else:PreferNoSchedule"
    first = given(labels=["rack=a1", "hall=2"], taints=["spare=yes:PreferNoSchedule"])
    assert first == ["a1/2/else", others, "spare=yes:PreferNoSchedule"]
    second = given(labels=["rack=a2"], taints=["spare=no:PreferNoSchedule"])
    assert second == ["a2//else", others, "spare=no:PreferNoSchedule"]
    assert given() == ["//else", others]


def test_the_archive_of_images_is_fetched_and_verified(deployed: tuple[Deployment, Host, Applied, list[str]]) -> None:
    deployment, s1, *_ = deployed
    s1.run("systemctl stop k3s; rm -rf /usr/local/bin/k3s")
    deployment.describe([server(s1)], mirrors=[f'k3s_images_sha256 = "{"0" * 64}"'])
    deployment.replace("install")
    refused = deployment.apply()
    assert f"expected {'0' * 64}. It is not the pinned release" in refused.output
    assert s1.run(f"ls {K3S}/agent/images") == ""

    deployment.describe([server(s1)], mirrors=[f'k3s_images_sha256 = "{deployment.images_sha256}"'])
    applied = deployment.apply()

    assert applied.code == 0, applied.output
    assert s1.run(f"ls {K3S}/agent/images") == "k3s-airgap-images-amd64.tar.zst\n"


def test_a_location_that_is_destroyed_leaves_nothing_on_its_server(deployed: tuple[Deployment, Host, Applied, list[str]]) -> None:
    deployment, s1, *_ = deployed

    destroyed = deployment.destroy()

    assert "s1: K3s and its data are gone" in destroyed.output, destroyed.output
    assert [name for name, mark in deployment.secret_marks().items() if mark in destroyed.output] == [], "not even the key of the login"
    assert deployment.files_with_secrets(s1) == set()
    assert s1.run(LEFT_BEHIND) == ""
    assert s1.run("systemctl is-system-running") == "running\n"


def test_a_server_half_installed_by_a_failed_run_is_finished_by_the_next(deployment: Deployment, boot: Callable[[str, str], Host]) -> None:
    s1 = boot("s1", "192.168.1.11")
    deployment.describe([server(s1)])
    s1.run("mkdir /root/bin && mv /usr/bin/sha256sum /root/bin/")
    s1.run("cat > /usr/bin/sha256sum && chmod +x /usr/bin/sha256sum", stdin="#!/bin/sh\nexit 1\n")
    failed = deployment.apply()
    assert failed.code == 1, failed.output
    assert {path for path in deployment.files_with_secrets(s1) if not path.startswith(KEEPS_SECRETS)} == set()

    s1.run("mv /root/bin/sha256sum /usr/bin/sha256sum")
    applied = deployment.apply()

    assert applied.code == 0, applied.output
    assert s1.run("systemctl is-active k3s") == "active\n"


def test_a_founder_killed_in_the_first_seconds_of_its_etcd_begins_anew_by_itself(lab: Lab, deployment: Deployment) -> None:
    fleet = Fleet(lab, deployment, {"s1": "server"})
    fleet.boot("s1")
    fleet.kill_young("s1", 0, 0.1, 0.5, 1, 3)

    applied = fleet.apply()

    assert applied.code == 0, applied.output
    assert fleet.hosts["s1"].run("cat /root/killed-young").split() == ["0", "0.1", "0.5", "1", "3"]
    assert fleet.all_ready()
    assert fleet.hosts["s1"].run("curl -sk https://192.168.1.11:6443/cacerts") == deployment.identity.server_ca
    assert fleet.hosts["s1"].run(f"ls /etc/rancher/k3s/first-start {K3S}/server/db/etcd/member 2>/dev/null; true").split()[-2:] == [
        "snap",
        "wal",
    ]
    fleet.kubectl("create configmap kept")
    fleet.hosts["s1"].run("systemctl kill -s KILL k3s")
    until(lambda: "kept" in fleet.hosts["s1"].run("k3s kubectl get configmap", check=False), "what was ready once goes on", 60)
    fleet.hosts["s1"].stop()
