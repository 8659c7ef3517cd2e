"""The gateway's management API. It leaves out, ignores and answers wrongly without a word (docs/facts/bifrost.md, Management API)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Self, TypeVar

import httpx2
import msgspec
from werkzeug.http import parse_date

from control_app.core.failures import words_of
from control_app.core.time import microseconds, time_of
from control_app.gateway.bifrost.answers import (
    CustomerList,
    Dropped,
    Entry,
    KeyPage,
    LogPage,
    ModelList,
    Page,
    Quota,
    Refused,
    TeamPage,
    VirtualKey,
)
from control_app.gateway.bifrost.log_rows import STATUSES, read
from control_app.gateway.port import PROVIDER, Customer, Directory, GatewayError, Key, KeyRefusedError, Row, UnidentifiedKeyError
from control_app.network.bounds import PLAIN, bounded

PAGE, KEYS_PAGE = 1000, 100
"""The most that every version gives at once."""
TIMEOUT_SEC = 30
WITHIN_SEC = 120
MOST_BYTES = 256 * 2**20
"""Of an answer: 1,000 rows that carry their prompts have some tens of megabytes."""
LOGS = "/api/logs"
KEYS, TEAMS, CUSTOMERS = "/api/governance/virtual-keys", "/api/governance/teams", "/api/governance/customers"
QUOTA = f"{KEYS}/quota"
MODELS = "/v1/models"
VERSION = "/api/version"
JSON, TEXT = "application/json", "text/plain"
SAID_MOST = 200
OF_THE_KEY, REASONS_OF_THE_KEY = (401, 402, 429), ("virtual_key_blocked", "provider_blocked")
"""What a virtual key is refused for, whatever model it calls: unknown, over its budget or its rate; inactive, without our provider."""
NO_SUCH_KEY = (401, 403, 404)
E = TypeVar("E", bound=Entry)
T = TypeVar("T")
_SENDABLE = re.compile(r"[!-~]+")


class GatewayApi:
    """Asks the gateway at *url* as its administrator; *key* is a virtual key, without which it does not tell its prices.

    *transport* stands for the network where the gateway is in this process.

    No error repeats what was answered: answers about keys and customers carry the keys' secrets.
    """

    def __init__(
        self, url: str, user: str, password: str, key: str | None = None, *, transport: httpx2.BaseTransport | None = None
    ) -> None:
        self._client = httpx2.Client(
            base_url=url, timeout=TIMEOUT_SEC, headers=PLAIN, event_hooks=bounded(MOST_BYTES, WITHIN_SEC), transport=transport
        )
        self._admin = httpx2.BasicAuth(user, password)
        self._key = key

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections to the gateway."""
        self._client.close()

    def now(self) -> int:
        """The gateway's present, in whole seconds: the `Date` of an answer."""
        what = f"GET {VERSION}"
        response = self._send("GET", VERSION)
        _checked(what, response, JSON)
        told = parse_date(response.headers.get("date"))
        if told is None:
            raise GatewayError(f"{what}: answered without its time (the header Date); nothing is read or billed without it")
        return microseconds(told)

    def rows(self, start: int, end: int) -> Iterator[Sequence[Row]]:
        """Pages of billed rows in `[start, end)`, each from the last one's time on, so that rows of that time come twice.

        Not by offset: rows appear while we page, and those of one time stand in another order each time.
        """
        since = start
        while True:
            window = {"start_time": _text(since), "end_time": _text(end)}
            page = self._logs(PAGE, {"status": ",".join(STATUSES), **window})
            times, found = _read(page, since)
            _check(times, since, end)
            # The gateway's window has its end in it, and a version that ignores the filter sends every status.
            if rows := [row for row in found if row is not None and row.at < end]:
                yield rows
            if len(page) < PAGE or times[-1] >= end:
                return
            if times[-1] == since:
                raise GatewayError(f"GET {LOGS}: {PAGE} rows or more at {_text(since)} fill a page; read them from the gateway's database")
            since = times[-1]

    def first(self) -> int | None:
        """Start of the oldest row, of any status; 1970 where that cannot be read."""
        page = self._logs(1, {})
        return read(page[0], 0)[0] if page else None

    def directory(self) -> Directory:
        """Customers and keys; a key of a team is its customer's."""
        keys, teams = self.entries(KEYS, KeyPage), {team.id: team.customer_id for team in self.entries(TEAMS, TeamPage)}
        listed = _decode(f"GET {CUSTOMERS}", self._body("GET", CUSTOMERS), CustomerList)
        customers = listed.entries or []
        if len(customers) != max(listed.count, listed.total_count):
            raise GatewayError(f"GET {CUSTOMERS}: gave {len(customers)} of {max(listed.count, listed.total_count)} customers")
        return Directory([Customer(customer.id, customer.name) for customer in customers], [_key(key, teams) for key in keys])

    def ask(self, method: str, path: str, kind: type[T], *, secret: str | None = None, body: object = None) -> T:
        """The answer of another path, decoded as *kind*; asked as the administrator, or as the virtual key of that *secret*.

        What the gateway says against a virtual key's request is repeated: it names models, and no key.
        """
        response = self._send(method, path, secret=secret, body=body)
        if secret is not None and response.status_code != 200:  # noqa: PLR2004 (HTTP's)
            raise _refusal(f"{method} {path}", response)
        return _decode(f"{method} {path}", _checked(f"{method} {path}", response, JSON), kind)

    def barred(self) -> Sequence[str]:
        """Names of the active keys that may call no model of ours: an empty list of providers, or of models, allows nothing."""
        return [key.name for key in self.entries(KEYS, KeyPage) if key.is_active is not False and _is_barred(key)]

    def prices(self) -> Mapping[str, Sequence[Mapping[str, Decimal]]]:
        """What the list of models says, of one mode and in ten decimals; a model without a price is not among them."""
        if self._key is None:
            raise GatewayError("the gateway tells its prices to a virtual key only: set CONTROL_GATEWAY_KEY to one")
        models = _decode(f"GET {MODELS}", self._body("GET", MODELS, secret=self._key), ModelList)
        if models.next_page_token:
            raise GatewayError(f"GET {MODELS}: gave only a part of its models")
        ours = {model.id.removeprefix(f"{PROVIDER}/"): model.pricing for model in models.data or () if model.id.startswith(f"{PROVIDER}/")}
        told = {model: msgspec.structs.asdict(pricing) for model, pricing in ours.items() if pricing}
        known = {model: {kind: price for kind, price in kinds.items() if price is not None} for model, kinds in told.items()}
        return {model: [kinds] for model, kinds in known.items() if kinds}

    def force_sync(self) -> None:
        """Have the sheet read. The gateway says that it did in any case: compare `prices`."""
        self._body("POST", "/api/pricing/force-sync")

    def dropped(self) -> int:
        """Log rows that could not be written, since the start of the process that answers."""
        path = f"{LOGS}/dropped"
        return _decode(f"GET {path}", self._body("GET", path), Dropped).dropped_requests

    def metrics(self) -> str:
        """The gateway's metrics, in Prometheus' text format."""
        return self._body("GET", "/metrics", kind=TEXT).decode(errors="replace")

    def key_id(self, secret: str) -> str | None:
        """The id of the active virtual key whose *secret* this is; None where the gateway does not take it."""
        response = self._send("GET", QUOTA, secret=secret)
        if response.status_code in NO_SUCH_KEY:
            return None
        quota = _decode(f"GET {QUOTA}", _checked(f"GET {QUOTA}", response, JSON), Quota)
        if quota.is_active is False:
            return None
        ids = {config.virtual_key_id for config in quota.provider_configs or () if config.virtual_key_id}
        if len(ids) != 1:
            raise UnidentifiedKeyError(
                f"the gateway does not tell which key {quota.virtual_key_name!r} is, since no provider is configured for it, without which"
                f" it can call nothing: give it the provider {PROVIDER} at the gateway (provider_configs)"
            )
        return ids.pop()

    def _logs(self, limit: int, params: Mapping[str, str]) -> Sequence[msgspec.Raw]:
        what = f"GET {LOGS}"
        body = self._body("GET", LOGS, {"sort_by": "timestamp", "order": "asc", "limit": str(limit), "offset": "0", **params})
        page = _decode(what, body, LogPage)
        rows = page.logs or []
        if page.pagination.limit != limit or len(rows) > limit:
            raise GatewayError(f"{what}: asked for {limit} rows a page, it gave {len(rows)} of at most {page.pagination.limit}")
        return rows

    def entries(self, path: str, kind: type[Page[E]]) -> list[E]:
        """All entries of a list that comes in pages, whose size the gateway may make smaller than asked."""
        what = f"GET {path}"
        found: dict[str, E] = {}
        offset = 0
        while True:
            page = _decode(what, self._body("GET", path, {"limit": str(KEYS_PAGE), "offset": str(offset)}), kind)
            found |= {entry.id: entry for entry in page.entries or ()}
            offset += page.limit
            if offset >= page.total_count or not page.entries or page.limit < 1:
                break
        if len(found) != page.total_count:
            raise GatewayError(
                f"{what}: gave {len(found)} of {page.total_count} entries; where they changed meanwhile, the next try is right"
            )
        return list(found.values())

    def _body(
        self, method: str, path: str, params: Mapping[str, str] | None = None, *, secret: str | None = None, kind: str = JSON
    ) -> bytes:
        return _checked(f"{method} {path}", self._send(method, path, params, secret), kind)

    def _send(
        self, method: str, path: str, params: Mapping[str, str] | None = None, secret: str | None = None, *, body: object = None
    ) -> httpx2.Response:
        """Send a request as the administrator, or as the virtual key whose *secret* is given; *body* as JSON."""
        if secret is not None and not _SENDABLE.fullmatch(secret):
            raise GatewayError(f"{method} {path}: the virtual key has characters that no header carries")
        headers = {} if secret is None else {"x-bf-vk": secret}
        content = None if body is None else msgspec.json.encode(body)
        if content is not None:
            headers["Content-Type"] = JSON
        auth = self._admin if secret is None else None
        try:
            return self._client.request(method, path, params=params, headers=headers, auth=auth, content=content)
        except httpx2.HTTPError as error:
            raise GatewayError(f"{method} {path}: the gateway did not answer: {words_of(error)}") from error


