"""What request handlers work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from control_app.catalog import Catalog
from control_app.settings import Settings
from control_app.store import Store


@dataclass(frozen=True)
class Services:
    """The service's parts, made once by `create_app`."""

    settings: Settings
    catalog: Catalog
    store: Store


def services() -> Services:
    """The parts of the application that serves this request."""
    return cast("Services", current_app.extensions["services"])
