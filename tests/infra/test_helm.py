"""Helm releases: pinned charts, our own objects, values that Terraform leaves alone."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from cdktf import TerraformStack, TerraformVariable
from cdktf import Testing as CdktfTesting

from ib_constructs import ChartMissingError, HelmAddon, HelmAddonProps, MetalLb, MetalLbProps, Objects, ObjectsProps
from ib_constructs.helm import to_values
from ib_constructs.versions import METALLB, Chart
from tests.infra.synthesis import Document, only, something_to_wait_for, synthesise

CHART = Chart("thing", "https://charts.example.com", "1.2.3")


def addon(**changes: Any) -> Document:
    def build(stack: TerraformStack) -> None:
        defaults: dict[str, Any] = {"chart": CHART, "namespace": "things", "pod_security": "restricted", "values": {"a": 1}}
        HelmAddon(stack, "thing", HelmAddonProps(**(defaults | changes), waits_for=[something_to_wait_for(stack)]))

    return synthesise(build)


def test_an_addon_is_a_release_into_a_namespace_of_its_own_that_waits_for_what_it_needs() -> None:
    document = addon()
    namespace, release = only(document, "kubernetes_namespace_v1"), only(document, "helm_release")
    assert namespace["metadata"] == {
        "name": "things",
        "labels": {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"},
    }
    assert namespace["depends_on"] == ["terraform_data.before"]
    assert release["namespace"].startswith("${kubernetes_namespace_v1.thing_namespace")
    assert (release["chart"], release["repository"], release["version"]) == ("thing", "https://charts.example.com", "1.2.3")
    assert release["wait"] is True
    assert release["atomic"] is True
    assert release["create_namespace"] is False
    assert yaml.safe_load(release["values"][0]) == {"a": 1}


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


def test_objects_are_released_by_the_chart_in_this_repository() -> None:
    def build(stack: TerraformStack) -> None:
        objects = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"k": "{{ v }}"}}]
        Objects(stack, "objects", ObjectsProps(name="x", namespace="n", objects=objects, waits_for=[something_to_wait_for(stack)]))

    release = only(synthesise(build), "helm_release")
    assert release["chart"].startswith("assets/")
    assert release["depends_on"] == ["terraform_data.before"]
    assert yaml.safe_load(release["values"][0])["objects"][0]["data"] == {"k": "{{ v }}"}


def metallb() -> Document:
    def build(stack: TerraformStack) -> None:
        MetalLb(stack, "metallb", MetalLbProps(address_range="192.168.1.240-192.168.1.245", waits_for=[something_to_wait_for(stack)]))

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
    assert pool["depends_on"] == [f"helm_release.{addon_address}"]
    objects = {item["kind"]: item for item in yaml.safe_load(pool["values"][0])["objects"]}
    assert objects["IPAddressPool"]["spec"]["addresses"] == ["192.168.1.240-192.168.1.245"]
    assert objects["L2Advertisement"]["spec"]["ipAddressPools"] == [objects["IPAddressPool"]["metadata"]["name"]]


def test_metallbs_speaker_may_use_the_hosts_network() -> None:
    assert only(metallb(), "kubernetes_namespace_v1")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
