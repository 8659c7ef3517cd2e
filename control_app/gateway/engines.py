"""What the engines that run the models tell of themselves: how many requests each of their processes has answered.

An engine is no part of the gateway, and its count dies with neither the gateway's log nor the gateway's process. It knows models, and
no keys and no customers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class EnginesError(Exception):
    """Which engines there are cannot be told; the message says what was asked, what came and what to do."""


@dataclass(frozen=True)
class EngineReading:
    """What a process of an engine has answered since it started.

    `answered`: requests by the name under which the engine serves the model; `started`: the process, in seconds since 1970 UTC, None
    where it does not say.
    """

    answered: Mapping[str, int]
    started: float | None


@dataclass(frozen=True)
class EnginesRead:
    """All engines that there are, by address. `unread`: those that could not be read, each with what came instead."""

    processes: Mapping[str, EngineReading]
    unread: Mapping[str, str]


class Engines(Protocol):
    """The engines of a location that count their requests."""

    def read(self) -> EnginesRead:
        """The count of each process, read now. Raises EnginesError where not even the list of engines could be had."""
        ...
