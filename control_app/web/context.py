"""What request handlers work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from control_app.catalog import Catalog
from control_app.database import Db
from control_app.invoicing.assembly import Invoicing
from control_app.invoicing.desk import Desk
from control_app.jobs import Jobs
from control_app.metrics import Metrics
from control_app.price_book import PriceBook
from control_app.settings import Settings
from control_app.usage_report import UsageReports
from control_app.web.access import Access


@dataclass(frozen=True)
class Services:
    """The service's parts, made once by `create_app`."""

    settings: Settings
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
