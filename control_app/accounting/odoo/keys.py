"""Renewing the API key, which Odoo lets live three months at most."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from control_app.accounting.odoo import menus
from control_app.accounting.odoo.client import InCompany, OdooClient
from control_app.accounting.odoo.shapes import rows, text, truth
from control_app.accounting.port import RefusedError

DAYS = 89
"""A day less than Odoo's longest."""
MODEL = "res.users.apikeys"
PARAMETER = "base.enable_programmatic_api_keys"
_SWITCHED_OFF, _NOT_THERE = "programmatic api keys", f"'{MODEL}."
FIELDS = ("name", "expiration_date")
_CONTEXT = {"lang": "en_US", "tz": "UTC"}
"""English, as we look into what a refusal says."""


def rotate(client: OdooClient, name: str, days: int = DAYS, *, now: datetime) -> str:
    """A new key of that description for the client's user, which ends *days* after *now*. The one it was made with lives on.

    After an UnclearError there may be one that nobody knows; it counts among the ten that a user may have.
    """
    end = now + timedelta(days=days)
    try:
        return client.write(
            MODEL,
            "generate",
            text,
            key=client.key,
            scope="rpc",
            name=name,
            expiration_date=f"{end.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            context=_CONTEXT,
        )
    except RefusedError as error:
        raise _explained(error) from None


def revoke(client: OdooClient, key: str) -> None:
    """End *key*, which is another one than the client's own; RefusedError where it ended already."""
    try:
        client.write(MODEL, "revoke", truth, key=key, context=_CONTEXT)
    except RefusedError as error:
        raise _explained(error) from None


def end_of_key(odoo: InCompany, name: str, user: int) -> datetime | None:
    """When the key in use ends, UTC; None where it does not end, or may not be read.

    Odoo does not tell which key was shown. Ours have a description that begins with *name*, and the one in use may be any of them:
    the soonest end counts, so that one that is renewed and not yet in use hides nothing. Where none is so called, all count.
    """
    try:
        found = odoo.read(MODEL, "search_read", rows(*FIELDS), domain=[["user_id", "=", user]], fields=FIELDS)
    except RefusedError:
        return None
    ours = [row["expiration_date"] for row in found if str(row["name"]).startswith(name)] or [row["expiration_date"] for row in found]
    ends = [_time(end) for end in ours if end]
    return min((end for end in ends if end > odoo.client.clock()), default=None)


def _time(told: str) -> datetime:
    return datetime.fromisoformat(told).replace(tzinfo=UTC)


def _explained(error: RefusedError) -> RefusedError:
    said = str(error)
    if _SWITCHED_OFF in said.lower():
        return RefusedError(f"{said}; set the system parameter {PARAMETER} to True ({menus.PARAMETERS})")
    if _NOT_THERE in said:
        return RefusedError(f"{said}; this build of Odoo has no such method. By hand: {menus.KEYS}, and name it as the one before")
    return error
