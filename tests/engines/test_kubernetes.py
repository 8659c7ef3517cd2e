"""Our identity, our chart and the control service against a real Kubernetes API."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from control_app import create_app
from control_app.core.clock import utc
from control_app.core.time import microseconds
from control_app.gateway.bifrost.sheet import sheet_text
from control_app.gateway.bifrost.sheet_places import SheetConfigMap
from control_app.gateway.port import PublicationError
from control_app.pricing import catalog, sources
from control_app.pricing.catalog import Catalog
from control_app.pricing.port import SourceError
from control_app.pricing.sources import KubernetesModels
from control_app.pricing.store import PriceBook
from control_app.service.settings import Settings
from control_app.service.tables import open_database
from ib_constructs import K3sSettings
from ib_constructs.base.helm import OBJECTS_CHART
from ib_constructs.cluster.k3s_config import manifests
from tests.control.support.models import ANNOTATION, EXAMPLE, NAME, annotated
from tests.engines.cluster import Cluster
from tests.support.identities import client_certificate, make_identity
from tests.support.waiting import until

READER = "control"
MODELS = "/apis/kubeai.org/v1/namespaces/kubeai/models"
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "models.kubeai.org"},
    "spec": {
        "group": "kubeai.org",
        "scope": "Namespaced",
        "names": {"plural": "models", "singular": "model", "kind": "Model"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
ROLE = {"metadata": {"name": READER}, "rules": [{"apiGroups": ["kubeai.org"], "resources": ["models"], "verbs": ["get", "list", "watch"]}]}
SHEETS = "/api/v1/namespaces/bifrost/configmaps"
KEEPER_RULE = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["bifrost-prices"], "verbs": ["get", "patch"]}
BINDING = {
    "metadata": {"name": READER},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": READER},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": READER}],
}


@pytest.fixture(scope="module")
def root(cluster: Cluster) -> Cluster:
    """The cluster with the administrators' binding, as K3s applies it from server/manifests at its start."""
    masters = client_certificate(cluster.identity.authorities["client-ca"], "k3s", "system:masters")
    refused, _ = cluster.request(cluster.identity.admin, "GET", "/api/v1/namespaces")
    assert refused == 403, "the administrators' certificate alone must give no right"
    binding = yaml.safe_load(manifests(K3sSettings(api_vip=None, api_names=[], issuer="https://dex.example.com"))["ib-admins.yaml"])
    assert cluster.request(masters, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)[0] == 201
    return cluster


@pytest.fixture(scope="module")
def kubeai(root: Cluster) -> Cluster:
    """The cluster with KubeAI's kind and the example model."""
    admin = root.identity.admin
    posts = [
        ("/api/v1/namespaces", {"metadata": {"name": "kubeai"}}),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD),
        ("/apis/rbac.authorization.k8s.io/v1/namespaces/kubeai/roles", ROLE),
        ("/apis/rbac.authorization.k8s.io/v1/namespaces/kubeai/rolebindings", BINDING),
    ]
    for path, body in posts:
        assert root.request(admin, "POST", path, body)[0] == 201
    until(lambda: root.request(admin, "GET", MODELS)[0] == 200, "the kind is served", 30)
    assert root.request(admin, "POST", MODELS, EXAMPLE)[0] == 201
    return root


def test_the_administrators_certificate_works_by_the_binding_that_k3s_is_given(root: Cluster) -> None:
    assert root.request(root.identity.admin, "GET", "/api/v1/namespaces")[0] == 200


def test_a_certificate_of_another_identity_is_refused(root: Cluster) -> None:
    assert root.request(make_identity().admin, "GET", "/api/v1/namespaces")[0] == 401


def test_the_control_service_reads_models_with_the_right_to_read_models_only(kubeai: Cluster) -> None:
    (model,) = KubernetesModels("kubeai", kubeai.kubeconfig(READER, "services")).models()
    assert model.name == NAME
    assert json.loads(model.annotation or "") == ANNOTATION
    assert model.features == ("TextGeneration",)


def test_a_service_without_the_right_says_what_it_may_not(kubeai: Cluster) -> None:
    with pytest.raises(SourceError, match=r'models of namespace kubeai cannot be read: .*User "stranger" cannot list resource "models"'):
        KubernetesModels("kubeai", kubeai.kubeconfig("stranger", "nobodies")).models()


