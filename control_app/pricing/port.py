"""What the catalog needs from elsewhere: models, which sources.py reads, and the text of the gateway's price sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from control_app.pricing.offers import Model, Offer


class SourceError(Exception):
    """The models cannot be read; the message says from where and why."""


class ModelSource(Protocol):
    """Where models are described: a cluster, or a folder of files."""

    def models(self) -> Sequence[Model]:
        """All models; raises SourceError where they cannot be read."""
        ...


@runtime_checkable
class Watched(Protocol):
    """A source that tells of changes."""

    def watch(self, changed: Callable[[], None]) -> None:
        """Call *changed* after every change until the watch ends, which it does from time to time; raises SourceError."""
        ...


class SheetWriter(Protocol):
    """Writes the gateway's price sheet as text."""

    def __call__(self, offers: Iterable[Offer], withdrawn: Mapping[str, Sequence[str]]) -> str:
        """Its text: the prices of *offers*, and explicit zeros for *withdrawn* models, which are given with their features."""
        ...
