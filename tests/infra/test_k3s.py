"""The cluster's servers as Terraform resources. What they do on a machine is the hosts tier's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from cdktf import DataResource, TerraformStack, TerraformVariable

from ib_constructs import K3sCluster, K3sClusterProps, K3sSettings, Server
from ib_constructs.cluster.k3s import SCRIPTS
from ib_constructs.cluster.k3s_config import files, manifests
from ib_constructs.cluster.k3s_files import Registry
from tests.infra.synthesis import Document, only, resources, synthesise
from tests.support.identities import make_identity, secret_values

IDENTITY = make_identity()
VIP = "192.168.1.252"
ISSUER = "https://dex.example.com"
SETTINGS = K3sSettings(api_vip=VIP, api_names=[VIP, "203.0.113.10", "k3s.example.com"], issuer=ISSUER)
ALONE = K3sSettings(api_vip=None, api_names=[], issuer=ISSUER)


def machine(name: str, role: str = "server", host_key: str = "key") -> Server:
    number = int(name[1:])
    return Server(
        name=name, role=role, ip=f"192.168.1.{10 + number}", ssh_host="203.0.113.10", ssh_port=2200 + number, ssh_host_key=host_key
    )


def props(*servers: Server, settings: K3sSettings = SETTINGS, **changes: Any) -> K3sClusterProps:
    place: dict[str, Any] = {"ingress_ip": "192.168.1.240", "issuer_host": "dex.example.com"}
    return K3sClusterProps(servers=servers, identity=IDENTITY, settings=settings, ssh_private_key="${var.key}", **place, **changes)


def cluster(*servers: Server, settings: K3sSettings = SETTINGS, **changes: Any) -> Document:
    def build(stack: TerraformStack) -> None:
        K3sCluster(stack, "k3s", props(*servers, settings=settings, **changes))

    return synthesise(build)


def config(role: str = "server", settings: K3sSettings = SETTINGS) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(files("s1", "192.168.1.11", role, "label", settings)["etc/config.yaml"])
    return found


def commands(resource: dict[str, Any]) -> list[str]:
    """What the provisioners of *resource* run, in order."""
    found: list[str] = []
    for provisioner in resource["provisioner"]:
        for settings in provisioner.values():
            found += settings.get("inline", [settings.get("command", "")])
    return found


def test_pods_and_services_have_the_networks_that_the_location_gives_them() -> None:
    own = replace(ALONE, cluster_cidr="10.142.0.0/16", service_cidr="10.143.0.0/16")
    for settings, networks in ((ALONE, ("10.42.0.0/16", "10.43.0.0/16")), (own, ("10.142.0.0/16", "10.143.0.0/16"))):
        assert (config(settings=settings)["cluster-cidr"], config(settings=settings)["service-cidr"]) == networks
    assert "cluster-cidr" not in config("agent", settings=own), "an agent is told by its server"


def test_servers_follow_one_after_another_then_agents_together() -> None:
    document = cluster(machine("s1"), machine("s2"), machine("s3"), machine("g4", "agent"), machine("g5", "agent"))
    data = document["resource"]["terraform_data"]
    address = {name.removeprefix("k3s_").rsplit("_", 1)[0]: f"terraform_data.{name}" for name in data}
    control_plane = ["prepare-s1", "prepare-s2", "prepare-s3"]
    for name, before in {
        "install-s1": control_plane,
        "install-s2": [*control_plane, "configure-s1"],
        "install-s3": [*control_plane, "configure-s2"],
        "install-g4-as-agent": ["prepare-g4", "configure-s3"],
        "install-g5-as-agent": ["prepare-g5", "configure-s3"],
        "prepare-g5": ["retire-s1", "retire-s2", "retire-s3", "retire-g4", "retire-g5"],
        "retire-g5": ["membership"],
        "membership": ["checks"],
    }.items():
        assert only(document, "terraform_data", f"k3s_{name}")["depends_on"] == [address[each] for each in before]
    for name in ("s1", "s2", "g4-as-agent"):
        configure = only(document, "terraform_data", f"k3s_configure-{name}")
        assert configure["triggers_replace"]["installation"] == f"${{{address[f'install-{name}']}.id}}"


def leaving(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """The provisioners of *resource* that run when it is destroyed."""
    return [settings for item in resource["provisioner"] for settings in item.values() if settings.get("when") == "destroy"]


def scripts_and_places(steps: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Each script that runs, and the host that it runs on."""
    run = [step for step in steps if "inline" in step and step["inline"][-1].endswith(".sh")]
    return [(step["inline"][-1].rpartition("/")[2].removesuffix(".sh"), step["connection"]["host"]) for step in run]


