"""Settings of the control service, from environment variables that begin with `CONTROL_`, in groups by who needs them."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from control_app.access.admin_keys import AdminKeys
from control_app.core.numbers import Month
from control_app.core.time import parse_month
from control_app.gateway.bifrost.dsn import dsn_problem
from control_app.ledger.cancels import CancelBrake
from control_app.pricing.dollars import DOLLAR

PREFIX = "CONTROL_"
BOUND = "bound_"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
REQUIRED_IN_A_CLUSTER = ("LOCATION", "DATABASE", "MODELS_NAMESPACE", "GATEWAY", "ODOO", "LOGIN_HEADER", "PROXIES")
EXAMPLES = Path(__file__).parents[1] / "examples" / "models"
# Kubernetes gives pods such variables for each Service, also for one called `control`.
_OF_A_SERVICE = re.compile(r"CONTROL(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_[A-Z]+)?)?)")
_ADDRESS = r"^[^:\s]+:[0-9]{1,5}$"


class SettingsError(Exception):
    """The environment does not describe a service that can run; names every variable at fault."""


class _Group(BaseSettings):
    """A group's fields are named as their variables, so that each setting has one name everywhere."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    def problems(self) -> Iterator[str]:
        """What the types do not say: values that cannot be, or not together, each by its variable."""
        yield from ()

    def _missing(self, why: str, *names: str) -> Iterator[str]:
        for name in names:
            if getattr(self, name) in ("", SecretStr(""), None):
                yield f"{PREFIX}{name.upper()}: missing, and {why}"


class StorageSettings(_Group):
    """Where the database is, and its replica."""

    database: Path = Field(default=Path("var/control.sqlite3"), description="the SQLite file; its folder is made")
    replica: str = Field(
        default="",
        pattern=r"^((file:///|s3://[^/\s]+/)\S+)?$",
        description="where Litestream replicates it to: file:///folder, s3://bucket/path",
    )
    replica_endpoint: str = Field(default="", description="the bucket's address, where it is not Amazon's")
    replica_region: str = Field(default="", description="the bucket's region")
    litestream: str = Field(default="litestream", description="the program")


class ClusterSettings(_Group):
    """Where models are read, and which location that is."""

    models: Literal["files", "kubernetes"] = Field(default="files", description="where models are read from")
    models_dir: Path = Field(default=EXAMPLES, description="folder of Model YAML files, with models = files")
    models_namespace: str = Field(default="", description="namespace of the Model objects, with models = kubernetes")
    kubeconfig: Path | None = Field(default=None, description="kubeconfig file; without it the pod's service account")
    location: str = Field(default="embedded", description="the location's name; required with models = kubernetes")


class GatewaySettings(_Group):
    """Where usage is read, and where prices are published."""

    gateway: Literal["double", "api", "postgres"] = Field(
        default="double", description="where usage is read: a double with samples, or Bifrost"
    )
    gateway_url: str = Field(default="", description="Bifrost's address: for keys, metrics, prices, and with gateway = api for usage")
    gateway_user: str = Field(default="admin", description="its administrator")
    gateway_password: SecretStr = Field(default=SecretStr(""), description="and the password")
    gateway_key: SecretStr = Field(default=SecretStr(""), description="a virtual key of ours, to read prices back with gateway = api")
    gateway_dsn: SecretStr = Field(default=SecretStr(""), description="libpq string of Bifrost's database, with gateway = postgres")
    engine_metrics: str = Field(
        default="",
        pattern=r"^([^:\s]+:[0-9]{1,5})?$",
        description="name and port of the headless Service of the engines, whose own count is the third one; empty: there is none",
    )
    sheet_file: Path = Field(default=Path("var/sheet.json"), description="the gateway's price sheet; in a cluster a ConfigMap")
    jobs: Literal["here", "elsewhere"] = Field(default="here", description="whether the gateway is read by the web's process")

    def problems(self) -> Iterator[str]:
        needed = {"api": ("gateway_url", "gateway_password"), "postgres": ("gateway_url", "gateway_password", "gateway_dsn")}
        yield from self._missing(f"{PREFIX}GATEWAY={self.gateway} needs it", *needed.get(self.gateway, ()))
        if problem := dsn_problem(self.gateway_dsn.get_secret_value()):
            yield f"{PREFIX}GATEWAY_DSN: {problem}"


