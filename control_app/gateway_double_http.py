"""The routes of the gateway's double, as Bifrost 1.4.19 answers them, and the prices in the list of models as later versions do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from control_app.gateway_double_log import Query
from control_app.spans import microseconds

if TYPE_CHECKING:
    from control_app.gateway_double import GatewayDouble, Owner, Price, VirtualKey

ROWS, MOST_ROWS = 50, 1000
ENTRIES, MOST_ENTRIES = 25, 100
JSON = "application/json"
STORED = ("logs", "keys", "teams", "customers", "quota")
"""Read from the database."""
OPEN = ("health", "quota", "models")
"""Asked without the administrator's password."""
URLS = Map(
    [
        Rule("/api/logs", endpoint="logs", methods=["GET"]),
        Rule("/api/logs/dropped", endpoint="dropped", methods=["GET"]),
        Rule("/api/governance/virtual-keys", endpoint="keys", methods=["GET"]),
        Rule("/api/governance/virtual-keys/quota", endpoint="quota", methods=["GET"]),
        Rule("/api/governance/teams", endpoint="teams", methods=["GET"]),
        Rule("/api/governance/customers", endpoint="customers", methods=["GET"]),
        Rule("/api/pricing/force-sync", endpoint="force_sync", methods=["POST"]),
        Rule("/api/version", endpoint="version", methods=["GET"]),
        Rule("/v1/models", endpoint="models", methods=["GET"]),
        Rule("/metrics", endpoint="metrics", methods=["GET"]),
        Rule("/health", endpoint="health", methods=["GET"]),
    ]
)
LABELS = (
    *("provider", "model", "method", "virtual_key_id", "virtual_key_name", "team_id", "team_name", "customer_id", "customer_name"),
    *("selected_key_id", "selected_key_name", "routing_rule_id", "routing_rule_name", "routing_engine_used"),
    *("fallback_index", "number_of_retries"),
)
PRICES = {
    "prompt": "input_cost_per_token",
    "completion": "output_cost_per_token",
    "input_cache_read": "cache_read_input_token_cost",
    "input_cache_write": "cache_creation_input_token_cost",
}
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Routes:
    """Answers requests about *double*."""

    def __init__(self, double: GatewayDouble) -> None:
        self._double = double
        self._answers: Mapping[str, Callable[[Request], Response]] = {
            "logs": self._logs,
            "dropped": lambda _: _json({"dropped_requests": double.dropped}),
            "keys": lambda request: self._entries(request, "virtual_keys", [self._key(key) for key in double.keys.values()]),
            "quota": self._quota,
            "teams": lambda request: self._entries(request, "teams", [_team(team) for team in double.teams.values()]),
            "customers": self._customers,
            "force_sync": self._force_sync,
            "version": lambda _: _json("1.4.19"),
            "models": self._models,
            "metrics": self._metrics,
            "health": self._health,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        try:
            endpoint, _ = URLS.bind_to_environ(request.environ).match()
        except HTTPException:
            # Whatever is no route is a page of the user interface.
            return Response("<!doctype html><title>Bifrost</title>", mimetype="text/html")
        told = request.authorization
        if endpoint not in OPEN and (told is None or (told.type, told.username, told.password) != ("basic", *self._double.credentials)):
            return _error(401, "Unauthorized")
        if endpoint in STORED and self._double.is_away:
            return _error(500, "the database does not answer")
        return self._answers[endpoint](request)

    def _logs(self, request: Request) -> Response:
        limit, offset = request.args.get("limit", ROWS, type=int), request.args.get("offset", 0, type=int)
        if not 1 <= limit <= MOST_ROWS or offset < 0:
            return _error(400, f"limit must be between 1 and {MOST_ROWS}, offset not negative")
        order = "asc" if request.args.get("order") == "asc" else "desc"
        window = _time(request, "start_time"), _time(request, "end_time")
        lists = _list(request, "status"), _list(request, "virtual_key_ids")
        rows = self._double.log.page(Query(limit, offset, order == "asc", *window, *lists))
        count = len(self._double.log)
        about = {
            "pagination": {"limit": limit, "offset": offset, "sort_by": "timestamp", "order": order, "total_count": 0},
            "stats": {"total_requests": count, "success_rate": 0, "average_latency": 0, "total_tokens": 0, "total_cost": 0},
            "has_logs": count > 0,
        }
        return Response(b'{"logs":[' + b",".join(rows) + b"]," + msgspec.json.encode(about)[1:], mimetype=JSON)

    def _entries(self, request: Request, name: str, entries: Sequence[object]) -> Response:
        """All of them; a page, at most 100 and 25 where it is not said how many, once a page is asked for."""
        page = {"limit": len(entries), "offset": 0}
        if request.args.keys() & page.keys():
            try:
                page = {key: int(request.args.get(key, 0)) for key in page}
            except ValueError:
                return _error(400, "limit and offset are numbers")
            if min(page.values()) < 0:
                return _error(400, "limit and offset are not negative")
            page["limit"] = min(page["limit"] or ENTRIES, MOST_ENTRIES)
        part = entries[page["offset"] : page["offset"] + page["limit"]]
        return _json({name: part, "count": len(part), "total_count": len(entries), **page})

    def _customers(self, request: Request) -> Response:
        """No total is told, also where a limit cuts the list."""
        limit = request.args.get("limit", len(self._double.customers), type=int)
        customers = [self._customer(customer) for customer in self._double.customers.values()][:limit]
        return _json({"customers": customers, "count": len(customers)})

    def _customer(self, customer: Owner) -> dict[str, Any]:
        keys = [_bare_key(key) for key in self._double.keys.values() if key.customer == customer.id]
        return {"id": customer.id, "name": customer.name, "virtual_keys": keys, "updated_at": _text(customer.updated_at)}

    def _key(self, key: VirtualKey) -> dict[str, Any]:
        more: dict[str, Any] = {"team_id": key.team, "customer_id": key.customer, "provider_configs": [], "mcp_configs": []}
        customer = self._double.customers.get(key.customer or "")
        if customer:
            more["customer"] = self._customer(customer)
        return _bare_key(key) | more

    def _quota(self, request: Request) -> Response:
        key = self._shown(request)
        if key is None:
            return _error(401, "virtual key not found")
        return _json({"virtual_key_name": key.name, "is_active": key.is_active, "budgets": [], "rate_limit": None})

    def _models(self, request: Request) -> Response:
        key = self._shown(request)
        if key is None or not key.is_active:
            return _error(403 if request.headers.get("x-bf-vk") else 401, "virtual key is required, and has to be active")
        models = [
            {"id": f"{provider}/{model}", "pricing": {kind: f"{rate:.10f}" for kind, rate in _rates(price)}}
            for (provider, model), price in self._double.prices.items()
            if provider
        ]
        return _json({"data": models, "extra_fields": {}})

    def _shown(self, request: Request) -> VirtualKey | None:
        secret = request.headers.get("x-bf-vk")
        return next((key for key in self._double.keys.values() if key.secret == secret), None)

    def _force_sync(self, _: Request) -> Response:
        self._double.force_sync()
        return _json({"status": "success", "message": "pricing sync triggered"})

    def _metrics(self, _: Request) -> Response:
        lines = ["# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {self._double.started.timestamp()}"]
        for name, counts in (("upstream", self._double.requests), ("success", self._double.successes)):
            lines.append(f"# TYPE bifrost_{name}_requests_total counter")
            lines += [f"bifrost_{name}_requests_total{_labels(series._asdict())} {count}" for series, count in counts.items()]
        return Response("\n".join([*lines, ""]), mimetype="text/plain")

    def _health(self, _: Request) -> Response:
        if self._double.is_away:
            return _error(503, "config store not available")
        return _json({"components": {"db_pings": "ok"}, "status": "ok"})


def _team(team: Owner) -> dict[str, Any]:
    return {"id": team.id, "name": team.name, "customer_id": team.customer, "updated_at": _text(team.updated_at)}


def _bare_key(key: VirtualKey) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "value": key.secret, "is_active": key.is_active, "updated_at": _text(key.updated_at)}


def _rates(price: Price) -> Iterator[tuple[str, float]]:
    for kind, name in PRICES.items():
        rate: float | None = getattr(price, name)
        if rate is not None:
            yield kind, rate


def _labels(known: Mapping[str, str]) -> str:
    quoted = (known.get(label, "").replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for label in LABELS)
    return "{" + ",".join(f'{label}="{value}"' for label, value in zip(LABELS, quoted, strict=True)) + "}"


def _list(request: Request, name: str) -> frozenset[str]:
    return frozenset(filter(None, request.args.get(name, "").split(",")))


def _time(request: Request, name: str) -> int | None:
    """None where it is not RFC 3339, as when a plus sign became a space: the gateway says nothing, and finds all."""
    text = request.args.get(name, "")
    try:
        return microseconds(datetime.fromisoformat(text)) if _RFC_3339.fullmatch(text) else None
    except ValueError:
        return None


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body), mimetype=JSON)


def _error(status: int, message: str) -> Response:
    body = {"is_bifrost_error": False, "status_code": status, "error": {"message": message}, "extra_fields": {}}
    return Response(msgspec.json.encode(body), status, mimetype=JSON)
