"""What the service answers."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from html import unescape
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from control_app import create_app
from control_app.database import Db
from control_app.gateway import GatewayError
from control_app.publication import Publication
from control_app.settings import Settings
from control_app.web.context import Services
from tests.control_app.models import ANNOTATION, annotated, priced, write
from tests.control_app.test_openrouter import VALIDATOR

ROUTES = [
    "/",
    "/months",
    "/months/<month>",
    "/favicon.ico",
    "/openrouter/models",
    "/bifrost/pricingSheet",
    "/healthz",
    "/readyz",
    "/usage",
    "/openapi.json",
    "/docs",
    "/static/<path:filename>",
]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    write(folder, ANNOTATION)
    return folder


@pytest.fixture
def client(models: Path, tmp_path: Path) -> FlaskClient:
    return create_app(Settings(database=tmp_path / "control.sqlite3", models_dir=models)).test_client()


def test_the_routes_are_these_and_only_read_but_for_invoices(client: FlaskClient) -> None:
    rules = [rule for rule in client.application.url_map.iter_rules() if not rule.rule.startswith(("/invoices", "/invoicing"))]
    assert sorted(rule.rule for rule in rules) == sorted(ROUTES)
    assert {method for rule in rules for method in rule.methods or ()} == {"GET", "HEAD", "OPTIONS"}


def test_the_price_list_is_the_annotations_as_they_were_written(client: FlaskClient) -> None:
    answer = client.get("/openrouter/models")
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    assert json.loads(answer.text) == {"data": [ANNOTATION]}


def test_the_price_list_of_schema_2_4_is_valid(client: FlaskClient) -> None:
    (document,) = json.loads(client.get("/openrouter/models?schema_version=2.4").text)["data"]
    VALIDATOR.validate(document)


@pytest.mark.parametrize("version", ["2.3", "3", ""])
def test_another_schema_version_is_refused_with_what_there_is(client: FlaskClient, version: str) -> None:
    answer = client.get(f"/openrouter/models?schema_version={version}")
    assert answer.status_code == 400
    (error,) = json.loads(answer.text)["errors"]
    assert error["parameter"] == "schema_version"
    assert f"{version!r} is not known" in error["detail"]
    assert "ask for 2.4" in error["detail"]


def test_the_sheet_is_of_numbers(client: FlaskClient) -> None:
    sheet = json.loads(client.get("/bifrost/pricingSheet").text)
    assert sheet["kubeai/qwen25-05b-instruct"]["input_cost_per_token"] == 0.000008


PUBLISHED = ["/openrouter/models", "/openrouter/models?schema_version=2.4", "/bifrost/pricingSheet"]


@pytest.mark.parametrize("path", PUBLISHED)
def test_what_is_published_has_a_strong_tag_and_may_be_kept_for_fifteen_seconds(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["Cache-Control"] == "public, max-age=15"
    assert re.fullmatch('"[0-9a-f]{32}"', answer.headers["ETag"])
    assert client.get(path).headers["ETag"] == answer.headers["ETag"]


def test_each_document_has_its_own_tag(client: FlaskClient) -> None:
    assert len({client.get(path).headers["ETag"] for path in PUBLISHED}) == len(PUBLISHED)


@pytest.mark.parametrize("path", PUBLISHED)
@pytest.mark.parametrize("asked", ["{}", "W/{}", '"other", {}', '"other",W/{}', "*"])
def test_who_has_the_bytes_is_told_so_without_them(client: FlaskClient, path: str, asked: str) -> None:
    tag = client.get(path).headers["ETag"]
    answer = client.get(path, headers={"If-None-Match": asked.format(tag)})
    assert (answer.status_code, answer.data) == (304, b"")
    assert (answer.headers["ETag"], answer.headers["Cache-Control"]) == (tag, "public, max-age=15")


@pytest.mark.parametrize("asked", ['"other"', "", "nonsense", 'W/"other", "another"'])
def test_who_has_other_bytes_gets_these(client: FlaskClient, asked: str) -> None:
    answer = client.get("/openrouter/models", headers={"If-None-Match": asked})
    assert (answer.status_code, json.loads(answer.text)) == (200, {"data": [ANNOTATION]})


def test_a_changed_price_has_another_tag(client: FlaskClient, models: Path) -> None:
    tag = client.get("/bifrost/pricingSheet").headers["ETag"]
    write(models, priced(prompt="0.000009"))
    assert _later(client).get("/bifrost/pricingSheet", headers={"If-None-Match": tag}).status_code == 200


def test_the_page_shows_what_waits_with_old_and_new_price_and_the_command(client: FlaskClient, models: Path) -> None:
    client.get("/")
    write(models, priced(prompt="0.000080", request="0.5"))
    client = _later(client)
    text = _words(client.get("/").text)
    assert "1 to decide" in text
    assert "Prompt 8.00 → 80.00" in text
    assert "Request 0 → 0.5" in text
    assert "control prices accept qwen25-05b-instruct --reason …" in text
    assert json.loads(client.get("/openrouter/models").text) == {"data": [ANNOTATION]}


def test_the_page_shows_a_removed_model_and_the_command_to_withdraw_its_price(client: FlaskClient, models: Path) -> None:
    client.get("/")
    (models / "qwen25-05b-instruct.yaml").unlink()
    client = _later(client)
    text = _words(client.get("/").text)
    assert "Prompt 8.00 → —" in text
    assert "control prices withdraw qwen25-05b-instruct --reason …" in text


def test_the_page_shows_how_the_gateways_sheet_stands(client: FlaskClient) -> None:
    gateway: dict[str, dict[str, Decimal]] = {}

    class Prices:
        def prices(self) -> dict[str, dict[str, Decimal]]:
            return gateway

    class Nowhere:
        def write(self, text: str) -> bool:
            return False

    services: Services = client.application.extensions["services"]
    keeper = Publication(catalog=services.catalog, place=Nowhere(), gateway=Prices(), force_sync=lambda: None, db=services.db)
    assert "Not compared with the sheet yet" in client.get("/").text
    gateway["qwen25-05b-instruct"] = {"prompt": Decimal("0.000007")}
    keeper.tick()
    text = _words(client.get("/").text)
    assert "Not known to be equal to the sheet since" in text
    assert "Prompt: 8.00 in the sheet, 7.00 at the gateway" in text
    gateway["qwen25-05b-instruct"] = {"prompt": Decimal("0.000008")}
    keeper.tick()
    assert "Equal to the sheet, seen" in _words(client.get("/").text)


def test_a_gateway_that_does_not_answer_is_on_the_page(client: FlaskClient) -> None:
    services: Services = client.application.extensions["services"]

    class Silent:
        def prices(self) -> dict[str, dict[str, Decimal]]:
            raise GatewayError("GET http://gateway/api/models: no answer")

    class Nowhere:
        def write(self, text: str) -> bool:
            return False

    Publication(catalog=services.catalog, place=Nowhere(), gateway=Silent(), force_sync=lambda: None, db=services.db).tick()
    assert "GET http://gateway/api/models: no answer" in _words(client.get("/").text)


def test_the_page_shows_exact_prices_and_what_to_look_at(client: FlaskClient, models: Path) -> None:
    write(models, "{", "broken")
    text = unescape(client.get("/").text)
    assert ">8.00<" in text
    assert ">24.00<" in text
    assert "cached prompt tokens are given away" in text
    assert "openrouter.ai/json is not JSON" in text
    assert "the model is not for sale" in text


def test_the_page_shows_a_price_of_fractions_of_a_cent_in_full(client: FlaskClient, models: Path) -> None:
    write(models, priced(prompt="0.000000123456"))
    assert ">0.123456<" in client.get("/").text


def test_text_of_an_annotation_is_shown_as_text(client: FlaskClient, models: Path) -> None:
    write(models, annotated(name="<script>alert(1)</script>"))
    assert "<script>" not in client.get("/").text


def test_without_models_the_page_says_how_to_sell_one(client: FlaskClient, models: Path) -> None:
    (models / "qwen25-05b-instruct.yaml").unlink()
    assert "No model is for sale" in client.get("/").text


def test_models_that_cannot_be_read_make_the_service_unready_but_alive(client: FlaskClient, models: Path) -> None:
    (models / "slip.yaml").write_text("{")
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "slip.yaml cannot be read" in json.loads(ready.text)["problems"][0]
    for path in ("/openrouter/models", "/bifrost/pricingSheet"):
        answer = client.get(path)
        assert answer.status_code == 503, "an empty price list would take every model off the market"
        assert answer.headers["Retry-After"] == "15"


def test_a_database_that_cannot_be_written_makes_the_service_unready(client: FlaskClient, tmp_path: Path) -> None:
    assert client.get("/readyz").status_code == 200
    (tmp_path / "control.sqlite3").write_bytes(b"this is no database at all, is it? " * 100)
    for left in tmp_path.glob("control.sqlite3-*"):
        left.unlink()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "cannot be written" in json.loads(answer.text)["problems"][0]


def test_a_database_that_somebody_writes_to_is_ready(client: FlaskClient, tmp_path: Path) -> None:
    assert client.get("/readyz").status_code == 200
    with Db(tmp_path / "control.sqlite3").transaction():
        assert client.get("/readyz").status_code == 200


def test_a_database_that_is_gone_makes_the_service_unready(client: FlaskClient, tmp_path: Path) -> None:
    for left in tmp_path.glob("control.sqlite3*"):
        left.unlink()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "no such table" in json.loads(answer.text)["problems"][0]


def test_what_only_reads_says_so(client: FlaskClient) -> None:
    answer = client.post("/openrouter/models")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_the_page_shows_every_price_and_what_holds_where_there_is_none(client: FlaskClient, models: Path) -> None:
    write(models, priced(input_cache_read=None, input_cache_write="0.00777", internal_reasoning="0.00555", request="0.25"))
    text = client.get("/").text
    for shown in (">as prompt<", ">7770.00<", ">5550.00<", ">0.25<"):
        assert shown in text


def test_errors_are_json_for_programs_and_a_page_for_people(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert answer.mimetype == "application/problem+json"
    found = json.loads(answer.text)
    assert (found["type"], found["title"], found["status"]) == ("about:blank", "Not Found", 404)
    assert found["detail"]
    page = client.get("/nowhere", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.mimetype == "text/html"
    assert "<h1>404</h1>" in page.text


@pytest.mark.parametrize("path", ["/", "/openrouter/models", "/nowhere", "/static/style.css"])
def test_every_answer_forbids_scripts_frames_and_guessing(client: FlaskClient, path: str) -> None:
    with client.get(path) as answer:
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_a_fault_of_ours_is_500_without_its_inside(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("control_app.web.pages.sheet_state", broken)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text


def _later(client: FlaskClient) -> FlaskClient:
    """The service after a restart, which reads the models at once."""
    services: Services = client.application.extensions["services"]
    return create_app(services.settings).test_client()


def _words(page: str) -> str:
    """The page's text as it is read."""
    return " ".join(unescape(re.sub("<[^>]+>", " ", page)).split())
