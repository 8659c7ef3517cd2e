"""A location of three servers and an agent: who founds, who joins, who leaves."""

from __future__ import annotations

from collections.abc import Callable

from tests.hosts.deployment import Deployment, server
from tests.hosts.lab import Host
from tests.hosts.test_one_server import KEEPS_SECRETS

VIP = "192.168.1.252"
ADDRESSES = {"s1": "192.168.1.11", "s2": "192.168.1.12", "s3": "192.168.1.13", "g1": "192.168.1.21"}


def test_servers_join_through_the_vip_and_a_first_server_installed_anew_joins_too(
    deployment: Deployment, boot: Callable[[str, str], Host]
) -> None:
    hosts = {name: boot(name, ip) for name, ip in ADDRESSES.items()}
    entries = [server(host, "agent" if host.name == "g1" else "server") for host in hosts.values()]
    deployment.describe(entries, vip=VIP)

    applied = deployment.apply()

    assert applied.code == 0, applied.output
    assert "s1: founds the cluster" in applied.output
    for name in ("s2", "s3"):
        assert f"{name}: joins the cluster at {VIP}" in applied.output
    order = [applied.output.index(f"{name}: K3s is ready") for name in ("s1", "s2", "s3", "g1")]
    assert order == sorted(order), "servers one after another, then agents"
    for name in ("s1", "s2", "s3"):
        cacerts = hosts["g1"].run(f"curl -sk https://{ADDRESSES[name]}:6443/cacerts")
        assert cacerts == deployment.identity.server_ca
    agent_secrets = hosts["g1"].run("ls /etc/rancher/k3s /var/lib/rancher/k3s 2>/dev/null; true").split()
    assert "server-token" not in agent_secrets, "a stolen agent must not be able to join as a server"
    assert "tls" not in agent_secrets

    for host in hosts.values():
        assert {path for path in deployment.files_with_secrets(host) if not path.startswith(KEEPS_SECRETS)} == set()

    # A configuration that the first server refuses stops there: the others are not touched.
    hosts["s1"].run("echo moved.example.com > /root/refuse-configuration")
    before = hosts["s2"].run("cat /etc/rancher/k3s/config.yaml; systemctl show -p MainPID k3s")
    deployment.describe(entries, vip=VIP, domain="moved.example.com")
    failed = deployment.apply()
    assert "s1: K3s does not come up with the new configuration; it runs with the last one again" in failed.output
    assert hosts["s2"].run("cat /etc/rancher/k3s/config.yaml; systemctl show -p MainPID k3s") == before

    # Without the refusal it rolls through them.
    hosts["s1"].run("rm /root/refuse-configuration")
    rolled = deployment.apply()
    assert rolled.code == 0, rolled.output
    order = [rolled.output.index(f"{name}: K3s is ready") for name in ("s1", "s2", "s3")]
    assert order == sorted(order)

    # The first server dies and comes back as an empty machine with another host key; s2 takes the VIP, as kube-vip would.
    hosts["s1"].stop()
    hosts["s2"].run(f"ip address replace {VIP}/32 dev host0")
    anew = boot("s1", ADDRESSES["s1"])
    deployment.describe([server(anew), *entries[1:]], vip=VIP, domain="moved.example.com")
    replaced = deployment.apply()

    assert replaced.code == 0, replaced.output
    assert "s1: finds the cluster running at 192.168.1.12" in replaced.output
    assert "founds" not in replaced.output
    assert anew.run("cat /etc/rancher/k3s/config.yaml.d/10-start.yaml") == "server: https://192.168.1.12:6443\n"

    # An agent that is taken out of the location file loses K3s; the others are not touched.
    deployment.describe([server(anew), *entries[1:3]], vip=VIP, domain="moved.example.com")
    shrunk = deployment.apply()

    assert shrunk.code == 0, shrunk.output
    assert "g1: K3s and its data are gone" in shrunk.output
    assert "0 added, 0 changed, 3 destroyed" in shrunk.output
    assert hosts["g1"].run("ls -A /usr/local/bin; ls -d /var/lib/rancher /etc/rancher 2>/dev/null; true") == ""


def test_a_first_server_does_not_found_where_another_cluster_answers(deployment: Deployment, boot: Callable[[str, str], Host]) -> None:
    s1, vip_holder = boot("s1", ADDRESSES["s1"]), boot("s2", ADDRESSES["s2"])
    vip_holder.run(f"ip address replace {VIP}/32 dev host0")
    vip_holder.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=other -keyout /root/key -out /root/cacerts 2>/dev/null; cd /root; "
        "systemd-run --unit other --working-directory=/root openssl s_server -accept 6443 -cert cacerts -key key -WWW"
    )
    deployment.describe([server(s1)], vip=VIP)

    failed = deployment.apply()

    assert failed.code == 1
    assert f"s1: another Kubernetes cluster answers at {VIP}:6443" in failed.output
    assert s1.run("ls /var/lib/rancher/k3s/server 2>/dev/null; true") == ""


def test_a_server_that_leaves_gives_the_vip_back(deployment: Deployment, boot: Callable[[str, str], Host]) -> None:
    s1 = boot("s1", ADDRESSES["s1"])
    deployment.describe([server(s1)], vip=VIP)
    assert deployment.apply().code == 0
    assert VIP in s1.run("ip -4 address")

    assert deployment.destroy().code == 0

    assert VIP not in s1.run("ip -4 address")


def test_a_server_that_becomes_an_agent_keeps_no_key_of_the_control_plane(deployment: Deployment, boot: Callable[[str, str], Host]) -> None:
    hosts = [boot(name, ADDRESSES[name]) for name in ("s1", "s2", "s3")]
    deployment.describe([server(host) for host in hosts], vip=VIP)
    assert deployment.apply().code == 0

    deployment.describe([server(hosts[0]), *(server(host, "agent") for host in hosts[1:])], vip=VIP)
    demoted = deployment.apply()

    assert demoted.code == 0, demoted.output
    assert deployment.files_with_secrets(hosts[2]) == {"/etc/rancher/k3s/agent-token"}


def test_a_member_that_cannot_be_asked_stops_the_founding(deployment: Deployment, boot: Callable[[str, str], Host]) -> None:
    s1, silent = boot("s1", ADDRESSES["s1"]), boot("s2", ADDRESSES["s2"])
    silent.run(f"ip address replace {VIP}/32 dev host0")
    silent.run("systemd-run --unit silent /usr/bin/python3 -c 'import socket,time; s=socket.create_server((\"\",6443)); time.sleep(600)'")
    deployment.describe([server(s1)], vip=VIP)

    failed = deployment.apply()

    assert failed.code == 1
    assert f"it cannot be told whether a member of this cluster is at {VIP}:6443" in failed.output
    assert s1.run("ls /var/lib/rancher/k3s/server 2>/dev/null; true") == ""
