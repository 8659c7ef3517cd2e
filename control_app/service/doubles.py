"""What stands in the gateway's and in Odoo's place where the settings say `double`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from control_app.accounting.odoo.double.odoo import FakeOdoo
from control_app.gateway.double.gateway import GatewayDouble


@dataclass(frozen=True)
class Doubles:
    """Each as it is given; where it is not, one that the sample of a company's first customers fills.

    *sleep*: how our client waits before it asks the double of Odoo again, in seconds.
    """

    gateway: GatewayDouble | None = None
    odoo: FakeOdoo | None = None
    sleep: Callable[[float], object] = field(default=time.sleep, repr=False)


SAMPLES = Doubles()
"""What a laptop runs."""
