"""The identity that the real tls and random providers mint, served by a real Kubernetes API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509

from ib_constructs import Identity, K3sSettings, KeyPair
from ib_constructs.cluster.identity import AUTHORITIES
from ib_constructs.cluster.k3s_config import manifests
from tests.engines.cluster import start_cluster
from tests.providers.conftest import Stack
from tests.support.identities import client_certificate


def test_a_minted_identity_serves_and_admits_its_administrators_and_never_changes(
    prepare: Callable[[str], Stack], engines: Path, tmp_path: Path
) -> None:
    stack = prepare("local")
    kinds = ("tls_private_key", "tls_self_signed_cert", "tls_cert_request", "tls_locally_signed_cert", "random_password")
    targets = [f"-target={kind}.{name}" for kind in kinds for name in stack.document["resource"][kind]]

    applied = stack.terraform("apply", "-auto-approve", "-input=false", *targets)
    again = stack.terraform("plan", "-input=false", "-detailed-exitcode", *targets)

    assert applied.code == 0, applied.output
    assert again.code == 0, again.output
    identity = _identity(json.loads((stack.folder / "terraform.tfstate").read_text()))
    authorities = [x509.load_pem_x509_certificate(pair.certificate.encode()) for pair in identity.authorities.values()]
    assert all(authority.issuer == authority.subject for authority in authorities), "independent: none signs another"
    assert len({pair.key for pair in identity.authorities.values()}) == len(AUTHORITIES)

    with start_cluster(tmp_path, engines, identity) as cluster:
        path, binding = (
            "/api/v1/namespaces",
            yaml.safe_load(manifests(K3sSettings(api_vip=None, api_names=[], issuer="https://dex.example.com"))["ib-admins.yaml"]),
        )
        assert cluster.request(identity.admin, "GET", path)[0] == 403
        masters = client_certificate(identity.authorities["client-ca"], "k3s", "system:masters")
        cluster.request(masters, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
        assert cluster.request(identity.admin, "GET", path)[0] == 200


def _identity(state: dict[str, Any]) -> Identity:
    """The identity in a state file."""
    values = {item["name"].removeprefix("identity_").rsplit("_", 1)[0]: item["instances"][0]["attributes"] for item in state["resources"]}

    def pair(slug: str) -> KeyPair:
        return KeyPair(certificate=values[slug]["cert_pem"], key=values[f"{slug}-key"]["private_key_pem"])

    return Identity(
        authorities={name: pair(name.replace("/", "-")) for name in AUTHORITIES},
        service_key=values["service"]["private_key_pem"],
        server_password=values["server-token"]["result"],
        agent_password=values["agent-token"]["result"],
        admin=pair("admin"),
    )
