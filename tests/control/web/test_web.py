"""What the service answers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from decimal import Decimal
from html import unescape
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from control_app import create_app
from control_app.gateway.port import GatewayError
from control_app.gateway.publication import Publication
from control_app.service.settings import Settings
from control_app.service.tables import open_database
from control_app.web.context import Services
from tests.control.pricing.test_openrouter import VALIDATOR
from tests.control.support.clocks import Clock
from tests.control.support.models import ANNOTATION, annotated, priced, write


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    write(folder, ANNOTATION)
    return folder


class Charging:
    """A gateway that charges what *prices* tells, whatever the sheet says."""

    def __init__(self, prices: Callable[[], dict[str, list[dict[str, Decimal]]]]) -> None:
        self.prices = prices

    def publish(self, sheet: str) -> bool:
        return False

    def reload(self) -> None:
        pass


@pytest.fixture
def client(models: Path, tmp_path: Path) -> FlaskClient:
    return create_app(Settings.of(database=tmp_path / "control.sqlite3", models_dir=models), clock=Clock()).test_client()


def test_the_price_list_is_the_annotations_as_they_were_written(client: FlaskClient) -> None:
    answer = client.get("/openrouter/models")
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    assert json.loads(answer.text) == {"data": [ANNOTATION]}


def test_the_price_list_of_schema_2_4_is_valid(client: FlaskClient) -> None:
    (document,) = json.loads(client.get("/openrouter/models?schema_version=2.4").text)["data"]
    VALIDATOR.validate(document)


def test_the_documents_of_schema_2_4_have_an_address_of_their_own(client: FlaskClient) -> None:
    assert client.get("/openrouter/v2/models").data == client.get("/openrouter/models?schema_version=2.4").data


@pytest.mark.parametrize("path", ["/openrouter/v2/models", "/openrouter/models", "/bifrost/pricingSheet"])
def test_the_currency_of_the_lists_is_told(tmp_path: Path, models: Path, path: str) -> None:
    assert create_app(_of(tmp_path / "usd", models), clock=Clock()).test_client().get(path).headers["Price-Currency"] == "USD"
    rate = {"currency": "EUR", "dollar_rate": "1.08", "dollar_rate_date": "2026-11-30"}
    euros = create_app(_of(tmp_path / "eur", models, **rate), clock=Clock()).test_client()
    assert euros.get(path).headers["Price-Currency"] == "USD, 1 EUR = 1.08 USD of 2026-11-30"
    page = _words(euros.get("/").text)
    assert "EUR for a million tokens" in page
    assert "The gateway and OpenRouter read them in USD, 1 EUR = 1.08 USD of 2026-11-30." in page


def _of(folder: Path, models: Path, **given: str) -> Settings:
    return Settings.of(database=folder / "control.sqlite3", models_dir=models, **given)


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


PUBLISHED = ["/openrouter/models", "/openrouter/v2/models", "/bifrost/pricingSheet"]


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
    gateway: dict[str, list[dict[str, Decimal]]] = {}

    services: Services = client.application.extensions["services"]
    keeper = Publication(catalog=services.catalog, gateway=Charging(lambda: gateway), db=services.db, clock=services.clock)
    assert "Not compared with the sheet yet" in client.get("/").text
    gateway["qwen25-05b-instruct"] = [{"prompt": Decimal("0.000007")}]
    keeper.tick()
    text = _words(client.get("/").text)
    assert "Not known to be equal to the sheet since" in text
    assert "Prompt: 8.00 in the sheet, 7.00 at the gateway" in text
    gateway["qwen25-05b-instruct"] = [{"prompt": Decimal("0.000008")}]
    keeper.tick()
    assert "Equal to the sheet, seen" in _words(client.get("/").text)


def test_a_gateway_that_does_not_answer_is_on_the_page(client: FlaskClient) -> None:
    services: Services = client.application.extensions["services"]

    def silent() -> dict[str, list[dict[str, Decimal]]]:
        raise GatewayError("GET http://gateway/api/models: no answer")

    Publication(catalog=services.catalog, gateway=Charging(silent), db=services.db, clock=services.clock).tick()
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


def test_a_volume_that_is_as_good_as_full_makes_the_service_unready(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.disk_usage

    def nothing_left(path: Path) -> object:
        return real(path)._replace(free=1_000)

    monkeypatch.setattr("shutil.disk_usage", nothing_left)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "the volume has 1,000 bytes left" in json.loads(answer.text)["problems"][0]


def test_a_database_that_somebody_writes_to_is_ready(client: FlaskClient, tmp_path: Path) -> None:
    assert client.get("/readyz").status_code == 200
    with open_database(tmp_path / "control.sqlite3").transaction():
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
    write(models, priced(input_cache_read=None, input_cache_write="0.000077", internal_reasoning="0.000055", request="0.025"))
    text = client.get("/").text
    for shown in (">as prompt<", ">77.00<", ">55.00<", ">0.025<"):
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


def test_the_page_names_models_that_cannot_be_called_since_when_and_whether_they_are_listed(client: FlaskClient) -> None:
    services: Services = client.application.extensions["services"]
    assert "cannot be called" not in client.get("/").text
    name = services.catalog.current().offers[0].model
    query = "INSERT INTO proofs (model, proved_at, tried_at, failing_since, error) VALUES (?, NULL, 1, 60000000, 'answered 503: no engine')"
    services.db.connection.execute(query, [name])
    text = _words(client.get("/").text)
    assert f"1 cannot be called {name} since 1970-01-01 00:01 UTC" in text
    assert "not listed for buyers until a call is good: answered 503: no engine" in text
    services.db.connection.execute("UPDATE proofs SET proved_at = 1")
    assert "listed as not ready: answered 503" in _words(client.get("/").text)


def test_a_fault_of_ours_is_500_without_its_inside(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("control_app.web.pages.models.sheet_state", broken)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text


def _later(client: FlaskClient) -> FlaskClient:
    """The service after a restart, which reads the models at once."""
    services: Services = client.application.extensions["services"]
    return create_app(services.settings, clock=services.clock).test_client()


def _words(page: str) -> str:
    """The page's text as it is read."""
    return " ".join(unescape(re.sub("<[^>]+>", " ", page)).split())
