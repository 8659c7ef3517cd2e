"""A location of one server, applied by Terraform over SSH to a real Debian 13 machine."""

from __future__ import annotations

from tests.hosts.deployment import Deployment, server
from tests.hosts.lab import Host

K3S = "/var/lib/rancher/k3s"
KEEPS_SECRETS = (f"{K3S}/server/tls/", "/etc/rancher/k3s/server-token", "/etc/rancher/k3s/agent-token")


def downloads(host: Host) -> int:
    return (host.lab.folder / "mirror.log").read_text().count("/k3s HTTP")


def test_a_server_serves_its_api_with_our_authorities_and_shows_no_secret(deployment: Deployment, s1: Host) -> None:
    deployment.describe([server(s1)])

    with deployment.watching_processes() as seen:
        applied = deployment.apply()

    assert applied.code == 0, applied.output
    assert "s1: preflight passed" in applied.output
    assert "s1: founds the cluster" in applied.output
    assert "s1: K3s is ready" in applied.output
    assert s1.run(f"curl -s --cacert {K3S}/server/tls/server-ca.crt https://192.168.1.11:6443/ping") == "pong"
    assert s1.run("curl -sk https://192.168.1.11:6443/cacerts") == deployment.identity.server_ca
    assert s1.run("systemctl is-active k3s; systemctl is-enabled k3s; systemctl is-system-running").split() == [
        "active",
        "enabled",
        "running",
    ]

    assert seen == []
    marks = deployment.secret_marks().items()
    assert [name for name, mark in marks if mark in applied.output] == []
    texts = [path.read_text(errors="replace") for path in deployment.out.rglob("*") if path.is_file()]
    assert [name for name, mark in marks if any(mark in text for text in texts)] == []
    found = deployment.files_with_secrets(s1)
    assert f"{K3S}/server/tls/client-ca.key" in found, "the search itself must find what is there"
    assert {path for path in found if not path.startswith(KEEPS_SECRETS)} == set()
    loose = s1.run(f"find {K3S}/server/tls /etc/rancher/k3s -type f -perm /077; find {K3S}/server/tls -type d -perm /077")
    assert loose == "", "secrets and configuration are root's alone"


def test_a_second_apply_changes_nothing(deployment: Deployment, s1: Host) -> None:
    deployment.describe([server(s1)])
    assert deployment.apply().code == 0
    before = s1.run("stat -c '%n %Y %i' /usr/local/bin/k3s /etc/rancher/k3s/config.yaml; systemctl show -p MainPID k3s")

    planned, applied = deployment.plan(), deployment.apply()

    assert planned.code == 0, planned.output
    assert "No changes" in planned.output
    assert "0 added, 0 changed, 0 destroyed" in applied.output
    assert s1.run("stat -c '%n %Y %i' /usr/local/bin/k3s /etc/rancher/k3s/config.yaml; systemctl show -p MainPID k3s") == before


def test_a_changed_setting_configures_anew_without_installing_anew(deployment: Deployment, s1: Host) -> None:
    deployment.describe([server(s1)])
    assert deployment.apply().code == 0
    binary, loaded = s1.run("stat -c '%Y %i' /usr/local/bin/k3s"), downloads(s1)

    deployment.describe([server(s1)], domain="moved.example.com")
    applied = deployment.apply()

    assert "1 added, 0 changed, 1 destroyed" in applied.output
    assert s1.run("stat -c '%Y %i' /usr/local/bin/k3s") == binary
    assert downloads(s1) == loaded
    names = s1.run("openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName")
    assert "DNS:k3s.moved.example.com" in names


def test_a_configuration_that_k3s_refuses_is_taken_back(deployment: Deployment, s1: Host) -> None:
    deployment.describe([server(s1)])
    assert deployment.apply().code == 0
    before = s1.run("cat /etc/rancher/k3s/config.yaml")
    s1.run("echo moved.example.com > /root/refuse-configuration")

    deployment.describe([server(s1)], domain="moved.example.com")
    failed = deployment.apply()

    assert failed.code == 1
    assert "s1: K3s does not come up with the new configuration; it runs with the last one again" in failed.output
    assert "invalid configuration" in failed.output, "the journal's reason is shown"
    assert s1.run("cat /etc/rancher/k3s/config.yaml") == before
    assert s1.run("systemctl is-active k3s") == "active\n"

    s1.run("rm /root/refuse-configuration")
    assert "s1: K3s is ready" in deployment.apply().output
    assert deployment.plan().code == 0


def test_a_location_that_is_destroyed_leaves_nothing_on_its_server(deployment: Deployment, s1: Host) -> None:
    deployment.describe([server(s1)])
    assert deployment.apply().code == 0

    destroyed = deployment.destroy()

    assert "s1: K3s and its data are gone" in destroyed.output, destroyed.output
    assert deployment.files_with_secrets(s1) == set()
    places = "/usr/local/bin/k3s* /etc/rancher /var/lib/rancher /etc/systemd/system/k3s* /run/inference-platform/*"
    left = s1.run(f"ls -d {places} 2>/dev/null; true")
    assert left == ""
    assert s1.run("systemctl is-system-running") == "running\n"


def test_a_server_half_installed_by_a_failed_run_is_finished_by_the_next(deployment: Deployment, s1: Host) -> None:
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
