"""The clock, which is a parameter wherever something depends on the time: only who puts a process together knows the machine's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Tells the time, UTC."""


def utc() -> datetime:
    """The time by this machine's clock, UTC."""
    return datetime.now(UTC)
