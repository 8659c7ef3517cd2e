"""The cluster's servers as Terraform resources. What they do on a machine is the hosts tier's."""

from __future__ import annotations

from typing import Any

import yaml
from cdktf import TerraformStack

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


def test_no_secret_is_part_of_a_command() -> None:
    secrets = secret_values(IDENTITY).values()
    for resource in resources(cluster(machine("s1"), machine("g2", "agent")), "terraform_data"):
        text = "\n".join(commands(resource))
        assert [secret for secret in secrets if secret in text] == []


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
    assert "kube-vip.yaml" not in manifests(alone)


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
    pod = yaml.safe_load(manifests(SETTINGS)["kube-vip.yaml"])["spec"]["template"]["spec"]
    env = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
    assert env["k8s_config_file"] == "/etc/rancher/k3s/k3s.yaml"
    assert env["address"] == VIP
    assert env["vip_leaderelection"] == "true"
    assert env["svc_enable"] == "false"
    assert all(isinstance(value, str) for name, value in env.items() if name != "vip_nodename"), "Kubernetes refuses others"
