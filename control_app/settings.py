"""Settings of the control service, from environment variables that begin with `CONTROL_`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "CONTROL_"
REQUIRED_IN_A_CLUSTER = ("LOCATION", "DATABASE", "MODELS_NAMESPACE")
EXAMPLES = Path(__file__).parent / "examples" / "models"


class SettingsError(Exception):
    """The environment does not describe a service that can run; names every variable at fault."""


class Settings(BaseSettings):
    """Defaults run the embedded service: one process, SQLite, models from files, no cluster."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    # Not CONTROL_PORT: Kubernetes gives pods a variable of that name for a Service called `control`.
    bind: str = Field(default="127.0.0.1:8080", pattern=r"^[^:\s]+:[0-9]{1,5}$", description="address and port to listen on")
    database: Path = Field(default=Path("var/control.sqlite3"), description="the SQLite file; its folder is made")
    models: Literal["files", "kubernetes"] = Field(default="files", description="where models are read from")
    models_dir: Path = Field(default=EXAMPLES, description="folder of Model YAML files, with models = files")
    models_namespace: str = Field(default="", description="namespace of the Model objects, with models = kubernetes")
    kubeconfig: Path | None = Field(default=None, description="kubeconfig file; without it the pod's service account")
    location: str = Field(default="embedded", description="the location's name; required with models = kubernetes")

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings, or SettingsError with all that is missing or wrong."""
        problems = [f"{name}: missing, and with {PREFIX}MODELS=kubernetes nothing is guessed" for name in _missing()]
        try:
            settings = cls()
        except ValidationError as error:
            details = error.errors(include_url=False)
            problems += [f"{PREFIX}{str(detail['loc'][0]).upper()}: {detail['msg']}, got {detail['input']!r}" for detail in details]
            raise SettingsError("; ".join(problems)) from None
        if problems:
            raise SettingsError("; ".join(problems))
        return settings


def _missing() -> list[str]:
    """Variables that a service in a cluster needs: a default database, say, would be lost with the pod."""
    if os.environ.get(f"{PREFIX}MODELS") != "kubernetes":
        return []
    return [name for name in (f"{PREFIX}{key}" for key in REQUIRED_IN_A_CLUSTER) if not os.environ.get(name)]
