"""What HTTP itself asks of every answer, whatever it is about."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from control_app.web.compression import LEAST
from tests.control.support.usage_service import OCTOBER, Service, used

GZIP = {"Accept-Encoding": "br;q=1, gzip;q=0.5"}
LISTS = ("/openrouter/models", "/openrouter/models?schema_version=2.4", "/bifrost/pricingSheet")
MANY = [used(model=f"org/a-model-of-the-name-{number}") for number in range(20)]
USAGE = {"Authorization": "sk-one"}


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return Service(tmp_path, *MANY).client


@pytest.mark.parametrize("path", ["/usage", "/openapi.json"])
def test_a_long_answer_comes_compressed_to_who_takes_it(client: FlaskClient, path: str) -> None:
    plain = client.get(path, query_string=OCTOBER if path == "/usage" else None, headers=USAGE)
    packed = client.get(path, query_string=OCTOBER if path == "/usage" else None, headers=USAGE | GZIP)
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert packed.content_length == len(packed.data) < len(plain.data) / 4
    assert gzip.decompress(packed.data) == plain.data
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["Vary"] == "Accept-Encoding", "a cache must not give one to who asked for the other"


@pytest.mark.parametrize("asked", ["identity", "br", "gzip;q=0", ""])
def test_who_does_not_take_it_gets_it_plain(client: FlaskClient, asked: str) -> None:
    assert "Content-Encoding" not in client.get("/openapi.json", headers={"Accept-Encoding": asked}).headers


def test_what_is_short_an_error_or_a_page_comes_plain(client: FlaskClient) -> None:
    assert len(client.get("/").data) > LEAST
    for path in ("/healthz", "/usage?start_date=never", "/"):
        assert "Content-Encoding" not in client.get(path, headers=USAGE | GZIP).headers


def test_the_tag_of_a_compressed_list_is_a_weak_one_and_good_for_both(tmp_path: Path) -> None:
    client, path = Service(tmp_path).client, "/bifrost/pricingSheet"
    plain, packed = client.get(path), client.get(path, headers=GZIP)
    assert len(plain.data) >= LEAST
    assert packed.headers["ETag"] == f"W/{plain.headers['ETag']}"
    for tag in (plain.headers["ETag"], packed.headers["ETag"]):
        answer = client.get(path, headers=GZIP | {"If-None-Match": tag})
        assert (answer.status_code, answer.data, answer.headers["Vary"]) == (304, b"", "Accept-Encoding")


@pytest.mark.parametrize("path", LISTS)
def test_pages_of_other_sites_may_show_prices(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Origin": "https://prices.example"})
    assert (answer.headers["Access-Control-Allow-Origin"], answer.headers["Access-Control-Expose-Headers"]) == ("*", "ETag, Price-Currency")
    asked = client.options(path, headers={"Origin": "https://prices.example", "Access-Control-Request-Headers": "if-none-match"})
    assert (asked.status_code, asked.headers["Access-Control-Allow-Headers"]) == (200, "If-None-Match")


@pytest.mark.parametrize("path", ["/usage", "/", "/invoices", "/invoicing/generate"])
def test_pages_of_other_sites_see_nothing_else(client: FlaskClient, path: str) -> None:
    assert "Access-Control-Allow-Origin" not in client.get(path, headers=USAGE | {"Origin": "https://prices.example"}).headers


@pytest.mark.parametrize("path", [*(path.replace("?", "/?") for path in LISTS), "/healthz/", "/months/", "/openrouter/models/"])
def test_a_slash_behind_an_address_changes_nothing(client: FlaskClient, path: str) -> None:
    there = client.get(path.replace("/?", "?").rstrip("/"))
    here = client.get(path)
    assert (here.status_code, here.data) == (there.status_code, there.data)
    assert there.status_code < 400


@pytest.mark.parametrize("host", ["a b", "a/b", "a,b", "<b>", "a:port"])
def test_a_host_that_is_none_is_refused(client: FlaskClient, host: str) -> None:
    answer = client.get("/healthz", headers={"Host": host})
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert json.loads(answer.data)["detail"] == "the header Host names no host"


def test_a_program_that_names_no_host_is_answered(client: FlaskClient) -> None:
    assert client.get("/healthz", headers={"Host": ""}).status_code == 200
