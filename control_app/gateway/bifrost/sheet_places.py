"""Where the gateway reads the price sheet from: a ConfigMap that it mounts, or a file beside it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Protocol

import httpx2
from lightkube import Client
from lightkube.resources.core_v1 import ConfigMap

from control_app.core.failures import words_of
from control_app.gateway.port import PublicationError
from control_app.pricing.sources import TIMEOUT_SEC, cluster_config

NAMESPACE, NAME, KEY = "bifrost", "bifrost-prices", "sheet.json"


class SheetPlace(Protocol):
    """Where the gateway reads the sheet from."""

    def write(self, text: str) -> bool:
        """Put *text* there if it is not there; whether it was another. Raises PublicationError."""
        ...


class SheetConfigMap:
    """Key `sheet.json` of the gateway's ConfigMap, which Terraform made; needs the right to get and patch that one."""

    def __init__(self, kubeconfig: Path | None = None) -> None:
        self._kubeconfig = kubeconfig

    def write(self, text: str) -> bool:
        """Put *text* there if it is not there; whether it was another. Raises PublicationError."""
        try:
            with Client(config=cluster_config(self._kubeconfig), timeout=httpx2.Timeout(TIMEOUT_SEC)) as client:
                found = client.get(ConfigMap, NAME, namespace=NAMESPACE)
                if (found.data or {}).get(KEY) == text:
                    return False
                client.patch(ConfigMap, NAME, {"data": {KEY: text}}, namespace=NAMESPACE)
                return True
        except Exception as error:  # kubeconfigs, certificates, answers: each has its own ways to be wrong
            raise PublicationError(f"ConfigMap {NAMESPACE}/{NAME} cannot be written: {words_of(error)}") from error


class SheetFile:
    """The file at *path*; a reader sees the old sheet or the new one, never a part."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, text: str) -> bool:
        """Put *text* there if it is not there; whether it was another. Raises PublicationError."""
        try:
            if self._path.exists() and self._path.read_text() == text:
                return False
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._replace(text)
        except (OSError, ValueError) as error:
            raise PublicationError(f"the sheet {self._path} cannot be written: {error}") from error
        return True

    def _replace(self, text: str) -> None:
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)  # the gateway may be another user
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
