"""Certificates: cert-manager, and the one issuer of a location whichever authority signs."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from cdktf import DataResource, TerraformStack, TerraformVariable

from ib_constructs import Certificates, CertificatesProps, KeyPair
from ib_constructs.addons.certificates import Authority
from ib_constructs.base.ingress import CLASS, ISSUER
from ib_constructs.versions import CERT_MANAGER
from tests.infra.synthesis import Document, given, only, resources, synthesise

ROOT = KeyPair(certificate="${tls_self_signed_cert.root.cert_pem}", key="${tls_private_key.root.private_key_pem}")
ACME_BOTH: tuple[Authority, ...] = ("letsencrypt", "letsencrypt-staging")


def certificates(authority: Authority, *, monitored: bool = False, **changes: Any) -> Document:
    def build(stack: TerraformStack) -> None:
        token = TerraformVariable(stack, "token", type="string", sensitive=True).string_value
        defaults: dict[str, Any] = {"cloudflare_api_token": token, "root": ROOT}
        props = CertificatesProps(given=given(stack, monitored=monitored), authority=authority, **(defaults | changes))
        made = Certificates(stack, "certificates", props)
        DataResource(stack, "after", depends_on=[made.ready])

    return synthesise(build)


def values(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(only(certificates("letsencrypt", **changes), "helm_release", "certificates_addon")["values"][0])
    return found


def issuer(document: Document) -> dict[str, Any]:
    """The one issuer of *document*."""
    (found,) = yaml.safe_load(only(document, "helm_release", "certificates_issuer")["values"][0])["objects"]
    assert (found["apiVersion"], found["kind"]) == ("cert-manager.io/v1", "ClusterIssuer")
    made: dict[str, Any] = found
    return made


def solver(document: Document) -> dict[str, Any]:
    (found,) = issuer(document)["spec"]["acme"]["solvers"]
    made: dict[str, Any] = found
    return made


@pytest.mark.parametrize("authority", [*ACME_BOTH, "local"])
def test_whoever_signs_the_issuer_has_the_name_that_every_ingress_asks_for(authority: Authority) -> None:
    found = issuer(certificates(authority))
    assert found["metadata"] == {"name": ISSUER}
    assert len(found["spec"]) == 1, "one authority signs"


def test_letsencrypt_is_shown_a_record_in_the_zone() -> None:
    document = certificates("letsencrypt")
    reference = solver(document)["dns01"]["cloudflare"]["apiTokenSecretRef"]
    secret = only(document, "kubernetes_secret_v1")
    assert reference["name"] == secret["metadata"]["name"]
    assert secret["data"] == {reference["key"]: "${var.token}"}
    assert secret["type"] == "Opaque"
    assert issuer(document)["spec"]["acme"]["server"] == "https://acme-v02.api.letsencrypt.org/directory"


def test_a_secret_lies_where_a_cluster_issuer_looks_for_it() -> None:
    document = certificates("letsencrypt")
    namespace = only(document, "kubernetes_secret_v1")["metadata"]["namespace"]
    assert namespace == only(document, "helm_release", "certificates_addon")["namespace"]
    assert only(document, "kubernetes_namespace_v1")["metadata"]["name"] == "cert-manager"


def test_staging_differs_from_letsencrypt_by_its_directory_alone() -> None:
    staging, real = issuer(certificates("letsencrypt-staging")), issuer(certificates("letsencrypt"))
    assert staging["spec"]["acme"].pop("server") == "https://acme-staging-v02.api.letsencrypt.org/directory"
    real["spec"]["acme"].pop("server")
    assert staging == real


@pytest.mark.parametrize("authority", ACME_BOTH)
def test_letsencrypt_may_be_shown_a_page_instead_and_needs_no_token_then(authority: Authority) -> None:
    document = certificates(authority, acme="http01", cloudflare_api_token=None)
    assert solver(document) == {"http01": {"ingress": {"ingressClassName": CLASS}}}
    assert resources(document, "kubernetes_secret_v1") == []


def test_a_token_is_kept_from_a_cluster_that_has_no_use_for_it() -> None:
    for document in (certificates("letsencrypt", acme="http01"), certificates("local")):
        assert "var.token" not in str(document["resource"])


def test_the_account_has_a_key_of_its_own() -> None:
    assert issuer(certificates("letsencrypt"))["spec"]["acme"]["privateKeySecretRef"] == {"name": "acme-account"}


def test_the_locations_own_root_signs_at_local() -> None:
    document = certificates("local", cloudflare_api_token=None)
    secret = only(document, "kubernetes_secret_v1")
    assert issuer(document)["spec"] == {"ca": {"secretName": secret["metadata"]["name"]}}
    assert secret["type"] == "kubernetes.io/tls"
    assert secret["data"] == {"tls.crt": ROOT.certificate, "tls.key": ROOT.key}


def test_no_secret_stands_in_the_issuer() -> None:
    for document in (certificates("letsencrypt"), certificates("local")):
        text = only(document, "helm_release", "certificates_issuer")["values"][0]
        assert "${" not in text
        assert "PRIVATE KEY" not in text


def test_a_record_in_the_zone_without_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match=r"acme 'dns01' .* give `cloudflare_api_token`"):
        certificates("letsencrypt", cloudflare_api_token=None)


def test_a_local_authority_without_its_root_is_refused() -> None:
    with pytest.raises(ValueError, match=r"authority 'local' .* give `root`"):
        certificates("local", root=None)


@pytest.mark.parametrize("authority", ["letsencrypt", "local"])
def test_the_issuer_waits_for_cert_manager_and_for_its_secret(authority: Authority) -> None:
    document = certificates(authority)
    waits_for = only(document, "helm_release", "certificates_issuer")["depends_on"]
    (addon,) = [name for name in document["resource"]["helm_release"] if name.startswith("certificates_addon")]
    (secret,) = document["resource"]["kubernetes_secret_v1"]
    assert f"helm_release.{addon}" in waits_for, "it brings the kind, and a webhook that looks at issuers"
    assert f"kubernetes_secret_v1.{secret}" in waits_for


def test_it_is_ready_with_the_issuer() -> None:
    (waited_for,) = only(certificates("letsencrypt"), "terraform_data", "after")["depends_on"]
    assert waited_for.startswith("helm_release.certificates_issuer")


def test_cert_manager_is_a_pinned_chart_that_waits_for_what_it_is_given() -> None:
    release = only(certificates("letsencrypt"), "helm_release", "certificates_addon")
    assert (release["chart"], release["repository"], release["version"]) == (
        CERT_MANAGER.name,
        CERT_MANAGER.repository,
        CERT_MANAGER.version,
    )
    assert "terraform_data.before" in release["depends_on"]


def test_kinds_outlive_the_release_with_every_certificate() -> None:
    assert values()["crds"] == {"enabled": True, "keep": True}


def test_public_servers_say_whether_a_record_is_there() -> None:
    found = values()
    assert found["dns01RecursiveNameserversOnly"] is True, "the cluster's own DNS answers the domain by itself"
    assert found["dns01RecursiveNameservers"] == "1.1.1.1:53,9.9.9.9:53"


@pytest.mark.parametrize("monitored", [True, False])
def test_prometheus_is_told_of_it_only_where_there_is_one(monitored: bool) -> None:  # noqa: FBT001
    monitor = values(monitored=monitored)["prometheus"]["servicemonitor"]
    assert monitor["enabled"] is monitored
    assert monitor.keys() == {"enabled", "honorLabels"}, "the schema refuses keys that 1.21 dropped"


def test_each_of_its_containers_asks_for_resources_and_is_limited_in_memory() -> None:
    found = values()
    for part in (found, found["webhook"], found["cainjector"], found["startupapicheck"]):
        assert part["resources"]["requests"].keys() == {"cpu", "memory"}
        assert part["resources"]["limits"].keys() == {"memory"}


def test_the_api_reaches_its_webhook_and_nobody_else_reaches_the_rest() -> None:
    document = certificates("letsencrypt")
    assert only(document, "kubernetes_namespace_v1")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    anyone = [rule["ports"] for rule in only(document, "kubernetes_network_policy_v1")["spec"]["ingress"] if "from" not in rule]
    assert anyone == [[{"port": "10250", "protocol": "TCP"}]]
