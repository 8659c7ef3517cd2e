"""Host names at the ingress, and the two controllers that answer them by the same annotations."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import yaml
from cdktf import DataResource, TerraformStack

from ib_constructs import Ingress, IngressController, IngressControllerProps, IngressProps, Login, Namespace, NamespaceProps
from ib_constructs.base.ingress import NGINX, Controller
from ib_constructs.versions import INGRESS_NGINX, TRAEFIK
from tests.infra.synthesis import Document, given, only, resources, something_to_wait_for, synthesise

LOGIN = Login(auth_url="http://oauth2-proxy.login.svc/oauth2/auth", host="login.example.com", controller="ingress-nginx")
CONTROLLERS = get_args(Controller)
ISSUER = "cert-manager.io/cluster-issuer"


def ingress(**changes: Any) -> dict[str, Any]:
    def build(stack: TerraformStack) -> None:
        controller, cluster = something_to_wait_for(stack), DataResource(stack, "cluster")
        namespace = Namespace(stack, "ns", NamespaceProps(name="things", pod_security="restricted", cluster=cluster))
        defaults: dict[str, Any] = {"host": "thing.example.com", "service": "thing", "port": 8080, "login": None}
        Ingress(stack, "web", IngressProps(**(defaults | changes), namespace=namespace, waits_for=[controller]))

    found: dict[str, Any] = only(synthesise(build), "kubernetes_ingress_v1")
    return found


def annotations_of(**changes: Any) -> dict[str, str]:
    """The annotations of an Ingress, ingress-nginx's without their prefix."""
    return {key.removeprefix(f"{NGINX}/"): value for key, value in ingress(**changes)["metadata"]["annotations"].items()}


def controller(kind: Controller, *, monitored: bool = False, **changes: Any) -> Document:
    def build(stack: TerraformStack) -> None:
        defaults: dict[str, Any] = {"ingress_ip": "192.168.1.240", "replicas": 1}
        props = IngressControllerProps(given=given(stack, monitored=monitored), controller=kind, **(defaults | changes))
        made = IngressController(stack, "ingress", props)
        DataResource(stack, "after", depends_on=[made.ready])

    return synthesise(build)


