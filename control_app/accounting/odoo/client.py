"""Odoo's JSON-2 API, and which of its failures may have left something done (docs/facts/odoo.md, Calls)."""

from __future__ import annotations

import enum
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Self, TypeVar

import httpx2
import simplejson
from werkzeug.http import parse_date

from control_app.accounting.odoo.shapes import anything, in_one_line, is_object, member
from control_app.accounting.port import AccountingError, RefusedError, UnavailableError, UnclearError
from control_app.core.clock import Clock
from control_app.core.failures import words_of
from control_app.network.bounds import PLAIN, bounded

CONNECT_SEC, READ_SEC = 10, 60
WRITE_SEC = 150
MOST_BYTES = 64 * 2**20
"""Of an answer: Odoo sends lists of a month's invoices and of partners, and no file."""
"""More than the 120 s after which Odoo itself gives up: what has no answer by then mostly was not done."""
WRITES_BEGIN_SEC = 60
"""No try of a write begins later: whoever noted it knows until when it may come through (WRITE_SEC after this)."""
LONGEST_PAUSE_SEC = 60
HEARD_SEC = 30
"""For so long Odoo's time counts as known after an answer that told it."""
VERSION = "/web/version"
FIRST_WAIT_SEC = 1
LONGEST_MESSAGE = 1000
"""Characters of what Odoo says; what it does not want stands in its last lines."""
USER_AGENT = "inference-bros-control"
_SENDABLE = re.compile(r"[!-~]+")
T = TypeVar("T")


class Failure(enum.Enum):
    """Why there is no result."""

    NO_CONNECTION = enum.auto()
    BUSY = enum.auto()
    UNANSWERED = enum.auto()
    BROKEN = enum.auto()
    LOCKED = enum.auto()


TRIES: Mapping[Failure, int] = {
    Failure.NO_CONNECTION: 5,
    Failure.BUSY: 6,
    Failure.UNANSWERED: 4,
    Failure.BROKEN: 3,
    Failure.LOCKED: 4,
}
NOT_DONE = (Failure.NO_CONNECTION, Failure.BUSY)
"""These leave nothing behind, so that a write is tried again too."""
SHAPELESS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What reading an answer raises that is no JSON, or not what it should be."""
NO_REQUEST = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
OK, MOVED, UNAUTHORIZED, NOT_FOUND, TIMED_OUT, CONFLICT, TOO_MANY, SERVER_ERROR = 200, 300, 401, 404, 408, 409, 429, 500


class _FailedError(Exception):
    """One try gave no result. *pause*: how long Odoo wants to be left alone; *seen*: the pauses there were when we asked."""

    def __init__(self, failure: Failure, message: str, pause: float | None = None, seen: int = 0) -> None:
        super().__init__(message)
        self.failure, self.pause, self.seen = failure, pause, seen


@dataclass(frozen=True)
class _Heard:
    """What an answer's `Date` was, and *when* it came by a clock that nobody sets, in seconds."""

    date: datetime
    when: float


