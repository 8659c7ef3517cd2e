"""One message a run."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from control_app.invoicing.slack import NAMED, Slack, message
from tests.control.invoicing.test_period_rules import big
from tests.control.support.endless import endless
from tests.control.support.world import World

WEBHOOK = "https://hooks.slack.example/services/secret"


@pytest.fixture
def company(tmp_path: Path) -> World:
    company = World(tmp_path, ["acme", "umbra"])
    company.use(big(), big(key="k-umbra", prompt=2_500_000))
    return company


def test_the_message_tells_what_was_sent_and_who_is_held_and_why(company: World) -> None:
    company.odoo.change("res.partner", 1, email=False)
    company.run()
    assert message(company.runs, company.runs.history.all()[0]).splitlines() == [
        "*stalpeni: invoices of 2026-10* (manual): 1 sent, 2.50 USD",
        "1 held",
        "• Customer acme: partner 1 (Customer acme) has no e-mail address",
    ]


def test_drafts_and_what_was_billed_before_are_told_as_such(company: World) -> None:
    company.run(target="created")
    assert "2 made as drafts, which wait for approval, 3.50 USD" in message(company.runs, company.runs.history.all()[0])
    company.now += timedelta(minutes=1)
    company.run()
    assert "2 billed before" in message(company.runs, company.runs.history.all()[0])


def test_of_many_only_some_are_named(tmp_path: Path) -> None:
    names = [f"c{number:02}" for number in range(NAMED + 3)]
    company = World(tmp_path, names)
    company.use(*(big(key=f"k-{name}") for name in names))
    for partner in company.odoo.partners:
        company.odoo.change("res.partner", partner["id"], email=False)
    company.run()
    lines = message(company.runs, company.runs.history.all()[0]).splitlines()
    assert (len(lines), lines[-1]) == (2 + NAMED + 1, "• and 3 more")


def test_a_name_with_lines_stays_on_its_own(company: World) -> None:
    name = "Acme\n*stalpeni: invoices of 2026-10*\r\x1b"
    company.books.db.connection.execute("UPDATE customers SET name = ? WHERE gateway_id = 'acme'", [name])
    company.odoo.change("res.partner", 1, email=False)
    company.run()
    lines = message(company.runs, company.runs.history.all()[0]).splitlines()
    assert len(lines) == 3
    assert lines[-1].startswith("• Acme *stalpeni")


def test_a_run_that_was_stopped_says_why(company: World) -> None:
    company.run()
    run = company.runs.history.all()[0]._replace(error="Odoo is away")
    assert "stopped: Odoo is away" in message(company.runs, run)


def test_it_is_posted_to_the_webhook(company: World) -> None:
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, text="ok")

    company.run()
    Slack(WEBHOOK, company.runs, httpx2.MockTransport(answer)).tell(company.runs.history.all()[0])
    assert [str(request.url) for request in asked] == [WEBHOOK]
    assert json.loads(asked[0].content)["text"].startswith("*stalpeni: invoices of 2026-10*")


def test_names_call_nobody_and_are_no_links(company: World) -> None:
    company.db.connection.execute("UPDATE customers SET name = '<!channel> & <https://evil.example|pay>' WHERE id = 1")
    company.odoo.change("res.partner", 1, email=False)
    company.run()
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|pay&gt;" in message(company.runs, company.runs.history.all()[0])


def test_a_slack_that_took_it_and_did_not_say_so_is_not_told_again(company: World) -> None:
    assert told(company, httpx2.ReadTimeout("slow")) == 1


def test_a_slack_that_did_not_take_it_is_told_at_every_turn_until_it_does(company: World) -> None:
    assert told(company, httpx2.ConnectError("away"), httpx2.Response(500), httpx2.Response(200)) == 3


def told(company: World, *answers: httpx2.Response | Exception) -> int:
    """How often Slack is asked to take the message of one run, in more turns of the automation than *answers*; afterwards it takes it."""
    asked: list[httpx2.Request] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        answer = answers[len(asked) - 1] if len(asked) <= len(answers) else httpx2.Response(200)
        if isinstance(answer, Exception):
            raise answer
        return answer

    slack = Slack(WEBHOOK, company.runs, httpx2.MockTransport(respond))
    company.automation = dataclasses.replace(company.automation, tell=slack.tell)
    company.tick(len(answers) + 3)
    assert [run.finished_at is not None for run in company.runs.history.all()] == [True]
    return len(asked)


@pytest.mark.parametrize(
    "answer", [httpx2.Response(404, text="no_service"), httpx2.ConnectError("https://hooks.slack.example/secret"), endless()], ids=repr
)
def test_a_slack_that_does_not_take_it_is_told_without_the_address(company: World, answer: httpx2.Response | Exception) -> None:
    def respond(_: httpx2.Request) -> httpx2.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    company.run()
    with pytest.raises(ConnectionError) as caught:
        Slack(WEBHOOK, company.runs, httpx2.MockTransport(respond)).tell(company.runs.history.all()[0])
    assert "secret" not in str(caught.value)