class InvoicingSettings(_Group):
    """Where invoices go, and what happens by itself."""

    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$", description="of all prices and amounts")
    odoo: Literal["none", "double", "json2"] = Field(default="double", description="where invoices go: nowhere, a double, or Odoo")
    odoo_url: str = Field(default="", description="Odoo's address")
    odoo_database: str = Field(default="", description="its database")
    odoo_company: int = Field(default=1, ge=1, description="the id of the company that bills")
    odoo_product: str = Field(default="AI-INFERENCE", description="internal reference of the product on the lines")
    odoo_key: SecretStr = Field(default=SecretStr(""), description="API key of the user that makes the invoices")
    odoo_previous_key: SecretStr = Field(default=SecretStr(""), description="the key before, which is revoked once odoo_key was used")
    odoo_partner_field: str = Field(
        default="ref", pattern=r"^[a-z_][a-z0-9_]*$", description="the partner's field that has the gateway's customer id"
    )
    odoo_file: Path | None = Field(default=None, description="where the double keeps itself; without it beside the database")
    invoice_from: str = Field(default="", description="the first month that is ever billed, like 2026-12")
    automatic: Literal["off", "draft", "send"] = Field(default="off", description="what happens on the 2nd of a month by itself")
    brake_invoice: Decimal | None = Field(default=None, gt=0, description="the largest invoice that goes out unseen")
    brake_run: Decimal | None = Field(default=None, gt=0, description="the largest month, of all customers")
    brake_change: Decimal | None = Field(default=None, gt=1, description="the largest ratio to a customer's last invoice")
    smallest_invoice: Decimal | None = Field(
        default=None, gt=0, description="the smallest invoice; a month that comes to less is carried into the next one"
    )
    eu_without_vat: Literal["hold", "bill"] = Field(
        default="hold", description="customers in other countries of the EU than the company's who have no VAT number"
    )
    brake_cancelled: Decimal = Field(
        default=Decimal(20), ge=0, description="the largest estimate of what a customer cancelled without tokens in a month, and"
    )
    brake_cancelled_share: Decimal = Field(default=Decimal("0.05"), ge=0, description="the share of the month above which that holds it")
    payment_days: int = Field(default=15, ge=0, le=365, description="days until an invoice is due")
    rates_bnr: str = Field(
        default="https://www.bnr.ro/nbrfxrates.xml", description="where the National Bank of Romania publishes rates, for lei"
    )
    rates_ecb: str = Field(
        default="https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml",
        description="where the European Central Bank publishes them",
    )
    slack_webhook: SecretStr = Field(default=SecretStr(""), description="Slack's incoming webhook, which is told of each run")

    @property
    def cancel_brake(self) -> CancelBrake:
        """From when on what a customer cancelled holds its month."""
        return CancelBrake(self.brake_cancelled_share, self.brake_cancelled)

    @property
    def first_month(self) -> Month | None:
        """`invoice_from` by its number; None where none was said."""
        return parse_month(self.invoice_from)

    def problems(self) -> Iterator[str]:
        if self.invoice_from and self.first_month is None:
            yield f"{PREFIX}INVOICE_FROM: {self.invoice_from!r} is no month; write it like 2026-12"
        if self.odoo == "json2":
            yield from self._missing(f"{PREFIX}ODOO=json2 needs it", "odoo_url", "odoo_database", "odoo_key", "invoice_from")
        if self.automatic != "off":
            yield from self._missing(f"{PREFIX}AUTOMATIC={self.automatic} bills from it on", "invoice_from")
        if self.automatic != "off" and self.odoo == "none":
            yield f"{PREFIX}AUTOMATIC: {self.automatic}, but {PREFIX}ODOO=none makes no invoices"
        if self.automatic == "send":
            yield from self._missing(f"{PREFIX}AUTOMATIC=send needs it", "brake_invoice", "brake_run", "brake_change")


