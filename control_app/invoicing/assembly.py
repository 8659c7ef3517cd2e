"""Puts invoicing together from the settings: the same parts for the web, the jobs and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from control_app.database import Db
from control_app.invoicing.accounting import Accounting
from control_app.invoicing.actions import Actions
from control_app.invoicing.automation import Automation
from control_app.invoicing.bills import Bills
from control_app.invoicing.bodies import Bodies
from control_app.invoicing.book import InvoiceBook
from control_app.invoicing.currency import decimals_of
from control_app.invoicing.judge import Brakes
from control_app.invoicing.odoo_watch import OdooWatch
from control_app.invoicing.planning import Planning
from control_app.invoicing.runs import Run, Runs
from control_app.invoicing.slack import Slack
from control_app.odoo.accounting import OdooAccounting
from control_app.odoo.client import OdooClient
from control_app.odoo.double import FakeOdoo
from control_app.settings import Settings
from control_app.spans import microseconds

AT_ONCE = 4
"""Invoices on their way at once: Odoo's workers are few, and it answers 429 to about 90 calls in a row (billing.md 3.3)."""


@dataclass(frozen=True)
class Invoicing:
    """`client`: None where the location has no Odoo; `double`: where it is one."""

    planning: Planning
    runs: Runs
    actions: Actions
    automation: Automation
    watch: OdooWatch
    client: OdooClient | None
    double: FakeOdoo | None


def invoicing_of(
    settings: Settings, db: Db, model_names: Callable[[], Mapping[str, str]], clock: Callable[[], datetime], customers: Mapping[str, str]
) -> Invoicing:
    """Nothing is asked of anybody yet. A double that knows nobody has *customers* as its partners: names by the gateway's ids."""

    def now() -> int:
        return microseconds(clock())

    client, double = _client(settings, clock, customers)
    book = InvoiceBook(db, settings.location, settings.currency, settings.payment_days, now)
    bodies = Bodies(settings.location, settings.currency, model_names)
    brakes = Brakes(settings.brake_invoice, settings.brake_run, settings.brake_change)
    accounting = _accounting(settings, client)
    planning = Planning(db, book, Bills(db, settings.currency), bodies, accounting, brakes, now)
    runs = Runs(planning, AT_ONCE)
    webhook = settings.slack_webhook.get_secret_value()
    automation = Automation(runs, settings.automatic, settings.first_month, Slack(webhook, runs).tell if webhook else _untold)
    watch = OdooWatch(db, accounting, client, settings.odoo_previous_key.get_secret_value(), now)
    return Invoicing(planning, runs, Actions(runs), automation, watch, client, double)


def _accounting(settings: Settings, client: OdooClient | None) -> Accounting | None:
    if client is None:
        return None
    return OdooAccounting(
        client,
        company=settings.odoo_company,
        currency=settings.currency,
        product=settings.odoo_product,
        decimals=decimals_of(settings.currency),
        partner_field=settings.odoo_partner_field,
    )


def _client(settings: Settings, clock: Callable[[], datetime], customers: Mapping[str, str]) -> tuple[OdooClient | None, FakeOdoo | None]:
    if settings.odoo == "none":
        return None, None
    if settings.odoo == "json2":
        return OdooClient(settings.odoo_url, settings.odoo_database, settings.odoo_key.get_secret_value(), at_once=AT_ONCE), None
    double = FakeOdoo(settings.odoo_file or settings.database.with_name("odoo.sqlite3"), clock=clock)
    known = {partner["ref"] for partner in double.partners}
    for number, (customer, name) in enumerate(customers.items()):
        if customer not in known:
            # The last one has no address, so that there is somebody to be held.
            double.add_partner(name, ref=customer, email=f"billing@{customer}.example" if number < len(customers) - 1 else None)
    return OdooClient("http://odoo.double", "double", double.credentials, transport=double.transport(), at_once=AT_ONCE), double


def _untold(_: Run) -> None:
    """Without a webhook nobody is told."""
