"""The cluster's servers as Terraform resources. What they do on a machine is the hosts tier's."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from cdktf import DataResource, TerraformStack

from ib_constructs import K3sCluster, K3sClusterProps, K3sSettings, Server
from ib_constructs.k3s_config import agent_config, manifests, server_config
from tests.identities import make_identity, secret_values
from tests.infra.synthesis import Document, only, resources, synthesise

IDENTITY = make_identity()
VIP = "192.168.1.252"
SETTINGS = K3sSettings(api_vip=VIP, api_names=[VIP, "203.0.113.10", "k3s.example.com"])


def machine(name: str, role: str = "server", host_key: str = "key") -> Server:
    number = int(name[1:])
    return Server(
        name=name, role=role, ip=f"192.168.1.{10 + number}", ssh_host="203.0.113.10", ssh_port=2200 + number, ssh_host_key=host_key
    )


def cluster(*servers: Server, settings: K3sSettings = SETTINGS, **changes: Any) -> Document:
    props = K3sClusterProps(servers=servers, identity=IDENTITY, settings=settings, ssh_private_key="${var.key}", **changes)

    def build(stack: TerraformStack) -> None:
        K3sCluster(stack, "k3s", props)

    return synthesise(build)


def commands(resource: dict[str, Any]) -> list[str]:
    """What the provisioners of *resource* run, in order."""
    found: list[str] = []
    for provisioner in resource["provisioner"]:
        for settings in provisioner.values():
            found += settings.get("inline", [settings.get("command", "")])
    return found


def test_servers_follow_one_after_another_then_agents_together() -> None:
    document = cluster(machine("s1"), machine("s2"), machine("s3"), machine("g4", "agent"), machine("g5", "agent"))
    data = document["resource"]["terraform_data"]
    address = {name.removeprefix("k3s_").rsplit("_", 1)[0]: f"terraform_data.{name}" for name in data}
    for name, before in {
        "install-s1": "membership",
        "install-s2": "configure-s1",
        "install-s3": "configure-s2",
        "install-g4": "configure-s3",
        "install-g5": "configure-s3",
    }.items():
        assert only(document, "terraform_data", f"k3s_{name}")["depends_on"] == [address[before]]
        configure = only(document, "terraform_data", f"k3s_{name.replace('install', 'configure')}")
        assert configure["triggers_replace"]["installation"] == f"${{{address[name]}.id}}"


def test_all_servers_pass_the_preflight_in_one_resource_that_uninstalls_those_that_leave() -> None:
    membership = only(cluster(machine("s1"), machine("g2", "agent")), "terraform_data", "k3s_membership")
    assert sorted(membership["for_each"]) == ["g2", "s1"]
    assert "private_key" not in membership["for_each"]["s1"]
    assert membership["input"]["private_key"] == "${var.key}"
    at_destroy = [settings for item in membership["provisioner"] for settings in item.values() if settings.get("when") == "destroy"]
    assert at_destroy[-1]["inline"][-1].endswith("/leave.sh")
    assert all(settings["on_failure"] == "continue" for settings in at_destroy)


def test_connection_data_is_read_from_the_input_so_that_a_rotated_key_installs_nothing_anew() -> None:
    for resource in resources(cluster(machine("s1")), "terraform_data"):
        assert resource["connection"]["private_key"] == "${self.input.private_key}"
        assert resource["connection"]["host_key"] == "${self.input.host_key}"
        assert "var.key" not in str(resource.get("triggers_replace"))


def test_a_machine_installed_anew_shows_by_its_host_key_and_is_installed_again() -> None:
    before, after = (only(cluster(machine("s1", host_key=key)), "terraform_data", "k3s_install-s1") for key in ("old", "new"))
    assert before["triggers_replace"] != after["triggers_replace"]


def test_secrets_are_content_of_an_uploaded_file_and_nothing_else() -> None:
    marks = [text.splitlines()[len(text.splitlines()) // 2] for text in secret_values(IDENTITY).values()]
    uploaded = ""
    for resource in resources(cluster(machine("s1"), machine("g2", "agent")), "terraform_data"):
        for provisioner in resource["provisioner"]:
            uploaded += provisioner.get("file", {}).pop("content", "")
        assert [mark for mark in marks if mark in json.dumps(resource)] == []
    assert len([mark for mark in marks if mark in uploaded]) == len(marks) - 1, "all but the administrators' key, which no server needs"


def test_agents_do_not_hold_up_the_cluster() -> None:
    def build(stack: TerraformStack) -> None:
        props = K3sClusterProps(
            servers=[machine("s1"), machine("g2", "agent")], identity=IDENTITY, settings=SETTINGS, ssh_private_key="key"
        )
        DataResource(stack, "after", depends_on=[K3sCluster(stack, "k3s", props).ready])

    (before,) = only(synthesise(build), "terraform_data", "after")["depends_on"]
    assert before.startswith("terraform_data.k3s_configure-s1_")


@pytest.mark.parametrize("protect", [True, False])
def test_a_protected_location_keeps_k3s_on_its_servers(*, protect: bool) -> None:
    membership = only(cluster(machine("s1"), protect=protect), "terraform_data", "k3s_membership")
    assert membership["lifecycle"]["prevent_destroy"] is protect


def test_a_moved_vip_is_told_to_those_that_join_through_it_and_not_to_the_founder() -> None:
    def triggers(vip: str, name: str) -> dict[str, Any]:
        settings = K3sSettings(api_vip=vip, api_names=[])
        document = cluster(machine("s1"), machine("g2", "agent"), settings=settings)
        found: dict[str, Any] = only(document, "terraform_data", f"k3s_install-{name}")["triggers_replace"]
        return found

    assert triggers("192.168.1.252", "g2") != triggers("192.168.1.253", "g2")
    assert triggers("192.168.1.252", "s1") == triggers("192.168.1.253", "s1")


def test_an_unpinned_binary_is_warned_about_and_a_pinned_one_is_not() -> None:
    def warnings(sha256: str | None) -> list[str]:
        found: list[str] = []

        def build(stack: TerraformStack) -> None:
            props = K3sClusterProps(
                servers=[machine("s1")], identity=IDENTITY, settings=SETTINGS, ssh_private_key="key", binary_sha256=sha256
            )
            made = K3sCluster(stack, "k3s", props)
            found.extend(str(entry.data) for entry in made.node.metadata if "warn" in entry.type)

        synthesise(build)
        return found

    assert "make pin" in warnings(None)[0]
    assert warnings("a" * 64) == []


def test_scripts_run_by_sh_from_memory_in_a_directory_of_roots_that_a_timer_clears() -> None:
    install = only(cluster(machine("s1")), "terraform_data", "k3s_install-s1")
    text = "\n".join(commands(install))
    assert "install -d -m 0700 /run/inference-platform/install" in text
    assert "systemd-run --quiet --collect --unit=inference-platform-clear-install --on-active=20min" in text
    assert text.endswith("sh /run/inference-platform/install/install.sh")
    assert install["connection"]["script_path"].startswith("/root/"), "the default place may be noexec, and is everyone's"


def test_the_first_server_founds_and_the_others_join_through_the_vip() -> None:
    document = cluster(machine("s1"), machine("s2"), machine("s3"))
    first, second = (commands(only(document, "terraform_data", f"k3s_install-{name}"))[-1] for name in ("s1", "s2"))
    assert "FOUNDER=yes" in first
    assert f"PEERS='192.168.1.12 192.168.1.13 {VIP}'" in first
    assert "FOUNDER=no" in second
    assert f"JOIN_ADDRESS={VIP}" in second


def test_without_a_vip_agents_join_through_the_only_server() -> None:
    alone = K3sSettings(api_vip=None, api_names=[])
    document = cluster(machine("s1"), machine("g2", "agent"), settings=alone)
    assert "JOIN_ADDRESS=192.168.1.11" in commands(only(document, "terraform_data", "k3s_install-g2"))[-1]
    assert "ib-kube-vip.yaml" not in manifests(alone)


def test_a_mirror_replaces_the_releases_and_brings_its_checksum() -> None:
    document = cluster(machine("s1"), releases_url="http://mirror/k3s/", binary_sha256="a" * 64)
    command = commands(only(document, "terraform_data", "k3s_install-s1"))[-1]
    assert "K3S_URL=http://mirror/k3s/v1.36.5%2Bk3s1" in command
    assert f"K3S_SHA256={'a' * 64}" in command


def test_a_servers_configuration_encrypts_secrets_and_answers_to_every_name() -> None:
    config = yaml.safe_load(server_config("s1", "192.168.1.11", SETTINGS))
    assert config["secrets-encryption"] is True
    assert config["tls-san"] == ["192.168.1.11", VIP, "203.0.113.10", "k3s.example.com"]
    assert config["disable"] == ["servicelb", "traefik"]
    assert config["write-kubeconfig-mode"] == "0600"
    assert "token" not in config, "a token stands in a file of its own"


def test_packaged_storage_is_off_where_longhorn_is_on() -> None:
    settings = K3sSettings(api_vip=None, api_names=[], packaged_storage=False)
    assert "local-storage" in yaml.safe_load(server_config("s1", "192.168.1.11", settings))["disable"]


def test_an_agent_knows_only_its_own_token() -> None:
    assert yaml.safe_load(agent_config("g1", "192.168.1.21")) == {
        "node-name": "g1",
        "node-ip": "192.168.1.21",
        "token-file": "/etc/rancher/k3s/agent-token",
    }


def test_kube_vip_speaks_to_its_own_servers_api_only() -> None:
    pod = yaml.safe_load(manifests(SETTINGS)["ib-kube-vip.yaml"])["spec"]["template"]["spec"]
    env = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
    assert env["k8s_config_file"] == "/etc/rancher/k3s/k3s.yaml"
    assert env["address"] == VIP
    assert env["vip_leaderelection"] == "true"
    assert env["svc_enable"] == "false"
    assert all(isinstance(value, str) for name, value in env.items() if name != "vip_nodename"), "Kubernetes refuses others"
