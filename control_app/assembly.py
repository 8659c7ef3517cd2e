"""Puts the service together from its settings: the same parts for the web, the jobs and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2

from control_app.catalog import Catalog, ModelSource, SourceError
from control_app.counters import CounterBook
from control_app.database import Db
from control_app.demo import CUSTOMERS, OWN_KEY, Sample
from control_app.gateway import Gateway
from control_app.gateway_api import GatewayApi
from control_app.gateway_double import GatewayDouble
from control_app.gateway_postgres import GatewayPostgres
from control_app.invoicing.assembly import Invoicing, invoicing_of
from control_app.jobs import Job, Jobs
from control_app.nightly_copy import NightlyCopy
from control_app.price_book import PriceBook
from control_app.publication import Publication
from control_app.settings import Settings
from control_app.sheet_places import SheetConfigMap, SheetFile
from control_app.sources import FileModels, KubernetesModels
from control_app.spans import microseconds
from control_app.sync import Sync

SYNC_SEC, COUNTERS_SEC, SHEET_SEC, SAMPLE_SEC = 30, 15, 30, 10
ODOO_SEC, INVOICES_SEC, WAL_SEC, COPY_SEC = 3600, 30, 60, 300
DECIMALS_TOLD = 10
"""Of the prices that the gateway's API tells; its database has all of them."""
Clock = Callable[[], datetime]


def utc() -> datetime:
    """Now."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Parts:
    """`gateway`: where usage is read; `api`: the gateway's keys, metrics and prices; `sample`: with the double."""

    settings: Settings
    db: Db
    prices: PriceBook
    catalog: Catalog
    gateway: Gateway
    api: GatewayApi
    counters: CounterBook
    publication: Publication
    sample: Sample | None
    invoicing: Invoicing


def assemble(settings: Settings, clock: Clock = utc) -> Parts:
    """Nothing is asked of anybody yet."""
    db = database_of(settings)
    prices = PriceBook(db, clock)
    catalog = Catalog(_source(settings), prices, clock)
    api, sample = _api(settings, catalog, clock)
    by_sql = settings.gateway == "postgres"
    gateway: Gateway = GatewayPostgres(settings.gateway_dsn.get_secret_value()) if by_sql else api
    in_cluster = settings.models == "kubernetes"
    publication = Publication(
        catalog=catalog,
        place=SheetConfigMap(settings.kubeconfig) if in_cluster else SheetFile(settings.sheet_file),
        gateway=gateway,
        force_sync=api.force_sync,
        db=db,
        decimals=None if by_sql else DECIMALS_TOLD,
        clock=clock,
    )
    invoicing = invoicing_of(settings, db, lambda: model_names(catalog), clock, CUSTOMERS if sample else {})
    return Parts(settings, db, prices, catalog, gateway, api, CounterBook(db), publication, sample, invoicing)


def database_of(settings: Settings) -> Db:
    """The service's database; where it has a replica, its WAL is left to Litestream."""
    return Db(settings.database, replicated=bool(settings.replica))


def jobs_of(parts: Parts, clock: Clock = utc) -> Jobs:
    """What runs beside the web."""
    sync = Sync(parts.gateway, parts.db, clock)
    sampling = [Job("sample", SAMPLE_SEC, parts.sample.go_on)] if parts.sample else []
    return Jobs(
        *sampling,
        # Before the rows: what is counted and not yet logged is missing only for an hour.
        Job("counters", COUNTERS_SEC, lambda: count(parts, clock)),
        Job("rows", SYNC_SEC, sync.run),
        Job("sheet", SHEET_SEC, parts.publication.tick),
        Job("odoo", ODOO_SEC, parts.invoicing.watch.look),
        Job("invoices", INVOICES_SEC, parts.invoicing.automation.tick, is_long=True),
        Job("wal", WAL_SEC, parts.db.shorten_wal),
        Job("copy", COPY_SEC, NightlyCopy(parts.db, clock).tick),
        clock=clock,
    )


def model_names(catalog: Catalog) -> Mapping[str, str]:
    """What models are called that are for sale; usage is told also while they cannot be read."""
    try:
        return {offer.model: offer.document["name"] for offer in catalog.current().offers}
    except SourceError:
        return {}


def count(parts: Parts, clock: Clock = utc) -> None:
    """Read the gateway's own count of successes."""
    parts.counters.keep(parts.api.metrics(), parts.api.dropped(), microseconds(clock()))


def _source(settings: Settings) -> ModelSource:
    if settings.models == "kubernetes":
        return KubernetesModels(settings.models_namespace, settings.kubeconfig)
    return FileModels(settings.models_dir)


def _api(settings: Settings, catalog: Catalog, clock: Clock) -> tuple[GatewayApi, Sample | None]:
    if settings.gateway != "double":
        key = settings.gateway_key.get_secret_value() or None
        return GatewayApi(settings.gateway_url, settings.gateway_user, settings.gateway_password.get_secret_value(), key=key), None
    double = GatewayDouble(clock, sheet=settings.sheet_file)
    sample = Sample(double, lambda: [offer.model for offer in catalog.current().offers], clock)
    return GatewayApi("http://gateway.double", *double.credentials, key=OWN_KEY, transport=httpx2.WSGITransport(app=double)), sample
