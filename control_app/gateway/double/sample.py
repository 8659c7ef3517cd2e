"""Believable usage of a company's first customers, for a laptop without a gateway: the same each time, up to now."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from control_app.core.clock import Clock
from control_app.gateway.double.gateway import GatewayDouble

HOUR = timedelta(hours=1)
DAYTIME, SUNDAY = range(8, 20), 6
OWN_KEY = "sk-bf-demo-control"
"""With which prices are read back."""


@dataclass(frozen=True)
class _Key:
    """`share`: requests in an hour of a working day; `night`: what is left of them at night and on Sundays."""

    id: str
    customer: str
    share: float
    night: float
    prompt: int
    completion: int


CUSTOMERS = {"acme": "Acme Robotics", "bluebird": "Bluebird Health", "cobalt": "Cobalt Games"}
KEYS = (
    _Key("acme-production", "acme", 12, 0.5, 1_800, 350),
    _Key("acme-staging", "acme", 2, 0.5, 900, 200),
    _Key("bluebird-assistant", "bluebird", 7, 0.2, 3_500, 500),
    _Key("cobalt-npcs", "cobalt", 8, 1.4, 700, 120),
)


class Sample:
    """Fills *double* from the first of last month on; `go_on` adds what has happened since. *models* are asked in turn."""

    def __init__(self, double: GatewayDouble, models: Callable[[], Sequence[str]], clock: Clock) -> None:
        self._double, self._models, self._clock = double, models, clock
        for customer, name in CUSTOMERS.items():
            double.add_customer(name, id=customer)
        for key in KEYS:
            double.add_key(key.id, key.customer, f"sk-bf-demo-{key.id}", key.id)
        double.add_key("control", secret=OWN_KEY)
        this_month = clock().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        self._until = (this_month - timedelta(days=1)).replace(day=1)

    def go_on(self) -> None:
        """Add the requests up to now."""
        now, models = self._clock(), self._models()
        while self._until < now:
            hour = self._until.replace(minute=0, second=0, microsecond=0)
            for call in self._calls(hour, models):
                if self._until <= call["at"] < now:
                    self._double.call(**call)
            self._until = min(hour + HOUR, now)

    def _calls(self, hour: datetime, models: Sequence[str]) -> list[dict[str, Any]]:
        """An hour's, the same each time it is asked for."""
        dice = random.Random(f"{hour:%Y-%m-%dT%H}")  # noqa: S311 (a sample, no secret)
        calls: list[dict[str, Any]] = []
        for key in KEYS:
            awake = hour.hour in DAYTIME and hour.weekday() != SUNDAY
            for number in range(int(key.share * (1 if awake else key.night) * dice.uniform(0.6, 1.4))):
                prompt = int(dice.lognormvariate(0, 0.6) * key.prompt) + 1
                completion = int(dice.lognormvariate(0, 0.7) * key.completion) + 1
                call: dict[str, Any] = {
                    "key_id": key.id,
                    "model": dice.choice(models),
                    "at": hour + timedelta(seconds=dice.uniform(0, 3_599)),
                }
                call |= {"prompt": prompt, "cached_read": int(prompt * dice.choice((0, 0, 0.3, 0.6)))}
                call |= {"completion": completion, "reasoning": int(completion * dice.choice((0, 0, 0.4)))}
                call |= {"latency": timedelta(seconds=completion / 80), "request_id": f"demo-{hour:%Y%m%d%H}-{key.id}-{number}"}
                calls.append(call)
        return sorted(calls, key=lambda call: call["at"])
