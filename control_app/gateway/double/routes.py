"""The management routes of the gateway's double, as Bifrost 1.5.16 answers them; inference.py has the customers' routes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from control_app.core.clock import Clock
from control_app.core.time import microseconds
from control_app.gateway.double import bodies, inference
from control_app.gateway.double.bodies import Holders
from control_app.gateway.double.entities import Series
from control_app.gateway.double.inference import Serving
from control_app.gateway.double.log import Log, Query
from control_app.gateway.double.responses import JSON, error, json_of
from control_app.gateway.port import PROVIDER

ROWS, MOST_ROWS = 50, 1000
ENTRIES, MOST_ENTRIES = 25, 100
STORED = ("logs", "keys", "key", "teams", "customers", "customer", "quota", "provider")
"""What these tell is read from the database, and fails without it."""
OPEN = ("health", "quota", "version", *inference.ENDPOINTS)
"""These are answered without the administrator's password."""
KEYS, CUSTOMERS = "/api/governance/virtual-keys", "/api/governance/customers"
URLS = Map(
    [
        Rule("/api/logs", endpoint="logs", methods=["GET"]),
        Rule("/api/logs/dropped", endpoint="dropped", methods=["GET"]),
        Rule(KEYS, endpoint="keys", methods=["GET", "POST"]),
        Rule(f"{KEYS}/quota", endpoint="quota", methods=["GET"]),
        Rule(f"{KEYS}/<id>", endpoint="key", methods=["PUT", "DELETE"]),
        Rule("/api/governance/teams", endpoint="teams", methods=["GET"]),
        Rule(CUSTOMERS, endpoint="customers", methods=["GET", "POST"]),
        Rule(f"{CUSTOMERS}/<id>", endpoint="customer", methods=["DELETE"]),
        Rule(f"/api/providers/{PROVIDER}", endpoint="provider", methods=["GET", "PUT"]),
        Rule("/api/pricing/force-sync", endpoint="force_sync", methods=["POST"]),
        Rule("/api/version", endpoint="version", methods=["GET"]),
        Rule("/metrics", endpoint="metrics", methods=["GET"]),
        Rule("/health", endpoint="health", methods=["GET"]),
        *inference.RULES,
    ]
)
PROVIDER_CONFIG: dict[str, Any] = {
    "name": PROVIDER,
    "network_config": {"base_url": "http://kubeai/openai", "max_retries": 0, "allow_private_network": True},
    "concurrency_and_buffer_size": {"concurrency": 1000, "buffer_size": 5000},
    "proxy_config": None,
    "send_back_raw_request": False,
    "send_back_raw_response": False,
    "store_raw_request_response": False,
    "custom_provider_config": {"is_key_less": True, "base_provider_type": "openai", "allowed_requests": {"list_models": True}},
    "provider_status": "active",
    "status": "success",
    "config_hash": "",
}
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Double(Holders, Serving, Protocol):
    """What is asked about: see GatewayDouble."""

    requests: Counter[Series]
    successes: Counter[Series]
    errors: Counter[tuple[Series, int]]
    credentials: tuple[str, str]
    log: Log
    clock: Clock
    started: datetime
    dropped: int

    def force_sync(self) -> None:
        """Read the price sheet again."""
        ...

    def read_models(self) -> None:
        """Read the upstream's list again."""
        ...

    def add_customer(self, name: str) -> str: ...

    def add_key(
        self, name: str, customer: str | None = None, *, team: str | None = None, providers: Sequence[str], budgets: Sequence[object]
    ) -> str: ...

    def deactivate_key(self, id: str) -> None: ...

    def delete_key(self, id: str) -> None: ...

    def delete_customer(self, id: str) -> None: ...


