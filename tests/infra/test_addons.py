"""The add-ons of the repository's locations, whole."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from cdktf import App
from cdktf import Testing as CdktfTesting

from ib_constructs import versions
from ib_constructs.base.helm import SET_PRIORITY
from stacks.config.loader import LOCATIONS, load_location
from stacks.hosts import PROMISED
from stacks.location import LocationStack
from stacks.reports.graph import construct_graph, critical_path, resource_graph, to_dot
from stacks.reports.sizing import asks, quantity, total, volumes
from tests.infra.synthesis import Document, resources, to_document
from tests.infra.test_location import document
from tests.support.locations import NAMES, locations

DOCS = Path(__file__).parents[2] / "docs"
# Host names without the login before them, each with what guards it instead.
WITHOUT_LOGIN = {
    "dex": "is the login",
    "oauth2-proxy": "is the login",
    "bifrost": "inference paths only, with a virtual key",
    "bifrost-insecure": "the same by plain HTTP, where a location asks for it",
}
GRAPHED = "stalpeni"


def ingresses(name: str) -> list[dict[str, Any]]:
    return resources(document(name), "kubernetes_ingress_v1")


def host(ingress: dict[str, Any]) -> str:
    return str(ingress["spec"]["rule"][0]["host"]).partition(".")[0]


def releases(name: str) -> dict[str, dict[str, Any]]:
    return {release["name"]: release for release in resources(document(name), "helm_release")}


def values(name: str) -> dict[str, dict[str, Any]]:
    return {key: yaml.safe_load(release.get("values", ["{}"])[0]) for key, release in releases(name).items()}


def parts(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in a chart's values, with where it stands."""
    yield path, value
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            yield from parts(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for item in cast("Iterable[Any]", value):
            yield from parts(item, path)


@pytest.mark.parametrize("name", NAMES)
def test_every_host_name_asks_for_a_login_or_is_on_the_short_list_of_those_that_guard_themselves(name: str) -> None:
    found = ingresses(name)
    assert found
    for ingress in found:
        annotations = ingress["metadata"]["annotations"]
        asks_for_login = "nginx.ingress.kubernetes.io/auth-url" in annotations
        assert asks_for_login or host(ingress) in WITHOUT_LOGIN, f"{host(ingress)} lets anyone in"
        if asks_for_login:
            assert "/oauth2/start" in annotations["nginx.ingress.kubernetes.io/auth-signin"]


@pytest.mark.parametrize("name", NAMES)
def test_the_gateway_is_open_on_inference_paths_and_shut_on_every_other(name: str) -> None:
    opened = {
        path["path"]: "nginx.ingress.kubernetes.io/auth-url" not in ingress["metadata"]["annotations"]
        for ingress in ingresses(name)
        if host(ingress) == "bifrost"
        for path in ingress["spec"]["rule"][0]["http"]["path"]
    }
    assert opened == {"/v1": True, "/openai": True, "/anthropic": True, "/langchain": True, "/litellm": True, "/genai": True, "/": False}


def plain_hosts(synthesised: Document) -> list[str]:
    """Host names that are served without TLS."""
    return [host(ingress) for ingress in resources(synthesised, "kubernetes_ingress_v1") if "tls" not in ingress["spec"]]


def test_of_our_locations_only_local_serves_plain_http() -> None:
    assert {name: plain_hosts(document(name)) for name in NAMES} == {"local": ["bifrost-insecure"], "pr": [], "stalpeni": []}


def test_plain_http_is_served_where_the_location_file_asks_for_it_whatever_the_locations_name(tmp_path: Path) -> None:
    asked = (LOCATIONS / "local.toml").read_text()
    (tmp_path / "office.toml").write_text(asked)
    (tmp_path / "local.toml").write_text(asked.replace("plain_http = true", "plain_http = false"))
    locations = {name: load_location(tmp_path / f"{name}.toml") for name in ("office", "local")}
    stacks = {name: to_document(LocationStack(CdktfTesting.app(), location)) for name, location in locations.items()}
    assert {name: plain_hosts(stack) for name, stack in stacks.items()} == {"office": ["bifrost-insecure"], "local": []}
    listed = {name: stack["output"]["service_urls"]["value"].get("bifrost-insecure") for name, stack in stacks.items()}
    assert listed == {"office": "http://bifrost-insecure.local.inferencebros.com", "local": None}
    assert ["bifrost-insecure" in stacks[name]["output"]["etc_hosts"]["value"] for name in ("office", "local")] == [True, False]


def urls(name: str) -> dict[str, str]:
    found: dict[str, str] = document(name)["output"]["service_urls"]["value"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_outputs_list_what_an_ingress_answers_and_besides_it_only_the_name_that_is_promised(name: str) -> None:
    answered = {host(ingress): ingress["spec"]["rule"][0]["host"] for ingress in ingresses(name)}
    assert PROMISED not in answered, "it is answered: take the promise away"
    assert urls(name).keys() == {*answered, PROMISED, "k3s"}
    _, behind_ingress = document(name)["output"]["etc_hosts"]["value"].splitlines()
    assert set(behind_ingress.split()[1:]) == {*answered.values(), f"{PROMISED}.{locations()[name].domain}"}


def test_a_service_is_listed_by_the_scheme_that_its_ingress_speaks() -> None:
    assert [service for service, url in urls("local").items() if url.startswith("http://")] == plain_hosts(document("local"))


def test_the_output_lists_every_service_with_its_address() -> None:
    found = urls("stalpeni")
    assert found["bifrost"] == "https://bifrost.stalpeni.inferencebros.com"
    assert found["k3s"] == "https://k3s.stalpeni.inferencebros.com:6443"
    assert found.keys() == {
        *(
            "alertmanager",
            "bifrost",
            "control",
            "dex",
            "grafana",
            "headlamp",
            "k3s",
            "longhorn",
            "models",
            "oauth2-proxy",
            "prometheus",
            "vui",
        )
    }


def test_options_of_a_location_decide_which_addons_there_are() -> None:
    everywhere = {"bifrost", "cert-manager", "dex", "gpu-operator", "gpu-operator-charts", "headlamp", "ingress-nginx", "kubeai", "metallb"}
    everywhere |= {"node-feature-discovery", "oauth2-proxy", "postgres"}
    monitored = {"alloy", "kube-prometheus-stack", "loki", "observability", "prometheus-operator-crds", "tempo"}
    kept = {"longhorn", "model-browser", "snapshot-controller", "velero", "velero-ui"}
    own = {"snapshot-class", "issuer", "metallb-pool", "postgres-roles", "bifrost-monitor", "kubeai-monitor"}
    assert releases("local").keys() - own == everywhere
    assert releases("pr").keys() - own == everywhere | monitored
    assert releases("stalpeni").keys() - own == everywhere | monitored | kept


def warnings(name: str) -> dict[str, str]:
    return {about: told["assert"][0]["error_message"] for about, told in document(name).get("check", {}).items()}


def test_an_archived_ingress_controller_is_warned_about() -> None:
    assert "archived upstream since March 2026" in warnings("local")["ingress_controller"]


def test_a_location_where_nobody_can_log_in_is_warned_about_and_another_is_not() -> None:
    assert "local has no operator, so nobody can log in" in warnings("local")["operators"]
    assert "operators" not in warnings("stalpeni")


def test_terraform_tells_each_warning_once_and_of_the_deployed_location_only(tmp_path: Path) -> None:
    checks = document("local")["check"]
    (tmp_path / "main.tf.json").write_text(json.dumps({"check": checks}, indent=2))
    subprocess.run(["terraform", f"-chdir={tmp_path}", "init", "-input=false"], check=True, capture_output=True)
    plan = ["terraform", f"-chdir={tmp_path}", "plan", "-input=false", "-no-color"]
    told = " ".join(subprocess.run(plan, check=True, capture_output=True, text=True).stdout.replace("│", " ").split())
    assert {about: told.count(message) for about, message in warnings("local").items()} == dict.fromkeys(checks, 1)
    printed = [entry.type for entry in LocationStack(CdktfTesting.app(), locations()["local"]).node.metadata]
    assert not any("warn" in kind for kind in printed), "cdktf would print it whichever location is deployed"


@pytest.mark.parametrize("name", NAMES)
def test_charts_and_images_are_pinned(name: str) -> None:
    pinned = {chart.name: chart.version for chart in vars(versions).values() if isinstance(chart, versions.Chart)}
    for release in releases(name).values():
        assert release["chart"].startswith("assets/") or release["version"] == pinned[release["chart"]]
    images = [
        str(value)
        for chart in values(name).values()
        for path, value in parts(chart)
        if isinstance(value, str) and (path.lower().endswith("image") or ".images." in path)
    ]
    assert images
    for image in images:
        assert re.search(r":v?\d[\w.-]*$", image), f"{image} has no version"


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_stands_in_a_value(name: str) -> None:
    secret = re.compile(r"(password|secret|token|passphrase|api_?key)$", re.IGNORECASE)
    found = [
        (release, path, value)
        for release, chart in values(name).items()
        for path, value in parts(chart)
        if secret.search(path)
        and isinstance(value, str)
        and value
        and not path.endswith((".existingSecret", "hashFromEnv", "USE_REFRESH_TOKEN"))
    ]
    named = {"hugging-face", "backup-target", "bucket", "grafana", "velero-ui", "oauth2-proxy", "postgres-bifrost", "bifrost"}
    assert [entry for entry in found if entry[2] not in named] == []
    assert "${" not in "".join(release.get("values", [""])[0].replace("$${", "") for release in releases(name).values())


@pytest.mark.parametrize("name", NAMES)
def test_every_secret_is_of_a_variable_or_made_by_terraform(name: str) -> None:
    secret = re.compile(r"(password|secret|token|hash|key|phrase|slack|cloud)", re.IGNORECASE)
    found = {
        f"{item['metadata']['name']}.{key}": value
        for item in resources(document(name), "kubernetes_secret_v1")
        for key, value in item["data"].items()
        if secret.search(key)
    }
    assert len(found) > 5
    assert [key for key, value in found.items() if "${" not in value] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_namespace_enforces_a_level_and_those_that_serve_people_are_closed(name: str) -> None:
    namespaces = document(name)["resource"]["kubernetes_namespace_v1"]
    for item in namespaces.values():
        assert item["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] in {"restricted", "baseline", "privileged"}
    referred = "".join(policy["metadata"]["namespace"] for policy in resources(document(name), "kubernetes_network_policy_v1"))
    open_ones = {item["metadata"]["name"] for address, item in namespaces.items() if f".{address}." not in referred}
    assert open_ones == {"metallb-system", "gpu-operators"} | ({"longhorn-system"} if name == "stalpeni" else set())


@pytest.mark.parametrize("name", NAMES)
def test_only_what_a_location_protects_is_kept_from_being_destroyed(name: str) -> None:
    kept = {
        resource["//"]["metadata"]["path"].partition("/")[2]
        for kind in ("helm_release", "kubernetes_namespace_v1", "kubernetes_persistent_volume_claim_v1")
        for resource in _synthesised(name)["resource"].get(kind, {}).values()
        if resource.get("lifecycle", {}).get("prevent_destroy")
    }
    expected = {
        *("bifrost/namespace/namespace", "bifrost/postgres/server/release", "kubeai/addon/release", "kubeai/namespace/namespace"),
        *("kubeai/cache", "longhorn/addon/release", "longhorn/namespace/namespace"),
        *("monitoring-kinds/addon/release", "monitoring-kinds/namespace/namespace"),
    }
    assert kept == (expected if name == "stalpeni" else set())


@cache
def _synthesised(name: str) -> Document:
    # With metadata, unlike the other tests' documents.
    found: Document = LocationStack(App(), locations()[name]).to_terraform()
    return found


def test_an_empty_platform_without_monitoring_fits_a_small_server() -> None:
    cpu, memory = total(asks(document("local")), servers=1)
    assert 500 < cpu < 4_000
    assert 1_000 < memory < 10 * 1024


@pytest.mark.parametrize("name", NAMES)
def test_the_page_on_sizing_says_what_the_values_ask_for(name: str) -> None:
    found, sums = asks(document(name)), list[str]()
    for servers in (1, 3):
        cpu, memory = total(found, servers)
        sums += [f"{cpu / 1000:.2f}", f"{memory / 1024:.1f} GiB"]
    row = next(line for line in (DOCS / "sizing.md").read_text().splitlines() if f"(`{name}`)" in line)
    assert [cell.strip() for cell in row.split("|")[2:-1]] == [*sums, f"{sum(volumes(document(name)).values())} GiB"], "make sizing"


def test_every_container_whose_resources_are_set_has_a_limit_of_memory() -> None:
    for release, chart in values("stalpeni").items():
        found = dict(parts(chart))
        asking = [path.removesuffix(".requests.cpu") for path in found if path.endswith(".requests.cpu") and "resourceProfiles" not in path]
        unlimited = [path for path in asking if f"{path}.limits.memory" not in found]
        assert unlimited == [], release


@pytest.mark.parametrize(("text", "expected"), [("512Mi", 512), ("2Gi", 2048)])
def test_quantities_are_read_in_one_unit(text: str, expected: int) -> None:
    assert quantity(text, {"Mi": 1, "Gi": 1024}) == expected


def test_a_quantity_of_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="1Ki: the unit Ki is not one of Mi"):
        quantity("1Ki", {"Mi": 1})


def test_the_picture_of_who_waits_for_whom_is_of_this_program() -> None:
    dot = to_dot(construct_graph(_synthesised(GRAPHED)))
    assert (DOCS / "dependencies.dot").read_text() == dot, "write it anew: make graph"
    page, depth = (DOCS / "dependencies.md").read_text(), len(critical_path(resource_graph(_synthesised(GRAPHED))))
    assert f"depth is {depth} resources" in page
    drawn = html.unescape((DOCS / "dependencies.svg").read_text())
    for node in construct_graph(_synthesised(GRAPHED)):
        assert f">{node}<" in drawn, f"{node} is not in the picture: make graph"


def waiting(**waits_for: list[str]) -> Document:
    """Resources of one kind, each a construct of its own, that wait for others by name."""
    made = {
        name: {"depends_on": [f"a_kind.{each}" for each in before], "//": {"metadata": {"path": f"stack/{name}/it"}}}
        for name, before in waits_for.items()
    }
    return {"resource": {"a_kind": made}}


def test_the_picture_leaves_out_an_arrow_that_a_longer_way_implies() -> None:
    dot = to_dot(construct_graph(waiting(first=[], second=["first"], third=["first", "second"], alone=[])))
    assert re.findall(r'"(\w+)" -> "(\w+)"', dot) == [("first", "second"), ("second", "third")]
    assert '"alone";' in dot


def test_the_critical_path_is_the_longest_chain_and_of_two_the_first_by_name() -> None:
    graph = resource_graph(waiting(b=[], a=[], c=["b", "a"], d=["c"], short=["a"]))
    assert critical_path(graph) == ["a_kind.a", "a_kind.c", "a_kind.d"]


def test_the_script_that_sets_a_priority_is_shipped_with_the_gateway() -> None:
    renderer = releases("local")["bifrost"]["postrender"]
    assert renderer["binary_path"] == "sh"
    assert renderer["args"][0].endswith(SET_PRIORITY.name)
    assert renderer["args"][1] == "billing"
