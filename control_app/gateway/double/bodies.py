"""Customers, teams, keys and metrics as the gateway's double sends them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from control_app.gateway.double.entities import Owner, Series, VirtualKey

COMMON = {"calendar_aligned": False, "config_hash": ""}
LABELS = (
    *("alias", "customer_id", "customer_name", "fallback_index", "method", "model", "provider", "routing_engine_used"),
    *("routing_rule_id", "routing_rule_name", "selected_key_id", "selected_key_name", "status_code"),
    *("team_id", "team_name", "virtual_key_id", "virtual_key_name"),
)
"""Of the metrics, in the order in which they come; only errors have a status code."""


class Holders(Protocol):
    """Who holds what: see GatewayDouble."""

    customers: dict[str, Owner]
    teams: dict[str, Owner]
    keys: dict[str, VirtualKey]


def customer(holders: Holders, owner: Owner) -> dict[str, Any]:
    """A customer with its teams, and with its own keys: not those of the teams."""
    teams = [bare_team(team) for team in holders.teams.values() if team.customer == owner.id]
    return _customer(owner, teams, [bare_key(key) for key in holders.keys.values() if key.customer == owner.id])


def team(holders: Holders, owner: Owner) -> dict[str, Any]:
    """A team with its customer, and how many keys it has."""
    return (
        bare_team(owner)
        | _within(holders, owner.customer)
        | {"virtual_key_count": sum(key.team == owner.id for key in holders.keys.values())}
    )


def key(holders: Holders, held: VirtualKey, *, fresh: bool = False) -> dict[str, Any]:
    """A key with its provider's entry and its holder; a *fresh* one has the customer's keys with it."""
    entries = [
        {
            "id": held.number,
            "virtual_key_id": held.id,
            "provider": provider,
            "weight": 1,
            "allow_all_keys": True,
            "keys": [],
            "allowed_models": ["*"],
            "blacklisted_models": [],
        }
        for provider in held.providers
    ]
    body = bare_key(held) | {"provider_configs": entries, "mcp_configs": []}
    if fresh and held.customer:
        body["customer"] = customer(holders, holders.customers[held.customer])
    else:
        body |= _within(holders, held.customer)
    if held.team:
        owner = holders.teams[held.team]
        body["team"] = bare_team(owner) | _within(holders, owner.customer)
    if held.budgets:
        body["budgets"] = list(held.budgets)
    return body


def bare_team(owner: Owner) -> dict[str, Any]:
    """A team as it stands within a customer; it never tells of keys there."""
    body: dict[str, Any] = {"id": owner.id, "name": owner.name, "virtual_key_count": 0, "profile": None, "config": None, "claims": None}
    if owner.customer:
        body["customer_id"] = owner.customer
    return body | COMMON | _times(owner.updated_at, owner.updated_at)


def bare_key(held: VirtualKey) -> dict[str, Any]:
    """A key as it stands within its customer, with its secret."""
    body: dict[str, Any] = {"id": held.id, "name": held.name, "value": held.secret, "is_active": held.is_active}
    body |= {"provider_configs": None, "mcp_configs": None}
    body |= {name: holder for name, holder in (("customer_id", held.customer), ("team_id", held.team)) if holder}
    return body | COMMON | _times(held.created_at, held.updated_at)


def metrics(
    started: datetime, requests: Mapping[Series, int], successes: Mapping[Series, int], errors: Mapping[tuple[Series, int], int]
) -> str:
    """What the process has counted since it *started*, in Prometheus' text format."""
    lines = [
        *_family("bifrost_error_requests_total", ((_labels(series, status), count) for (series, status), count in errors.items())),
        *_family("bifrost_success_requests_total", ((_labels(series), count) for series, count in successes.items())),
        *_family("bifrost_upstream_requests_total", ((_labels(series), count) for series, count in requests.items())),
        *("# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {started.timestamp()}"),
    ]
    return "\n".join([*lines, ""])


def _family(name: str, samples: Iterator[tuple[str, int]]) -> Iterator[str]:
    yield f"# TYPE {name} counter"
    for labels, count in samples:
        yield f"{name}{labels} {count}"


def _labels(series: Series, status: int | None = None) -> str:
    known = series._asdict() | {"fallback_index": "0"}
    names: Collection[str] = [label for label in LABELS if label != "status_code" or status]
    known["status_code"] = str(status)
    quoted = ((name, known.get(name, "").replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for name in names)
    return "{" + ",".join(f'{name}="{value}"' for name, value in quoted) + "}"


def _within(holders: Holders, id: str | None) -> dict[str, Any]:
    """A holder's customer, of which its keys and teams are not told; nothing where there is none."""
    owner = holders.customers.get(id or "")
    return {"customer": _customer(owner, None, None)} if owner else {}


def _customer(owner: Owner, teams: object, keys: object) -> dict[str, Any]:
    body = {"id": owner.id, "name": owner.name, "teams": teams, "virtual_keys": keys}
    return body | COMMON | _times(owner.updated_at, owner.updated_at)


def _times(created: datetime, updated: datetime) -> dict[str, str]:
    return {"created_at": _text(created), "updated_at": _text(updated)}


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
