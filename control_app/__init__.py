"""The control service: publishes a location's prices, and tells what was used."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from control_app import logs
from control_app.assembly import assemble, jobs_of, model_names
from control_app.gateway_metrics import GatewayMetrics
from control_app.invoicing.desk import Desk
from control_app.invoicing.metrics import InvoiceMetrics
from control_app.key_check import AdminKeys, KeyCheck
from control_app.ledger_metrics import LedgerMetrics
from control_app.metrics import Metrics
from control_app.settings import Settings
from control_app.usage_report import UsageReports
from control_app.web import api, decisions, errors, invoice_forms, invoices, months, openapi, pages, usage
from control_app.web import invoicing as invoicing_api  # by its own name it would hide the package of that name
from control_app.web.access import Access
from control_app.web.context import Services


def create_app(settings: Settings | None = None, key_name: Callable[[str], str | None] | None = None) -> Flask:
    """The service as a WSGI application; without *settings* they are read from the environment.

    *key_name* tells the name of a virtual key by its secret, in the gateway's place. Raises SettingsError where settings are
    incomplete.
    """
    settings = settings or Settings.from_environment()
    parts = assemble(settings)
    logs.configure()
    app = Flask("control_app", root_path=__path__[0], template_folder="web/templates", static_folder="web/static")
    db, catalog = parts.db, parts.catalog
    metrics = Metrics(db)
    LedgerMetrics(db, settings.currency).register(metrics.collector)
    GatewayMetrics(catalog, db).register(metrics.collector)
    InvoiceMetrics(db).register(metrics.collector)
    app.extensions["services"] = Services(
        settings=settings,
        catalog=catalog,
        prices=parts.prices,
        db=db,
        jobs=jobs_of(parts),
        access=Access(KeyCheck(key_name or parts.api.key_name, db), AdminKeys(settings.admin_keys), settings.usage_per_minute),
        reports=UsageReports(db, settings.currency, lambda: model_names(catalog)),
        metrics=metrics,
        invoicing=parts.invoicing,
        desk=Desk(parts.invoicing.runs),
    )
    metrics.watch(app)
    app.register_blueprint(api.blueprint)
    app.register_blueprint(usage.blueprint)
    app.register_blueprint(invoicing_api.blueprint)
    app.register_blueprint(decisions.blueprint)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(months.blueprint)
    app.register_blueprint(invoices.blueprint)
    app.register_blueprint(invoice_forms.blueprint)
    errors.register(app)
    openapi.register(app)
    if settings.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies)  # type: ignore[method-assign] # as Flask documents it
    return app
