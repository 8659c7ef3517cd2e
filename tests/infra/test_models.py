"""What models run on: GPUs, KubeAI with its profiles and cache, and the look into that cache."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
import yaml
from cdktf import TerraformStack

from ib_constructs import Gpu, GpuProps, KubeAi, KubeAiProps, ModelBrowser, ModelBrowserProps, Namespace, NamespaceProps, versions
from ib_constructs.addons.gpu import Vendor
from ib_constructs.addons.kubeai import ENGINE_METRICS
from tests.infra.synthesis import Document, given, only, resources, synthesise

BOTH: tuple[Vendor, ...] = ("nvidia", "amd")
BEFORE = "terraform_data.before"
OLDER_AND_NEWER = {"nvidia-unlimited", "nvidia-older-unlimited", "nvidia-whole-unlimited", "nvidia-older-whole-unlimited"}
# Of chart 0.22.1, which Helm merges with ours, key by key.
CHARTS_PROFILES = {
    *("cpu", "nvidia-gpu-t4", "nvidia-gpu-l4", "nvidia-gpu-l40s", "nvidia-gpu-h100", "nvidia-gpu-gh200", "nvidia-gpu-a100-80gb"),
    *("nvidia-gpu-a100-40gb", "nvidia-gpu-a16", "nvidia-gpu-rtx4070-8gb", "amd-gpu-mi300x"),
}


@cache
def gpu(*, monitored: bool = False, **changes: Any) -> Document:
    def build(stack: TerraformStack) -> None:
        defaults: dict[str, Any] = {"vendors": BOTH}
        Gpu(stack, "gpu", GpuProps(given=given(stack, monitored=monitored), **(defaults | changes)))

    return synthesise(build)


@cache
def kubeai(*, monitored: bool = False, protect: bool = False, **changes: Any) -> Document:
    def build(stack: TerraformStack) -> None:
        defaults: dict[str, Any] = {"vendors": BOTH}
        KubeAi(stack, "kubeai", KubeAiProps(given=given(stack, monitored=monitored, protect=protect), **(defaults | changes)))

    return synthesise(build)


def values(document: Document, prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(only(document, "helm_release", prefix)["values"][0])
    return found


def profiles(**changes: Any) -> dict[str, dict[str, Any]]:
    """The resource profiles that a location ends up with: one of the chart's own goes where ours is null."""
    named: dict[str, Any] = values(kubeai(**changes), "kubeai_addon")["resourceProfiles"]
    charts: dict[str, Any] = {name: {} for name in CHARTS_PROFILES}
    return {name: profile for name, profile in (charts | named).items() if profile is not None}


def labels(engine: str) -> dict[str, str]:
    """Of a model's pod, as KubeAI 0.22.1 was seen to make it."""
    return {
        "app": "model",
        "app.kubernetes.io/instance": f"{engine}-qwen25-05b-instruct",
        "app.kubernetes.io/managed-by": "kubeai",
        "app.kubernetes.io/name": engine,
        "model": "qwen25-05b-instruct",
        "pod-hash": "696848ddd8",
    }


def images(engine: str) -> dict[str, str]:
    found: dict[str, str] = values(kubeai(), "kubeai_addon")["modelServers"][engine]["images"]
    return found


@pytest.mark.parametrize("vendors", [(), ("nvidia",), ("amd",), BOTH])
def test_a_location_has_one_feature_discovery_and_the_operators_of_its_vendors(vendors: tuple[Vendor, ...]) -> None:
    charts = [release["chart"] for release in resources(gpu(vendors=vendors), "helm_release")]
    operators = {"nvidia": versions.NVIDIA_OPERATOR.name, "amd": versions.AMD_OPERATOR.name}
    assert sorted(charts) == sorted([versions.NODE_FEATURE_DISCOVERY.name, *(operators[vendor] for vendor in vendors)])


def test_no_operator_brings_a_feature_discovery_of_its_own() -> None:
    assert values(gpu(), "gpu_nvidia")["nfd"] == {"enabled": False}
    assert values(gpu(), "gpu_amd")["node-feature-discovery"] == {"enabled": False}


def test_operators_wait_for_discovery_and_ready_waits_for_all() -> None:
    releases = [f"helm_release.{name}" for name in gpu()["resource"]["helm_release"]]
    (discovery,) = [name for name in releases if name.startswith("helm_release.gpu_discovery")]
    for vendor in BOTH:
        assert {discovery, BEFORE} <= set(only(gpu(), "helm_release", f"gpu_{vendor}")["depends_on"])
    assert set(only(gpu(), "null_resource")["depends_on"]) == set(releases)


