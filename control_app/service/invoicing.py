"""Puts invoicing together from the settings: the same parts for the web, the jobs and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from control_app.accounting.odoo.accounting import OdooAccounting
from control_app.accounting.odoo.client import OdooClient
from control_app.accounting.odoo.double.odoo import DATABASE, FakeOdoo
from control_app.accounting.odoo.rotation import OdooRotation
from control_app.accounting.port import Accounting
from control_app.accounting.rates import RateReader
from control_app.accounting.watch import Watch
from control_app.core.clock import Clock
from control_app.core.currency import decimals_of
from control_app.core.time import microseconds
from control_app.gateway.double.sample import CUSTOMERS
from control_app.invoicing.actions import Actions
from control_app.invoicing.automation import Automation
from control_app.invoicing.bills import Bills
from control_app.invoicing.book import InvoiceBook
from control_app.invoicing.checks import Brakes
from control_app.invoicing.currencies import currencies
from control_app.invoicing.document import Writer
from control_app.invoicing.history import Run
from control_app.invoicing.planning import Planning
from control_app.invoicing.runs import Runs
from control_app.invoicing.slack import Slack
from control_app.ledger.clocks import Clocks
from control_app.service.doubles import Doubles
from control_app.service.settings import InvoicingSettings, Settings
from control_app.storage.database import Db

AT_ONCE = 4
"""Invoices on their way at once: Odoo's workers are few, and odoo.com is said to refuse many calls in a row
(docs/facts/odoo.md, Workers)."""


@dataclass(frozen=True)
class Odoo:
    """How Odoo is reached. `client`, `accounting`: None where the location has none; `double`: the double of Odoo, where there is one."""

    client: OdooClient | None
    double: FakeOdoo | None
    accounting: Accounting | None


@dataclass(frozen=True)
class Invoicing:
    """The parts of invoicing. `client`: None where the location has no Odoo; `double`: the double of Odoo, where there is one."""

    book: InvoiceBook
    bills: Bills
    planning: Planning
    runs: Runs
    actions: Actions
    automation: Automation
    watch: Watch
    rates: RateReader
    client: OdooClient | None
    double: FakeOdoo | None


def odoo_of(settings: Settings, clock: Clock, doubles: Doubles) -> Odoo:
    """Odoo by the *settings*; it is asked nothing yet."""
    client, double = _client(settings, clock, doubles)
    return Odoo(client, double, _accounting(settings.invoicing, client))


def invoicing_of(settings: Settings, db: Db, model_names: Callable[[], Mapping[str, str]], clocks: Clocks, odoo: Odoo) -> Invoicing:
    """The parts of invoicing by the *settings*; nobody is asked anything yet. *model_names*: what models are called, by their ids."""

    def now() -> int:
        return microseconds(clocks.ours())

    own, location = settings.invoicing, settings.cluster.location
    book = InvoiceBook(db, location, own.currency, own.payment_days, now)
    writer = Writer(location, model_names)
    brakes = Brakes(own.brake_invoice, own.brake_run, own.brake_change, own.cancel_brake)
    bills = Bills(db, own.currency)
    planning = Planning(book, bills, writer, odoo.accounting, brakes, own.smallest_invoice, needs_vat=own.eu_without_vat == "hold")
    runs = Runs(book, planning, clocks, invoice_from=own.first_month, at_once=AT_ONCE)
    webhook = own.slack_webhook.get_secret_value()
    automation = Automation(runs, own.automatic, Slack(webhook, runs).tell if webhook else _untold)
    rotation = OdooRotation(odoo.client, own.odoo_previous_key.get_secret_value()) if odoo.client else None
    watch = Watch(db, odoo.accounting, rotation, now)
    rates = RateReader(db, own.currency, {"BNR": own.rates_bnr, "ECB": own.rates_ecb}, lambda: currencies(db).values())
    return Invoicing(book, bills, planning, runs, Actions(runs), automation, watch, rates, odoo.client, odoo.double)


def _accounting(own: InvoicingSettings, client: OdooClient | None) -> Accounting | None:
    if client is None:
        return None
    return OdooAccounting(
        client,
        company=own.odoo_company,
        currency=own.currency,
        product=own.odoo_product,
        decimals=decimals_of(own.currency),
        partner_field=own.odoo_partner_field,
    )


def _client(settings: Settings, clock: Clock, doubles: Doubles) -> tuple[OdooClient | None, FakeOdoo | None]:
    own = settings.invoicing
    if own.odoo == "none":
        return None, None
    if own.odoo == "json2":
        return OdooClient(
            own.odoo_url,
            own.odoo_database,
            own.odoo_key.get_secret_value(),
            clock,
            at_once=AT_ONCE,
        ), None
    double = doubles.odoo or _sample_odoo(settings, clock)
    transport, key = double.transport(), double.credentials
    return OdooClient("http://odoo.double", DATABASE, key, clock, transport=transport, sleep=doubles.sleep, at_once=AT_ONCE), double


def _sample_odoo(settings: Settings, clock: Clock) -> FakeOdoo:
    """A double in its file, which knows the sample's customers, where it is they who use the gateway."""
    double = FakeOdoo(settings.invoicing.odoo_file or settings.storage.database.with_name("odoo.sqlite3"), clock=clock)
    known = {partner["ref"] for partner in double.partners}
    for number, (customer, name) in enumerate(CUSTOMERS.items() if settings.gateway.gateway == "double" else ()):
        if customer not in known:
            # The last one has no address, so that there is somebody to be held.
            double.add_partner(name, ref=customer, email=f"billing@{customer}.example" if number < len(CUSTOMERS) - 1 else None)
    return double


def _untold(_: Run) -> None:
    """Without a webhook nobody is told."""
