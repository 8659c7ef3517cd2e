"""Puts the service together from its settings: the same parts for the web, the jobs and the command line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import httpx2

from control_app.core.clock import Clock, utc
from control_app.gateway.bifrost.adapter import Bifrost
from control_app.gateway.bifrost.api import GatewayApi
from control_app.gateway.bifrost.postgres import GatewayPostgres
from control_app.gateway.bifrost.sheet import sheet_text
from control_app.gateway.bifrost.sheet_places import SheetConfigMap, SheetFile
from control_app.gateway.double.gateway import GatewayDouble
from control_app.gateway.double.sample import OWN_KEY, Sample
from control_app.gateway.engines import Engines
from control_app.gateway.port import Gateway, Reader
from control_app.gateway.proofs import Proofs, callable_now
from control_app.gateway.publication import Publication
from control_app.gateway.vllm import VllmEngines
from control_app.ledger.clocks import Clocks, is_certain
from control_app.ledger.counters import CounterBook
from control_app.ledger.engines import EngineBook
from control_app.ledger.sync import Sync
from control_app.pricing.bounds import DOLLARS
from control_app.pricing.catalog import Catalog
from control_app.pricing.dollars import DollarRate
from control_app.pricing.port import ModelSource
from control_app.pricing.sources import FileModels, KubernetesModels
from control_app.pricing.store import PriceBook
from control_app.service.doubles import SAMPLES, Doubles
from control_app.service.invoicing import Invoicing, invoicing_of, odoo_of
from control_app.service.job_results import JobResults
from control_app.service.jobs import Job, Jobs
from control_app.service.settings import ClusterSettings, GatewaySettings, Settings, StorageSettings
from control_app.service.soundness import refuse_unsound
from control_app.service.stored_times import PULL_BACK
from control_app.service.tables import SCHEMA, open_database
from control_app.storage.database import Db
from control_app.storage.litestream import Replica
from control_app.storage.nightly_copy import NightlyCopy

SYNC_SEC, COUNTERS_SEC, SHEET_SEC, SAMPLE_SEC = 30, 5, 30, 10
PROOFS_SEC = 60
ODOO_SEC, RATES_SEC, INVOICES_SEC, WAL_SEC, COPY_SEC = 3600, 3600, 30, 60, 300
DECIMALS_TOLD = 10
"""Of the prices that the gateway's API tells; its database has all of them."""


@dataclass(frozen=True)
class Parts:
    """All parts of the service.

    `engines`: whose own count is read; None where there is none. `sample`: what fills the gateway's double, where that stands in the
    gateway's place.
    """

    settings: Settings
    clock: Clock
    db: Db
    prices: PriceBook
    catalog: Catalog
    gateway: Gateway
    clocks: Clocks
    counters: CounterBook
    engines: Engines | None
    engine_book: EngineBook
    publication: Publication
    sample: Sample | None
    invoicing: Invoicing


def assemble(settings: Settings, clock: Clock = utc, doubles: Doubles = SAMPLES, db: Db | None = None) -> Parts:
    """The service's parts by its *settings*; nobody is asked anything yet. *db*: the database of the settings, where it is open already.

    Raises PriceBookError where the database has prices in another currency than the settings say.
    """
    db = db or database_of(settings.storage)
    prices = price_book_of(settings, db, clock)
    prices.open()
    # The double's models are invented, and nobody buys them.
    proven = partial(callable_now, db) if settings.gateway.gateway != "double" else lambda: None
    catalog = Catalog(_source(settings.cluster), prices, sheet_text, clock, proven)
    gateway, sample = _gateway(settings, catalog, clock, doubles)
    decimals = None if settings.gateway.gateway == "postgres" else DECIMALS_TOLD
    publication = Publication(catalog=catalog, gateway=gateway, db=db, decimals=decimals, clock=clock)
    odoo = odoo_of(settings, clock, doubles)
    clocks = Clocks(db, clock, gateway.now, odoo.accounting, PULL_BACK)
    invoicing = invoicing_of(settings, db, prices.names, clocks, odoo)
    engines = VllmEngines(settings.gateway.engine_metrics) if settings.gateway.engine_metrics else None
    counts = CounterBook(db), engines, EngineBook(db)
    return Parts(settings, clock, db, prices, catalog, gateway, clocks, *counts, publication, sample, invoicing)


def database_of(settings: StorageSettings) -> Db:
    """The service's database; where it has a replica, its WAL is left to Litestream."""
    return open_database(settings.database, replicated=bool(settings.replica))