def _checked(what: str, response: httpx2.Response, kind: str) -> bytes:
    if response.status_code in (401, 403):
        raise GatewayError(f"{what}: answered {response.status_code}; are the gateway's user, password and key right?")
    if response.status_code != 200:  # noqa: PLR2004 (HTTP's)
        raise GatewayError(f"{what}: answered {response.status_code}")
    told = response.headers.get("content-type", "nothing")
    if not told.startswith(kind):
        # Paths that it does not know are its user interface's.
        raise GatewayError(f"{what}: answered {told}, not {kind}; does this version of the gateway have it?")
    return response.content


def _refusal(what: str, response: httpx2.Response) -> GatewayError:
    """A refusal in the gateway's words, cut; with the start of whatever came, where they are not in its form."""
    try:
        refused = msgspec.json.decode(response.content, type=Refused)
        said, reason = " ".join(filter(None, (refused.type, refused.error.message[:SAID_MOST]))), refused.type
    except (msgspec.DecodeError, UnicodeDecodeError):
        said, reason = repr(response.text[:SAID_MOST]), None
    is_the_keys = response.status_code in OF_THE_KEY or reason in REASONS_OF_THE_KEY
    return (KeyRefusedError if is_the_keys else GatewayError)(f"{what}: answered {response.status_code}: {said}")


