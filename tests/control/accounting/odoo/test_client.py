"""Each failure of a call is a no, a not now or a perhaps, and a perhaps is never called a no."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from email.utils import format_datetime

import httpx2
import pytest
import simplejson

from control_app.accounting.odoo.client import CONNECT_SEC, HEARD_SEC, READ_SEC, WRITE_SEC, OdooClient
from control_app.accounting.odoo.double.faults import Fault
from control_app.accounting.odoo.double.odoo import DATABASE, FakeOdoo
from control_app.accounting.odoo.shapes import Row, new_id, rows
from control_app.accounting.port import AccountingError, RefusedError, UnavailableError, UnclearError
from tests.control.support.endless import endless
from tests.control.support.odoos import KEY, NOW, Clock, Mouth, Naps, asking, client_of, error, once, says

UNANSWERED = [
    httpx2.ReadTimeout("slow"),
    httpx2.WriteTimeout("slow"),
    httpx2.ReadError("reset"),
    httpx2.WriteError("reset"),
    httpx2.RemoteProtocolError("gone"),
    says(502, "<html>"),
    says(503, "<html>"),
    says(504, ""),
    says(520, ""),
    says(204, ""),
    says(200, "<html>"),
    says(200, '[{"id": 1, '),
    says(200, "NaN"),
    says(200, '{"not": "a list"}'),
    says(200, "[{}]"),
    error(500, "Exception", "broke"),
    error(409, "LockError", "somebody is there"),
]
NEVER_SENT = [httpx2.ConnectError("refused"), httpx2.ConnectTimeout("slow"), httpx2.PoolTimeout("full"), says(429, "")]
REFUSALS = [
    error(401, "AccessDenied", "who are you"),
    error(403, "AccessError", "no rights"),
    error(404, "MissingError", "not there"),
    error(422, "UserError", "the books are closed"),
    says(400, ""),
    says(405, ""),
    says(302, "", Location="https://elsewhere"),
]
GOOD = says(200, '[{"id": 7}]')


def named(outcome: httpx2.Response | Exception) -> str:
    return type(outcome).__name__ if isinstance(outcome, Exception) else f"{outcome.status_code} {outcome.text[:12]}"


def read(client: OdooClient) -> list[Row]:
    return list(client.read("account.move", "search_read", rows(), domain=[]))


def write(client: OdooClient) -> list[Row]:
    return list(client.write("account.move", "create", rows(), vals_list=[{}]))


@pytest.mark.parametrize("outcome", [*UNANSWERED, *NEVER_SENT], ids=named)
def test_a_read_is_tried_again_after_what_may_pass(outcome: httpx2.Response | Exception) -> None:
    with asking(outcome, GOOD) as (client, mouth, naps):
        assert read(client) == [{"id": 7}]
        assert (len(mouth.asked), len(naps.slept)) == (2, 1)


@pytest.mark.parametrize("outcome", [*UNANSWERED, *NEVER_SENT], ids=named)
def test_a_read_that_fails_for_ever_ends_as_unavailable(outcome: httpx2.Response | Exception) -> None:
    with asking(outcome) as (client, mouth, naps):
        with pytest.raises(UnavailableError, match="search_read"):
            read(client)
        assert 3 <= len(mouth.asked) <= 6
        assert len(naps.slept) == len(mouth.asked) - 1


@pytest.mark.parametrize("outcome", UNANSWERED, ids=named)
def test_a_write_is_unclear_at_once_after_what_may_have_been_done(outcome: httpx2.Response | Exception) -> None:
    with asking(outcome, GOOD) as (client, mouth, naps):
        with pytest.raises(UnclearError, match="may have been done"):
            write(client)
        assert (len(mouth.asked), naps.slept) == (1, [])


@pytest.mark.parametrize("outcome", NEVER_SENT, ids=named)
def test_a_write_is_tried_again_after_what_cannot_have_been_done(outcome: httpx2.Response | Exception) -> None:
    with asking(outcome, outcome, GOOD) as (client, mouth, _):
        assert write(client) == [{"id": 7}]
        assert len(mouth.asked) == 3


@pytest.mark.parametrize("outcome", NEVER_SENT, ids=named)
def test_a_write_that_can_never_be_sent_ends_as_unavailable(outcome: httpx2.Response | Exception) -> None:
    with asking(outcome) as (client, _, _), pytest.raises(UnavailableError):
        write(client)


def test_a_write_that_was_not_sent_first_and_is_lost_then_is_unclear() -> None:
    with asking(httpx2.ConnectError("refused"), httpx2.ReadTimeout("slow")) as (client, _, _), pytest.raises(UnclearError):
        write(client)


@pytest.mark.parametrize("ask", [read, write])
@pytest.mark.parametrize("outcome", REFUSALS, ids=named)
def test_a_refusal_is_final_for_reads_and_writes(outcome: httpx2.Response, ask: Callable[[OdooClient], object]) -> None:
    with asking(outcome, GOOD) as (client, mouth, _):
        with pytest.raises(RefusedError, match=str(outcome.status_code)):
            ask(client)
        assert len(mouth.asked) == 1


def test_a_broken_answer_is_asked_for_three_times_and_a_lost_one_four_times() -> None:
    with asking(error(500, "Exception", "broke")) as (client, mouth, _):
        with pytest.raises(UnavailableError):
            read(client)
        assert len(mouth.asked) == 3
    with asking(says(503, "")) as (client, mouth, naps):
        with pytest.raises(UnavailableError):
            read(client)
        assert (len(mouth.asked), naps.slept) == (4, [1, 2, 4])


def test_a_refusal_says_all_that_odoo_said_in_one_line_and_no_traceback() -> None:
    several = "the books are closed:\n- until June\n\tunless you ask "
    with asking(error(422, "UserError", several)) as (client, _, _), pytest.raises(RefusedError) as refusal:
        write(client)
    assert str(refusal.value) == "Odoo account.move/create: answered 422 UserError: the books are closed: - until June unless you ask"


def test_what_odoo_says_is_cut_where_it_does_not_end() -> None:
    with asking(error(422, "UserError", "x" * 5000)) as (client, _, _), pytest.raises(RefusedError) as refusal:
        write(client)
    assert 1000 < len(str(refusal.value)) < 1100


def test_an_ended_key_and_a_wrong_address_are_named_as_such() -> None:
    with asking(error(401, "AccessDenied", "no")) as (client, _, _), pytest.raises(RefusedError, match="API key"):
        read(client)
    with asking(says(404, "<html>")) as (client, _, _), pytest.raises(RefusedError, match="address"):
        read(client)
    with asking(error(404, "MissingError", "no")) as (client, _, _), pytest.raises(RefusedError) as refusal:
        read(client)
    assert "address" not in str(refusal.value)


@pytest.mark.parametrize(
    "outcome", [error(422, "UserError", f"I know {KEY}"), httpx2.ReadTimeout(f"with {KEY}"), httpx2.ConnectError(KEY)], ids=named
)
def test_no_error_repeats_the_key(outcome: httpx2.Response | Exception) -> None:
    with asking(outcome) as (client, _, _), pytest.raises(AccountingError) as raised:
        write(client)
    assert KEY not in "".join(traceback.format_exception(raised.value))
    assert KEY not in repr(client)


@pytest.mark.parametrize("key", ["", "two words", "a\nb", "schlüssel"])
def test_a_key_that_no_header_carries_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        OdooClient("http://odoo", "live", key, Clock())
    assert not key or key not in str(refusal.value)


def test_a_request_has_the_headers_and_the_time_that_it_needs() -> None:
    with asking(says()) as (client, mouth, _):
        client.read("res.partner", "read", ids=[1])
        client.write("res.partner", "write", ids=[1])
    first, second = mouth.asked
    assert str(first.url) == "http://odoo/json/2/res.partner/read"
    assert (first.method, first.headers["Authorization"], first.headers["X-Odoo-Database"]) == ("POST", f"bearer {KEY}", "live")
    assert first.headers["Content-Type"] == "application/json"
    assert (first.extensions["timeout"]["connect"], first.extensions["timeout"]["read"]) == (CONNECT_SEC, READ_SEC)
    assert second.extensions["timeout"]["read"] == WRITE_SEC > 120


def test_without_a_database_none_is_named() -> None:
    mouth = Mouth(says())
    OdooClient("http://odoo", "", KEY, Clock(), transport=mouth).read("res.partner", "read")
    assert "X-Odoo-Database" not in mouth.asked[0].headers


@pytest.mark.parametrize("number", ["0.012345", "0.000000001", "60", "123456789012.123456789012", "1E+3", "-0.10"])
def test_decimals_are_sent_as_they_are_in_plain_notation(number: str) -> None:
    with asking(says()) as (client, mouth, _):
        client.write("account.move", "create", vals_list=[{"price_unit": Decimal(number)}])
    body = mouth.asked[0].content.decode()
    assert body == f'{{"vals_list": [{{"price_unit": {Decimal(number):f}}}]}}'
    assert simplejson.loads(body, use_decimal=True, parse_int=Decimal)["vals_list"][0]["price_unit"] == Decimal(number)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), object()])
def test_what_is_no_number_is_not_sent(value: object) -> None:
    with asking(says()) as (client, mouth, _):
        with pytest.raises(TypeError, match="cannot be sent"):
            client.write("account.move", "create", value=value)
        assert mouth.asked == []


def test_numbers_are_read_as_decimals_digit_for_digit() -> None:
    with asking(says(200, '[{"id": 1, "amount": 0.1000000000000000055}]')) as (client, _, _):
        assert repr(read(client)[0]["amount"]) == "Decimal('0.1000000000000000055')"


@pytest.mark.parametrize(("told", "seconds"), [("7", 7), ("0", 0), ("3600", 60), ("soon", 1), ("-5", 1)])
def test_a_busy_odoo_is_left_alone_as_long_as_it_says_but_not_for_ever(told: str, seconds: int) -> None:
    with asking(says(429, "", Retry_After=told), GOOD) as (client, _, naps):
        read(client)
    assert naps.slept == [seconds]


def test_a_busy_odoo_may_name_a_date() -> None:
    for after, slept in ((timedelta(seconds=7), 7), (timedelta(days=1), 60), (timedelta(days=-1), 0)):
        with asking(says(429, "", Retry_After=format_datetime(NOW + after, usegmt=True)), GOOD) as (client, _, naps):
            read(client)
        assert naps.slept == [slept]


def test_a_busy_odoo_that_says_nothing_is_left_alone_longer_each_time() -> None:
    with asking(says(429, "")) as (client, _, naps):
        with pytest.raises(UnavailableError, match="6 tries"):
            write(client)
        assert naps.slept == [1, 2, 4, 8, 16]


def test_while_one_thread_waits_for_a_busy_odoo_no_other_asks() -> None:
    is_waiting, may_go_on = threading.Event(), threading.Event()

    def sleep(_: float) -> None:
        is_waiting.set()
        assert may_go_on.wait(5)

    with asking(says(429, "", Retry_After="9"), GOOD, sleep=sleep) as (client, mouth, _):
        threads = [threading.Thread(target=read, args=(client,)) for _ in range(3)]
        threads[0].start()
        assert is_waiting.wait(5)
        for thread in threads[1:]:
            thread.start()
        threads[1].join(0.05)
        asked = len(mouth.asked)
        may_go_on.set()
        for thread in threads:
            thread.join(5)
    assert (asked, len(mouth.asked)) == (1, 4)


def test_two_threads_that_are_refused_at_once_wait_once() -> None:
    both, answers = threading.Barrier(2), iter([429, 429, 200, 200])

    class Busy(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            status = next(answers)
            if status == 429:
                both.wait(5)
            return says(status, "[]", Retry_After="9")

    naps = Naps()
    with OdooClient("http://odoo", "live", KEY, Clock(), transport=Busy(), sleep=naps) as client:
        threads = [threading.Thread(target=read, args=(client,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
    assert naps.slept == [9]


def test_no_more_calls_are_under_way_than_allowed() -> None:
    under_way, most, lock = 0, 0, threading.Lock()
    two = threading.Barrier(2)

    class Slow(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            nonlocal under_way, most
            with lock:
                under_way += 1
                most = max(most, under_way)
            two.wait(5)
            with lock:
                under_way -= 1
            return says(200, "[]")

    with OdooClient("http://odoo", "live", KEY, Clock(), transport=Slow(), at_once=2) as client:
        threads = [threading.Thread(target=read, args=(client,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
    assert most == 2


def test_whether_a_write_was_done_whose_answer_does_not_end_is_unclear() -> None:
    with (
        OdooClient("http://odoo", "live", KEY, Clock(), transport=httpx2.MockTransport(lambda _: endless())) as client,
        pytest.raises(UnclearError, match="no answer: ReadError: the answer has more than"),
    ):
        client.write("account.move", "action_post", ids=[1])


def test_the_version_needs_no_model() -> None:
    with asking(says(200, '{"version": "19.0", "version_info": []}')) as (client, mouth, _):
        assert client.version() == "19.0"
    assert (mouth.asked[0].method, mouth.asked[0].url.path) == ("GET", "/web/version")


BEFORE = [Fault.TIMEOUT_BEFORE, Fault.BAD_GATEWAY_BEFORE, Fault.UNAVAILABLE_BEFORE, Fault.RESET_BEFORE, Fault.SERVER_ERROR]
MIDWAY = [Fault.KILLED_MIDWAY]
AFTER = [Fault.TIMEOUT_AFTER, Fault.BAD_GATEWAY_AFTER, Fault.UNAVAILABLE_AFTER, Fault.MALFORMED, Fault.RESET_AFTER]
MOVE = {"move_type": "out_invoice", "currency_id": 1, "journal_id": 1}


@pytest.mark.parametrize(("fault", "done"), [*((fault, 0) for fault in [*BEFORE, *MIDWAY, Fault.LATE]), *((fault, 1) for fault in AFTER)])
def test_each_fault_of_the_double_is_unclear_to_a_write_whether_done_or_not(double: FakeOdoo, fault: Fault, done: int) -> None:
    double.fault = once(fault, "account.move", "create")
    with client_of(double) as client, pytest.raises(UnclearError):
        client.write("account.move", "create", new_id, vals_list=[MOVE])
    assert len(double.moves()) == done


@pytest.mark.parametrize("fault", [Fault.TOO_MANY, Fault.CANNOT_CONNECT])
def test_what_never_came_to_the_double_is_written_once(double: FakeOdoo, fault: Fault) -> None:
    double.fault = once(fault, "account.move", "create")
    with client_of(double) as client:
        assert client.write("account.move", "create", new_id, vals_list=[MOVE]) == 1
    assert len(double.moves()) == 1


def test_what_somebody_else_has_is_waited_for(double: FakeOdoo) -> None:
    double.fault = once(Fault.LOCKED, "account.move", "create")
    with client_of(double) as client:
        assert client.write("account.move", "create", new_id, vals_list=[MOVE]) == 1


@pytest.mark.parametrize("fault", list(Fault))
def test_each_fault_of_the_double_is_overcome_by_a_read(double: FakeOdoo, fault: Fault) -> None:
    double.fault = once(fault, "res.currency", "search_read")
    with client_of(double) as client:
        found = client.read("res.currency", "search_read", rows("name"), domain=[["name", "=", "USD"]], fields=["name"])
    assert found == [{"id": 1, "name": "USD"}]


def test_no_try_of_a_write_begins_later_than_a_minute_after_the_first_and_reads_may(double: FakeOdoo) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += 45

    client = OdooClient(
        "http://odoo", DATABASE, double.credentials, Clock(), transport=double.transport(), sleep=sleep, monotonic=lambda: now[0]
    )
    tried: list[float] = []

    def refuse(*_: object) -> Fault:
        tried.append(now[0])
        return Fault.TOO_MANY

    double.fault = refuse
    with pytest.raises(UnavailableError, match="too busy for 60 s; nothing was done"):
        client.write("account.move", "create", vals_list=[])
    assert tried == [0, 45]
    tried.clear()
    with pytest.raises(UnavailableError):
        client.read("account.move", "search_read", domain=[], fields=["ref"])
    assert len(tried) == 6


def test_a_write_that_timed_out_at_a_proxy_is_unclear() -> None:
    with asking(says(408, "")) as (client, _, _), pytest.raises(UnclearError):
        client.write("account.move", "create", vals_list=[])


def test_another_key_asks_the_same_odoo(double: FakeOdoo) -> None:
    client = OdooClient("http://odoo", DATABASE, double.credentials, Clock(), transport=double.transport())
    with pytest.raises(RefusedError, match="401"):
        client.with_key("another").read("res.users", "context_get")
    assert client.with_key(double.credentials).read("res.users", "context_get")


class Watch:
    """Tells how much time has passed."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