class PriceSettings(_Group):
    """How a price book in another currency than dollars is kept, and listed in dollars."""

    dollar_rate: Decimal | None = Field(
        default=None, gt=0, max_digits=18, decimal_places=12, description="dollars for one unit of the currency, for the price lists"
    )
    dollar_rate_date: date | None = Field(default=None, description="the day of that rate, like 2026-11-30")
    bound_token: Decimal | None = Field(default=None, gt=0, description="the largest price of a token, 0.01 in dollars")
    bound_request: Decimal | None = Field(default=None, gt=0, description="the largest price of a request, 100 in dollars")
    bound_first_token: Decimal | None = Field(default=None, gt=0, description="the largest first price of a token, 0.0002 in dollars")
    bound_first_request: Decimal | None = Field(default=None, gt=0, description="the largest first price of a request, 0.05 in dollars")
    bound_row: Decimal | None = Field(
        default=None, gt=0, le=9_000_000, decimal_places=12, description="what one request may cost at most, 1000 in dollars"
    )

    def bounds(self) -> dict[str, Decimal | None]:
        """The bounds by their names, without the prefix; None: as in dollars."""
        return {name.removeprefix(BOUND): getattr(self, name) for name in type(self).model_fields if name.startswith(BOUND)}


class AccessSettings(_Group):
    """Where the service listens, and whom it believes."""

    # Not CONTROL_PORT: Kubernetes gives pods a variable of that name for a Service called `control`.
    bind: str = Field(default="127.0.0.1:8080", pattern=_ADDRESS, description="address and port to listen on")
    admin_keys: str = Field(default="", repr=False, description="name:scope+scope:sha256-of-the-key, separated by commas")
    usage_per_minute: int = Field(default=120, ge=1, description="requests that a key has at /usage")
    login_header: str = Field(
        default="", description="header in which the proxy in front names who logged in; without it everybody sees the pages"
    )
    proxies: int = Field(default=0, ge=0, description="proxies in front, whose X-Forwarded-For is believed")
    metrics_bind: str = Field(default="127.0.0.1:9102", pattern=_ADDRESS, description="where Prometheus reads metrics")

    def problems(self) -> Iterator[str]:
        try:
            AdminKeys(self.admin_keys)
        except ValueError as error:
            yield f"{PREFIX}ADMIN_KEYS: {error}"


_GROUPS = (StorageSettings, ClusterSettings, GatewaySettings, InvoicingSettings, PriceSettings, AccessSettings)
VARIABLES = {name: field for group in _GROUPS for name, field in group.model_fields.items()}
"""Every setting by the name of its variable, in lower case and without the prefix."""


