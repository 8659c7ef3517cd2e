"""Helm releases: pinned charts, our own objects, values that Terraform leaves alone."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from cdktf import ITerraformDependable, TerraformStack, TerraformVariable
from cdktf import Testing as CdktfTesting

from ib_constructs import (
    AddonProps,
    ChartMissingError,
    HelmAddon,
    HelmAddonProps,
    MetalLb,
    MetalLbProps,
    Namespace,
    NamespaceProps,
    Objects,
    ObjectsProps,
)
from ib_constructs.base.helm import SET_PRIORITY, to_values
from ib_constructs.versions import METALLB, Chart
from tests.infra.synthesis import Document, given, only, resources, something_to_wait_for, synthesise

CHART = Chart("thing", "https://charts.example.com", "1.2.3")


def a_namespace(stack: TerraformStack, cluster: ITerraformDependable) -> Namespace:
    return Namespace(stack, "ns", NamespaceProps(name="things", pod_security="restricted", cluster=cluster))


def addon(charts_mirror: str | None = None, *, given_protect: bool = False, **changes: Any) -> Document:
    def build(stack: TerraformStack) -> None:
        before = something_to_wait_for(stack)
        given = AddonProps(cluster=before, waits_for=[before], charts_mirror=charts_mirror, protect=given_protect)
        defaults: dict[str, Any] = {"chart": CHART, "given": given, "namespace": a_namespace(stack, before), "values": {"a": 1}}
        HelmAddon(stack, "thing", HelmAddonProps(**(defaults | changes)))

    return synthesise(build)


def test_an_addon_is_a_release_into_a_namespace_that_waits_for_what_it_needs() -> None:
    document = addon()
    release = only(document, "helm_release")
    assert only(document, "kubernetes_namespace_v1")["depends_on"] == ["terraform_data.before"]
    assert "terraform_data.before" in release["depends_on"]
    assert any("kubernetes_network_policy_v1.ns_closed" in each for each in release["depends_on"]), "closed before anybody is in it"
    assert release["namespace"].startswith("${kubernetes_namespace_v1.ns_namespace")
    assert (release["chart"], release["repository"], release["version"]) == ("thing", "https://charts.example.com", "1.2.3")
    assert release["wait"] is True
    assert release["wait_for_jobs"] is True
    assert release["atomic"] is True
    assert release["create_namespace"] is False
    assert yaml.safe_load(release["values"][0]) == {"a": 1}
    assert "lifecycle" not in release


def test_a_charts_secrets_are_there_before_it_and_a_change_of_them_restarts_its_pods() -> None:
    document = addon(secrets={"login": {"password": "${random_password.x.result}"}}, pod_annotations="podAnnotations")
    release, secret = only(document, "helm_release"), only(document, "kubernetes_secret_v1")
    assert secret["data"] == {"password": "${random_password.x.result}"}
    assert any(each.startswith("kubernetes_secret_v1.thing_login") for each in release["depends_on"])
    (digest,) = release["set"]
    assert digest["name"] == r"podAnnotations.inferencebros\.com/secrets"
    assert digest["value"].startswith("${sha256("), "a digest, not the secret"
    assert "random_password.x.result" in digest["value"]


def test_a_chart_without_secrets_has_none_and_sets_nothing_besides_its_values() -> None:
    document = addon()
    assert resources(document, "kubernetes_secret_v1") == []
    assert "set" not in only(document, "helm_release")


def test_pods_that_read_their_secrets_again_are_not_restarted() -> None:
    assert "set" not in only(addon(secrets={"login": {"password": "${random_password.x.result}"}}), "helm_release")


def test_a_chart_without_a_value_for_it_gets_its_priority_from_a_post_renderer() -> None:
    renderer = only(addon(priority_class="important"), "helm_release")["postrender"]
    assert renderer["binary_path"] == "sh"
    assert renderer["args"][0].startswith("assets/"), "it travels with the stack"
    assert renderer["args"][0].endswith("/set-priority.sh")
    assert renderer["args"][1] == "important"
    assert "postrender" not in only(addon(), "helm_release")


def set_priority(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", SET_PRIORITY, "important"], input=text, capture_output=True, text=True, check=False)


def test_the_post_renderer_gives_every_pod_template_the_class_and_changes_nothing_else() -> None:
    def deployment(name: str) -> dict[str, Any]:
        pod = {"serviceAccountName": name, "containers": [{"name": name, "image": "image:1"}]}
        return {"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": {"metadata": {"labels": {}}, "spec": pod}}}

    objects: list[dict[str, Any]] = [{"kind": "ConfigMap", "data": {"note": "serviceAccountName: x"}}, deployment("a"), deployment("b")]
    done = set_priority(yaml.safe_dump_all(objects, sort_keys=False))
    for item in objects[1:]:
        item["spec"]["template"]["spec"]["priorityClassName"] = "important"
    assert (done.returncode, done.stderr) == (0, "")
    assert list(yaml.safe_load_all(done.stdout)) == objects


@pytest.mark.parametrize("text", ["", "kind: ConfigMap\n", "kind: RoleBinding\nserviceAccountName: x\n"])
def test_the_post_renderer_fails_where_there_is_no_pod_template(text: str) -> None:
    assert set_priority(text).returncode == 1


def test_what_is_protected_fails_a_plan_that_would_destroy_it() -> None:
    assert only(addon(protect=True), "helm_release")["lifecycle"] == {"prevent_destroy": True}
    assert "lifecycle" not in only(addon(given_protect=True), "helm_release"), "an add-on says which of its releases hold data"


def test_fragments_that_places_share_are_written_out_in_each() -> None:
    shared = {"cpu": 1}
    assert "&" not in to_values({"a": shared, "b": shared})


def test_a_mirror_by_url_replaces_the_charts_repository() -> None:
    assert only(addon(charts_mirror="https://mirror.example.com"), "helm_release")["repository"] == "https://mirror.example.com"
    assert only(addon(charts_mirror="oci://mirror.example.com/x"), "helm_release")["repository"] == "oci://mirror.example.com/x"


def test_a_mirror_folders_chart_travels_with_the_stack(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "thing-1.2.3.tgz", "w:gz"):
        pass
    release = only(addon(charts_mirror=str(tmp_path)), "helm_release")
    assert release["chart"].startswith("assets/")
    assert release["chart"].endswith("/thing-1.2.3.tgz")
    assert "repository" not in release


def test_a_mirror_folder_without_the_chart_is_refused_with_the_file_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ChartMissingError, match=r"mirrors\.charts: .*/thing-1\.2\.3\.tgz is not there"):
        addon(charts_mirror=str(tmp_path))


def test_values_with_terraforms_signs_reach_the_chart_unchanged() -> None:
    text = to_values({"legend": "${instance} %{if}", "plain": "$1 %d"})
    assert text == "legend: $${instance} %%{if}\nplain: $1 %d\n"


def test_a_terraform_reference_among_values_is_refused() -> None:
    stack = TerraformStack(CdktfTesting.app(), "test")
    secret = TerraformVariable(stack, "secret", type="string").string_value
    with pytest.raises(ValueError, match="name of a Secret"):
        to_values({"deep": [{"password": secret}]})


def objects_release(**changes: Any) -> dict[str, Any]:
    def build(stack: TerraformStack) -> None:
        objects = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"k": "{{ v }}"}}]
        before = something_to_wait_for(stack)
        namespace = a_namespace(stack, before)
        Objects(stack, "objects", ObjectsProps(name="x", namespace=namespace, objects=objects, waits_for=[before], **changes))

    found: dict[str, Any] = only(synthesise(build), "helm_release")
    return found


def test_objects_are_released_by_the_chart_in_this_repository() -> None:
    release = objects_release()
    assert release["chart"].startswith("assets/")
    assert release["namespace"].startswith("${kubernetes_namespace_v1.ns_namespace")
    assert yaml.safe_load(release["values"][0])["objects"][0]["data"] == {"k": "{{ v }}"}


def test_objects_wait_for_their_kinds_and_for_their_namespace_to_be_closed() -> None:
    waits_for = objects_release()["depends_on"]
    assert "terraform_data.before" in waits_for
    assert any("kubernetes_network_policy_v1.ns_closed" in each for each in waits_for)


def test_protected_objects_fail_a_plan_that_would_destroy_them() -> None:
    assert objects_release(protect=True)["lifecycle"] == {"prevent_destroy": True}
    assert "lifecycle" not in objects_release()


def metallb(*, monitored: bool = False) -> Document:
    def build(stack: TerraformStack) -> None:
        props = MetalLbProps(given=given(stack, monitored=monitored), address_ranges=["192.168.1.240-192.168.1.245"])
        MetalLb(stack, "metallb", props)

    return synthesise(build)


def test_metallb_is_layer_2_only_from_the_pinned_chart() -> None:
    release = only(metallb(), "helm_release", "metallb_addon")
    values = yaml.safe_load(release["values"][0])
    assert (release["chart"], release["version"]) == (METALLB.name, METALLB.version)
    assert values["frrk8s"] == {"enabled": False}
    assert values["speaker"]["resources"]["requests"], "a pod without requests is the first to be evicted"


def test_metallbs_pool_waits_for_metallb_and_is_advertised() -> None:
    document = metallb()
    pool = only(document, "helm_release", "metallb_pool")
    (addon_address,) = [name for name in document["resource"]["helm_release"] if name.startswith("metallb_addon")]
    assert f"helm_release.{addon_address}" in pool["depends_on"]
    objects = {item["kind"]: item for item in yaml.safe_load(pool["values"][0])["objects"]}
    assert objects["IPAddressPool"]["spec"]["addresses"] == ["192.168.1.240-192.168.1.245"]
    assert objects["L2Advertisement"]["spec"]["ipAddressPools"] == [objects["IPAddressPool"]["metadata"]["name"]]


def test_metallbs_speaker_may_use_the_hosts_network() -> None:
    assert only(metallb(), "kubernetes_namespace_v1")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"


@pytest.mark.parametrize("monitored", [True, False])
def test_prometheus_is_told_of_metallb_only_where_there_is_one(monitored: bool) -> None:  # noqa: FBT001
    values = yaml.safe_load(only(metallb(monitored=monitored), "helm_release", "metallb_addon")["values"][0])
    assert values["prometheus"] == {"serviceMonitor": {"enabled": monitored}, "rbacPrometheus": False}
