"""A row of the log as the gateway's double sends it: every member that Bifrost 1.5.16 sends, also those that nobody reads."""

from __future__ import annotations

from typing import Any

import msgspec

from control_app.core.time import time_of
from control_app.gateway.double.entities import Failure, Holder
from control_app.gateway.double.writer import Written
from control_app.gateway.port import PROVIDER, UsageRow

NOBODY = Holder()
_NEVER = "0001-01-01T00:00:00Z"


def written(  # noqa: PLR0913 (as much as a row tells beside what is billed)
    row: UsageRow,
    *,
    kind: str = "chat_completion",
    status: str = "success",
    holder: Holder = NOBODY,
    failure: Failure | None = None,
    latency: int = 41,
    routed: bool = False,
) -> Written:
    """*row* as the gateway would send it, with the customer of *holder* unless it names its own; *latency* in milliseconds.

    No token usage where all counts are 0. *routed*: the gateway found the provider, since the request named none.
    """
    provider, model = provider_of(row.model)
    body: dict[str, Any] = {
        "id": row.id,
        "parent_request_id": None,
        "timestamp": _time(row.at),
        "object": kind,
        "provider": provider,
        "model": model,
        "number_of_retries": 0,
        "fallback_index": 0,
        "selected_key_id": "",
        "selected_key_name": "",
        "virtual_key_id": row.key or None,
        "virtual_key_name": row.key_name or None,
        "routing_rule_id": None,
        "routing_rule_name": None,
        "selected_prompt_name": None,
        "selected_prompt_version": None,
        "selected_prompt_id": None,
        "user_id": None,
        "user_name": None,
        "team_id": holder.team,
        "team_name": holder.team_name,
        "customer_id": row.customer or holder.customer,
        "customer_name": row.customer_name or holder.customer_name,
        "business_unit_id": None,
        "business_unit_name": None,
        "status": status,
        "stream": kind.endswith("_stream"),
        "raw_request": "",
        "raw_response": "",
        "is_large_payload_request": False,
        "is_large_payload_response": False,
        "created_at": _time(row.at),
    }
    if latency:
        body["latency"] = latency
    if row.cost is not None:
        body["cost"] = msgspec.Raw(row.cost.encode())
    if routed:
        body["routing_engines_used"] = ["governance"]
    if failure:
        body |= {"content_summary": failure.message, "error_details": told(failure, provider, model, kind)}
    if row.prompt or row.completion:
        body["token_usage"] = _usage(row, kind)
    if row.key:
        body["virtual_key"] = _key(row)
    return Written(row.at, row.id, row.key, status, msgspec.json.encode(body))


def provider_of(model: str) -> tuple[str, str]:
    """Provider and model of a `UsageRow`'s model."""
    provider, slash, name = model.partition("/")
    return (provider, name) if slash else (PROVIDER, model)


def told(failure: Failure, provider: str, model: str, kind: str) -> dict[str, Any]:
    """What a row and the caller are told of a *failure*."""
    error: dict[str, Any] = {"message": failure.message}
    extra: dict[str, Any] = {"routing_info": {} if failure.refused else {"provider": provider, "model": model}, "provider": provider}
    if model:
        extra |= {"original_model_requested": model, "resolved_model_used": model}
    body: dict[str, Any] = {"is_bifrost_error": False, "status_code": failure.status_code, "error": error}
    body["extra_fields"] = extra | {"request_type": kind}
    if failure.type:
        (body if failure.refused else error)["type"] = failure.type
    return body


def _key(row: UsageRow) -> dict[str, Any]:
    body: dict[str, Any] = {"id": row.key, "name": row.key_name, "value": "", "is_active": True, "provider_configs": None}
    body |= {"mcp_configs": None, "calendar_aligned": False, "config_hash": ""}
    return body | {"created_at": _NEVER, "updated_at": _NEVER}


def _usage(row: UsageRow, kind: str) -> dict[str, Any]:
    """Zeros are left out, and so are details without a count; `responses` has them empty."""
    prompt = {"cached_read_tokens": row.cached_read, "cached_tokens": row.cached_read, "cached_write_tokens": row.cached_write}
    read = {name: count for name, count in prompt.items() if count}
    thought = {"reasoning_tokens": row.reasoning} if row.reasoning else {}
    if kind.startswith("responses"):
        read = {"cached_tokens": row.cached_read} | read
    usage: dict[str, Any] = {"prompt_tokens": row.prompt, "total_tokens": row.total or row.prompt + row.completion}
    if row.completion:
        usage["completion_tokens"] = row.completion
    if read:
        usage["prompt_tokens_details"] = read
    if thought or kind.startswith("responses"):
        usage["completion_tokens_details"] = thought
    return usage


def _time(at: int) -> str:
    """UTC with `Z`; zeros at the end of the fraction are cut off."""
    text = time_of(at).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"