class Settings(NamedTuple):
    """Defaults run the embedded service: one process, SQLite, models from files, no cluster, a double of the gateway.

    Each may also stand in a file of its name, in lower case, in the folder CONTROL_SECRETS_DIR: so pods get what is secret.
    """

    storage: StorageSettings
    cluster: ClusterSettings
    gateway: GatewaySettings
    invoicing: InvoicingSettings
    prices: PriceSettings
    access: AccessSettings

    @classmethod
    def of(cls, **given: Any) -> Settings:
        """The settings with *given* values by the names in VARIABLES; what is not given is the environment's, or the default."""
        if unknown := given.keys() - VARIABLES.keys():
            raise TypeError(f"no such settings: {', '.join(sorted(unknown))}")
        return cls._make(group(**{name: given[name] for name in group.model_fields.keys() & given.keys()}) for group in _GROUPS)

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings, or SettingsError with all that is missing or wrong."""
        folder = os.environ.get(SECRETS_DIR)
        wrong: dict[str, str] = {}

        def read(group: Any) -> Any:
            try:
                return group(_secrets_dir=folder)
            except ValidationError as error:
                found = {str(detail["loc"][0]): f"{detail['msg']}, got {detail['input']!r}" for detail in error.errors(include_url=False)}
                wrong.update({f"{PREFIX}{name.upper()}": text for name, text in found.items()})
                # With the defaults of these, so that what else is wrong is found as well.
                return group(_secrets_dir=folder, **{name: VARIABLES[name].default for name in found})

        settings = cls._make(map(read, _GROUPS))
        problems = [*_unknown(folder), *_of_a_cluster(settings), *_of_the_currency(settings)]
        problems += [problem for group in settings for problem in group.problems()]
        problems = [problem for problem in problems if problem.partition(":")[0] not in wrong]
        if problems := [*problems, *(f"{name}: {text}" for name, text in wrong.items())]:
            raise SettingsError("; ".join(problems))
        return settings


def _of_the_currency(settings: Settings) -> Iterator[str]:
    """What a price book that is not in dollars needs: the lists for others are in dollars by their formats, and so are our bounds."""
    currency, prices = settings.invoicing.currency, settings.prices
    given = {name: getattr(prices, name) for name in ("dollar_rate", "dollar_rate_date")}
    if currency == DOLLAR:
        for name in (name for name, value in given.items() if value is not None):
            yield f"{PREFIX}{name.upper()}: given, but {PREFIX}CURRENCY is {DOLLAR}, and the price lists need no rate; unset it"
        return
    for name in (name for name, value in given.items() if value is None):
        yield (
            f"{PREFIX}{name.upper()}: missing, and the price lists for OpenRouter and the gateway are in dollars, but {PREFIX}CURRENCY "
            f"is {currency}; say how many dollars one {currency} is, and of which day that rate is"
        )
    missing = [f"{BOUND}{name}" for name, value in prices.bounds().items() if value is None]
    missing += [name for name in ("brake_cancelled",) if name not in settings.invoicing.model_fields_set]
    for name in missing:
        yield f"{PREFIX}{name.upper()}: missing, and the bounds that are known are dollars; give it in {currency}"


def _unknown(folder: str | None) -> Iterator[str]:
    """Variables, and files in the *folder*, that no setting reads: a misspelt one would be missed only when it is needed."""
    known = [name.upper() for name in VARIABLES]
    files = (path.name.upper() for path in Path(folder).iterdir()) if folder and Path(folder).is_dir() else ()
    for name in sorted({*os.environ, *files}):
        own = name.removeprefix(PREFIX)
        if own != name and own not in known and name != SECRETS_DIR and not _OF_A_SERVICE.fullmatch(name):
            near = difflib.get_close_matches(own, known, 1)
            yield f"{name}: no such setting{f'; did you mean {PREFIX}{near[0]}?' if near else ''} (control --help lists them)"


def _of_a_cluster(settings: Settings) -> Iterator[str]:
    """What a service in a cluster needs: a default database, say, would be lost with the pod, and the double's usage is invented."""
    if settings.cluster.models != "kubernetes":
        return
    given = {name.upper() for group in settings for name in group.model_fields_set}
    for name in REQUIRED_IN_A_CLUSTER:
        if name not in given:
            yield f"{PREFIX}{name}: missing, and with {PREFIX}MODELS=kubernetes nothing is guessed"
    if "GATEWAY" in given and settings.gateway.gateway == "double":
        yield f"{PREFIX}GATEWAY: double, whose usage is invented; in a cluster it is api or postgres"
    if "ODOO" in given and settings.invoicing.odoo == "double":
        yield f"{PREFIX}ODOO: double, whose invoices reach nobody; in a cluster it is none or json2"