@pytest.mark.parametrize("names", [["s1"], ["s1", "s2", "s3"]])
def test_a_server_that_leaves_is_held_let_go_by_those_that_stay_and_uninstalled(names: list[str]) -> None:
    staying = [machine(name) for name in names]
    membership = only(cluster(*staying, machine("g4", "agent")), "terraform_data", "k3s_membership")
    (asked, *steps), own = leaving(membership), "${self.input.host}"
    assert asked["command"].endswith("/keep.sh"), "before anything is done to it"
    assert "on_failure" not in asked, "a server with the only copy of a volume stops the plan"
    assert [line.split()[0] for line in asked["environment"]["HELPERS"].splitlines()] == names
    assert all(step["on_failure"] == "continue" for step in steps), "a machine that is gone does not stop the plan"
    retire = [("retire", server.ssh_host) for server in staying]
    assert scripts_and_places(steps) == [("step-down", own), *retire, ("leave", own)]
    assert f"STAYING='{' '.join(names)} g4'" in steps[-1]["inline"][-1]


def test_a_failed_check_can_be_repeated_where_membership_is_protected() -> None:
    document = cluster(machine("s1"), protect=True)
    checks, membership = only(document, "terraform_data", "k3s_checks"), only(document, "terraform_data", "k3s_membership")
    assert "lifecycle" not in checks
    assert "preflight.sh" in commands(checks)[-1]
    assert all(step.get("when") == "destroy" for item in membership["provisioner"] for step in item.values()), "nothing can taint it"


def test_the_order_of_the_servers_in_the_file_changes_nothing() -> None:
    servers = [machine("s1"), machine("s2"), machine("s3")]

    def triggers(*servers: Server) -> dict[str, Any]:
        return {name: data.get("triggers_replace") for name, data in cluster(*servers)["resource"]["terraform_data"].items()}

    assert triggers(*servers) == triggers(*reversed(servers))


def test_what_had_a_servers_name_is_held_retired_through_all_others_and_stopped() -> None:
    servers = [machine("s1"), machine("s2"), machine("s3")]
    retire = only(cluster(*servers), "terraform_data", "k3s_retire-s1")
    own, steps = "${self.input.host}", [settings for item in retire["provisioner"] for settings in item.values()]
    expected = [("step-down", own), *(("retire", server.ssh_host) for server in servers[1:]), ("step-down", own)]
    assert scripts_and_places(steps) == expected
    assert ["STEP=hold" in command for command in commands(retire) if command.endswith("step-down.sh")] == [True, False]


def test_a_peer_that_is_away_bars_the_first_deployment_only() -> None:
    document = cluster(machine("s1"), machine("g2", "agent"))
    assert "SILENT_PEER=problem" in commands(only(document, "terraform_data", "k3s_checks"))[-1]
    assert "SILENT_PEER=warning" in " ".join(commands(only(document, "terraform_data", "k3s_install-s1")))


def test_a_founder_that_gets_company_is_configured_again() -> None:
    def alone(*servers: Server) -> str:
        document = cluster(*servers)
        triggers = only(document, "terraform_data", "k3s_configure-s1")["triggers_replace"]
        found: str = triggers["alone"]
        return found

    assert (alone(machine("s1")), alone(machine("s1"), machine("g2", "agent"))) == ("yes", "yes")
    assert alone(machine("s1"), machine("s2"), machine("s3")) == "no"


def test_the_key_that_the_end_needs_stands_in_the_state_sealed() -> None:
    membership = only(cluster(machine("s1"), machine("g2", "agent")), "terraform_data", "k3s_membership")
    assert "private_key" not in membership["for_each"]["s1"]
    assert "private_key = local.k3s_sealed-key_" in membership["input"]
    assert membership["triggers_replace"].startswith("${local.k3s_seal-key_"), "it must stay the same for as long as the cluster"
    for step in leaving(membership):
        key = step["connection"]["private_key"] if "connection" in step else step["environment"]["SSH_PRIVATE_KEY"]
        assert "self.input.private_key.text" in key
        assert "local." not in key