@pytest.mark.parametrize(("changes", "nri"), [({}, True), ({"runtime": "nri"}, True), ({"runtime": "runtimeclass"}, False)])
def test_devices_come_by_nri_unless_the_servers_own_toolkit_is_chosen(changes: dict[str, Any], *, nri: bool) -> None:
    found = values(gpu(**changes), "gpu_nvidia")
    assert found["cdi"] == {"enabled": True, "nriPluginEnabled": nri}
    assert found["toolkit"]["enabled"] is nri


def test_drivers_are_the_servers_own_and_no_operator_drains_servers() -> None:
    amd = values(gpu(), "gpu_amd")
    assert values(gpu(), "gpu_nvidia")["driver"] == {"enabled": False}
    assert amd["deviceConfig"]["spec"]["driver"] == {"enable": False}
    assert amd["kmm"] == {"enabled": False, "watch": False}
    assert amd["remediation"] == {"enabled": False}


def test_an_nvidia_gpu_is_shared_by_models_in_turns() -> None:
    config = values(gpu(), "gpu_nvidia")["devicePlugin"]["config"]
    assert config["create"] is True
    sharing = yaml.safe_load(config["data"][config["default"]])["sharing"]["timeSlicing"]
    assert sharing["resources"] == [{"name": "nvidia.com/gpu", "replicas": 4}], "a resource of another name would fit no profile"


def test_nobody_is_given_one_gpu_twice_who_asks_for_two() -> None:
    data = values(gpu(), "gpu_nvidia")["devicePlugin"]["config"]["data"]
    assert yaml.safe_load(data["shared"])["sharing"]["timeSlicing"]["failRequestsGreaterThanOne"] is True
    assert yaml.safe_load(data["whole"]) == {"version": "v1"}, "on a server so labelled a GPU is one GPU"


@pytest.mark.parametrize("name", sorted(OLDER_AND_NEWER))
def test_shares_and_whole_cards_are_on_servers_of_their_own(name: str) -> None:
    (term,) = profiles()[name]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    operator = "In" if "whole" in name else "NotIn"
    assert term["matchExpressions"][2] == {"key": "nvidia.com/device-plugin.config", "operator": operator, "values": ["whole"]}


def test_images_that_amds_operator_would_leave_to_latest_are_pinned() -> None:
    spec = values(gpu(), "gpu_amd")["deviceConfig"]["spec"]
    for image in (spec["devicePlugin"]["devicePluginImage"], spec["metricsExporter"]["image"]):
        assert re.search(r"^docker\.io/rocm/[\w-]+:v?\d[\w.]*$", image), image
    assert spec["devicePlugin"]["enableNodeLabeller"] is False, "its image has no version either"


@pytest.mark.parametrize("monitored", [False, True])
def test_gpus_are_scraped_only_where_somebody_monitors(*, monitored: bool) -> None:
    document = gpu(monitored=monitored)
    exporter = values(document, "gpu_amd")["deviceConfig"]["spec"]["metricsExporter"]
    assert values(document, "gpu_discovery")["prometheus"] == {"enable": monitored}
    assert values(document, "gpu_nvidia")["dcgmExporter"]["serviceMonitor"] == {"enabled": monitored}
    assert exporter["prometheus"]["serviceMonitor"] == {"enable": monitored}


@pytest.mark.parametrize(("vendors", "expected"), [((), set[str]()), (("nvidia",), OLDER_AND_NEWER), (("amd",), {"amd-unlimited"})])
def test_models_may_ask_for_processors_and_for_gpus_whose_operator_is_there(vendors: tuple[Vendor, ...], expected: set[str]) -> None:
    assert profiles(vendors=vendors).keys() == {"cpu-unlimited", "cpu-avx2-unlimited"} | expected, "and for none of the chart's"


@pytest.mark.parametrize(
    ("name", "image", "selector"),
    [
        ("cpu-unlimited", versions.VLLM_CPU_IMAGE, "feature.node.kubernetes.io/cpu-cpuid.AVX512F"),
        ("cpu-avx2-unlimited", versions.VLLM_CPU_IMAGE, "feature.node.kubernetes.io/cpu-cpuid.AVX2"),
        ("amd-unlimited", versions.VLLM_AMD_IMAGE, "feature.node.kubernetes.io/amd-gpu"),
    ],
)
def test_a_profile_goes_where_discovery_found_what_its_image_needs(name: str, image: str, selector: str) -> None:
    assert images("VLLM")[profiles()[name]["imageName"]] == image
    assert profiles()[name]["nodeSelector"] == {selector: "true"}


