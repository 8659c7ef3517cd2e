"""The API's description is what the API does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator, FormatChecker
from schemathesis import GenerationMode, openapi
from schemathesis.specs.openapi.checks import positive_data_acceptance  # pyright: ignore[reportUnknownVariableType]
from schemathesis.specs.openapi.schemas import OpenApiSchema
from werkzeug.test import TestResponse

from tests.control.support.billing_service import Billing
from tests.control.support.usage_service import BOOKKEEPER, OPERATOR, UNREAD, Service, used

FOR_PEOPLE = {
    *("/", "/models/withdraw", "/months", "/months/<month>", "/docs", "/favicon.ico", "/static/<path:filename>"),
    *("/invoices", "/invoices/<month>", "/invoices/of/<path:ref>", "/invoices/runs/<id>", "/invoices/<month>/accountant.csv"),
    *(
        f"/invoices/<month>/{form}"
        for form in ("check", "bill", "resume", "approve", "release", "partner", "resend", "order-number", "currency", "stop", "continue")
    ),
    *(f"/invoices/of/<path:ref>/{form}" for form in ("approve", "void", "credit", "resend")),
}
OCTOBER = "start_date=2026-10-01&end_date=2026-11-01"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    rows = [used(), used(model="unpriced"), used("2026-10-06T00:00", prompt=0, completion=0), used("2026-10-07T00:00", key="other")]
    service = Service(tmp_path, *rows)
    yield service
    service.books.db.close()


@pytest.fixture
def document(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = service.client.get("/openapi.json").get_json()
    return found


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """Of a schema of the document, whose references it resolves."""
    return Draft202012Validator({**schema, "components": document["components"]}, format_checker=FormatChecker())


def documented(document: dict[str, Any], path: str, answer: TestResponse, method: str = "get") -> dict[str, Any]:
    """What the document says of an answer of this status; holds its content and headers to it."""
    response: dict[str, Any] = document["paths"][path][method]["responses"][str(answer.status_code)]
    if "content" in response:
        content = response["content"][answer.mimetype]
        value = answer.text if answer.mimetype == "text/csv" else answer.get_json(force=True)
        validator(document, content["schema"]).validate(value)
    else:
        assert answer.data == b""
    assert response.get("headers", {}).keys() <= set(answer.headers.keys())
    return response


def test_every_route_that_is_not_for_people_is_described(service: Service, document: dict[str, Any]) -> None:
    routes = {rule.rule for rule in service.app.url_map.iter_rules()}
    assert set(document["paths"]) == {re.sub("<([a-z]+)>", r"{\1}", route) for route in routes - FOR_PEOPLE}
    assert routes >= FOR_PEOPLE


def test_the_document_is_openapi_3_1_whose_schemas_are_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert operation["summary"]
        assert operation["description"]
        assert all(parameter["description"] for parameter in operation["parameters"])


def test_every_reference_leads_to_a_schema_and_every_schema_is_referred_to(document: dict[str, Any]) -> None:
    referred = set(re.findall(r"'#/components/schemas/(\w+)'", str(document)))
    assert referred == set(document["components"]["schemas"])


def test_examples_are_valid(document: dict[str, Any]) -> None:
    examples = [(schema, example) for schema in document["components"]["schemas"].values() for example in schema.get("examples", [])]
    assert len(examples) >= 5
    for schema, example in examples:
        validator(document, schema).validate(example)


@pytest.mark.parametrize(
    ("path", "query", "secret", "status"),
    [
        ("/openrouter/models", "", "", 200),
        ("/openrouter/models", "schema_version=2.4", "", 200),
        ("/openrouter/models", "schema_version=3", "", 400),
        ("/openrouter/v2/models", "", "", 200),
        ("/bifrost/pricingSheet", "", "", 200),
        ("/healthz", "", "", 200),
        ("/readyz", "", "", 200),
        ("/openapi.json", "", "", 200),
        ("/usage", OCTOBER, "sk-one", 200),
        ("/usage", f"{OCTOBER}&group_by=day", "sk-one", 200),
        ("/usage", f"{OCTOBER}&group_by=key", OPERATOR, 200),
        ("/usage", f"{OCTOBER}&format=csv", "sk-one", 200),
        ("/usage", "start_date=2026-10-01T00:00:00.5Z&end_date=2027-01-01", "sk-one", 200),
        ("/usage", "", "sk-one", 400),
        ("/usage", OCTOBER, "", 401),
        ("/usage", f"{OCTOBER}&customer_id=acme", "sk-one", 403),
        ("/usage", f"{OCTOBER}&customer_id=none", OPERATOR, 404),
        ("/usage", OCTOBER, UNREAD, 503),
    ],
)
def test_an_answer_is_as_documented(service: Service, path: str, query: str, secret: str, status: int) -> None:
    answer = service.client.get(f"{path}?{query}", headers={"Authorization": secret})
    assert answer.status_code == status
    documented(service.client.get("/openapi.json").get_json(), path, answer)


@pytest.mark.parametrize(
    ("operation", "asked", "status"),
    [
        ("GET /invoicing/generate", {"dry_run": "all"}, 200),
        ("POST /invoicing/generate", {}, 200),
        ("GET /invoicing/generate", {"dry_run": "some"}, 400),
        ("GET /invoicing/proforma", {"customer_id": "acme"}, 200),
        ("GET /invoicing/proforma", {"customer_id": "none"}, 404),
        ("POST /invoicing/resume", {"period": "2026-10", "reason": "x"}, 200),
        ("POST /invoicing/approve", {"period": "2026-10", "reason": "x"}, 200),
        ("POST /invoicing/stop", {"reason": "x"}, 200),
        ("POST /invoicing/continue", {"reason": "x"}, 409),
        ("POST /invoicing/void", {"ref": "x"}, 400),
    ],
)
def test_an_answer_of_invoicing_is_as_documented(tmp_path: Path, operation: str, asked: dict[str, str], status: int) -> None:
    billing = Billing(tmp_path)
    method, path = operation.split()
    answer = (
        billing.post(path.rpartition("/")[2], asked) if "reason" in asked or "ref" in asked else billing.ask(path, method=method, **asked)
    )
    assert answer.status_code == status
    documented(billing.service.client.get("/openapi.json").get_json(), path, answer, method.lower())


def test_too_many_requests_and_bytes_that_one_has_are_as_documented(tmp_path: Path) -> None:
    service = Service(tmp_path, usage_per_minute=1)
    document = service.client.get("/openapi.json").get_json()
    service.get()
    documented(document, "/usage", service.get())
    tag = service.client.get("/bifrost/pricingSheet").headers["ETag"]
    documented(document, "/bifrost/pricingSheet", service.client.get("/bifrost/pricingSheet", headers={"If-None-Match": tag}))


def test_a_service_that_is_not_ready_answers_as_documented(tmp_path: Path) -> None:
    service = Service(tmp_path, is_up=False)
    (service.settings.cluster.models_dir / "slip.yaml").write_text("{")
    for path in ("/readyz", "/openrouter/models", "/openrouter/v2/models", "/bifrost/pricingSheet"):
        answer = service.client.get(path)
        assert answer.status_code == 503
        documented(service.client.get("/openapi.json").get_json(), path, answer)


def test_no_answer_has_more_than_its_schema(service: Service, document: dict[str, Any]) -> None:
    report = service.report(group_by="day")
    report["models"][0]["surprise"] = 1
    schema = validator(document, {"$ref": "#/components/schemas/Usage"})
    assert [error.validator for error in schema.iter_errors(report)] == ["additionalProperties"]


def test_the_page_names_every_path_parameter_and_shape(service: Service, document: dict[str, Any]) -> None:
    answer = service.client.get("/docs")
    assert answer.mimetype == "text/html"
    text = unescape(re.sub("<[^>]+>", "", answer.text))
    operations = [(path, *one) for path, methods in document["paths"].items() for one in methods.items()]
    for path, method, operation in operations:
        assert f"{method.upper()} {path}" in text
        assert all(parameter["name"] in text for parameter in operation["parameters"])
    anchors = set(re.findall(r'id="(\w+)"', answer.text))
    assert anchors >= set(document["components"]["schemas"])
    assert set(re.findall(r'href="#(\w+)"', answer.text)) <= anchors


def test_the_page_needs_no_script_and_is_in_the_navigation(service: Service) -> None:
    answer = service.client.get("/docs")
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert 'href="/docs"' in service.client.get("/").text


PUBLIC = [
    f"GET {path}" for path in ("/bifrost/pricingSheet", "/healthz", "/openrouter/models", "/openrouter/v2/models", "/readyz", "/usage")
]
INVOICING = [
    *("GET /invoicing/generate", "GET /invoicing/months/{period}.csv", "GET /invoicing/proforma", "GET /invoicing/runs/{id}"),
    *(
        f"POST /invoicing/{act}"
        for act in ("approve", "continue", "credit", "currency", "generate", "order-number", "partner", "rate", "release")
    ),
    *(f"POST /invoicing/{act}" for act in ("resend", "resend-failed", "resume", "stop", "void")),
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenApiSchema]:
    service = Service(tmp_path_factory.mktemp("service"), used(), used(model="unpriced"))
    # What is counted and not logged, and what was never read, holds everybody: nothing is made of what is asked here.
    yield openapi.from_wsgi("/openapi.json", service.app)
    service.books.db.close()


ASKED = [
    *((operation, ("sk-one", OPERATOR, "sk-unknown")) for operation in PUBLIC),
    *((operation, ("sk-one", BOOKKEEPER)) for operation in INVOICING),
    ("POST /prices/withdraw", ("sk-one", OPERATOR)),
]


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize(("operation", "secrets"), ASKED, ids=[operation for operation, _ in ASKED])
def test_whatever_is_asked_by_whomever_is_answered_as_documented(
    api: OpenApiSchema, operation: str, mode: GenerationMode, secrets: Sequence[str]
) -> None:
    method, path = operation.split()

    @settings(max_examples=30, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
    @given(case=api[path][method].as_strategy(generation_mode=mode))  # pyright: ignore[reportUnknownArgumentType]
    def ask(case: Any) -> None:
        # To think of a question takes far longer than to answer it: each is asked by everybody.
        for secret in secrets:
            # That the end is after the start is more than a schema can tell: what it allows may be refused.
            # Werkzeug's client does not undo a compression, of which the sheet of one model is worth it.
            headers = {"Authorization": f"Bearer {secret}", "Accept-Encoding": "identity"}
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "nothing can be asked wrongly where there are no parameters"


def test_every_described_path_is_asked_for(document: dict[str, Any]) -> None:
    described = [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]
    assert sorted(described) == sorted([*PUBLIC, *INVOICING, "POST /prices/withdraw", "GET /openapi.json"])