class OdooClient:
    """Calls methods of the Odoo at *url* with an API *key*, from any thread, *at_once* calls at most.

    *transport* stands for the network where Odoo is in this process; *sleep* does all waiting.

    No error repeats the key, or Odoo's traceback.
    """

    def __init__(  # noqa: PLR0913 (what a test replaces is named)
        self,
        url: str,
        database: str,
        key: str,
        clock: Clock,
        *,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        at_once: int = 4,
    ) -> None:
        if not _SENDABLE.fullmatch(key):
            raise RefusedError("the API key of Odoo has characters that no header carries, or none")
        headers = {"Authorization": f"bearer {key}", "User-Agent": USER_AGENT, "Content-Type": "application/json"}
        if database:
            headers["X-Odoo-Database"] = database
        limits = httpx2.Limits(max_connections=at_once, max_keepalive_connections=at_once)
        self._http = httpx2.Client(
            base_url=url, headers={**PLAIN, **headers}, limits=limits, event_hooks=bounded(MOST_BYTES, WRITE_SEC), transport=transport
        )
        self.key, self.clock, self._sleep, self._monotonic = key, clock, sleep, monotonic
        self._place = (url, database, transport)
        self._places = threading.BoundedSemaphore(at_once)
        self._gate = threading.Lock()
        self._pauses = 0
        self._heard: _Heard | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections to Odoo."""
        self._http.close()

    def with_key(self, key: str) -> OdooClient:
        """One that asks the same Odoo with another key."""
        url, database, transport = self._place
        return OdooClient(url, database, key, self.clock, transport=transport, sleep=self._sleep, monotonic=self._monotonic)

    def read(self, model: str, method: str, shape: Callable[[Any], T] = anything, **arguments: Any) -> T:
        """The answer of a method that changes nothing, in *shape*. Tried again where that may help."""
        return self._result("POST", f"/json/2/{model}/{method}", _json(arguments), shape, is_write=False)

    def write(self, model: str, method: str, shape: Callable[[Any], T] = anything, **arguments: Any) -> T:
        """The answer of a method that changes something. UnclearError at once where it may have been done."""
        return self._result("POST", f"/json/2/{model}/{method}", _json(arguments), shape, is_write=True)

    def version(self) -> str:
        """Odoo's own version, like `19.0`."""
        return self._result("GET", VERSION, None, member("version", str), is_write=False)

    def now(self, *, heard: bool = False) -> datetime:
        """Odoo's time, UTC: the `Date` of an answer that is asked for, once; if it may be *heard*, of one of the last HEARD_SEC."""
        last, since = self._heard, self._monotonic()
        if not heard or last is None or since - last.when > HEARD_SEC:
            try:
                self._once("GET", VERSION, None, anything, None)
            except _FailedError as failed:
                raise self._error(UnavailableError, VERSION, str(failed)) from None
            last = self._heard
            if last is None or last.when < since:
                raise self._error(UnavailableError, VERSION, "answered without its time (the header Date); nothing is billed without it")
        return last.date + timedelta(seconds=self._monotonic() - last.when)

    def _result(self, method: str, path: str, body: bytes | None, shape: Callable[[Any], T], *, is_write: bool) -> T:
        failures: Counter[Failure] = Counter()
        until = self._monotonic() + WRITES_BEGIN_SEC if is_write else None
        while True:
            try:
                return self._once(method, path, body, shape, until)
            except _FailedError as failed:
                failure = failed.failure
                if is_write and failure not in NOT_DONE:
                    raise self._error(UnclearError, path, f"{failed}; it may have been done") from None
                failures[failure] += 1
                if failures[failure] >= TRIES[failure]:
                    raise self._error(UnavailableError, path, f"{failed}, in {failures.total()} tries") from None
                self._wait(failed, failures.total())

    def _wait(self, failed: _FailedError, tries: int) -> None:
        backing_off = min(FIRST_WAIT_SEC * 2 ** (tries - 1), LONGEST_PAUSE_SEC)
        if failed.failure is not Failure.BUSY:
            self._sleep(backing_off)
            return
        with self._gate:
            # What was refused before the last pause was over needs no other one.
            if self._pauses == failed.seen:
                self._sleep(backing_off if failed.pause is None else failed.pause)
                self._pauses += 1

    def _once(self, method: str, path: str, body: bytes | None, shape: Callable[[Any], T], until: float | None) -> T:
        """One try; of a write, only *until* then."""
        timeout = httpx2.Timeout(READ_SEC if until is None else WRITE_SEC, connect=CONNECT_SEC)
        with self._places:
            with self._gate:
                seen = self._pauses
            if until is not None and self._monotonic() > until:
                raise self._error(UnavailableError, path, f"was too busy for {WRITES_BEGIN_SEC} s; nothing was done")
            try:
                response = self._http.request(method, path, content=body, timeout=timeout)
            except NO_REQUEST as error:
                raise _FailedError(Failure.NO_CONNECTION, f"cannot connect: {words_of(error)}") from None
            except httpx2.HTTPError as error:
                # A connection that was kept too long breaks here too, and nobody knows how far the request came.
                raise _FailedError(Failure.UNANSWERED, f"no answer: {words_of(error)}") from None
        self._check(response, path, seen)
        if date := parse_date(response.headers.get("date")):
            self._heard = _Heard(date, self._monotonic())
        try:
            return shape(simplejson.loads(response.content, use_decimal=True))
        except SHAPELESS as error:
            raise _FailedError(Failure.UNANSWERED, f"not the answer of this method: {words_of(error)}") from None

    def _check(self, response: httpx2.Response, path: str, seen: int) -> None:
        status, told = response.status_code, f"answered {response.status_code}{_told(response)}"
        if status == OK:
            return
        if status == TOO_MANY:
            raise _FailedError(Failure.BUSY, told, _pause(response.headers.get("Retry-After"), self.clock()), seen)
        if status == CONFLICT:
            raise _FailedError(Failure.LOCKED, told)
        if status == SERVER_ERROR:
            raise _FailedError(Failure.BROKEN, told)
        if status == TIMED_OUT or not MOVED <= status < SERVER_ERROR:
            raise _FailedError(Failure.UNANSWERED, told)
        hints = {
            UNAUTHORIZED: "; is the API key right, and has it not ended?",
            NOT_FOUND: "; are the address and the database right, and is this Odoo 19 or later?" if not _told(response) else "",
        }
        raise self._error(RefusedError, path, told + hints.get(status, ""))

    def _error(self, kind: type[AccountingError], path: str, message: str) -> AccountingError:
        return kind(f"Odoo {path.removeprefix('/json/2/')}: {message}".replace(self.key, "(the key)"))