def test_a_rotated_ssh_key_is_no_reason_to_touch_k3s() -> None:
    for resource in resources(cluster(machine("s1")), "terraform_data"):
        assert "ssh-private-key" not in str(resource.get("triggers_replace"))
        assert all(
            "host_key" in step["connection"] for item in resource["provisioner"] for kind, step in item.items() if kind != "local-exec"
        )


def test_a_server_alone_in_its_role_has_nobody_to_retire_it() -> None:
    alone = cluster(machine("s1"), machine("g4", "agent"))
    assert [name for name in alone["resource"]["terraform_data"] if "retire" in name] == [
        next(name for name in alone["resource"]["terraform_data"] if "retire-g4" in name)
    ]


def test_another_machine_or_role_is_another_installation() -> None:
    def label(*arguments: str) -> str:
        document = cluster(machine("s1"), machine("s2"), machine("s3"), machine("g9", *arguments))
        return next(line for line in commands(only(document, "terraform_data", "k3s_retire-g9")) if line.endswith("retire.sh"))

    assert len({label("agent"), label("agent", "new key"), label("server")}) == 3
    assert label("agent") == label("agent")


def test_preparation_opens_etcds_ports_to_the_servers_that_run_it() -> None:
    document = cluster(machine("s1"), machine("s2"), machine("s3"), machine("g4", "agent"), shared_storage=True)
    triggers = only(document, "terraform_data", "k3s_prepare-g4")["triggers_replace"]
    assert triggers["CONTROL_PLANE"] == "192.168.1.11 192.168.1.12 192.168.1.13"
    assert triggers["HOSTS"] == "192.168.1.240 dex.example.com"
    assert triggers["SHARED_STORAGE"] == "yes"


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
        made = K3sCluster(stack, "k3s", props(machine("s1"), machine("g2", "agent")))
        DataResource(stack, "after", depends_on=[made.ready])

    (before,) = only(synthesise(build), "terraform_data", "after")["depends_on"]
    assert before.startswith("terraform_data.k3s_configure-s1_")


@pytest.mark.parametrize("protect", [True, False])
def test_a_protected_location_keeps_k3s_on_its_servers(*, protect: bool) -> None:
    membership = only(cluster(machine("s1"), protect=protect), "terraform_data", "k3s_membership")
    assert membership["lifecycle"]["prevent_destroy"] is protect


def test_a_moved_vip_is_told_to_those_that_join_through_it_and_not_to_the_founder() -> None:
    def triggers(vip: str, name: str) -> dict[str, Any]:
        settings = K3sSettings(api_vip=vip, api_names=[], issuer=ISSUER)
        document = cluster(machine("s1"), machine("g2", "agent"), settings=settings)
        found: dict[str, Any] = only(document, "terraform_data", f"k3s_install-{name}")["triggers_replace"]
        return found

    assert triggers("192.168.1.252", "g2-as-agent") != triggers("192.168.1.253", "g2-as-agent")
    assert triggers("192.168.1.252", "s1") == triggers("192.168.1.253", "s1")


def test_an_unpinned_binary_is_warned_about_and_a_pinned_one_is_not() -> None:
    (told,) = cluster(machine("s1"), binary_sha256=None)["check"]["k3s_checksum"]["assert"]
    assert "make pin" in told["error_message"]
    assert "check" not in cluster(machine("s1"), binary_sha256="a" * 64)


def test_scripts_run_by_sh_from_memory_in_a_directory_of_roots_that_a_timer_clears() -> None:
    install = only(cluster(machine("s1")), "terraform_data", "k3s_install-s1")
    text = "\n".join(commands(install))
    stage = "/run/inference-platform/install-${self.input.name}"
    assert f'$sudo install -d -m 0700 -o "$(id -un)" {stage}' in text
    assert "systemd-run --quiet --collect --unit=inference-platform-clear-install-${self.input.name} --on-active=20min" in text
    assert text.endswith(f"sh {stage}/install.sh")
    places = {step["connection"]["script_path"] for item in install["provisioner"] for kind, step in item.items() if kind != "local-exec"}
    (place,) = places
    assert place.startswith('${try(self.input.user, "root") == "root" ? "/root" : "/home/'), (
        "the default place may be noexec, and is everyone's"
    )
    assert place.endswith("/.terraform-%RAND%.sh"), "the default place may be noexec, and is everyone's"


