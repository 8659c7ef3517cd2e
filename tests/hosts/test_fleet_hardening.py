"""What the identity and the settings come to at a real API server and a real etcd, on three servers and two agents."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from ib_constructs.cluster.k3s_files import CONFIG_DIR, OIDC_PREFIX
from tests.hosts.fleet import ADDRESSES, ETCDCTL, TLS, VIP, Fleet
from tests.hosts.issuer import Issuer, new_key
from tests.support.identities import client_certificate
from tests.support.waiting import until

API = f"https://{VIP}:6443"
PRIVILEGED = """
apiVersion: v1
kind: Pod
metadata: {name: privileged}
spec:
  containers: [{name: c, image: i, securityContext: {privileged: true}}]
"""


def ask(fleet: Fleet, path: str, *options: str) -> str:
    """Status of an API request from outside the servers."""
    done = fleet.lab.run("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", *options, f"{API}{path}")
    return done.stdout


def test_the_administrators_kubeconfig_from_the_state_works_with_kubectl(fleet: Fleet) -> None:
    kubectl = ("/usr/bin/env", f"KUBECONFIG={fleet.deployment.admin_kubeconfig()}", str(fleet.lab.engines / "kubectl"))
    done = fleet.lab.run(*kubectl, "get", "nodes", "-o", "name")
    assert sorted(done.stdout.split()) == sorted(f"node/{name}" for name in fleet.roles), done.stderr
    assert "cluster-admin" in fleet.kubectl("get clusterrolebinding ib-admins -o yaml")


def test_nobody_is_let_in_without_a_name(fleet: Fleet) -> None:
    assert {path: ask(fleet, path) for path in ("/version", "/readyz", "/api/v1/namespaces")} == dict.fromkeys(
        ("/version", "/readyz", "/api/v1/namespaces"), "401"
    )


def test_an_operator_is_let_in_by_the_issuer_and_a_stranger_is_not(fleet: Fleet, issuer: Issuer) -> None:
    def namespaces(**claims: Any) -> str:
        return ask(fleet, "/api/v1/namespaces", "-H", f"Authorization: Bearer {issuer.token(**claims)}")

    # As the construct Operators does it, by a provider that this tier does not have.
    fleet.kubectl(f"create clusterrolebinding operator-ana@example.com --clusterrole=cluster-admin --user={OIDC_PREFIX}ana@example.com")
    with issuer.listening(fleet.lab):
        # The API server asks the issuer by the name in /etc/hosts, and tries again every few seconds.
        until(lambda: namespaces(email="ana@example.com") == "200", "the operator is let in", 60)
        assert namespaces(email="eve@example.com") == "403", "known to the issuer, and nobody here"
        assert namespaces(email="ana@example.com", email_verified=False) == "401"
        assert namespaces(email="ana@example.com", aud="another-client") == "401"
        assert namespaces(email="ana@example.com", iss="https://elsewhere.example.com") == "401"
        assert namespaces(email="x@example.com", groups=["system:masters", "ib:admins"]) == "403", (
            "a claim is no group of the cluster's own"
        )
        forged = issuer.token(new_key(), email="ana@example.com")
        assert ask(fleet, "/api/v1/namespaces", "-H", f"Authorization: Bearer {forged}") == "401"


def test_a_nodes_certificate_is_no_client_of_etcd(fleet: Fleet) -> None:
    kubelet = client_certificate(fleet.deployment.identity.authorities["client-ca"], "system:node:a1", "system:nodes")
    host = fleet.hosts["s1"]
    host.run("cat > /root/kubelet.crt", stdin=kubelet.certificate)
    host.run("cat > /root/kubelet.key", stdin=kubelet.key)
    mine = ETCDCTL.replace(f"{TLS}/etcd/client", "/root/kubelet")
    assert "ok" in host.run(f"{ETCDCTL} put /test ok && {ETCDCTL} get /test")
    host.run(f"{mine} --command-timeout=3s put /test broken 2>/dev/null; true")
    assert host.run(f"{ETCDCTL} get /test --print-value-only") == "ok\n"
    assert "certificate signed by unknown authority" in host.run("cat /var/lib/rancher/k3s/stand-in/etcd.log")


def test_etcds_ports_answer_servers_only(fleet: Fleet) -> None:
    def answers(name: str, port: int) -> bool:
        done = fleet.hosts[name].run(f"timeout 2 bash -c '</dev/tcp/{ADDRESSES['s2']}/{port}' 2>/dev/null && echo open; true")
        return done == "open\n"

    assert {(name, port): answers(name, port) for name in ("s1", "a1") for port in (2379, 2380, 6443)} == {
        ("s1", 2379): True,
        ("s1", 2380): True,
        ("s1", 6443): True,
        ("a1", 2379): False,
        ("a1", 2380): False,
        ("a1", 6443): True,
    }
    outside = subprocess.run(
        [*fleet.lab.inside, "timeout", "2", "bash", "-c", f"</dev/tcp/{ADDRESSES['s2']}/2379"], check=False, capture_output=True
    )
    assert outside.returncode != 0


def test_a_secret_is_encrypted_in_etcd_which_proves_that_our_setting_reached_the_server_and_no_more(fleet: Fleet) -> None:
    fleet.kubectl("create secret generic sealed --from-literal=word=swordfish")
    stored = fleet.hosts["s2"].run(f"{ETCDCTL} get /registry/secrets/default/sealed --print-value-only | tr -cd '[:print:]'")
    assert stored.startswith("k8s:enc:aescbc:v1:")
    assert "swordfish" not in stored
    plain = fleet.hosts["s2"].run(f"{ETCDCTL} get /registry/clusterrolebindings/ib-admins --print-value-only | tr -cd '[:print:]'")
    assert "ib:admins" in plain, "the search itself must find what is there"


def test_the_audit_log_is_written_by_our_policy(fleet: Fleet) -> None:
    fleet.kubectl("create secret generic audited --from-literal=word=swordfish")
    fleet.kubectl("create configmap audited-too --from-literal=word=swordfish")
    fleet.kubectl("create serviceaccount audited")
    entries = [json.loads(line) for line in fleet.hosts["s1"].run(f"cat {TLS}/../logs/audit.log").splitlines()]

    def found(resource: str, name: str) -> list[dict[str, Any]]:
        return [e for e in entries if e.get("objectRef", {}).get("resource") == resource and e["objectRef"].get("name") == name]

    secret, account = found("secrets", "audited"), found("serviceaccounts", "audited")
    assert [(entry["level"], "requestObject" in entry) for entry in secret] == [("Metadata", False)]
    assert [(entry["level"], "requestObject" in entry) for entry in account] == [("Request", True)]
    assert secret[0]["user"]["username"] == "system:admin"
    assert "swordfish" not in json.dumps(entries)
    assert [e for e in entries if e.get("objectRef", {}).get("resource") in ("leases", "events")] == []


def test_pods_are_restricted_but_in_the_namespaces_named(fleet: Fleet) -> None:
    fleet.kubectl("create namespace plain")
    until(lambda: "default" in fleet.kubectl("-n plain get serviceaccounts"), "the namespace is complete", 30)
    refused = fleet.hosts["s1"].run(f"k3s kubectl -n plain create -f - <<'E' 2>&1; true\n{PRIVILEGED}\nE\n")
    assert 'violates PodSecurity "restricted:latest"' in refused
    assert "created" in fleet.kubectl("-n kube-system create -f -", stdin=PRIVILEGED)
    fleet.kubectl("-n kube-system delete pod privileged --now")
    ready = "-n kube-system get daemonset kube-vip -o jsonpath={.status.currentNumberScheduled}"
    until(lambda: fleet.kubectl(ready) == "3", "kube-vip, which needs the host, is admitted on three servers", 30)


@pytest.mark.parametrize("name", ["s1", "s2", "a1"])
def test_files_of_k3s_are_roots_alone(fleet: Fleet, name: str) -> None:
    folders = f"{CONFIG_DIR} /etc/rancher/node {TLS} {TLS}/../cred {TLS}/../logs"
    loose = fleet.hosts[name].run(f"find {folders} -type f -perm /077 2>/dev/null; true")
    assert loose == ""


def test_kernel_settings_modules_clock_and_names_are_prepared(fleet: Fleet) -> None:
    for host in fleet.hosts.values():
        assert host.run("sysctl -n vm.overcommit_memory; sysctl -n kernel.panic").split() == ["1", "10"]
        assert host.run("systemctl is-active chrony; systemctl is-enabled chrony").split() == ["active", "enabled"]
        assert host.run("getent hosts dex.test.example.com").split() == ["192.168.1.240", "dex.test.example.com"]
        assert "Unattended-Upgrade" in host.run("cat /etc/apt/apt.conf.d/52inference-platform")
