"""Who people are, what they may do, and where: the issuer, the login, Headlamp, operators' rights, names inside the cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from cdktf import DataResource, TerraformStack, TerraformVariable

from ib_constructs.addons.cluster_dns import ClusterDns, ClusterDnsProps
from ib_constructs.addons.dex import Dex, DexProps
from ib_constructs.addons.headlamp import Headlamp, HeadlampProps
from ib_constructs.addons.login import Oauth2Proxy, Oauth2ProxyProps
from ib_constructs.addons.operators import Operators, OperatorsProps
from ib_constructs.versions import DEX, DEX_TAG, HEADLAMP, OAUTH2_PROXY, Chart
from tests.infra.synthesis import Document, given, only, resources, something_to_wait_for, synthesise

DOMAIN, ADA, BOB = "place.example.com", "ada@example.com", "bob@example.org"


def dex(*, monitored: bool = False, **changes: Any) -> Document:
    def build(stack: TerraformStack) -> None:
        hashes = TerraformVariable(stack, "hashes", type="map(string)", sensitive=True).string_value
        defaults: dict[str, Any] = {"domain": DOMAIN, "operators": [ADA, BOB], "password_hashes": hashes}
        Dex(stack, "dex", DexProps(given=given(stack, monitored=monitored), **(defaults | changes)))

    return synthesise(build)


def login(*, monitored: bool = False, **changes: Any) -> Document:
    def build(stack: TerraformStack) -> None:
        secret = TerraformVariable(stack, "client_secret", type="string", sensitive=True).string_value
        defaults: dict[str, Any] = {"domain": DOMAIN, "client_secret": secret, "replicas": 1, "controller": "ingress-nginx"}
        proxy = Oauth2Proxy(stack, "login", Oauth2ProxyProps(given=given(stack, monitored=monitored), **(defaults | changes)))
        DataResource(stack, "asked", input=proxy.login.annotations())

    return synthesise(build)


def headlamp(issuer_ca: str | None = None) -> Document:
    return synthesise(lambda stack: Headlamp(stack, "headlamp", HeadlampProps(given=given(stack), domain=DOMAIN, issuer_ca=issuer_ca)))


def values(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(only(document, "helm_release")["values"][0])
    return found


@pytest.mark.parametrize(
    ("addon", "chart", "clients"), [(dex, DEX, {"oauth2-proxy"}), (login, OAUTH2_PROXY, set[str]()), (headlamp, HEADLAMP, set[str]())]
)
def test_each_is_a_pinned_chart_reached_from_the_ingress_and_its_clients(
    addon: Callable[..., Document], chart: Chart, clients: set[str]
) -> None:
    document = addon()
    release = only(document, "helm_release")
    assert (release["chart"], release["repository"], release["version"]) == (chart.name, chart.repository, chart.version)
    assert "terraform_data.before" in release["depends_on"]
    (rule,) = only(document, "kubernetes_network_policy_v1")["spec"]["ingress"]
    named = [source["namespace_selector"]["match_labels"] for source in rule["from"] if "namespace_selector" in source]
    assert {name for labels in named for name in labels.values()} == {"ingress", "monitoring"} | clients


@pytest.mark.parametrize("addon", [dex, login, headlamp])
def test_each_may_do_little_and_is_limited_in_memory(addon: Callable[..., Document]) -> None:
    document = addon()
    assert only(document, "kubernetes_namespace_v1")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    found = values(document)
    assert found["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert found["securityContext"]["readOnlyRootFilesystem"] is True
    assert found["podSecurityContext"]["runAsNonRoot"] is True
    assert found["resources"]["requests"].keys() == {"cpu", "memory"}
    assert found["resources"]["limits"].keys() == {"memory"}


@pytest.mark.parametrize("monitored", [True, False])
def test_prometheus_is_told_of_issuer_and_login_only_where_there_is_one(monitored: bool) -> None:  # noqa: FBT001
    assert values(dex(monitored=monitored))["serviceMonitor"]["enabled"] is monitored
    assert values(login(monitored=monitored))["metrics"]["serviceMonitor"]["enabled"] is monitored


def clients() -> dict[str, dict[str, Any]]:
    return {client["id"]: client for client in values(dex())["config"]["staticClients"]}


def test_the_api_takes_tokens_of_a_public_client_with_exact_places_to_return_to() -> None:
    client = clients()["k3s"]
    assert client["public"] is True
    assert not [key for key in client if "secret" in key.lower()]
    # Without any, every address of a person's own machine would do and Headlamp's would not.
    assert client["redirectURIs"] == ["http://localhost:8000", "http://localhost:18000", f"https://headlamp.{DOMAIN}/oidc-callback"]


def test_login_and_grafana_are_clients_with_secrets_of_their_own() -> None:
    assert clients().keys() == {"k3s", "oauth2-proxy", "grafana"}
    expected = {"oauth2-proxy": "oauth2/callback", "grafana": "login/generic_oauth"}
    secrets = only(dex(), "kubernetes_secret_v1")["data"]
    for name, path in expected.items():
        assert clients()[name]["redirectURIs"] == [f"https://{name}.{DOMAIN}/{path}"]
        assert "public" not in clients()[name]
        assert secrets[clients()[name]["secretEnv"]].startswith(f"${{random_password.dex_{name}-secret")


def test_an_operator_is_the_same_person_on_every_deployment_and_of_the_operators_group() -> None:
    ada, bob = values(dex())["config"]["staticPasswords"]
    assert (ada["email"], ada["username"], ada["groups"]) == (ADA, "ada", ["operators"])
    assert ada["userID"] == "3d21f9ee-d85e-5a10-bda2-dff7da80567a"
    (alone,) = values(dex(operators=[BOB]))["config"]["staticPasswords"]
    assert alone["userID"] == bob["userID"] != ada["userID"], "who else there is does not matter"


def test_each_operators_hash_and_every_secret_reach_dex_as_environment_and_stand_in_no_value() -> None:
    document = dex()
    secret = only(document, "kubernetes_secret_v1")
    for operator in values(document)["config"]["staticPasswords"]:
        assert not operator.keys() & {"hash", "password"}
        assert secret["data"][operator["hashFromEnv"]] == f'${{var.hashes["{operator["email"]}"]}}'
    assert values(document)["envFrom"] == [{"secretRef": {"name": secret["metadata"]["name"]}}]
    assert "${" not in only(document, "helm_release")["values"][0]


def test_dex_is_an_image_that_knows_groups_at_the_addresses_that_others_have_for_it() -> None:
    found = values(dex())
    assert found["image"] == {"tag": DEX_TAG}
    assert tuple(int(part) for part in DEX_TAG.removeprefix("v").split(".")) >= (2, 45, 0)
    assert found["config"]["issuer"] == f"https://dex.{DOMAIN}"
    assert found["config"]["web"] == {"http": "0.0.0.0:5556"}
    assert found["config"]["storage"] == {"type": "kubernetes", "config": {"inCluster": True}}
    assert found["config"]["enablePasswordDB"] is True


@pytest.mark.parametrize(("addon", "secret"), [(dex, "random_password.dex_grafana-secret"), (login, "var.client_secret")])
def test_a_changed_secret_restarts_the_pods_that_read_it_once(addon: Callable[..., Document], secret: str) -> None:
    (digest,) = only(addon(), "helm_release")["set"]
    assert digest["name"] == r"podAnnotations.inferencebros\.com/secrets"
    assert digest["value"].startswith("${sha256(")
    assert secret in digest["value"]


def arguments(**changes: Any) -> dict[str, Any]:
    return dict(values(login(**changes))["extraArgs"])


def test_the_login_asks_dex_inside_the_cluster_and_discovers_nothing() -> None:
    found = arguments()
    assert found["skip-oidc-discovery"] is True
    assert (found["oidc-issuer-url"], found["login-url"]) == (f"https://dex.{DOMAIN}", f"https://dex.{DOMAIN}/auth")
    inside = "http://dex.dex.svc.cluster.local:5556"
    assert (found["redeem-url"], found["oidc-jwks-url"]) == (f"{inside}/token", f"{inside}/keys")
    assert found["redirect-url"] in clients()["oauth2-proxy"]["redirectURIs"], "Dex sends people back"


def test_one_session_is_for_every_host_of_the_location_and_for_operators_alone() -> None:
    found = arguments()
    assert found["cookie-domain"] == found["whitelist-domain"] == f".{DOMAIN}"
    assert found["cookie-secure"] is True
    assert found["allowed-group"] == values(dex())["config"]["staticPasswords"][0]["groups"][0]
    assert values(login())["config"]["emailDomains"] == ["*"], "the group decides"
    assert found["cookie-refresh"] == "15m", "else a former operator stays in"
    assert "groups" in found["scope"].split()
    assert found["set-xauthrequest"] is True, "services hear of them"


def test_the_login_reads_its_secrets_from_a_secret() -> None:
    document = login()
    secret = only(document, "kubernetes_secret_v1")
    assert values(document)["config"]["existingSecret"] == secret["metadata"]["name"]
    assert secret["data"].keys() == {"client-id", "client-secret", "cookie-secret"}
    assert (secret["data"]["client-id"], secret["data"]["client-secret"]) == ("oauth2-proxy", "${var.client_secret}")
    assert secret["data"]["cookie-secret"].startswith("${random_password.")
    assert only(document, "random_password")["length"] in {16, 24, 32}, "it takes no other"


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_login_that_runs_once_has_no_budget_that_would_bar_a_drain(replicas: int) -> None:
    found = values(login(replicas=replicas))
    assert found["replicaCount"] == replicas
    assert found["podDisruptionBudget"]["enabled"] is (replicas == 2)


def test_an_ingress_asks_the_login_inside_the_cluster_and_browsers_go_to_its_host() -> None:
    asked = only(login(), "terraform_data", "asked")["input"]
    asked = {key.partition("/")[2]: value for key, value in asked.items()}
    assert asked["auth-url"] == "http://oauth2-proxy.oauth2-proxy.svc.cluster.local/oauth2/auth"
    assert asked["auth-signin"].startswith(f"https://oauth2-proxy.{DOMAIN}/oauth2/start?rd=")


@pytest.mark.parametrize("controller", ["ingress-nginx", "traefik"])
def test_a_renewed_session_reaches_the_browser_with_either_controller(controller: str) -> None:
    asked = only(login(controller=controller), "terraform_data", "asked")["input"]
    snippet = asked.get("nginx.ingress.kubernetes.io/configuration-snippet", "")
    # ingress-nginx passes the cookie by itself, and refuses an Ingress with a snippet.
    assert ("add_header Set-Cookie $auth_cookie" in snippet) is (controller == "traefik")


def test_headlamp_has_no_right_of_its_own_and_logs_people_in_as_the_apis_client() -> None:
    document = headlamp()
    assert values(document)["clusterRoleBinding"] == {"create": False}
    assert resources(document, "kubernetes_cluster_role_binding_v1") == []
    found = values(document)["config"]["oidc"]
    assert (found["clientID"], found["usePKCE"], found["issuerURL"]) == ("k3s", True, f"https://dex.{DOMAIN}")
    assert "clientSecret" not in found
    assert found["callbackURL"] in clients()["k3s"]["redirectURIs"]
    assert {"email", "groups"} <= set(found["scopes"].split(","))


def test_headlamp_trusts_the_locations_root_only_where_one_is_given() -> None:
    document = headlamp(issuer_ca="${tls_self_signed_cert.root.cert_pem}")
    secret = only(document, "kubernetes_secret_v1")
    found = values(document)
    assert secret["data"] == {"ca.crt": "${tls_self_signed_cert.root.cert_pem}"}
    assert {"name": "roots", "secret": {"secretName": secret["metadata"]["name"]}} in found["volumes"]
    (mount,) = [mount for mount in found["volumeMounts"] if mount["name"] == "roots"]
    assert (mount["mountPath"], mount["subPath"], mount["readOnly"]) == ("/etc/ssl/certs/location.pem", "ca.crt", True)
    assert resources(headlamp(), "kubernetes_secret_v1") == []
    assert {item["name"] for key in ("volumes", "volumeMounts") for item in values(headlamp())[key]} == {"tmp"}


def operators(*emails: str) -> Document:
    return synthesise(lambda stack: Operators(stack, "op", OperatorsProps(emails=emails, waits_for=[something_to_wait_for(stack)])))


def test_each_operator_may_administer_the_cluster_by_a_binding_of_their_own() -> None:
    bindings = {item["metadata"]["name"]: item for item in resources(operators(ADA, BOB), "kubernetes_cluster_role_binding_v1")}
    assert bindings.keys() == {f"operator-{ADA}", f"operator-{BOB}"}
    for name, binding in bindings.items():
        assert (binding["role_ref"]["kind"], binding["role_ref"]["name"]) == ("ClusterRole", "cluster-admin")
        (subject,) = binding["subject"]
        assert (subject["kind"], subject["name"]) == ("User", f"oidc:{name.removeprefix('operator-')}"), "the API's name for them"
        assert binding["depends_on"] == ["terraform_data.before"]


def test_an_operator_who_leaves_takes_nobodys_rights_along() -> None:
    both, one = (operators(*emails)["resource"]["kubernetes_cluster_role_binding_v1"] for emails in ((ADA, BOB), (BOB,)))
    assert one.items() <= both.items()
    assert resources(operators(), "kubernetes_cluster_role_binding_v1") == []


def test_inside_the_cluster_the_api_has_its_own_address_and_every_other_name_is_the_ingress() -> None:
    def build(stack: TerraformStack) -> None:
        addresses = {"ingress_ip": "192.168.1.240", "api_address": "192.168.1.252"}
        ClusterDns(stack, "dns", ClusterDnsProps(domain=DOMAIN, **addresses, waits_for=[something_to_wait_for(stack)]))

    found = only(synthesise(build), "kubernetes_config_map_v1")
    assert (found["metadata"]["name"], found["metadata"]["namespace"]) == ("coredns-custom", "kube-system")
    assert found["depends_on"] == ["terraform_data.before"]
    assert list(found["data"]) == ["location.server"], "K3s's CoreDNS takes *.server for blocks beside its own"
    lines = [line.strip() for line in found["data"]["location.server"].splitlines()]
    assert lines[0] == f"{DOMAIN}:53 {{"
    # The first template that fits a question answers it.
    api, names, others, deeper = (lines[i : i + 3] for i, line in enumerate(lines) if line.startswith("template"))
    one_label = "match ^([^.]+[.])?place[.]example[.]com[.]$"
    assert api == [f"template IN A k3s.{DOMAIN} {{", "match ^k3s[.]place[.]example[.]com[.]$", 'answer "{{ .Name }} 30 IN A 192.168.1.252"']
    assert names == [f"template IN A {DOMAIN} {{", one_label, 'answer "{{ .Name }} 30 IN A 192.168.1.240"']
    # Clients would wait for the types that nobody answers.
    assert others == [f"template IN ANY {DOMAIN} {{", one_label, "rcode NOERROR"]
    # With the domain in a pod's search list every name of the world is asked for below it.
    assert deeper == [f"template ANY ANY {DOMAIN} {{", "rcode NXDOMAIN", "}"]