def test_the_first_server_founds_and_the_others_join_through_the_vip() -> None:
    document = cluster(machine("s1"), machine("s2"), machine("s3"))
    first, second = (commands(only(document, "terraform_data", f"k3s_install-{name}"))[-1] for name in ("s1", "s2"))
    assert "FOUNDER=yes" in first
    assert f"PEERS='192.168.1.12 192.168.1.13 {VIP}'" in first
    assert "FOUNDER=no" in second
    assert f"JOIN_ADDRESS={VIP}" in second


def test_without_a_vip_agents_join_through_the_only_server() -> None:
    document = cluster(machine("s1"), machine("g2", "agent"), settings=ALONE)
    assert "JOIN_ADDRESS=192.168.1.11" in commands(only(document, "terraform_data", "k3s_install-g2-as-agent"))[-1]
    assert "ib-kube-vip.yaml" not in manifests(ALONE)


def test_a_mirror_replaces_the_releases_and_brings_its_checksum() -> None:
    document = cluster(machine("s1"), releases_url="http://mirror/k3s/", binary_sha256="a" * 64)
    command = commands(only(document, "terraform_data", "k3s_install-s1"))[-1]
    assert "K3S_URL=http://mirror/k3s/v1.36.5%2Bk3s1" in command
    assert f"K3S_SHA256={'a' * 64}" in command


def test_a_servers_configuration_encrypts_secrets_and_answers_to_every_name() -> None:
    found = config()
    assert found["secrets-encryption"] is True
    assert found["tls-san"] == ["192.168.1.11", VIP, "203.0.113.10", "k3s.example.com"]
    assert found["disable"] == ["servicelb", "traefik"]
    assert found["write-kubeconfig-mode"] == "0600"
    assert "token" not in found, "a token stands in a file of its own"


def test_nobody_is_anonymous_and_people_come_by_the_issuer_with_a_prefix() -> None:
    found = yaml.safe_load(files("s1", "192.168.1.11", "server", "label", SETTINGS)["etc/authentication.yaml"])
    assert found["anonymous"] == {"enabled": False}, "K3s drops its own setting as soon as there is this file"
    (issuer,) = found["jwt"]
    assert issuer["issuer"] == {"url": ISSUER, "audiences": ["k3s"]}
    assert {claim["prefix"] for claim in issuer["claimMappings"].values()} == {"oidc:"}


def test_the_issuers_certificate_may_be_a_reference_that_only_terraform_knows() -> None:
    def build(stack: TerraformStack) -> None:
        root = TerraformVariable(stack, "root").string_value
        K3sCluster(stack, "k3s", props(machine("s1"), settings=replace(SETTINGS, issuer_ca=root)))

    configure = only(synthesise(build), "terraform_data", "k3s_configure-s1")
    content = next(step["file"]["content"] for step in configure["provisioner"] if "content" in step.get("file", {}))
    assert "jsonencode(var.root)" in content
    assert configure["triggers_replace"]["issuer_ca"] == "${sha256(var.root)}"
    plain = only(cluster(machine("s1")), "terraform_data", "k3s_configure-s1")
    assert configure["triggers_replace"]["files"] == plain["triggers_replace"]["files"], "no text that stands for a value is hashed"


def test_files_that_the_configuration_names_are_there() -> None:
    found = files("s1", "192.168.1.11", "server", "label", SETTINGS)
    for argument in config()["kube-apiserver-arg"]:
        _, _, path = argument.partition("=/etc/rancher/k3s/")
        assert not path or f"etc/{path}" in found
    rate = next(plugin for plugin in yaml.safe_load(found["etc/admission.yaml"])["plugins"] if plugin["name"] == "EventRateLimit")
    assert rate["path"] == "/etc/rancher/k3s/event-rate-limit.yaml"


def test_the_audit_log_never_holds_a_secrets_content() -> None:
    rules = yaml.safe_load(files("s1", "192.168.1.11", "server", "label", SETTINGS)["etc/audit-policy.yaml"])["rules"]
    first = next(rule for rule in rules if any("secrets" in group.get("resources", []) for group in rule.get("resources", [])))
    assert first["level"] == "Metadata"
    assert not any(rule["level"] in ("Request", "RequestResponse") for rule in rules[: rules.index(first)])
    assert not any(rule["level"] == "RequestResponse" for rule in rules), "an answer to a read is none of the log's business"


