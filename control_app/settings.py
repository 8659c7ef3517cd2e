"""Settings of the control service, from environment variables that begin with `CONTROL_`."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from control_app.key_check import AdminKeys
from control_app.spans import parse_month

PREFIX = "CONTROL_"
REQUIRED_IN_A_CLUSTER = ("LOCATION", "DATABASE", "MODELS_NAMESPACE", "GATEWAY", "ODOO", "LOGIN_HEADER", "PROXIES")
REQUIRED_OF_A_GATEWAY = {"api": ("GATEWAY_URL", "GATEWAY_PASSWORD"), "postgres": ("GATEWAY_URL", "GATEWAY_PASSWORD", "GATEWAY_DSN")}
EXAMPLES = Path(__file__).parent / "examples" / "models"


class SettingsError(Exception):
    """The environment does not describe a service that can run; names every variable at fault."""


class Settings(BaseSettings):
    """Defaults run the embedded service: one process, SQLite, models from files, no cluster, a double of the gateway.

    Each may also stand in a file of its name, in lower case, in the folder CONTROL_SECRETS_DIR: so pods get what is secret.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    # Not CONTROL_PORT: Kubernetes gives pods a variable of that name for a Service called `control`.
    bind: str = Field(default="127.0.0.1:8080", pattern=r"^[^:\s]+:[0-9]{1,5}$", description="address and port to listen on")
    database: Path = Field(default=Path("var/control.sqlite3"), description="the SQLite file; its folder is made")
    replica: str = Field(
        default="",
        pattern=r"^((file:///|s3://[^/\s]+/)\S+)?$",
        description="where Litestream replicates it to: file:///folder, s3://bucket/path",
    )
    replica_endpoint: str = Field(default="", description="the bucket's address, where it is not Amazon's")
    replica_region: str = Field(default="", description="the bucket's region")
    litestream: str = Field(default="litestream", description="the program")
    models: Literal["files", "kubernetes"] = Field(default="files", description="where models are read from")
    models_dir: Path = Field(default=EXAMPLES, description="folder of Model YAML files, with models = files")
    models_namespace: str = Field(default="", description="namespace of the Model objects, with models = kubernetes")
    kubeconfig: Path | None = Field(default=None, description="kubeconfig file; without it the pod's service account")
    location: str = Field(default="embedded", description="the location's name; required with models = kubernetes")

    gateway: Literal["double", "api", "postgres"] = Field(
        default="double", description="where usage is read: a double with samples, or Bifrost"
    )
    gateway_url: str = Field(default="", description="Bifrost's address: for keys, metrics, prices, and with gateway = api for usage")
    gateway_user: str = Field(default="admin", description="its administrator")
    gateway_password: SecretStr = Field(default=SecretStr(""), description="and the password")
    gateway_key: SecretStr = Field(default=SecretStr(""), description="a virtual key of ours, to read prices back with gateway = api")
    gateway_dsn: SecretStr = Field(default=SecretStr(""), description="libpq string of Bifrost's database, with gateway = postgres")
    sheet_file: Path = Field(default=Path("var/sheet.json"), description="the gateway's price sheet; in a cluster a ConfigMap")
    jobs: Literal["here", "elsewhere"] = Field(default="here", description="whether the gateway is read by the web's process")
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
    payment_days: int = Field(default=15, ge=0, le=365, description="days until an invoice is due")
    slack_webhook: SecretStr = Field(default=SecretStr(""), description="Slack's incoming webhook, which is told of each run")
    admin_keys: str = Field(default="", repr=False, description="name:scope+scope:sha256-of-the-key, separated by commas")
    usage_per_minute: int = Field(default=120, ge=1, description="requests that a key has at /usage")
    login_header: str = Field(
        default="", description="header in which the proxy in front names who logged in; without it everybody sees the pages"
    )
    proxies: int = Field(default=0, ge=0, description="proxies in front, whose X-Forwarded-For is believed")
    metrics_bind: str = Field(default="127.0.0.1:9102", pattern=r"^[^:\s]+:[0-9]{1,5}$", description="where Prometheus reads metrics")

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings, or SettingsError with all that is missing or wrong."""
        problems: list[str] = []
        try:
            settings = cls(_secrets_dir=os.environ.get(f"{PREFIX}SECRETS_DIR"))  # type: ignore[call-arg] # of pydantic-settings
        except ValidationError as error:
            details = error.errors(include_url=False)
            problems += [f"{PREFIX}{str(detail['loc'][0]).upper()}: {detail['msg']}, got {detail['input']!r}" for detail in details]
            raise SettingsError("; ".join([*_missing(None), *problems])) from None
        problems += _missing(settings)
        problems += _of_invoicing(settings)
        try:
            AdminKeys(settings.admin_keys)
        except ValueError as error:
            problems.append(f"{PREFIX}ADMIN_KEYS: {error}")
        if problems:
            raise SettingsError("; ".join(problems))
        return settings

    @property
    def first_month(self) -> int | None:
        """`invoice_from` by its number; None where none was said."""
        return parse_month(self.invoice_from)


def _of_invoicing(settings: Settings) -> list[str]:
    problems: list[str] = []
    if settings.invoice_from and settings.first_month is None:
        problems.append(f"{PREFIX}INVOICE_FROM: {settings.invoice_from!r} is no month; write it like 2026-12")
    if settings.odoo == "json2":
        names = [
            name for name in ("odoo_url", "odoo_database", "odoo_key", "invoice_from") if getattr(settings, name) in ("", SecretStr(""))
        ]
        problems += [f"{PREFIX}{name.upper()}: missing, and {PREFIX}ODOO=json2 needs it" for name in names]
    if settings.automatic != "off" and not settings.invoice_from:
        problems.append(f"{PREFIX}INVOICE_FROM: missing, and {PREFIX}AUTOMATIC={settings.automatic} bills from it on")
    if settings.automatic != "off" and settings.odoo == "none":
        problems.append(f"{PREFIX}AUTOMATIC: {settings.automatic}, but {PREFIX}ODOO=none makes no invoices")
    if settings.automatic == "send":
        names = [name for name in ("brake_invoice", "brake_run", "brake_change") if getattr(settings, name) is None]
        problems += [f"{PREFIX}{name.upper()}: missing, and {PREFIX}AUTOMATIC=send needs it" for name in names]
    return problems


def _missing(settings: Settings | None) -> list[str]:
    """What a service in a cluster needs: a default database, say, would be lost with the pod, and the double's usage is invented.

    Without *settings*, which could not be read, the environment tells what was given.
    """
    given = (
        {name.upper() for name in settings.model_fields_set} if settings else {name for name in REQUIRED_IN_A_CLUSTER if _variable(name)}
    )
    problems: list[str] = []
    if (settings.models if settings else _variable("MODELS")) == "kubernetes":
        names = [f"{PREFIX}{name}" for name in REQUIRED_IN_A_CLUSTER if name not in given]
        problems += [f"{name}: missing, and with {PREFIX}MODELS=kubernetes nothing is guessed" for name in names]
        if "GATEWAY" in given and (settings.gateway if settings else _variable("GATEWAY")) == "double":
            problems.append(f"{PREFIX}GATEWAY: double, whose usage is invented; in a cluster it is api or postgres")
        if "ODOO" in given and (settings.odoo if settings else _variable("ODOO")) == "double":
            problems.append(f"{PREFIX}ODOO: double, whose invoices reach nobody; in a cluster it is none or json2")
    if settings:
        needed = REQUIRED_OF_A_GATEWAY.get(settings.gateway, ())
        names = [name for name in needed if getattr(settings, name.lower()) in ("", SecretStr(""))]
        problems += [f"{PREFIX}{name}: missing, and {PREFIX}GATEWAY={settings.gateway} needs it" for name in names]
    return problems


def _variable(name: str) -> str:
    return os.environ.get(f"{PREFIX}{name}", "")
