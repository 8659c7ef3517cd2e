"""The providers tier: whole locations with the real providers, where a registry or a mirror of it is at hand."""

from __future__ import annotations

import http.server
import io
import json
import os
import re
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from cdktf import App
from cryptography.hazmat.primitives.asymmetric import ed25519

from ib_constructs import versions
from stacks.config.loader import LOCATIONS, load_location
from stacks.location import LocationStack
from tests.hosts.keys import SshKey

SSH_KEY = SshKey.make(ed25519.Ed25519PrivateKey).private
ZONE_ID = "0123456789abcdef0123456789abcdef"
SECRETS: dict[str, Any] = {
    **dict.fromkeys(("s3_access_key", "s3_secret_key", "slack_webhook_url"), "x"),
    "operator_password_hashes": {"ana@example.com": "$2y$12$" + "a" * 53},
}


@dataclass
class Run:
    """A finished Terraform command."""

    code: int
    output: str


@dataclass
class Stack:
    """A synthesised location, its state beside it."""

    folder: Path
    environment: dict[str, str]

    @property
    def document(self) -> dict[str, Any]:
        """The synthesised Terraform JSON."""
        document: dict[str, Any] = json.loads((self.folder / "cdk.tf.json").read_text())
        return document

    def terraform(self, *command: str) -> Run:
        """Run Terraform in the stack's folder."""
        done = subprocess.run(
            ["terraform", *command, "-no-color"],
            cwd=self.folder,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1200,
            check=False,
        )
        return Run(done.returncode, done.stdout)


class _Cloudflare(http.server.BaseHTTPRequestHandler):
    """Answers the one question of a plan: which zone has this name."""

    def do_GET(self) -> None:
        url = urlparse(self.path)
        zone = {"id": ZONE_ID, "name": parse_qs(url.query).get("name", ["inferencebros.com"])[0]}
        one = re.fullmatch(r".*/zones/\w+", url.path)
        result = zone if one else [zone]
        body = json.dumps({"success": True, "errors": [], "messages": [], "result": result, "result_info": {"page": 1, "total_pages": 1}})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def cloudflare() -> Iterator[str]:
    """Address of a stand-in for Cloudflare's API."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Cloudflare) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/client/v4"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror folder with an empty chart of each name, so that a plan asks no chart repository."""
    folder = tmp_path_factory.mktemp("charts")
    for chart in (value for value in vars(versions).values() if isinstance(value, versions.Chart)):
        text = f"apiVersion: v2\nname: {chart.name}\nversion: {chart.version}\n".encode()
        with tarfile.open(folder / f"{chart.name}-{chart.version}.tgz", "w:gz") as archive:
            entry = tarfile.TarInfo(f"{chart.name}/Chart.yaml")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    return folder


@pytest.fixture(scope="session")
def prepare(charts: Path, cloudflare: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Stack]:
    """Synthesise a location of the repository and initialise it; skips the tier where no provider can be had."""
    plugins = tmp_path_factory.mktemp("plugins")

    def synthesised(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        (folder / f"{name}.toml").write_text((LOCATIONS / f"{name}.toml").read_text())
        (folder / f"{name}.override.toml").write_text(f'[mirrors]\ncharts = "{charts}"\n')
        app = App(outdir=str(folder / "cdktf.out"))
        LocationStack(app, load_location(folder / f"{name}.toml"))
        app.synth()
        return folder / "cdktf.out" / "stacks" / name

    def initialised(name: str) -> Stack:
        folder = synthesised(name)
        (folder / "override.tf.json").write_text(json.dumps({"terraform": {"backend": {"local": {}}}}))
        secrets = {"location": name, "ssh_private_key": SSH_KEY, "cloudflare_api_token": "t" * 40, **SECRETS}
        (folder / "secret.auto.tfvars.json").write_text(json.dumps(secrets))
        stack = Stack(folder, {"TF_PLUGIN_CACHE_DIR": str(plugins), "CLOUDFLARE_BASE_URL": cloudflare})
        done = stack.terraform("init", "-input=false")
        if "Failed to query available provider packages" in done.output or "could not connect to registry" in done.output:
            pytest.skip("no Terraform registry in reach and no mirror of it in TF_CLI_CONFIG_FILE")
        assert done.code == 0, done.output
        return stack

    return initialised
