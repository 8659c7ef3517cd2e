"""Settings of the control service, from environment variables that begin with `CONTROL_`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from control_app.key_check import AdminKeys

PREFIX = "CONTROL_"
REQUIRED_IN_A_CLUSTER = ("LOCATION", "DATABASE", "MODELS_NAMESPACE", "GATEWAY", "LOGIN_HEADER", "PROXIES")
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
        try:
            AdminKeys(settings.admin_keys)
        except ValueError as error:
            problems.append(f"{PREFIX}ADMIN_KEYS: {error}")
        if problems:
            raise SettingsError("; ".join(problems))
        return settings


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
    if settings:
        needed = REQUIRED_OF_A_GATEWAY.get(settings.gateway, ())
        names = [name for name in needed if getattr(settings, name.lower()) in ("", SecretStr(""))]
        problems += [f"{PREFIX}{name}: missing, and {PREFIX}GATEWAY={settings.gateway} needs it" for name in names]
    return problems


def _variable(name: str) -> str:
    return os.environ.get(f"{PREFIX}{name}", "")