def test_kernel_settings_that_the_kubelet_insists_on_are_those_that_servers_are_prepared_with() -> None:
    assert config()["protect-kernel-defaults"] is True
    assert config("agent")["protect-kernel-defaults"] is True
    prepared = (SCRIPTS / "kernel.sh").read_text()
    for line in ("vm.panic_on_oom = 0", "vm.overcommit_memory = 1", "kernel.panic = 10", "kernel.panic_on_oops = 1"):
        assert line in prepared


def test_packaged_storage_is_off_where_longhorn_is_on() -> None:
    assert "local-storage" in config(settings=replace(SETTINGS, packaged_storage=False))["disable"]


def test_snapshots_go_to_the_bucket_by_a_secret_and_no_key_stands_beside_it() -> None:
    found = config(settings=replace(SETTINGS, snapshots_to_s3=True))
    assert {key: value for key, value in found.items() if "s3" in key} == {
        "etcd-s3": True,
        "etcd-s3-config-secret": "k3s-etcd-snapshot-s3-config",
    }
    assert found["etcd-snapshot-schedule-cron"] == "0 */6 * * *"
    assert not [key for key in config() if "s3" in key]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"image_mirror": "https://mirror"}, {"mirrors": {"*": {"endpoint": ["https://mirror"]}}}),
        ({"embedded_registry": True}, {"mirrors": {"*": {}}}),
        ({"image_mirror": "https://mirror", "embedded_registry": True}, {"mirrors": {"*": {"endpoint": ["https://mirror"]}}}),
    ],
)
def test_images_come_from_a_mirror_or_the_other_servers_on_every_server(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    settings = replace(SETTINGS, **changes)
    for role in ("server", "agent"):
        assert yaml.safe_load(files("s1", "192.168.1.11", role, "label", settings)["etc/registries.yaml"]) == expected
    assert config(settings=settings).get("embedded-registry", False) is bool(changes.get("embedded_registry"))
    assert "embedded-registry" not in config("agent", settings), "a key that agents do not know"


def test_without_a_mirror_there_is_no_file_of_registries() -> None:
    assert "etc/registries.yaml" not in files("s1", "192.168.1.11", "agent", "label", SETTINGS)


def test_an_agent_knows_only_its_own_token_and_no_file_of_the_control_plane() -> None:
    found = files("g1", "192.168.1.21", "agent", "label", SETTINGS)
    assert list(found) == ["etc/config.yaml"]
    keys = yaml.safe_load(found["etc/config.yaml"])
    assert keys["token-file"] == "/etc/rancher/k3s/agent-token"
    assert keys["node-label"] == ["inferencebros.com/installation=label"]
    assert sorted(keys) == ["kubelet-arg", "node-ip", "node-label", "node-name", "protect-kernel-defaults", "token-file"]


def test_kube_vip_speaks_to_its_own_servers_api_only() -> None:
    pod = yaml.safe_load(manifests(SETTINGS)["ib-kube-vip.yaml"])["spec"]["template"]["spec"]
    env = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
    assert env["k8s_config_file"] == "/etc/rancher/k3s/k3s.yaml"
    assert env["address"] == VIP
    assert env["vip_leaderelection"] == "true"
    assert env["svc_enable"] == "false"
    assert all(isinstance(value, str) for name, value in env.items() if name != "vip_nodename"), "Kubernetes refuses others"


REGISTRIES = [
    Registry(host="harbor.lan:5000", username="robot$k3s", ca="-----BEGIN CERTIFICATE-----\nMA==\n"),
    Registry(host="ghcr.io", username="ana"),
    Registry(host="plain.lan", ca="-----BEGIN CERTIFICATE-----\nMQ==\n"),
]


def registry_files(*registries: Registry, mirror: str | None = None) -> dict[str, str]:
    return files("g1", "192.168.1.21", "agent", "label", replace(ALONE, registries=registries, image_mirror=mirror))


def test_registries_have_a_login_and_an_authority_each_of_its_own_on_every_server() -> None:
    found = registry_files(*REGISTRIES)
    told = yaml.safe_load(found["etc/registries.yaml"])
    assert list(told) == ["configs"]
    configs = told["configs"]
    assert configs["harbor.lan:5000"] == {
        "auth": {"username": "robot$k3s", "password": "PASSWORD_harbor.lan_5000_"},
        "tls": {"ca_file": "/etc/rancher/k3s/registry-harbor.lan_5000.pem"},
    }
    assert configs["ghcr.io"] == {"auth": {"username": "ana", "password": "PASSWORD_ghcr.io_"}}
    assert configs["plain.lan"] == {"tls": {"ca_file": "/etc/rancher/k3s/registry-plain.lan.pem"}}
    assert found["etc/registry-harbor.lan_5000.pem"] == REGISTRIES[0].ca
    assert [name for name in found if "registry-" in name] == ["etc/registry-harbor.lan_5000.pem", "etc/registry-plain.lan.pem"]


def test_a_mirror_may_ask_for_a_login() -> None:
    told = yaml.safe_load(registry_files(REGISTRIES[1], mirror="https://ghcr.io/v2/x")["etc/registries.yaml"])
    assert told["mirrors"] == {"*": {"endpoint": ["https://ghcr.io/v2/x"]}}
    assert told["configs"]["ghcr.io"]["auth"]["username"] == "ana"


def test_a_registrys_password_is_content_of_an_uploaded_file_and_a_new_one_configures_k3s_again() -> None:
    def build(stack: TerraformStack) -> None:
        password = TerraformVariable(stack, "p", sensitive=True).string_value
        registry = Registry(host="harbor.lan", username="ana", password=password)
        K3sCluster(stack, "k3s", props(machine("s1"), settings=replace(ALONE, registries=[registry])))

    configure = only(synthesise(build), "terraform_data", "k3s_configure-s1")
    content = next(step["file"]["content"] for step in configure["provisioner"] if "content" in step.get("file", {}))
    assert "jsonencode(var.p)" in content
    assert "var.p" in configure["triggers_replace"].pop("registry_passwords")
    assert "var.p" not in json.dumps(configure["triggers_replace"])
    assert [command for command in commands(configure) if "var.p" in command] == []
    again = only(synthesise(build), "terraform_data", "k3s_configure-s1")
    assert again["triggers_replace"]["files"] == configure["triggers_replace"]["files"], "no text that stands for a value is hashed"


def test_a_server_is_registered_with_its_labels_and_taints_and_keeps_them_by_the_api() -> None:
    own = replace(machine("s1"), labels=["rack=a1"], taints=["gpu=yes:NoSchedule"])
    document = cluster(own, machine("s2"), machine("s3"), replace(machine("g4", "agent"), labels=["rack=a2"]))

    def labelling(name: str) -> tuple[str, str]:
        step = only(document, "terraform_data", f"k3s_configure-{name}")["provisioner"][-1]["remote-exec"]
        return step["inline"][-1], step["connection"]["host"]

    command, host = labelling("s1")
    assert "NODE=s1 LABELS=rack=a1 TAINTS=gpu=yes:NoSchedule sh" in command
    assert host == "${self.input.host}", "it is its own way to the API"
    command, host = labelling("g4-as-agent")
    assert "NODE=g4 LABELS=rack=a2 TAINTS='' sh" in command
    assert host == machine("s3").ssh_host, "an agent may change neither"
    assert "TAINTS=''" in labelling("s2")[0], "what was given before is taken away"
    found = files("s1", "192.168.1.11", "agent", "label", ALONE, labels=own.labels, taints=own.taints)["etc/config.yaml"]
    assert yaml.safe_load(found)["node-label"] == ["inferencebros.com/installation=label", "rack=a1"]
    assert yaml.safe_load(found)["node-taint"] == ["gpu=yes:NoSchedule"]


def test_who_logs_in_stands_with_the_way_to_a_server_where_it_is_not_root() -> None:
    document = cluster(machine("s1"), replace(machine("g2", "agent"), ssh_user="ana"))
    ways = {name: only(document, "terraform_data", f"k3s_configure-{name}")["input"] for name in ("s1", "g2-as-agent")}
    assert "user" not in ways["s1"], "nothing changes for a location that is there already"
    assert ways["g2-as-agent"]["user"] == "ana"
    assert only(document, "terraform_data", "k3s_membership")["for_each"]["g2"]["user"] == "ana"
    for resource in resources(document, "terraform_data"):
        for step in resource["provisioner"]:
            for kind, told in step.items():
                user = told.get("connection", {}).get("user", "")
                assert kind == "local-exec" or user.startswith(("${try(", "root")), "what was deployed before has none"
                assert [line for line in told.get("inline", []) if " /run/" in line and not line.startswith(("$sudo", "[ "))] == []