class InCompany:
    """Calls of *client* as one *company*, in English and UTC."""

    def __init__(self, client: OdooClient, company: int) -> None:
        self.client, self.company = client, company
        self._context = {"lang": "en_US", "tz": "UTC", "allowed_company_ids": [company]}

    def read(self, model: str, method: str, shape: Callable[[Any], T] = anything, **arguments: Any) -> T:
        """Ask Odoo what changes nothing, as OdooClient.read does, for one company."""
        return self.client.read(model, method, shape, **{"context": self._context, **arguments})

    def write(self, model: str, method: str, shape: Callable[[Any], T] = anything, **arguments: Any) -> T:
        """Ask Odoo to change something, as OdooClient.write does, for one company."""
        return self.client.write(model, method, shape, **{"context": self._context, **arguments})


def _json(arguments: Mapping[str, Any]) -> bytes:
    return simplejson.dumps(arguments, use_decimal=False, default=_plain).encode()


def _plain(value: object) -> simplejson.RawJSON:
    """A Decimal in plain notation, digit for digit; text would have an exponent for what is very small."""
    if not isinstance(value, Decimal) or not value.is_finite():
        raise TypeError(f"{value!r} cannot be sent")
    return simplejson.RawJSON(format(value, "f"))


def _told(response: httpx2.Response) -> str:
    """Odoo's exception and its whole message; nothing where it is no answer of Odoo's own."""
    try:
        error = simplejson.loads(response.content, use_decimal=True)
    except ValueError:
        return ""
    if not is_object(error) or not isinstance(error.get("name"), str):
        return ""
    return f" {error['name'].rpartition('.')[2]}: {in_one_line(str(error.get('message') or ''))[:LONGEST_MESSAGE]}"


def _pause(told: str | None, now: datetime) -> float | None:
    """The seconds from *now* on of a `Retry-After`, which is a number or a date; None where it is neither."""
    if told is None:
        return None
    try:
        seconds = float(told) if told.strip().isdecimal() else (parsedate_to_datetime(told) - now).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_PAUSE_SEC)