DATED = says(200, '{"version": "19.0"}', Date="Tue, 01 Dec 2026 04:00:07 GMT")
AT = NOW + timedelta(seconds=7)


def telling(*answers: httpx2.Response | Exception) -> tuple[OdooClient, Mouth, Watch]:
    mouth, watch = Mouth(*answers), Watch()
    return OdooClient("http://odoo", "live", KEY, Clock(), transport=mouth, sleep=Naps(), monotonic=watch), mouth, watch


def test_odoos_time_is_the_date_of_an_answer_that_is_asked_for() -> None:
    client, mouth, watch = telling(DATED)
    assert client.now() == AT
    watch.seconds = 3
    assert client.now() == AT
    assert [request.url.path for request in mouth.asked] == ["/web/version", "/web/version"]


def test_a_time_that_was_heard_goes_on_for_a_while_and_is_asked_for_after_that() -> None:
    client, mouth, watch = telling(says(200, "[]", Date="Tue, 01 Dec 2026 04:00:07 GMT"), DATED)
    read(client)
    watch.seconds = HEARD_SEC
    assert client.now(heard=True) == AT + timedelta(seconds=HEARD_SEC)
    assert len(mouth.asked) == 1
    watch.seconds = HEARD_SEC + 1
    assert client.now(heard=True) == AT
    assert len(mouth.asked) == 2


