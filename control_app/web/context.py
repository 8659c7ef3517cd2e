"""What request handlers work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from control_app.core.clock import Clock
from control_app.invoicing.desk import Desk
from control_app.ledger.report import UsageReports
from control_app.pricing.catalog import Catalog
from control_app.pricing.store import PriceBook
from control_app.service.invoicing import Invoicing
from control_app.service.jobs import Jobs
from control_app.service.settings import Settings
from control_app.storage.database import Db
from control_app.web.access import Access
from control_app.web.metrics import Metrics


@dataclass(frozen=True)
class Services:
    """The service's parts, made once by `create_app`."""

    settings: Settings
    clock: Clock
    catalog: Catalog
    prices: PriceBook
    db: Db
    jobs: Jobs
    access: Access
    reports: UsageReports
    metrics: Metrics
    invoicing: Invoicing
    desk: Desk


def services() -> Services:
    """The parts of the application that serves this request."""
    return cast("Services", current_app.extensions["services"])