def _decode(what: str, body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GatewayError(f"{what}: not its contract: {error}") from None


def _read(page: Sequence[msgspec.Raw], since: int) -> tuple[list[int], list[Row | None]]:
    """The times of a page's rows, and the rows that are billed."""
    times: list[int] = []
    rows: list[Row | None] = []
    for raw in page:
        since, row = read(raw, since)
        times.append(since)
        rows.append(row)
    return times, rows


def _check(times: Sequence[int], since: int, end: int) -> None:
    """A gateway that does not take the window or the order says nothing, and sends what it has."""
    for at in times:
        if not since <= at <= end:
            raise GatewayError(f"GET {LOGS}: a row of {_text(at)} is not in the window from {_text(since)} to {_text(end)}")
    if list(times) != sorted(times):
        raise GatewayError(f"GET {LOGS}: rows do not come in order of time")


def _key(key: VirtualKey, teams: Mapping[str, str | None]) -> Key:
    customer = key.customer_id or teams.get(key.team_id or "") or None
    return Key(key.id, key.name, customer, is_active=key.is_active is not False, updated_at=microseconds(key.updated_at))


def _is_barred(key: VirtualKey) -> bool:
    configs = key.provider_configs
    return configs is not None and not any(config.provider == PROVIDER and config.allowed_models != [] for config in configs)


def _text(at: int) -> str:
    """RFC 3339 with `Z`: the gateway ignores a time with another zone, whose plus sign becomes a space."""
    return time_of(at).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