def test_a_time_that_nobody_told_yet_is_asked_for() -> None:
    assert telling(DATED)[0].now(heard=True) == AT


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([httpx2.ConnectError("refused")], "cannot connect"),
        ([says(503, "<html>", Date="Tue, 01 Dec 2026 04:00:07 GMT")], "answered 503"),
        ([says(200, "{}")], "answered without its time"),
        ([says(200, "{}", Date="yesterday")], "answered without its time"),
    ],
)
def test_an_odoo_that_does_not_tell_its_time_is_asked_once(answers: list[httpx2.Response | Exception], said: str) -> None:
    client, mouth, _ = telling(*answers)
    with pytest.raises(UnavailableError, match=said):
        client.now()
    assert len(mouth.asked) == 1


def test_an_answer_without_a_time_does_not_pass_for_the_one_before() -> None:
    client, _, watch = telling(DATED, says(200, "{}"))
    client.now()
    watch.seconds = 1
    with pytest.raises(UnavailableError, match="answered without its time"):
        client.now()


def test_the_double_tells_the_time_of_a_clock_of_its_own(double: FakeOdoo) -> None:
    client = OdooClient("http://odoo", "live", KEY, Clock(), transport=double.transport(), sleep=Naps(), monotonic=Watch())
    assert client.now() == NOW
    double.clock = lambda: NOW + timedelta(days=31)
    assert client.now() == NOW + timedelta(days=31)
