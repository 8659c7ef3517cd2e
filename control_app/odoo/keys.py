"""Renewing the API key, which Odoo lets live three months at most."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from control_app.invoicing.accounting import RefusedError
from control_app.odoo.client import OdooClient
from control_app.odoo.shapes import text, truth

DAYS = 89
"""A day less than Odoo's longest."""
MODEL = "res.users.apikeys"
PARAMETER = "base.enable_programmatic_api_keys"
_SWITCHED_OFF = "programmatic api keys"
_CONTEXT = {"lang": "en_US", "tz": "UTC"}
"""English, as we look into what a refusal says."""


def rotate(client: OdooClient, name: str, days: int = DAYS, *, now: datetime | None = None) -> str:
    """A new key of that description for the client's user, which ends after *days*. The one it was made with lives on.

    After an UnclearError there may be one that nobody knows; it counts among the ten that a user may have.
    """
    end = (now or datetime.now(UTC)) + timedelta(days=days)
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


def _explained(error: RefusedError) -> RefusedError:
    if _SWITCHED_OFF not in str(error).lower():
        return error
    return RefusedError(f"{error}; set the system parameter {PARAMETER} to True (Settings > Technical > System Parameters)")