def test_an_api_that_does_not_answer_is_named(kubeai: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(kubeai.kubeconfig(READER, "services").read_text().replace(kubeai.url, "https://127.0.0.1:1"))
    with pytest.raises(SourceError, match="models of namespace kubeai cannot be read"):
        KubernetesModels("kubeai", path).models()


def test_outside_a_cluster_a_missing_service_account_is_named() -> None:
    with pytest.raises(SourceError, match="models of namespace kubeai cannot be read"):
        KubernetesModels("kubeai").models()


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        KubernetesModels("kubeai", tmp_path / "nowhere").models()


def test_prices_are_served_from_the_clusters_models(kubeai: Cluster, tmp_path: Path) -> None:
    settings = Settings.of(
        models="kubernetes",
        models_namespace="kubeai",
        kubeconfig=kubeai.kubeconfig(READER, "services"),
        database=tmp_path / "control.sqlite3",
        location="test",
    )
    client = create_app(settings).test_client()
    assert json.loads(client.get("/openrouter/models").text) == {"data": [ANNOTATION]}
    assert client.get("/readyz").status_code == 200


def test_a_models_creation_is_the_clusters(kubeai: Cluster) -> None:
    (model,) = KubernetesModels("kubeai", kubeai.kubeconfig(READER, "services")).models()
    created = json.loads(kubeai.request(kubeai.identity.admin, "GET", f"{MODELS}/{NAME}")[1])["metadata"]["creationTimestamp"]
    assert model.created == microseconds(datetime.fromisoformat(created))


def test_who_changed_an_annotation_and_when_is_told_by_the_cluster(kubeai: Cluster) -> None:
    admin = kubeai.identity.admin
    body = {"metadata": {"annotations": {"openrouter.ai/json": json.dumps(annotated(description="Better words"))}}}
    assert kubeai.request(admin, "PATCH", f"{MODELS}/{NAME}?fieldManager=ana", body)[0] == 200
    assert kubeai.request(admin, "PATCH", f"{MODELS}/{NAME}?fieldManager=ben", {"metadata": {"labels": {"by": "ben"}}})[0] == 200
    (model,) = KubernetesModels("kubeai", kubeai.kubeconfig(READER, "services")).models()
    assert model.edit.by == "ana"
    told = datetime.strptime(model.edit.at, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    assert abs(told - utc()) < timedelta(minutes=5)


def test_a_change_in_the_cluster_is_seen_by_the_watch(kubeai: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "MAX_AGE", timedelta(hours=1))  # so that only the watch can tell
    admin, source = kubeai.identity.admin, KubernetesModels("kubeai", kubeai.kubeconfig(READER, "services"))
    watched = Catalog(source, PriceBook(open_database(tmp_path / "control.sqlite3"), utc), sheet_text, utc)
    watched.start()

    def names() -> list[str]:
        try:
            return [offer.document["name"] for offer in watched.current().offers]
        except SourceError:
            return []

    def annotate(name: str) -> None:
        text = json.dumps(annotated(name=name))
        body = {"metadata": {"annotations": {"openrouter.ai/json": text}}}
        assert kubeai.request(admin, "PATCH", f"{MODELS}/{NAME}", body)[0] == 200

    try:
        until(lambda: names() == [ANNOTATION["name"]], "the models are read", 30)
        for name in ("Once", "Twice", ANNOTATION["name"]):
            annotate(name)
            until(lambda name=name: names() == [name], "the change is seen", 30)  # type: ignore[misc]
    finally:
        watched.stop()


def test_a_watch_tells_of_what_there_is_and_ends_by_itself(kubeai: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "WATCH_SEC", 1)
    told: list[bool] = []
    KubernetesModels("kubeai", kubeai.kubeconfig(READER, "services")).watch(lambda: told.append(True))
    assert told == [True]


def test_a_service_without_the_right_says_that_it_may_not_watch(kubeai: Cluster) -> None:
    with pytest.raises(SourceError, match=r"models of namespace kubeai cannot be watched: .*403"):
        KubernetesModels("kubeai", kubeai.kubeconfig("stranger", "nobodies")).watch(lambda: None)


@pytest.fixture(scope="module")
def bifrost(root: Cluster) -> Cluster:
    """The cluster with the gateway's namespace, and the right to keep its sheet."""
    posts = [
        ("/api/v1/namespaces", {"metadata": {"name": "bifrost"}}),
        ("/apis/rbac.authorization.k8s.io/v1/namespaces/bifrost/roles", {"metadata": {"name": READER}, "rules": [KEEPER_RULE]}),
        ("/apis/rbac.authorization.k8s.io/v1/namespaces/bifrost/rolebindings", BINDING),
    ]
    for path, body in posts:
        assert root.request(root.identity.admin, "POST", path, body)[0] == 201
    return root


def test_the_sheet_is_kept_in_the_gateways_config_map_with_the_right_to_that_one_only(bifrost: Cluster) -> None:
    admin, place = bifrost.identity.admin, SheetConfigMap(bifrost.kubeconfig(READER, "services"))
    with pytest.raises(PublicationError, match=r"ConfigMap bifrost/bifrost-prices cannot be written: .*not found"):
        place.write("{}")
    # As Terraform makes it, with a key of somebody else's.
    made = {"metadata": {"name": "bifrost-prices"}, "data": {"sheet.json": "{}", "other": "kept"}}
    assert bifrost.request(admin, "POST", SHEETS, made)[0] == 201

    assert place.write('{"kubeai/x": {}}\n')
    first = json.loads(bifrost.request(admin, "GET", f"{SHEETS}/bifrost-prices")[1])
    assert first["data"] == {"sheet.json": '{"kubeai/x": {}}\n', "other": "kept"}
    assert not place.write('{"kubeai/x": {}}\n'), "what is equal is not written"
    again = json.loads(bifrost.request(admin, "GET", f"{SHEETS}/bifrost-prices")[1])
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_a_service_without_the_right_to_the_sheet_says_so(bifrost: Cluster) -> None:
    with pytest.raises(PublicationError, match='User "stranger" cannot get resource "configmaps"'):
        SheetConfigMap(bifrost.kubeconfig("stranger", "nobodies")).write("{}")


def test_objects_reach_the_cluster_word_for_word_and_leave_with_the_release(root: Cluster, tmp_path: Path) -> None:
    text = "{{ .Values.secret }} ${var} %{if} {{`x`}}"
    objects = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": text}} for name in ("one", "two")]
    kubeconfig, path = root.admin_kubeconfig(), "/api/v1/namespaces/default/configmaps"
    for count in (2, 1):
        values = tmp_path / "values.yaml"
        values.write_text(yaml.safe_dump({"objects": objects[:count]}))
        done = root.run(kubeconfig, "helm", "upgrade", "--install", "things", str(OBJECTS_CHART), "-f", str(values), "--wait")
        assert done.returncode == 0, done.stderr
        items = json.loads(root.request(root.identity.admin, "GET", path)[1])["items"]
        assert {item["metadata"]["name"]: item["data"]["text"] for item in items} == dict.fromkeys(("one", "two")[:count], text)