def values(kind: Controller, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(only(controller(kind, **changes), "helm_release", "ingress_addon")["values"][0])
    return found


def pods(kind: Controller, **changes: Any) -> dict[str, Any]:
    """The part of a chart's values that describes its Service and its pods."""
    found = values(kind, **changes)
    inner: dict[str, Any] = found["controller"] if kind == "ingress-nginx" else found
    return inner


def test_a_host_leads_to_a_service_of_its_namespace() -> None:
    found = ingress()
    assert found["metadata"]["namespace"].startswith("${kubernetes_namespace_v1.ns_namespace")
    assert found["spec"]["ingress_class_name"] == "nginx"
    (rule,) = found["spec"]["rule"]
    assert rule["host"] == "thing.example.com"
    backend = {"service": {"name": "thing", "port": {"number": 8080}}}
    assert rule["http"]["path"] == [{"path": "/", "path_type": "Prefix", "backend": backend}]


def test_only_the_paths_that_are_named_lead_there() -> None:
    (rule,) = ingress(paths=("/v1", "/openai"))["spec"]["rule"]
    assert [path["path"] for path in rule["http"]["path"]] == ["/v1", "/openai"]


def test_an_ingress_waits_for_the_controller_that_takes_it() -> None:
    assert ingress()["depends_on"] == ["terraform_data.before"]


def test_each_host_has_a_certificate_of_its_own_from_the_locations_issuer() -> None:
    assert ingress()["spec"]["tls"] == [{"hosts": ["thing.example.com"], "secret_name": "thing.example.com-tls"}]
    assert annotations_of()[ISSUER] == "location"
    assert "ssl-redirect" not in annotations_of(), "controllers redirect to https by themselves"


def test_plain_http_needs_no_certificate_and_is_not_redirected() -> None:
    assert "tls" not in ingress(tls=False)["spec"]
    assert ISSUER not in annotations_of(tls=False)
    assert annotations_of(tls=False)["ssl-redirect"] == "false"


def test_who_has_no_session_is_sent_to_the_login_and_back_to_where_they_were() -> None:
    found = annotations_of(login=LOGIN)
    assert found["auth-url"] == "http://oauth2-proxy.login.svc/oauth2/auth"
    assert found["auth-signin"] == "https://login.example.com/oauth2/start?rd=$scheme://$host$escaped_request_uri"


def test_the_service_behind_the_login_hears_who_it_is() -> None:
    names = annotations_of(login=LOGIN)["auth-response-headers"].split(",")
    assert names == ["X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups"]


def test_a_service_without_login_is_left_to_anyone() -> None:
    assert not [key for key in annotations_of() if key.startswith("auth-")]


def test_a_stream_may_pause_for_a_quarter_of_an_hour_and_nothing_is_held_back() -> None:
    found = annotations_of(streams=True)
    assert (found["proxy-read-timeout"], found["proxy-send-timeout"]) == ("900", "900")
    assert found["proxy-buffering"] == "off"
    assert "proxy-request-buffering" not in found, "Traefik would then not limit the body"
    assert annotations_of().keys() == {"proxy-body-size", ISSUER}, "others have the controller's defaults"


@pytest.mark.parametrize(("mib", "expected"), [(10, "10m"), (100, "100m"), (0, "0")])
def test_requests_are_limited_in_size_unless_the_limit_is_zero(mib: int, expected: str) -> None:
    assert annotations_of(max_body_mib=mib)["proxy-body-size"] == expected


def test_requests_of_ten_mebibytes_pass_by_default() -> None:
    assert annotations_of()["proxy-body-size"] == "10m"


def test_an_ingress_carries_no_snippet_since_controllers_refuse_them() -> None:
    assert not [key for key in annotations_of(login=LOGIN, streams=True) if "snippet" in key]


@pytest.mark.parametrize(("kind", "chart"), [("ingress-nginx", INGRESS_NGINX), ("traefik", TRAEFIK)])
def test_either_controller_is_a_pinned_chart_that_waits_for_its_address(kind: Controller, chart: Any) -> None:
    document = controller(kind)
    release = only(document, "helm_release", "ingress_addon")
    assert (release["chart"], release["repository"], release["version"]) == (chart.name, chart.repository, chart.version)
    assert "terraform_data.before" in release["depends_on"]
    (waited_for,) = only(document, "terraform_data", "after")["depends_on"]
    assert waited_for.startswith("helm_release.ingress_addon"), "what is ready takes Ingress objects"


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_either_controller_listens_at_the_ingress_ip_and_sees_clients_addresses(kind: Controller) -> None:
    service = pods(kind, ingress_ip="10.0.0.7")["service"]
    assert service["annotations"] == {"metallb.io/loadBalancerIPs": "10.0.0.7"}
    assert service.get("spec", service)["externalTrafficPolicy"] == "Local"


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_either_controller_may_do_little_and_the_world_reaches_its_ports_only(kind: Controller) -> None:
    document = controller(kind)
    metadata = only(document, "kubernetes_namespace_v1")["metadata"]
    assert metadata["name"] == "ingress", "other namespaces let it in by this name"
    assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    anyone = [rule["ports"] for rule in only(document, "kubernetes_network_policy_v1")["spec"]["ingress"] if "from" not in rule]
    # ingress-nginx's webhook is 8443; Traefik listens at unprivileged ports.
    expected = {"ingress-nginx": ["80", "443", "8443"], "traefik": ["8000", "8443"]}[kind]
    assert [[port["port"] for port in ports] for ports in anyone] == [expected]


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_either_controllers_pods_ask_for_resources_and_are_limited_in_memory(kind: Controller) -> None:
    found = pods(kind)["resources"]
    assert found["requests"].keys() == {"cpu", "memory"}
    assert found["limits"].keys() == {"memory"}, "processors are not limited"


def test_nginx_jobs_ask_for_resources_too() -> None:
    jobs = values("ingress-nginx")["controller"]["admissionWebhooks"]
    assert jobs.keys() == {"createSecretJob", "patchWebhookJob"}
    assert all(job["resources"]["requests"] and job["resources"]["limits"] for job in jobs.values())


@pytest.mark.parametrize("replicas", [1, 2])
def test_either_controller_runs_as_often_as_asked(replicas: int) -> None:
    assert values("ingress-nginx", replicas=replicas)["controller"]["replicaCount"] == replicas
    assert values("traefik", replicas=replicas)["deployment"]["replicas"] == replicas


@pytest.mark.parametrize("monitored", [True, False])
def test_prometheus_is_told_of_either_controller_only_where_there_is_one(monitored: bool) -> None:  # noqa: FBT001
    assert values("ingress-nginx", monitored=monitored)["controller"]["metrics"]["serviceMonitor"]["enabled"] is monitored
    prometheus = values("traefik", monitored=monitored)["metrics"]["prometheus"]
    assert prometheus["serviceMonitor"]["enabled"] is monitored
    assert prometheus["service"]["enabled"] is monitored, "the monitor finds pods by it"
    assert prometheus["disableAPICheck"] is True, "a first plan knows no kinds"


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_streams_in_flight_outlive_an_update_of_either_controller(kind: Controller) -> None:
    found = pods(kind)
    seconds = found.get("terminationGracePeriodSeconds") or found["deployment"]["terminationGracePeriodSeconds"]
    assert seconds == 300
    if kind == "ingress-nginx":
        assert found["config"]["worker-shutdown-timeout"] == "300s"


def test_nginx_removes_clients_request_ids_in_every_location() -> None:
    assert values("ingress-nginx")["controller"]["config"]["location-snippet"] == 'more_clear_input_headers "X-Request-ID";'


def test_nginx_takes_no_snippet_from_an_annotation() -> None:
    found = values("ingress-nginx")["controller"]
    assert found.get("allowSnippetAnnotations", False) is False
    assert "annotations-risk-level" not in found["config"], "High, which snippets exceed"


def test_nginx_brings_the_default_class() -> None:
    assert values("ingress-nginx")["controller"]["ingressClassResource"] == {"name": "nginx", "default": True}
    assert resources(controller("ingress-nginx"), "helm_release", "ingress_class") == []


def test_traefik_reads_nginx_annotations_and_finds_each_ingress_once() -> None:
    providers = values("traefik")["providers"]
    assert providers["kubernetesIngress"] == {"enabled": False}
    nginx = providers["kubernetesIngressNGINX"]
    assert nginx["enabled"] is True
    assert (nginx["controllerClass"], nginx["ingressClass"]) == ("k8s.io/ingress-nginx", "nginx")


def test_traefik_limits_bodies_and_passes_the_logins_cookie_on() -> None:
    nginx = values("traefik")["providers"]["kubernetesIngressNGINX"]
    assert (nginx["proxyRequestBuffering"], nginx["allowSnippetAnnotations"]) == (True, True)


def test_traefik_refuses_a_path_that_would_be_another_when_decoded() -> None:
    for port in values("traefik")["ports"].values():
        assert port["http"]["encodedCharacters"] == {"allowEncodedSlash": False}


def test_nginx_takes_an_answer_of_the_login_with_all_its_tokens() -> None:
    assert values("ingress-nginx")["controller"]["config"]["proxy-buffer-size"] == "16k"


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_answers_tell_browsers_to_stay_with_https_and_nobody_what_runs_behind(kind: Controller) -> None:
    if kind == "ingress-nginx":
        config = values(kind)["controller"]["config"]
        assert (config["hsts"], config["hide-headers"]) == ("true", "Server,X-Powered-By")
    else:
        headers = values(kind)["extraObjects"][0]["spec"]["headers"]
        assert headers["stsSeconds"] == 31_536_000
        assert headers["customResponseHeaders"] == {"Server": "", "X-Powered-By": ""}


def test_traefik_waits_for_the_default_class_that_it_wants_to_find() -> None:
    document = controller("traefik")
    (name,) = [name for name in document["resource"]["helm_release"] if name.startswith("ingress_class")]
    assert f"helm_release.{name}" in only(document, "helm_release", "ingress_addon")["depends_on"]
    (found,) = yaml.safe_load(only(document, "helm_release", "ingress_class")["values"][0])["objects"]
    assert (found["apiVersion"], found["kind"], found["metadata"]["name"]) == ("networking.k8s.io/v1", "IngressClass", "nginx")
    assert found["metadata"]["annotations"] == {"ingressclass.kubernetes.io/is-default-class": "true"}
    assert found["spec"]["controller"] == values("traefik")["providers"]["kubernetesIngressNGINX"]["controllerClass"]
    assert values("traefik")["ingressClass"] == {"enabled": False}, "one class is the default"


def test_traefik_removes_clients_request_ids_at_both_entry_points() -> None:
    found = values("traefik")
    (middleware,) = found["extraObjects"]
    assert middleware["spec"]["headers"]["customRequestHeaders"] == {"X-Request-ID": ""}, "an empty value removes it"
    reference = f"{middleware['metadata']['namespace']}-{middleware['metadata']['name']}@kubernetescrd"
    assert {name: port["http"]["middlewares"] for name, port in found["ports"].items()} == {"web": [reference], "websecure": [reference]}


def test_traefik_lets_an_answer_take_as_long_as_it_needs() -> None:
    for port in values("traefik")["ports"].values():
        timeouts = port["transport"]["respondingTimeouts"]
        assert (timeouts["readTimeout"], timeouts["writeTimeout"]) == ("900s", "0s")
