"""The control service: publishes a location's prices, and tells what was used."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from control_app.access.admin_keys import AdminKeys
from control_app.access.virtual_keys import KeyCheck
from control_app.core import logs
from control_app.core.clock import Clock, utc
from control_app.core.time import microseconds, month_of, month_range
from control_app.invoicing.desk import Desk
from control_app.invoicing.metrics import InvoiceMetrics
from control_app.ledger.metrics import LedgerMetrics
from control_app.ledger.report import UsageReports
from control_app.service.assembly import assemble, jobs_of
from control_app.service.background import Background
from control_app.service.gateway_metrics import GatewayMetrics
from control_app.service.job_metrics import JobMetrics
from control_app.service.settings import Settings
from control_app.web import routes
from control_app.web.access import Access
from control_app.web.context import Services
from control_app.web.metrics import Metrics


def create_app(settings: Settings | None = None, key_of: Callable[[str], str | None] | None = None, clock: Clock = utc) -> Flask:
    """The service as a WSGI application; without *settings* they are read from the environment.

    *key_of* tells the id of a virtual key by its secret, in the gateway's place. Raises SettingsError where settings are
    incomplete.
    """
    settings = settings or Settings.from_environment()
    parts = assemble(settings, clock)
    logs.configure()
    app = Flask("control_app", root_path=__path__[0], template_folder="web/templates", static_folder="web/static")
    db, catalog = parts.db, parts.catalog
    jobs, metrics = jobs_of(parts), Metrics(db)
    reports = UsageReports(db, settings.invoicing.currency, parts.prices.names)
    LedgerMetrics(db, settings.invoicing.currency, clock).register(metrics.collector)
    GatewayMetrics(catalog, db, clock, settings.invoicing.cancel_brake).register(metrics.collector)
    InvoiceMetrics(db).register(metrics.collector)
    JobMetrics(jobs).register(metrics.collector)
    app.extensions["services"] = Services(
        settings=settings,
        clock=clock,
        catalog=catalog,
        prices=parts.prices,
        db=db,
        jobs=jobs,
        access=Access(
            KeyCheck(key_of or parts.gateway.key_of, db), AdminKeys(settings.access.admin_keys), settings.access.usage_per_minute
        ),
        reports=reports,
        metrics=metrics,
        invoicing=parts.invoicing,
        desk=Desk(parts.invoicing.runs),
    )
    app.extensions["background"] = Background(
        settings, catalog, jobs, partial(metrics.serve, service=app), lambda: reports.report(month_range(month_of(microseconds(clock()))))
    )
    # Who writes a slash behind an address means the same one.
    app.url_map.strict_slashes = False
    metrics.watch(app)
    routes.register(app)
    if settings.access.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.access.proxies)  # type: ignore[method-assign] # as Flask documents it
    return app
