"""What a command is given besides its arguments."""

from __future__ import annotations

from dataclasses import dataclass

import click

from control_app.core.clock import Clock
from control_app.pricing.book import PriceBookError
from control_app.service.assembly import Parts, assemble
from control_app.service.settings import Settings


@dataclass(frozen=True)
class Invocation:
    """The *settings* and the *clock* that a command works with."""

    settings: Settings
    clock: Clock

    def parts(self) -> Parts:
        """The service, put together anew; raises ClickException where the settings do not fit the database."""
        try:
            return assemble(self.settings, self.clock)
        except PriceBookError as error:
            raise click.ClickException(str(error)) from None