@pytest.mark.parametrize(
    ("name", "image", "operator", "families"),
    [
        ("nvidia-unlimited", versions.VLLM_NVIDIA_IMAGE, "NotIn", {"kepler", "maxwell", "pascal", "volta", "undefined"}),
        ("nvidia-whole-unlimited", versions.VLLM_NVIDIA_IMAGE, "NotIn", {"kepler", "maxwell", "pascal", "volta", "undefined"}),
        ("nvidia-older-unlimited", versions.VLLM_PASCAL_IMAGE, "In", {"pascal"}),
        ("nvidia-older-whole-unlimited", versions.VLLM_PASCAL_IMAGE, "In", {"pascal"}),
    ],
)
def test_an_nvidia_profile_goes_to_the_families_its_build_has_kernels_for(name: str, image: str, operator: str, families: set[str]) -> None:
    assert images("VLLM")[profiles()[name]["imageName"]] == image
    (term,) = profiles()[name]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    present, family, _ = term["matchExpressions"]
    assert present == {"key": "nvidia.com/gpu.present", "operator": "In", "values": ["true"]}, "NotIn alone fits servers without labels"
    assert (family["key"], family["operator"], set(family["values"])) == ("nvidia.com/gpu.family", operator, families)


def test_a_gpu_is_asked_for_and_limited_and_nothing_else_is_limited() -> None:
    for name, profile in profiles().items():
        gpus = {key: value for key, value in profile["requests"].items() if key.endswith("/gpu")}
        assert gpus == profile.get("limits", {}) == ({} if name.startswith("cpu") else {f"{name.partition('-')[0]}.com/gpu": "1"})


def test_every_image_a_profile_names_is_listed_since_kubeai_takes_the_default_in_silence() -> None:
    assert {profile["imageName"] for profile in profiles().values()} <= images("VLLM").keys()
    assert images("VLLM")["default"] == versions.VLLM_NVIDIA_IMAGE


@pytest.mark.parametrize(("engine", "more"), [("VLLM", ["cpu", "amd-gpu"]), ("OLlama", ["amd-gpu"]), ("FasterWhisper", list[str]())])
def test_no_old_or_moving_image_of_the_chart_is_left(engine: str, more: list[str]) -> None:
    names = ["default", "nvidia-gpu", *more]
    assert [name for name in names if not re.search(r":v?\d[\w.-]*$", images(engine).get(name, ""))] == []


def test_ollama_on_amd_is_the_build_for_it() -> None:
    assert images("OLlama")["amd-gpu"].endswith("-rocm")


@pytest.mark.parametrize(("runtime", "expected"), [("nri", set[str]()), ("runtimeclass", OLDER_AND_NEWER)])
def test_pods_name_a_runtime_class_only_where_it_was_chosen(runtime: str, expected: set[str]) -> None:
    named = {name: profile["runtimeClassName"] for name, profile in profiles(runtime=runtime).items() if "runtimeClassName" in profile}
    assert named == dict.fromkeys(expected, "nvidia")


def test_the_cache_is_a_claim_under_kubeais_own_name_of_a_size_that_kubeai_would_not_give_it() -> None:
    claim = only(kubeai(cache_gib=300), "kubernetes_persistent_volume_claim_v1")
    assert claim["metadata"]["name"] == "shared-model-cache-storage"
    assert claim["spec"]["access_modes"] == ["ReadWriteMany"]
    assert claim["spec"]["resources"] == {"requests": {"storage": "300Gi"}}
    assert claim["spec"]["storage_class_name"] == "longhorn"
    assert claim["lifecycle"]["ignore_changes"] == ["metadata[0].annotations"], "KubeAI writes there what is loaded"
    assert values(kubeai(cache_gib=300), "kubeai_addon")["cacheProfiles"] == {
        "storage": {"sharedFilesystem": {"storageClassName": "longhorn"}}
    }


def test_the_claim_waits_for_what_makes_volumes_and_kubeai_for_the_bound_claim() -> None:
    document = kubeai(cache_gib=300)
    ((name, claim),) = document["resource"]["kubernetes_persistent_volume_claim_v1"].items()
    assert BEFORE in claim["depends_on"]
    assert claim["wait_until_bound"] is True
    assert f"kubernetes_persistent_volume_claim_v1.{name}" in only(document, "helm_release", "kubeai_addon")["depends_on"]


def test_without_a_cache_there_is_no_claim_and_no_model_can_ask_for_one() -> None:
    assert resources(kubeai(), "kubernetes_persistent_volume_claim_v1") == []
    assert "cacheProfiles" not in values(kubeai(), "kubeai_addon")


