"""Namespaces: what pods may do in them, and who may open connections to them."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from cdktf import DataResource, TerraformStack, TerraformVariable

from ib_constructs import Namespace, NamespaceProps
from ib_constructs.base.namespace import MONITORING, PodSecurity
from tests.infra.synthesis import Document, only, resources, something_to_wait_for, synthesise

ADDRESS = "${kubernetes_namespace_v1.ns_namespace_"


def namespace(**changes: Any) -> Document:
    def build(stack: TerraformStack) -> None:
        defaults: dict[str, Any] = {"name": "things", "pod_security": "restricted"}
        made = Namespace(stack, "ns", NamespaceProps(**(defaults | changes), cluster=something_to_wait_for(stack)))
        DataResource(stack, "after", depends_on=[made.ready])

    return synthesise(build)


def policy(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = only(namespace(**changes), "kubernetes_network_policy_v1")
    return found


def namespaces_let_in(**changes: Any) -> list[str]:
    """The other namespaces whose pods may connect."""
    sources = policy(**changes)["spec"]["ingress"][0]["from"]
    selectors = [source["namespace_selector"] for source in sources if "namespace_selector" in source]
    assert all(selector.keys() == {"match_labels"} for selector in selectors), "an empty selector is every namespace"
    labels = [selector["match_labels"] for selector in selectors]
    assert all(label.keys() == {"kubernetes.io/metadata.name"} for label in labels), "the one label that nobody can take"
    return [label["kubernetes.io/metadata.name"] for label in labels]


@pytest.mark.parametrize("level", get_args(PodSecurity))
def test_a_pod_that_wants_more_than_the_level_is_refused_and_whoever_made_it_is_told(level: str) -> None:
    assert only(namespace(pod_security=level), "kubernetes_namespace_v1")["metadata"] == {
        "name": "things",
        "labels": {"pod-security.kubernetes.io/enforce": level, "pod-security.kubernetes.io/warn": level},
    }


def test_a_namespace_waits_for_the_api() -> None:
    assert only(namespace(), "kubernetes_namespace_v1")["depends_on"] == ["terraform_data.before"]


def test_only_its_own_pods_and_prometheus_may_connect() -> None:
    (rule,) = policy()["spec"]["ingress"]
    assert rule.keys() == {"from"}
    assert [source for source in rule["from"] if "pod_selector" in source] == [{"pod_selector": {}}]
    assert namespaces_let_in() == [MONITORING]


def test_every_pod_in_it_is_guarded_and_may_connect_to_whom_it_likes() -> None:
    spec = policy()["spec"]
    assert spec["pod_selector"] == {}
    assert spec["policy_types"] == ["Ingress"]
    assert "egress" not in spec
    assert policy()["metadata"]["namespace"].startswith(ADDRESS)


def test_who_is_named_may_connect_too() -> None:
    assert namespaces_let_in(reached_from=("ingress", "control")) == ["control", "ingress", MONITORING]


def test_who_is_named_twice_stands_there_once() -> None:
    assert namespaces_let_in(reached_from=("ingress", MONITORING, "ingress")) == ["ingress", MONITORING]


def test_the_order_of_names_changes_nothing() -> None:
    assert policy(reached_from=("a", "b")) == policy(reached_from=("b", "a")), "a plan would show a change"


def test_prometheus_own_namespace_lets_in_no_other() -> None:
    assert namespaces_let_in(name=MONITORING) == []
    assert policy(name=MONITORING)["spec"]["ingress"] == [{"from": [{"pod_selector": {}}]}], "no source at all would let everyone in"


def test_open_ports_are_for_anyone_and_open_no_other() -> None:
    closed, opened = policy(open_ports=(443, 8443))["spec"]["ingress"]
    assert opened == {"ports": [{"port": "443", "protocol": "TCP"}, {"port": "8443", "protocol": "TCP"}]}
    assert closed == policy()["spec"]["ingress"][0], "the other ports stay closed"


def test_an_unguarded_namespace_has_no_policy_and_its_level_all_the_same() -> None:
    document = namespace(guarded=False, pod_security="privileged")
    assert resources(document, "kubernetes_network_policy_v1") == []
    labels = only(document, "kubernetes_namespace_v1")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"


@pytest.mark.parametrize(
    ("guarded", "kind"), [(True, "kubernetes_network_policy_v1.ns_closed"), (False, "kubernetes_namespace_v1.ns_namespace")]
)
def test_whoever_waits_for_it_finds_it_closed_already(guarded: bool, kind: str) -> None:  # noqa: FBT001
    (waited_for,) = only(namespace(guarded=guarded), "terraform_data", "after")["depends_on"]
    assert waited_for.startswith(kind)


def test_a_protected_namespace_fails_a_plan_that_would_destroy_it_and_its_volumes() -> None:
    assert only(namespace(protect=True), "kubernetes_namespace_v1")["lifecycle"] == {"prevent_destroy": True}
    assert "lifecycle" not in only(namespace(), "kubernetes_namespace_v1")


def with_a_secret(**changes: Any) -> dict[str, Any]:
    def build(stack: TerraformStack) -> None:
        made = Namespace(stack, "ns", NamespaceProps(name="things", pod_security="restricted", cluster=something_to_wait_for(stack)))
        password = TerraformVariable(stack, "password", type="string", sensitive=True).string_value
        made.secret(stack, "login", {"password": password}, **changes)

    found: dict[str, Any] = only(synthesise(build), "kubernetes_secret_v1")
    return found


def test_a_secret_lives_in_the_namespace_and_waits_for_it() -> None:
    secret = with_a_secret()
    assert secret["metadata"]["name"] == "login"
    assert secret["metadata"]["namespace"].startswith(ADDRESS), "a name in clear would not wait"
    assert secret["data"] == {"password": "${var.password}"}, "the provider encodes it"


def test_a_secret_is_of_no_type_unless_it_has_one() -> None:
    assert with_a_secret()["type"] == "Opaque"
    assert with_a_secret(type="kubernetes.io/tls")["type"] == "kubernetes.io/tls"
