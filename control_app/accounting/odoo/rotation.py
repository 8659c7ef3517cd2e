"""The key to Odoo that was used before: it is revoked once the new one has been used."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from control_app.accounting.odoo.client import OdooClient
from control_app.accounting.odoo.keys import revoke
from control_app.accounting.port import AccountingError, RefusedError

log = structlog.stdlib.get_logger("control_app.invoicing")


@dataclass(frozen=True)
class OdooRotation:
    """The *previous* key beside that of *client*; empty where there is none."""

    client: OdooClient
    previous: str = field(repr=False)

    def end_previous(self) -> None:
        """Revoke the previous key, where it is another one and still works; what hinders it is logged."""
        if not self.previous or self.previous == self.client.key:
            return
        try:
            if not self._works():
                return  # it is gone already
            revoke(self.client, self.previous)
        except AccountingError as error:
            log.warning("the previous key to Odoo is not revoked yet", error=str(error))
            return
        log.info("the previous key to Odoo was revoked; remove odoo_previous_key from the settings")

    def _works(self) -> bool:
        try:
            self.client.with_key(self.previous).read("res.users", "context_get")
        except RefusedError:
            return False
        return True
