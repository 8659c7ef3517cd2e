"""Every address of the service, by who may ask for it: tried as nobody, as strangers, with every kind of key, and as an operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from flask import Blueprint, Flask
from werkzeug.routing import Rule

from control_app.web import pages
from tests.control.support.billing_office import OURS
from tests.control.support.usage_service import BOOKKEEPER, OPERATOR, Service

LOGIN = "X-Auth-Request-Email"
# A route that is not here fails the tests: say who may ask for it. A page stands behind the guard of `web/pages/`.
PUBLIC, KEY, ADMIN_KEY, PRICES_KEY, PAGE = "public", "key", "admin key", "admin key for prices", "page"
ROUTES = {
    "/openrouter/models": PUBLIC,
    "/openrouter/v2/models": PUBLIC,
    "/bifrost/pricingSheet": PUBLIC,
    "/healthz": PUBLIC,
    "/readyz": PUBLIC,
    "/openapi.json": PUBLIC,
    "/docs": PUBLIC,
    "/static/<path:filename>": PUBLIC,
    "/usage": KEY,
    "/invoicing/generate": ADMIN_KEY,
    "/invoicing/runs/<id>": ADMIN_KEY,
    "/invoicing/months/<period>.csv": ADMIN_KEY,
    "/invoicing/proforma": ADMIN_KEY,
    "/invoicing/resume": ADMIN_KEY,
    "/invoicing/release": ADMIN_KEY,
    "/invoicing/approve": ADMIN_KEY,
    "/invoicing/void": ADMIN_KEY,
    "/invoicing/credit": ADMIN_KEY,
    "/invoicing/resend": ADMIN_KEY,
    "/invoicing/resend-failed": ADMIN_KEY,
    "/invoicing/order-number": ADMIN_KEY,
    "/invoicing/currency": ADMIN_KEY,
    "/invoicing/rate": ADMIN_KEY,
    "/invoicing/partner": ADMIN_KEY,
    "/invoicing/stop": ADMIN_KEY,
    "/invoicing/continue": ADMIN_KEY,
    "/prices/withdraw": PRICES_KEY,
    "/": PAGE,
    "/models/withdraw": PAGE,
    "/favicon.ico": PAGE,
    "/months": PAGE,
    "/months/<month>": PAGE,
    "/invoices": PAGE,
    "/invoices/<month>": PAGE,
    "/invoices/<month>/accountant.csv": PAGE,
    "/invoices/<month>/bill": PAGE,
    "/invoices/<month>/check": PAGE,
    "/invoices/<month>/resume": PAGE,
    "/invoices/<month>/approve": PAGE,
    "/invoices/<month>/release": PAGE,
    "/invoices/<month>/partner": PAGE,
    "/invoices/<month>/resend": PAGE,
    "/invoices/<month>/order-number": PAGE,
    "/invoices/<month>/currency": PAGE,
    "/invoices/<month>/stop": PAGE,
    "/invoices/<month>/continue": PAGE,
    "/invoices/runs/<id>": PAGE,
    "/invoices/of/<path:ref>": PAGE,
    "/invoices/of/<path:ref>/approve": PAGE,
    "/invoices/of/<path:ref>/void": PAGE,
    "/invoices/of/<path:ref>/credit": PAGE,
    "/invoices/of/<path:ref>/resend": PAGE,
}
# There is no such month, invoice or run, so that nobody who is let in changes anything.
NOTHING = {"<month>": "2026-13", "<period>": "2026-13", "<path:ref>": "x", "<id>": "x", "<path:filename>": "style.css"}
WRONG = {"date": "no date"}
GOOD = "good"
CALLERS: Mapping[str, tuple[Mapping[str, str], Mapping[str, int | str]]] = {
    # What each sends, and what it is answered by the class of the route.
    "nobody": ({}, {PUBLIC: GOOD, KEY: 401, ADMIN_KEY: 401, PRICES_KEY: 401, PAGE: 403}),
    "an empty login": ({LOGIN: ""}, {PUBLIC: GOOD, KEY: 401, ADMIN_KEY: 401, PRICES_KEY: 401, PAGE: 403}),
    "a login by another header": ({"X-Forwarded-User": "eve"}, {PUBLIC: GOOD, KEY: 401, ADMIN_KEY: 401, PRICES_KEY: 401, PAGE: 403}),
    "a key of nobody": ({"Authorization": "sk-guessed"}, {PUBLIC: GOOD, KEY: 401, ADMIN_KEY: 401, PRICES_KEY: 401, PAGE: 403}),
    "a virtual key": ({"Authorization": "sk-one"}, {PUBLIC: GOOD, KEY: GOOD, ADMIN_KEY: 403, PRICES_KEY: 403, PAGE: 403}),
    "an admin key for usage and prices": (
        {"Authorization": OPERATOR},
        {PUBLIC: GOOD, KEY: GOOD, ADMIN_KEY: 403, PRICES_KEY: GOOD, PAGE: 403},
    ),
    "an admin key for invoices": ({"Authorization": BOOKKEEPER}, {PUBLIC: GOOD, KEY: 403, ADMIN_KEY: GOOD, PRICES_KEY: 403, PAGE: 403}),
    "an operator": ({LOGIN: "ana@example.com"}, {PUBLIC: GOOD, KEY: 401, ADMIN_KEY: 401, PRICES_KEY: 401, PAGE: GOOD}),
}
Make = Callable[[], Service]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """The service behind a login; a second one in a test is another one."""
    made: list[Service] = []

    def make() -> Service:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Service(folder, login_header=LOGIN))
        return made[-1]

    yield make
    for service in made:
        service.books.db.close()
        service.app.extensions["services"].db.close()


def asked(app: Flask) -> Iterator[tuple[Rule, str, str]]:
    """Every route with each of its methods and an address of it. OPTIONS only lists the methods."""
    for rule in app.url_map.iter_rules():
        path = rule.rule
        for variable, value in NOTHING.items():
            path = path.replace(variable, value)
        assert "<" not in path, f"say in NOTHING which address of {rule.rule} is tried"
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            yield rule, method, path


def opened(service: Service, sent: Mapping[str, str], routes: Mapping[str, str], answers: Mapping[str, int | str]) -> list[str]:
    """Which routes answer other than *answers* says of their class, by somebody who sends that."""
    found: list[str] = []
    for rule, method, path in asked(service.app):
        with service.client.open(path, method=method, query_string=WRONG, headers={**OURS, **sent}) as answer:
            expected = answers[routes[rule.rule]]
            is_right = answer.status_code not in (401, 403, 500) if expected == GOOD else answer.status_code == expected
        if not is_right:
            found.append(f"{method} {rule.rule}: {answer.status_code} instead of {expected}")
    return found


def test_every_route_is_in_the_table_and_only_routes_are(make: Make) -> None:
    assert sorted({rule.rule for rule in make().app.url_map.iter_rules()}) == sorted(ROUTES)


def test_what_only_reads_takes_no_post(make: Make) -> None:
    posted = {rule.rule for rule in make().app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert {rule for rule in posted if not rule.startswith(("/invoices/", "/invoicing/"))} == {"/prices/withdraw", "/models/withdraw"}
    assert {method for rule in make().app.url_map.iter_rules() for method in rule.methods or ()} == {"GET", "HEAD", "OPTIONS", "POST"}


@pytest.mark.parametrize("caller", CALLERS)
def test_each_caller_is_answered_by_the_class_of_the_route(make: Make, caller: str) -> None:
    sent, answers = CALLERS[caller]
    assert opened(make(), sent, ROUTES, answers) == []


def test_no_form_is_taken_from_another_sites_page_though_an_operator_sends_it(make: Make) -> None:
    service = make()
    forms = [path for rule, method, path in asked(service.app) if method == "POST" and ROUTES[rule.rule] == PAGE]
    assert len(forms) == 16
    for path in forms:
        answer = service.client.post(path, headers={LOGIN: "ana@example.com", "Origin": "https://evil.example"})
        assert (path, answer.status_code) == (path, 403)


@pytest.fixture
def planted(make: Make, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service with a page more, whose author never heard of a guard."""
    page = Blueprint("forgetful", __name__)
    page.add_url_rule("/forgetful", view_func=lambda: "everything")
    page.add_url_rule("/forgetful/act", "act", view_func=lambda: "done", methods=["POST"])
    monkeypatch.setattr(pages, "PAGES", (*pages.PAGES, page))
    return make()


@pytest.mark.parametrize("caller", CALLERS)
def test_a_page_that_knows_of_no_guard_is_guarded_all_the_same(planted: Service, caller: str) -> None:
    sent, answers = CALLERS[caller]
    assert opened(planted, sent, {**ROUTES, "/forgetful": PAGE, "/forgetful/act": PAGE}, answers) == []


def test_a_form_that_knows_of_no_guard_is_not_taken_from_another_sites_page(planted: Service) -> None:
    sent = {LOGIN: "ana@example.com", "Origin": "https://evil.example"}
    assert planted.client.post("/forgetful/act", headers=sent).status_code == 403


def test_the_table_misses_a_route_that_is_new(planted: Service) -> None:
    assert {rule.rule for rule in planted.app.url_map.iter_rules()} - ROUTES.keys() == {"/forgetful", "/forgetful/act"}


def test_the_walk_finds_a_page_that_stands_outside_of_the_guard(make: Make) -> None:
    service = make()
    service.app.add_url_rule("/outside", view_func=lambda: "everything")
    sent, answers = CALLERS["nobody"]
    found = opened(service, sent, {**ROUTES, "/outside": PAGE}, answers)
    assert found == ["GET /outside: 200 instead of 403", "HEAD /outside: 200 instead of 403"]