class Routes:
    """Answers requests about *double*."""

    def __init__(self, double: Double) -> None:
        self._double = double
        self._answers: Mapping[str, Callable[..., Response]] = {
            "logs": self._logs,
            "dropped": self._dropped,
            "keys": self._keys,
            "key": self._key,
            "quota": self._quota,
            "teams": self._teams,
            "customers": self._customers,
            "customer": self._customer,
            "provider": self._provider,
            "force_sync": self._force_sync,
            "version": self._version,
            "metrics": self._metrics,
            "health": self._health,
            **inference.answers(double),
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._answer(Request(environ))
        answer.date = self._double.clock()
        return answer(environ, start_response)

    def _answer(self, request: Request) -> Response:
        try:
            endpoint, values = URLS.bind_to_environ(request.environ).match()
        except HTTPException:
            # Whatever is no route is a page of the user interface.
            return Response("<!doctype html><title>Bifrost</title>", mimetype="text/html")
        told = request.authorization
        if endpoint not in OPEN and (told is None or (told.type, told.username, told.password) != ("basic", *self._double.credentials)):
            return error(401, "Unauthorized")
        if endpoint in STORED and self._double.is_away:
            return error(500, "the database does not answer")
        return self._answers[endpoint](request, **values)

    def _logs(self, request: Request) -> Response:
        limit, offset = request.args.get("limit", ROWS, type=int), request.args.get("offset", 0, type=int)
        if limit > MOST_ROWS:
            return error(400, f"limit cannot exceed {MOST_ROWS}")
        if limit < 1 or offset < 0:
            return error(400, "limit must be positive, offset not negative")
        order = "asc" if request.args.get("order") == "asc" else "desc"
        window = _time(request, "start_time"), _time(request, "end_time")
        statuses, keys = _list(request, "status"), _list(request, "virtual_key_ids")
        rows = self._double.log.page(Query(limit, offset, order == "asc", *window, statuses, keys))
        # Asked by key, the view behind the count says nothing.
        total = 0 if keys else self._double.log.total(statuses)
        none = dict.fromkeys(
            ("success_rate", "user_facing_success_rate", "user_facing_total_requests", "average_latency", "total_tokens", "total_cost"), 0
        )
        about = {
            "pagination": {"limit": limit, "offset": offset, "sort_by": "timestamp", "order": order, "total_count": total},
            "stats": {"total_requests": total} | none,
            "has_logs": self._double.log.total(frozenset()) > 0,
        }
        return Response(b'{"logs":[' + b",".join(rows) + b"]," + msgspec.json.encode(about)[1:], mimetype=JSON)

    def _dropped(self, _: Request) -> Response:
        return json_of({"dropped_requests": self._double.dropped})

    def _teams(self, request: Request) -> Response:
        return _entries(request, "teams", [bodies.team(self._double, team) for team in self._double.teams.values()])

    def _version(self, _: Request) -> Response:
        return json_of("v1.0.0")

    def _keys(self, request: Request) -> Response:
        double = self._double
        if request.method == "GET":
            return _entries(request, "virtual_keys", [bodies.key(double, key) for key in double.keys.values()])
        asked = request.get_json(force=True)
        providers = [config["provider"] for config in asked.get("provider_configs") or ()]
        # A singular budget is ignored without a word (maximhq/bifrost#5673).
        try:
            made = double.add_key(
                asked["name"], asked.get("customer_id"), team=asked.get("team_id"), providers=providers, budgets=asked.get("budgets") or ()
            )
        except ValueError:
            return error(409, "A virtual key with this name already exists")
        return json_of({"message": "Virtual key created successfully", "virtual_key": bodies.key(double, double.keys[made], fresh=True)})

    def _key(self, request: Request, id: str) -> Response:
        double = self._double
        if id not in double.keys:
            return error(404, "Virtual key not found")
        if request.method == "DELETE":
            double.delete_key(id)
            return json_of({"message": "Virtual key deleted successfully"})
        if request.get_json(force=True).get("is_active") is False:
            double.deactivate_key(id)
        return json_of({"message": "Virtual key updated successfully", "virtual_key": bodies.key(double, double.keys[id], fresh=True)})

    def _quota(self, request: Request) -> Response:
        secret = inference.secret_of(request)
        if secret is None:
            return error(
                401, "Missing virtual key. Provide it via x-bf-vk header, Authorization Bearer, x-api-key, or x-goog-api-key header."
            )
        key = inference.key_of(self._double, secret)
        if key is None:
            return error(401, "Virtual key not found")
        entries = [entry | {"keys": None} for entry in bodies.key(self._double, key)["provider_configs"]]
        told: dict[str, Any] = {"virtual_key_name": key.name, "is_active": key.is_active, "budgets": list(key.budgets), "rate_limit": None}
        return json_of(told | {"model_configs": [], "provider_configs": entries})

    def _customers(self, request: Request) -> Response:
        double = self._double
        if request.method == "GET":
            return _entries(request, "customers", [bodies.customer(double, customer) for customer in double.customers.values()])
        made = double.add_customer(request.get_json(force=True)["name"])
        return json_of({"message": "Customer created successfully", "customer": bodies.customer(double, double.customers[made])})

    def _customer(self, _: Request, id: str) -> Response:
        if id not in self._double.customers:
            return error(404, "Customer not found")
        self._double.delete_customer(id)
        return json_of({"message": "Customer deleted successfully"})

    def _provider(self, request: Request) -> Response:
        """A PUT of what GET told changes nothing, but has the list of models read again."""
        if request.method == "PUT":
            self._double.read_models()
        return json_of(PROVIDER_CONFIG)

    def _force_sync(self, _: Request) -> Response:
        self._double.force_sync()
        return json_of({"status": "success", "message": "pricing sync triggered"})

    def _metrics(self, _: Request) -> Response:
        text = bodies.metrics(self._double.started, self._double.requests, self._double.successes, self._double.errors)
        return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8; escaping=underscores")

    def _health(self, _: Request) -> Response:
        if self._double.is_away:
            return error(503, "config store not available")
        return json_of({"components": {"db_pings": "ok"}, "status": "ok"})


def _entries(request: Request, name: str, entries: Sequence[object]) -> Response:
    """All of them; a page, at most 100 and 25 where it is not said how many, once a page is asked for."""
    page = {"limit": len(entries), "offset": 0}
    if request.args.keys() & page.keys():
        try:
            page = {key: int(request.args.get(key, 0)) for key in page}
        except ValueError:
            return error(400, "limit and offset are numbers")
        if min(page.values()) < 0:
            return error(400, "limit and offset are not negative")
        page["limit"] = min(page["limit"] or ENTRIES, MOST_ENTRIES)
    part = entries[page["offset"] : page["offset"] + page["limit"]]
    return json_of({name: part, "count": len(part), "total_count": len(entries), **page})


def _list(request: Request, name: str) -> frozenset[str]:
    return frozenset(filter(None, request.args.get(name, "").split(",")))


def _time(request: Request, name: str) -> int | None:
    """None where it is not RFC 3339, as when a plus sign became a space: the gateway says nothing, and finds all."""
    text = request.args.get(name, "")
    try:
        return microseconds(datetime.fromisoformat(text)) if _RFC_3339.fullmatch(text) else None
    except ValueError:
        return None
