"""The stacks of the repository's locations, whole."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cdktf import App
from cdktf import Testing as CdktfTesting
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ib_constructs.base.root_authority import LETSENCRYPT_STAGING_ROOTS
from stacks.location import LocationStack
from stacks.reports.summary import count_by_layer, describe
from tests.infra.synthesis import Document, only, resources, to_document
from tests.support.locations import NAMES, locations

ADDRESSES = Path(__file__).parent / "addresses"


@cache
def document(name: str) -> Document:
    return to_document(LocationStack(CdktfTesting.app(), locations()[name]))


def addresses(name: str) -> list[str]:
    return sorted(f"{kind}.{resource}" for kind, found in document(name)["resource"].items() for resource in found)


@pytest.mark.parametrize("name", NAMES)
def test_addresses_stay_as_they_are_for_a_changed_one_is_destroyed_and_made_anew(name: str) -> None:
    expected = (ADDRESSES / f"{name}.txt").read_text().splitlines()
    assert addresses(name) == expected, f"if this is meant, write the list to {ADDRESSES}/{name}.txt and say so in CHANGELOG.md"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_waits_for_nothing(name: str) -> None:
    waiting = [
        resource["depends_on"] for kind in document(name)["resource"].values() for resource in kind.values() if "depends_on" in resource
    ]
    assert waiting
    assert [] not in waiting, "cdktf drops what is no resource without a word"


@pytest.mark.parametrize("name", NAMES)
def test_secrets_are_variables_without_a_value_and_outputs_that_carry_them_are_sensitive(name: str) -> None:
    variables, outputs = document(name)["variable"], document(name)["output"]
    secrets = variables.keys() - {"location"}
    assert secrets == {
        *("ssh_private_key", "cloudflare_api_token", "s3_access_key", "s3_secret_key", "operator_password_hashes"),
        *("slack_webhook_url", "heartbeat_url", "hugging_face_token", "registry_passwords"),
    }
    assert all(variables[key]["sensitive"] is True and variables[key]["default"] is None for key in secrets)
    assert {key for key, output in outputs.items() if output.get("sensitive")} == {"k3s_kubeconfig_for_users", "k3s_kubeconfig_for_admins"}
    assert "PRIVATE KEY-----\\n" not in json.dumps(document(name)), "a key's text"


def test_a_secret_that_a_location_needs_is_asked_for_by_name() -> None:
    def asked_for(name: str) -> set[str]:
        return {key for key, variable in document(name)["variable"].items() if "is missing" in str(variable.get("validation"))}

    assert asked_for("local") == {"ssh_private_key"}, "without [dns] no Cloudflare token"
    assert asked_for("stalpeni") == {"ssh_private_key", "cloudflare_api_token", "s3_access_key", "s3_secret_key", "slack_webhook_url"}


def test_snapshots_reach_the_bucket_by_a_secret_that_exists_once_the_cluster_does() -> None:
    secret = only(document("stalpeni"), "kubernetes_secret_v1", "snapshots-s3")
    assert secret["metadata"] == {"name": "k3s-etcd-snapshot-s3-config", "namespace": "kube-system"}
    assert secret["data"]["etcd-s3-secret-key"] == "${var.s3_secret_key}"
    assert secret["data"]["etcd-s3-retention"] == "20", "as many as stay on the servers; K3s's own default is 5"
    assert "://" not in secret["data"]["etcd-s3-endpoint"], "K3s wants a host name"
    assert secret["depends_on"][0].startswith("terraform_data.k3s_configure-")
    assert resources(document("local"), "kubernetes_secret_v1", "snapshots-s3") == []


def test_a_location_with_a_root_of_its_own_puts_it_out_and_the_api_trusts_it() -> None:
    assert "tls_self_signed_cert.root_certificate" in document("local")["output"]["root_ca"]["value"]
    configure = only(document("local"), "terraform_data", "k3s_configure-s1")
    assert "tls_self_signed_cert.root_certificate" in configure["triggers_replace"]["issuer_ca"]
    assert "root_ca" not in document("stalpeni")["output"]
    assert "issuer_ca" not in only(document("stalpeni"), "terraform_data", "k3s_configure-s1")["triggers_replace"], "the servers' own store"


def test_the_api_of_a_location_of_staging_certificates_trusts_their_roots_and_no_others() -> None:
    found = x509.load_pem_x509_certificates(LETSENCRYPT_STAGING_ROOTS.encode())
    # As published at letsencrypt.org/docs/staging-environment.
    assert [certificate.fingerprint(hashes.SHA256()).hex() for certificate in found] == [
        "e70570a989f8565aabdf7cae27abd1621872d6a3f811e3fef27e3dba02912198",
        "9b2a339fe6a3e85585c4cd75536cb8c1cf7cd603b9a64bec2521858ae48da85d",
    ]
    assert LETSENCRYPT_STAGING_ROOTS.splitlines()[1] in json.dumps(only(document("pr"), "terraform_data", "k3s_configure-p1"))


@pytest.mark.parametrize("name", NAMES)
def test_all_stacks_declare_the_same_variables_so_that_one_tfvars_file_serves_each(name: str) -> None:
    assert document(name)["variable"].keys() == document("local")["variable"].keys()


@pytest.mark.parametrize("name", NAMES)
def test_a_stack_accepts_only_its_own_variables(name: str) -> None:
    (validation,) = document(name)["variable"]["location"]["validation"]
    assert validation["condition"] == f'${{var.location == "{name}"}}'


@pytest.mark.parametrize("name", NAMES)
def test_providers_reach_the_api_by_address_and_verify_its_name(name: str) -> None:
    location, providers = locations()[name], document(name)["provider"]
    for settings in (providers["kubernetes"][0], providers["helm"][0]["kubernetes"]):
        assert settings["host"] == f"https://{location.api_address}:6443"
        assert settings["tls_server_name"] == f"k3s.{location.domain}"
        assert "tls_locally_signed_cert" in settings["client_certificate"]
    config = yaml.safe_load(re.sub(r"\$\{.*?\}", "x", _file_of(document(name), "configure")))
    assert {str(location.api_address), f"k3s.{location.domain}"} <= set(config["tls-san"])


def _file_of(synthesised: Document, step: str) -> str:
    resource = resources(synthesised, "terraform_data", f"k3s_{step}")[-1]
    bundle = next(item["file"]["content"] for item in resource["provisioner"] if "content" in item.get("file", {}))
    said = re.search(r'config\.yaml \$\{base64encode\("(.*?)"\)\}', bundle)
    assert said
    return said[1].replace("\\n", "\n").replace('\\"', '"')


def test_the_state_is_in_terraform_cloud_where_an_organization_is_named_else_a_local_file() -> None:
    assert document("stalpeni")["terraform"]["cloud"] == {"organization": "inference-bros", "workspaces": {"name": "stalpeni"}}
    assert document("local")["terraform"]["backend"]["local"]["path"].endswith("/terraform.local.tfstate")


def test_only_production_is_protected() -> None:
    protected = {name: only(document(name), "tls_private_key", "identity_server-ca-key")["lifecycle"]["prevent_destroy"] for name in NAMES}
    assert protected == {"local": False, "pr": False, "stalpeni": True}
    kept = {name: only(document(name), "terraform_data", "k3s_membership")["lifecycle"]["prevent_destroy"] for name in NAMES}
    assert kept == protected


def test_records_are_a_for_an_address_and_cname_for_a_host_name_short_lived_and_not_proxied() -> None:
    def records(name: str) -> list[tuple[Any, ...]]:
        found = resources(document(name), "cloudflare_dns_record")
        return sorted((r["name"], r["type"], r["content"], r["ttl"], r["proxied"]) for r in found)

    assert records("stalpeni") == [
        ("*.stalpeni.inferencebros.com", "A", "203.0.113.10", 300, False),
        ("k3s.stalpeni.inferencebros.com", "A", "203.0.113.10", 300, False),
    ]
    assert records("pr")[0] == ("*.pr.inferencebros.com", "CNAME", "pr-line.inferencebros.com", 300, False)
    assert records("local") == []
    assert "cloudflare" not in document("local")["provider"], "no DNS, no provider, no token"


def test_the_users_kubeconfig_logs_in_at_dex_and_holds_no_secret() -> None:
    text = document("stalpeni")["output"]["k3s_kubeconfig_for_users"]["value"]
    config = yaml.safe_load(re.sub(r"\$\{.*?\}", "x", text))
    assert config["clusters"][0]["cluster"]["server"] == "https://k3s.stalpeni.inferencebros.com:6443"
    login = config["users"][0]["user"]["exec"]
    assert login["apiVersion"] == "client.authentication.k8s.io/v1"
    assert login["interactiveMode"] == "IfAvailable"
    assert "--oidc-issuer-url=https://dex.stalpeni.inferencebros.com" in login["args"]
    assert "--oidc-extra-scope=groups" in login["args"]
    assert re.findall(r"\$\{(.*?)\}", text) == [next(x for x in re.findall(r"\$\{(.*?)\}", text) if "server-ca" in x and "cert_pem" in x)]


def test_the_administrators_kubeconfig_needs_neither_dns_nor_dex() -> None:
    text = document("stalpeni")["output"]["k3s_kubeconfig_for_admins"]["value"]
    config = yaml.safe_load(re.sub(r"\$\{(.*?)\}", r"\1", text).replace("[", "").replace("]", ""))
    assert config["clusters"][0]["cluster"]["server"] == "https://203.0.113.10:6443"
    assert config["clusters"][0]["cluster"]["tls-server-name"] == "k3s.stalpeni.inferencebros.com"
    assert "private_key_pem" in config["users"][0]["user"]["client-key-data"]


def test_a_developer_without_dns_is_given_lines_for_etc_hosts() -> None:
    api, ingress = document("local")["output"]["etc_hosts"]["value"].splitlines()
    assert api == "192.168.1.11 k3s.local.inferencebros.com"
    hosts = [f"{name}.local.inferencebros.com" for name in ("bifrost", "control", "dex", "headlamp", "oauth2-proxy", "bifrost-insecure")]
    assert ingress.split() == ["192.168.1.240", *hosts]
    assert "bifrost-insecure" not in document("stalpeni")["output"]["etc_hosts"]["value"]


def test_everything_that_a_remote_run_needs_is_in_the_stacks_folder(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path))
    LocationStack(app, locations()["stalpeni"])
    app.synth()
    folder = tmp_path / "stacks" / "stalpeni"
    text = (folder / "cdk.tf.json").read_text()
    used = set(re.findall(r"assets/[\w./+-]+", text))
    assert used
    assert [path for path in used if not (folder / path).exists()] == []
    assert str(Path(__file__).parents[2]) not in text, "no path of this machine"


def test_the_table_of_a_location_counts_its_resources_by_layer(tmp_path: Path) -> None:
    stack = LocationStack(App(outdir=str(tmp_path), skip_validation=True), locations()["stalpeni"])
    synthesised: Document = stack.to_terraform()
    counts = count_by_layer(synthesised)
    assert set(counts) == {"Servers", "Network", "DNS", "Add-ons"}
    assert counts["DNS"] == 3
    assert "s1 (server, 192.168.1.11)" in describe(locations()["stalpeni"])["Servers"]
    assert describe(locations()["local"])["DNS"].startswith("none")
