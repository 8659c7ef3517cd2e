"""A clock that a test sets, and models that it changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from control_app.pricing.catalog import MAX_AGE
from control_app.pricing.offers import Model
from control_app.pricing.port import SourceError


class Clock:
    """Stands still until time passes."""

    def __init__(self) -> None:
        self.now = datetime(2026, 12, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self) -> None:
        self.now += MAX_AGE


class Source:
    """Models that a test sets, or an error."""

    def __init__(self, *models: Model) -> None:
        self.answer: Sequence[Model] | SourceError = models
        self.reads = 0

    def models(self) -> Sequence[Model]:
        self.reads += 1
        if isinstance(self.answer, SourceError):
            raise self.answer
        return self.answer