def price_book_of(settings: Settings, db: Db, clock: Clock) -> PriceBook:
    """The price book in the settings' currency, with the bounds and the rate that they give."""
    given = settings.prices
    said = {name: value for name, value in given.bounds().items() if value is not None}
    bounds = replace(DOLLARS, currency=settings.invoicing.currency, **said)
    rate = DollarRate(given.dollar_rate, given.dollar_rate_date) if given.dollar_rate and given.dollar_rate_date else None
    return PriceBook(db, clock, bounds, rate, partial(is_certain, db))


def replica_of(settings: StorageSettings) -> Replica | None:
    """Where the service's database is replicated to; None: nowhere."""
    if not settings.replica:
        return None
    return Replica(
        database=settings.database,
        url=settings.replica,
        schema=SCHEMA,
        endpoint=settings.replica_endpoint,
        region=settings.replica_region,
        program=settings.litestream,
    )


def jobs_of(parts: Parts) -> Jobs:
    """What runs beside the web."""
    sync = Sync(parts.gateway, parts.db, parts.clocks)
    real = parts.settings.gateway.gateway != "double"
    proofs = Proofs(catalog=parts.catalog, gateway=parts.gateway, db=parts.db, clock=parts.clock)
    # Long, since a model that loads answers after a while.
    proving = [Job("proofs", PROOFS_SEC, proofs.tick, is_long=True)] if real else []
    # Long, since each engine may let a reading wait.
    engines = [Job("engines", COUNTERS_SEC, partial(read_engines, parts, parts.engines), is_long=True)] if parts.engines else []
    sampling = [Job("sample", SAMPLE_SEC, parts.sample.go_on)] if parts.sample else []
    return Jobs(
        JobResults(parts.db),
        *sampling,
        # Before the rows: what is counted and not yet logged is missing only for an hour.
        Job("counters", COUNTERS_SEC, lambda: read_counters(parts)),
        *engines,
        Job("rows", SYNC_SEC, sync.run),
        Job("sheet", SHEET_SEC, parts.publication.tick),
        *proving,
        Job("odoo", ODOO_SEC, parts.invoicing.watch.look),
        Job("rates", RATES_SEC, parts.invoicing.rates.look),
        Job("invoices", INVOICES_SEC, parts.invoicing.automation.tick, is_long=True),
        Job("wal", WAL_SEC, parts.db.shorten_wal),
        Job("copy", COPY_SEC, nightly_copy(parts.db, parts.clock).tick),
        clock=parts.clock,
    )


def nightly_copy(db: Db, clock: Clock) -> NightlyCopy:
    """The nightly copy of *db*, which is only kept where it is sound."""
    return NightlyCopy(db, clock, [refuse_unsound])


def read_counters(parts: Parts) -> None:
    """Read the gateway's own count of successes. Raises GatewayError, and ApartError where clocks do not agree."""
    asked, counts = parts.clocks.present(), parts.gateway.counts()
    # The time after the counts, here and below: what is counted later than its time would be missing from the log of the time before.
    parts.counters.keep(counts, parts.clocks.present(), asked)


def read_engines(parts: Parts, engines: Engines) -> None:
    """Read the *engines*' own count. Raises EnginesError and GatewayError, and ApartError where clocks do not agree."""
    asked, answered = parts.clocks.present(), engines.read()
    parts.engine_book.keep(answered, parts.clocks.present(), asked)


def _source(settings: ClusterSettings) -> ModelSource:
    if settings.models == "kubernetes":
        return KubernetesModels(settings.models_namespace, settings.kubeconfig)
    return FileModels(settings.models_dir)


def _gateway(settings: Settings, catalog: Catalog, clock: Clock, doubles: Doubles) -> tuple[Gateway, Sample | None]:
    api, sample = _api(settings.gateway, catalog, clock, doubles)
    in_cluster = settings.cluster.models == "kubernetes"
    place = SheetConfigMap(settings.cluster.kubeconfig) if in_cluster else SheetFile(settings.gateway.sheet_file)
    return Bifrost(api, place, _reader(settings.gateway)), sample


def _reader(settings: GatewaySettings) -> Reader | None:
    """The gateway's own database, where the settings give it."""
    return GatewayPostgres(settings.gateway_dsn.get_secret_value()) if settings.gateway == "postgres" else None


def _api(settings: GatewaySettings, catalog: Catalog, clock: Clock, doubles: Doubles) -> tuple[GatewayApi, Sample | None]:
    if settings.gateway != "double":
        key = settings.gateway_key.get_secret_value() or None
        return GatewayApi(settings.gateway_url, settings.gateway_user, settings.gateway_password.get_secret_value(), key=key), None
    sample = None
    double = doubles.gateway
    if double is None:
        double = GatewayDouble(clock, sheet=settings.sheet_file)
        sample = Sample(double, lambda: [offer.model for offer in catalog.current().offers], clock)
    return GatewayApi("http://gateway.double", *double.credentials, key=OWN_KEY, transport=httpx2.WSGITransport(app=double)), sample