@pytest.mark.parametrize(("token", "expected"), [("${var.token}", "${var.token}"), (None, "")])
def test_the_token_of_hugging_face_reaches_models_by_a_secret(token: str | None, expected: str) -> None:
    secret = only(kubeai(hugging_face_token=token), "kubernetes_secret_v1")
    assert secret["data"] == {"token": expected}
    named = values(kubeai(hugging_face_token=token), "kubeai_addon")["secrets"]["huggingface"]
    assert named == {"create": False, "name": secret["metadata"]["name"]}


def test_kubeai_comes_without_a_chat_of_its_own() -> None:
    assert values(kubeai(), "kubeai_addon")["open-webui"] == {"enabled": False}


def test_one_name_resolves_to_every_process_of_vllm_also_while_it_loads() -> None:
    service = only(kubeai(), "kubernetes_service_v1")
    name, spec = service["metadata"]["name"], service["spec"]
    assert f"{name}.kubeai.svc.cluster.local:{spec['port'][0]['port']}" == ENGINE_METRICS
    assert (spec["cluster_ip"], spec["publish_not_ready_addresses"]) == ("None", True)
    assert service["depends_on"], "its namespace comes first"
    selected = {engine for engine in ("vllm", "ollama") if spec["selector"].items() <= labels(engine).items()}
    assert selected == {"vllm"}, "the others have no such count"


@pytest.mark.parametrize("monitored", [False, True])
def test_models_and_kubeai_itself_are_scraped_only_where_somebody_monitors(*, monitored: bool) -> None:
    document = kubeai(monitored=monitored)
    assert values(document, "kubeai_addon")["metrics"]["prometheusOperator"]["vLLMPodMonitor"] == {"enabled": monitored}
    monitors = [
        item
        for release in resources(document, "helm_release", "kubeai_monitor")
        for item in yaml.safe_load(release["values"][0])["objects"]
    ]
    assert [item["spec"]["podMetricsEndpoints"] for item in monitors] == ([[{"portNumber": 8080}]] if monitored else [])


@pytest.mark.parametrize("protect", [False, True])
def test_models_and_their_cache_are_kept_where_the_location_is_protected(*, protect: bool) -> None:
    for kind in ("kubernetes_namespace_v1", "kubernetes_persistent_volume_claim_v1", "helm_release"):
        assert only(kubeai(cache_gib=10, protect=protect), kind).get("lifecycle", {}).get("prevent_destroy", False) is protect


@cache
def browser() -> dict[str, Any]:
    """The browser's objects by kind, and its configuration; the namespace is KubeAI's."""

    def build(stack: TerraformStack) -> None:
        before = given(stack)
        place = Namespace(stack, "place", NamespaceProps(name="kubeai", pod_security="baseline", cluster=before.cluster))
        props = ModelBrowserProps(given=before, namespace=place, claim="the-cache", administrator="ana@example.com")
        ModelBrowser(stack, "browser", props)

    document = synthesise(build)
    assert BEFORE in only(document, "helm_release")["depends_on"]
    objects = {item["kind"]: item for item in values(document, "browser")["objects"]}
    return objects | {"config": yaml.safe_load(objects["ConfigMap"]["data"]["config.yaml"])}


def test_who_looks_into_the_cache_is_whom_the_login_names_and_no_password_is_known() -> None:
    methods = {"password": {"enabled": False}, "proxy": {"enabled": True, "header": "X-Auth-Request-Email"}}
    assert browser()["config"]["auth"] == {"adminUsername": "ana@example.com", "methods": methods}


def test_the_browser_mounts_the_cache_it_shows_and_can_write_nowhere_but_its_own_state() -> None:
    pod = browser()["Deployment"]["spec"]["template"]["spec"]
    (container,), (source,) = pod["containers"], browser()["config"]["server"]["sources"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes[mounts[source["path"]]]["persistentVolumeClaim"] == {"claimName": "the-cache"}
    assert volumes[mounts["/var/lib/filebrowser"]] == {"name": "state", "emptyDir": {}}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False


def test_the_browser_answers_where_its_service_leads() -> None:
    service, pod = browser()["Service"]["spec"], browser()["Deployment"]["spec"]["template"]
    (port,) = pod["spec"]["containers"][0]["ports"]
    assert service["ports"][0]["targetPort"] == browser()["config"]["server"]["port"] == port["containerPort"]
    assert service["selector"].items() <= pod["metadata"]["labels"].items()
