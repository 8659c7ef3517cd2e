"""A person ends a model's sale: on the page of models, and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from tests.control.support.billing_office import OURS, words
from tests.control.support.models import NAME, write
from tests.control.support.usage_service import BOOKKEEPER, OPERATOR, Service

LOGIN = "X-Auth-Request-Email"
ANA = {LOGIN: "ana@example.com", **OURS}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path, login_header=LOGIN)
    yield service
    service.books.db.close()


def ended(service: Service) -> list[tuple[str, str, str, str]]:
    """Who ended which sale, why."""
    return service.books.db.connection.execute("SELECT who, what, subject, reason FROM audit").fetchall()


def asked(service: Service, body: Mapping[str, object] | str, key: str = OPERATOR) -> TestResponse:
    sent = {"data": body} if isinstance(body, str) else {"json": body}
    return service.client.post("/prices/withdraw", headers={"Authorization": f"Bearer {key}"}, **sent)


def typed(service: Service, **form: str) -> TestResponse:
    return service.client.post("/models/withdraw", data=form, headers=ANA)


def test_a_sale_is_ended_over_http_in_one_act_though_the_model_is_annotated(service: Service) -> None:
    answer = asked(service, {"model": NAME, "reason": "the server is sold"})
    assert answer.get_json() == {"done": "its sale is ended", "subjects": [NAME]}
    assert answer.headers["Cache-Control"] == "no-store"
    assert ended(service) == [("operator", "withdraw price", NAME, "the server is sold")]
    assert NAME not in [offer.model for offer in service.app.extensions["services"].catalog.current().offers]


def test_a_sale_is_ended_on_the_page_which_says_so(service: Service) -> None:
    answer = typed(service, model=NAME, reason="the server is sold")
    assert (answer.status_code, answer.location) == (303, "/?done=ended")
    assert ended(service) == [("ana@example.com", "withdraw price", NAME, "the server is sold")]
    page = words(service.client.get(answer.location, headers=ANA))
    assert "The sale is ended: the model has left the list." in page
    assert f"control prices accept {NAME} --reason …" in page, "it is annotated still"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "nothing", "reason": "x"}, 409),
        ({"model": NAME}, 400),
        ({"model": NAME, "reason": " "}, 400),
        ({"model": "", "reason": "x"}, 400),
        ({"model": NAME, "reason": "x", "when": "now"}, 400),
        ("{", 400),
    ],
)
def test_what_cannot_be_is_refused_over_http_and_ends_nothing(service: Service, body: dict[str, object] | str, status: int) -> None:
    assert asked(service, body).status_code == status
    assert ended(service) == []


@pytest.mark.parametrize(("key", "status"), [("sk-one", 403), (BOOKKEEPER, 403), ("sk-guessed", 401)])
def test_only_an_admin_key_for_prices_ends_a_sale(service: Service, key: str, status: int) -> None:
    assert asked(service, {"model": NAME, "reason": "x"}, key).status_code == status
    assert ended(service) == []


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"model": "nothing", "reason": "x"}, 409, "nothing has no price to withdraw"),
        ({"model": NAME}, 400, "Say why: the reason stands in the audit log."),
        ({"reason": "x"}, 400, "Say which model"),
    ],
)
def test_what_cannot_be_is_refused_on_a_page_with_the_way_back(service: Service, form: dict[str, str], status: int, said: str) -> None:
    answer = typed(service, **form)
    assert answer.status_code == status
    assert said in words(answer)
    assert 'href="/"' in answer.text
    assert ended(service) == []


def test_while_the_models_cannot_be_read_no_sale_is_ended_and_the_answer_says_why(service: Service) -> None:
    write(service.settings.cluster.models_dir, "{")
    (service.settings.cluster.models_dir / "slip.yaml").write_text("{")
    assert asked(service, {"model": NAME, "reason": "x"}).status_code == 503
    assert "slip.yaml cannot be read" in words(typed(service, model=NAME, reason="x"))
    assert ended(service) == []


def test_where_nothing_of_what_was_sold_can_be_read_the_list_is_refused_and_the_page_says_so(tmp_path: Path) -> None:
    service = Service(tmp_path, is_up=False, login_header=LOGIN)
    write(service.settings.cluster.models_dir, "{")
    answer = service.client.get("/openrouter/models")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "15")
    assert "nothing of what was sold can be read" in answer.get_json()["detail"]
    assert "nothing of what was sold can be read" in words(service.client.get("/", headers=ANA))
    assert service.client.get("/readyz").status_code == 200
