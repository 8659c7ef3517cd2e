"""K3s on bare metal, over SSH, with Terraform's built-in resources only (no provider is needed to apply it)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cdktf import Annotations, AssetType, DataResource, Fn, ITerraformDependable, TerraformAsset, TerraformResourceLifecycle
from constructs import Construct

from ib_constructs import k3s_config
from ib_constructs.identity import Identity
from ib_constructs.k3s_config import K3sSettings
from ib_constructs.ssh import CONNECTION, Provisioner, Server, check_reachable, run_script
from ib_constructs.versions import K3S_SHA256, K3S_VERSION

SCRIPTS = Path(__file__).parent / "scripts"
RELEASES = "https://github.com/k3s-io/k3s/releases/download"


@dataclass(frozen=True, kw_only=True)
class K3sClusterProps:
    """`servers`: those in role `server` first of all found the cluster, the first of them alone.

    `releases_url`: base URL of a mirror laid out as K3s's releases are, `<version>/k3s`; default: K3s's own.
    `binary_sha256`: SHA-256 (hex) of the mirror's binary; default: the pinned one.
    `protect`: a plan that would take K3s and its data off a server fails.
    """

    servers: Sequence[Server]
    identity: Identity
    settings: K3sSettings
    ssh_private_key: str
    releases_url: str = RELEASES
    binary_sha256: str | None = K3S_SHA256
    protect: bool = False


class K3sCluster(Construct):
    """Servers that make up one Kubernetes cluster; `ready` when its control plane is.

    For each server: membership (checks before anything is changed; uninstalls on leaving), installation (identity,
    binary, unit) and configuration. Control-plane servers follow one after another, so that a change rolls through
    them; agents follow together.
    """

    def __init__(self, scope: Construct, id: str, props: K3sClusterProps) -> None:
        super().__init__(scope, id)
        self._props = props
        # Inside the stack's folder, so that a remote run has them too.
        self._scripts = TerraformAsset(self, "scripts", path=str(SCRIPTS), type=AssetType.DIRECTORY).path
        if props.binary_sha256 is None:
            Annotations.of(self).add_warning(
                f"the SHA-256 of K3s {K3S_VERSION} is not pinned; run `make pin` where the internet is. "
                "Until then servers check their download against the release's own checksum file."
            )
        control_plane = [server for server in props.servers if server.role == "server"]
        self._founder = control_plane[0]
        membership = self._membership()
        waits_for: ITerraformDependable = membership
        for server in control_plane:
            waits_for = self._server(server, waits_for)
        self.ready: ITerraformDependable = waits_for
        for server in props.servers:
            if server.role == "agent":
                self._server(server, waits_for)

    def _membership(self) -> DataResource:
        """One resource over all servers: only a removed `for_each` key runs its destroy-time provisioners."""
        servers = {server.name: server.connection_input("") for server in self._props.servers}
        for data in servers.values():
            del data["private_key"]  # a sensitive value may not be part of for_each
        lifecycle = TerraformResourceLifecycle(prevent_destroy=self._props.protect)
        resource = DataResource(self, "membership", lifecycle=lifecycle)
        resource.add_override("for_each", servers)
        public = {key: f"${{each.value.{key}}}" for key in ("name", "host", "port", "host_key")}
        vip = self._props.settings.api_vip or ""
        resource.add_override("input", {**public, "private_key": self._props.ssh_private_key, "api_vip": vip})
        environment = {"SERVER_NAME": "${self.input.name}", "API_VIP": "${self.input.api_vip}"}
        leave = run_script(self._scripts, "leave", environment, leaving=True)
        _provision(resource, [*self._checks(), *leave])
        return resource

    def _checks(self) -> list[Provisioner]:
        """Is it the server we know, and fit for K3s? Changes nothing on it."""
        fingerprint = self._props.identity.fingerprint
        environment = {"SERVER_NAME": "${self.input.name}", "FINGERPRINT": fingerprint, "NOW": Fn.timestamp()}
        return [check_reachable(self._scripts), *run_script(self._scripts, "preflight", environment)]

    def _server(self, server: Server, waits_for: ITerraformDependable) -> DataResource:
        installation = self._installation(server, waits_for)
        return self._configuration(server, installation)

    def _installation(self, server: Server, waits_for: ITerraformDependable) -> DataResource:
        props, founder = self._props, server is self._founder
        join_address = props.settings.api_vip or self._founder.ip
        # A change of any of these replaces the installation: another cluster, K3s or role, or a machine installed anew.
        triggers: dict[str, Any] = {
            "identity": props.identity.fingerprint,
            "version": K3S_VERSION,
            "role": server.role,
            "host_key": server.ssh_host_key,
            "unit": hashlib.sha256((SCRIPTS / "k3s.service").read_bytes()).hexdigest(),
        }
        if not founder:
            triggers["join"] = join_address
        peers = [peer.ip for peer in props.servers if peer.role == "server" and peer is not server]
        environment = {
            "SERVER_NAME": server.name,
            "ROLE": server.role,
            "FINGERPRINT": props.identity.fingerprint,
            "FOUNDER": "yes" if founder else "no",
            "PEERS": " ".join([*peers, *([props.settings.api_vip] if props.settings.api_vip else [])]),
            "JOIN_ADDRESS": join_address,
            "K3S_VERSION": K3S_VERSION,
            "K3S_URL": f"{props.releases_url.rstrip('/')}/{quote(K3S_VERSION)}",
            "K3S_SHA256": props.binary_sha256 or "",
        }
        resource = DataResource(self, f"install-{server.name}", depends_on=[waits_for], triggers_replace=triggers)
        self._connect(resource, server)
        files = props.identity.files(server.role, founder=founder)
        _provision(resource, [*self._checks(), *run_script(self._scripts, "install", environment, files)])
        return resource

    def _configuration(self, server: Server, installation: DataResource) -> DataResource:
        settings = self._props.settings
        if server.role == "server":
            files = {"config.yaml": k3s_config.server_config(server.name, server.ip, settings)}
            files |= {f"manifests/{name}": text for name, text in k3s_config.manifests(settings).items()}
        else:
            files = {"config.yaml": k3s_config.agent_config(server.name, server.ip)}
        triggers = {"files": hashlib.sha256(json.dumps(files).encode()).hexdigest(), "installation": installation.id}
        environment = {
            "SERVER_NAME": server.name,
            "ROLE": server.role,
            "CA_SHA256": self._props.identity.ca_hash,
            "API_VIP": settings.api_vip or "",
        }
        resource = DataResource(self, f"configure-{server.name}", triggers_replace=triggers)
        self._connect(resource, server)
        _provision(resource, [check_reachable(self._scripts), *run_script(self._scripts, "configure", environment, files)])
        return resource

    def _connect(self, resource: DataResource, server: Server) -> None:
        resource.add_override("input", server.connection_input(self._props.ssh_private_key))


def _provision(resource: DataResource, provisioners: list[Provisioner]) -> None:
    resource.add_override("connection", CONNECTION)
    resource.add_override("provisioner", provisioners)
