"""The cluster's identity: independent authorities, tokens in the secure form, nothing that changes later."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cdktf import DataResource

from ib_constructs import ClusterIdentity, ClusterIdentityProps
from ib_constructs.cluster.identity import AUTHORITIES
from tests.infra.synthesis import Document, only, resources, synthesise
from tests.support.identities import make_identity


def minted(*, protect: bool = False) -> Document:
    return synthesise(lambda stack: ClusterIdentity(stack, "identity", ClusterIdentityProps(location="local", protect=protect)))


def kept(document: Document) -> list[dict[str, Any]]:
    return [resource for kind in document["resource"].values() for resource in kind.values()]


def test_the_five_authorities_are_self_signed_each_with_a_key_of_its_own() -> None:
    authorities = resources(minted(), "tls_self_signed_cert")
    assert len(authorities) == len(AUTHORITIES)
    assert len({authority["private_key_pem"] for authority in authorities}) == len(AUTHORITIES)
    assert all(authority["is_ca_certificate"] and authority["set_subject_key_id"] for authority in authorities)


def test_the_administrators_certificate_is_of_a_group_that_can_lose_its_rights() -> None:
    document = minted()
    (request,) = resources(document, "tls_cert_request")
    (certificate,) = resources(document, "tls_locally_signed_cert")
    assert request["subject"] == [{"common_name": "terraform", "organization": "ib:admins"}]
    assert "client-ca" in certificate["ca_cert_pem"]
    assert certificate["early_renewal_hours"] == 0
    assert certificate["validity_period_hours"] == resources(document, "tls_self_signed_cert")[0]["validity_period_hours"]


@pytest.mark.parametrize("protect", [True, False])
def test_nothing_of_an_identity_changes_and_protection_is_a_switch(*, protect: bool) -> None:
    lifecycles = [resource["lifecycle"] for resource in kept(minted(protect=protect))]
    assert lifecycles
    assert all(lifecycle == {"ignore_changes": "all", "prevent_destroy": protect} for lifecycle in lifecycles)


def test_tokens_are_alphanumeric() -> None:
    passwords = resources(minted(), "random_password")
    assert [(password["length"], password["special"]) for password in passwords] == [(48, False), (48, False)]


def test_a_token_names_the_cluster_by_the_hash_of_the_authoritys_very_bytes() -> None:
    identity = make_identity()
    tokens = {"server": identity.server_token, "agent": identity.agent_token}
    document = synthesise(lambda stack: DataResource(stack, "tokens", input=tokens))
    resolved = only(document, "terraform_data")["input"]
    said = re.fullmatch(r'K10\$\{sha256\("(.*)"\)\}::server:(\w{48})', resolved["server"], re.DOTALL)
    assert said
    assert said[1].replace("\\n", "\n") == identity.server_ca
    assert resolved["agent"].endswith(f"::node:{identity.agent_password}")


def test_only_the_founder_is_given_the_authorities_keys_and_agents_not_even_the_servers_token() -> None:
    identity = make_identity()
    assert sorted(identity.files("agent", founder=False)) == ["agent-token", "server-ca.crt"]
    assert sorted(identity.files("server", founder=False)) == ["agent-token", "server-ca.crt", "server-token"]
    founder = identity.files("server", founder=True)
    assert {f"tls/{name}.{end}" for name in AUTHORITIES for end in ("crt", "key")} | {"tls/service.key"} <= set(founder)
    assert len(founder) == 14
