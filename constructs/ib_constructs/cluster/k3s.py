"""K3s on bare metal, over SSH, with Terraform's built-in resources only (no provider is needed to apply it)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from cdktf import AssetType, DataResource, Fn, ITerraformDependable, TerraformAsset, TerraformLocal, TerraformResourceLifecycle
from constructs import Construct

from ib_constructs.base.warnings import warn
from ib_constructs.cluster import k3s_config
from ib_constructs.cluster.identity import Identity
from ib_constructs.cluster.k3s_config import K3sSettings
from ib_constructs.cluster.sealed import seal, unseal, unseal_unmarked
from ib_constructs.cluster.ssh import Provisioner, Server, check_reachable, check_volumes, run_script
from ib_constructs.versions import K3S_SHA256, K3S_VERSION

SCRIPTS = Path(__file__).parent / "scripts"
RELEASES = "https://github.com/k3s-io/k3s/releases/download"
PREPARING = ("prepare.sh", "packages.sh", "kernel.sh", "firewall.sh", "hosts.sh")


@dataclass(frozen=True, kw_only=True)
class K3sClusterProps:
    """`servers`: the first by name in role `server` founds the cluster; the others join it.

    `ingress_ip`: address that the issuer's host name leads to; `issuer_host`: that name.
    `shared_storage`: servers are prepared for volumes that several of them mount. `gpu_runtime`: as `Gpu` has it.
    `version`: K3s release; `releases_url`: base URL of a mirror laid out as K3s's releases are, `<version>/k3s`;
    `binary_sha256`, `images_sha256`: SHA-256 (hex) of its binary and of its archive of images, which is fetched where given.
    `protect`: a plan that would take K3s and its data off a server fails.
    """

    servers: Sequence[Server]
    identity: Identity
    settings: K3sSettings
    ssh_private_key: str
    ingress_ip: str
    issuer_host: str
    shared_storage: bool = False
    gpu_runtime: str = "nri"
    version: str = K3S_VERSION
    releases_url: str = RELEASES
    binary_sha256: str | None = K3S_SHA256
    images_sha256: str | None = None
    protect: bool = False


class K3sCluster(Construct):
    """Servers that make up one Kubernetes cluster; `ready` when its control plane is.

    For each server: checks before anything is changed on any, membership (lets go of the Node and uninstalls on leaving),
    retirement of what had its name before, preparation of the machine, installation (identity, binary, unit) and
    configuration. Control-plane servers follow one after another, so that a change rolls through them; agents together.
    """

    def __init__(self, scope: Construct, id: str, props: K3sClusterProps) -> None:
        super().__init__(scope, id)
        self._props = props
        # Inside the stack's folder, so that a remote run has them too.
        self._scripts = TerraformAsset(self, "scripts", path=str(SCRIPTS), type=AssetType.DIRECTORY).path
        if props.binary_sha256 is None:
            warn(
                self,
                "k3s_checksum",
                f"the SHA-256 of K3s {props.version} is not pinned; run `make pin` where the internet is. "
                "Until then servers check their download against the release's own checksum file.",
            )
        # By name, whatever their order in the file: Terraform cannot turn round who waits for whom.
        self._control_plane = sorted((server for server in props.servers if server.role == "server"), key=lambda server: server.name)
        self._private_key = TerraformLocal(self, "ssh-private-key", props.ssh_private_key).friendly_unique_id
        membership = self._membership(self._all_checks())
        # A server that is no longer one gives up its etcd membership before the others' firewalls shut it out.
        retired = [self._retirement(server, membership) for server in props.servers if self._others(server)] or [membership]
        prepared = {server.name: self._preparation(server, retired) for server in props.servers}
        previous: list[ITerraformDependable] = []
        for server in self._control_plane:
            # etcd's ports open to a server on all others before it joins.
            prepared_servers = [prepared[each.name] for each in self._control_plane]
            previous = [self._server(server, [*prepared_servers, *previous])]
        self.ready: ITerraformDependable = previous[0]
        for server in props.servers:
            if server.role == "agent":
                self._server(server, [prepared[server.name], self.ready])

    def _all_checks(self) -> DataResource:
        """Apart from membership: a failed check taints its resource, and a protected one could never be replaced."""
        resource = DataResource(self, "checks")
        checked = {server.name: {**server.connection_input(), "of": self._preflight_environment(server)} for server in self._props.servers}
        resource.add_override("for_each", checked)
        resource.add_override("input", '${{for key, value in each.value : key => value if key != "of"}}')
        environment = {key: f"${{each.value.of.{key}}}" for key in self._preflight_environment(self._props.servers[0])}
        resource.add_override("provisioner", self._checks(environment, silent_peer="problem"))
        return resource

    def _membership(self, checks: DataResource) -> DataResource:
        """One resource over all servers: only a removed `for_each` key runs its destroy-time provisioners."""
        lifecycle = TerraformResourceLifecycle(prevent_destroy=self._props.protect)
        resource = DataResource(self, "membership", depends_on=[checks], lifecycle=lifecycle)
        resource.add_override("for_each", {server.name: server.connection_input() for server in self._props.servers})
        # Known for as long as the cluster is the same: a change would take K3s off the servers.
        seal_key = TerraformLocal(self, "seal-key", Fn.sha256(f"ssh {self._props.identity.server_password}")).friendly_unique_id
        sealed = TerraformLocal(self, "sealed-key", seal(f"local.{self._private_key}", f"local.{seal_key}"))
        more = f"api_vip = {json.dumps(self._props.settings.api_vip or '')}, private_key = local.{sealed.friendly_unique_id}"
        resource.add_override("input", f"${{merge(each.value, {{ {more} }})}}")
        resource.add_override("triggers_replace", f"${{local.{seal_key}}}")
        # Written into the configuration that the server is no longer in: who lets it go are those that stay.
        key = unseal_unmarked("self.input.private_key", "self.triggers_replace")
        steps = [check_volumes(self._scripts, key, self._control_plane), *self._step_down("hold", role="", leaving=True)]
        for helper in self._control_plane:
            steps += self._retire(helper, installation="", leaving=True)
        staying = " ".join(server.name for server in self._props.servers)
        environment = {"SERVER_NAME": "${self.input.name}", "API_VIP": "${self.input.api_vip}", "STAYING": staying}
        resource.add_override("provisioner", [*steps, *self._run("leave", environment, leaving=True)])
        return resource

    def _run(
        self,
        script: str,
        environment: Mapping[str, str],
        *,
        files: Mapping[str, str] | None = None,
        on: Server | None = None,
        leaving: bool = False,
    ) -> list[Provisioner]:
        """On the resource's own server, or *on* another."""
        key = unseal("self.input.private_key", "self.triggers_replace") if leaving else f"${{local.{self._private_key}}}"
        return run_script(self._scripts, script, environment, private_key=key, files=files, on=on, leaving=leaving)

    def _others(self, server: Server) -> list[Server]:
        return [other for other in self._control_plane if other is not server]

    def _retire(self, helper: Server, installation: str, *, leaving: bool = False) -> list[Provisioner]:
        """Where another helper did it already, there is nothing to do; each may be off, or new itself and know nothing."""
        environment = {"SERVER_NAME": helper.name, "NODE": "${self.input.name}", "INSTALLATION": installation}
        return self._run("retire", environment, on=helper, leaving=leaving)

    def _step_down(self, step: Literal["hold", "stop"], role: str, *, leaving: bool = False) -> list[Provisioner]:
        environment = {"SERVER_NAME": "${self.input.name}", "ROLE": role, "STEP": step}
        return self._run("step-down", environment, leaving=leaving)

    def _preflight_environment(self, server: Server) -> dict[str, str]:
        props = self._props
        return preflight_environment(
            server,
            props.servers,
            props.settings,
            ingress_ip=props.ingress_ip,
            shared_storage=props.shared_storage,
            gpu_runtime=props.gpu_runtime,
        )

    def _checks(self, environment: Mapping[str, str], *, silent_peer: Literal["problem", "warning"]) -> list[Provisioner]:
        """Is it the server we know, and fit for K3s? Changes nothing on it."""
        identity = self._props.identity
        known = {"FINGERPRINT": identity.fingerprint, "CA_SHA256": identity.ca_hash, "NOW": Fn.timestamp()}
        told = {**environment, **known, "SILENT_PEER": silent_peer}
        return [check_reachable(self._scripts), *self._run("preflight", told)]

    def _retirement(self, server: Server, membership: ITerraformDependable) -> DataResource:
        """A Node and an etcd member that this name belonged to in another role or as another machine would bar its way."""
        label = _installation_label(server)
        triggers = {"installation": label, "identity": self._props.identity.fingerprint}
        resource = DataResource(self, f"retire-{server.name}", depends_on=[membership], triggers_replace=triggers)
        resource.add_override("input", server.connection_input())
        retire = [step for helper in self._others(server) for step in self._retire(helper, label)]
        steps = [*self._step_down("hold", server.role), *retire, *self._step_down("stop", server.role)]
        resource.add_override("provisioner", steps)
        return resource

    def _preparation(self, server: Server, retired: list[DataResource]) -> DataResource:
        props = self._props
        environment = {
            "SERVER_NAME": server.name,
            "ROLE": server.role,
            "CONTROL_PLANE": " ".join(each.ip for each in self._control_plane),
            "HOSTS": f"{props.ingress_ip} {props.issuer_host}",
            "SHARED_STORAGE": _yes(props.shared_storage),
        }
        texts = [(SCRIPTS / name).read_text() for name in PREPARING]
        triggers = {**environment, "scripts": _digest(texts), "host_key": server.ssh_host_key}
        resource = DataResource(self, f"prepare-{server.name}", depends_on=list(retired), triggers_replace=triggers)
        resource.add_override("input", server.connection_input())
        resource.add_override("provisioner", [check_reachable(self._scripts), *self._run("prepare", environment)])
        return resource

    def _server(self, server: Server, waits_for: Sequence[ITerraformDependable]) -> DataResource:
        installation = self._installation(server, waits_for)
        return self._configuration(server, installation)

    def _join_address(self, server: Server) -> str:
        """The founder's own is that of another server: should it ever have to join, its own would be no help."""
        others = self._others(server)
        return self._props.settings.api_vip or (others[0] if server is self._control_plane[0] and others else self._control_plane[0]).ip

    def _installation(self, server: Server, waits_for: Sequence[ITerraformDependable]) -> DataResource:
        props, founder = self._props, server is self._control_plane[0]
        # A change of any of these replaces the installation: another cluster or K3s, or a machine installed anew.
        triggers: dict[str, Any] = {
            "identity": props.identity.fingerprint,
            "version": props.version,
            "host_key": server.ssh_host_key,
            "unit": _digest([(SCRIPTS / name).read_text() for name in ("k3s.service", "begin.sh")]),
        }
        if not founder:
            triggers["join"] = self._join_address(server)
        vip = props.settings.api_vip
        environment = {
            "SERVER_NAME": server.name,
            "ROLE": server.role,
            "FINGERPRINT": props.identity.fingerprint,
            "FOUNDER": _yes(founder),
            "PEERS": " ".join([*(peer.ip for peer in self._others(server)), *([vip] if vip else [])]),
            "JOIN_ADDRESS": self._join_address(server),
            "K3S_VERSION": props.version,
            "K3S_URL": f"{props.releases_url.rstrip('/')}/{quote(props.version)}",
            "K3S_SHA256": props.binary_sha256 or "",
            "IMAGES_SHA256": props.images_sha256 or "",
        }
        resource = DataResource(self, _step("install", server), depends_on=list(waits_for), triggers_replace=triggers)
        resource.add_override("input", server.connection_input())
        # A server that is away stops no other's installation; what needs a majority looks for itself.
        steps = self._checks(self._preflight_environment(server), silent_peer="warning")
        files = props.identity.files(server.role, founder=founder)
        resource.add_override("provisioner", [*steps, *self._run("install", environment, files=files)])
        return resource

    def _configuration(self, server: Server, installation: DataResource) -> DataResource:
        settings, label = self._props.settings, _installation_label(server)
        # The certificate may be a reference and passwords always are: their text here says nothing of their value.
        public = replace(settings, issuer_ca=None, registries=[replace(each, password="") for each in settings.registries])
        files, known = (
            k3s_config.files(server.name, server.ip, server.role, label, each, labels=server.labels, taints=server.taints)
            for each in (settings, public)
        )
        triggers = {"files": hashlib.sha256(json.dumps(known).encode()).hexdigest(), "installation": installation.id}
        if server.role == "server":
            # Joined by others, the founder is to forget how to found.
            triggers["alone"] = _yes(not self._others(server))
        if settings.issuer_ca:
            triggers["issuer_ca"] = Fn.sha256(settings.issuer_ca)
        passwords = [registry.password for registry in settings.registries if registry.password]
        if passwords:
            # With what only the state knows, so that nobody finds them by trying.
            triggers["registry_passwords"] = Fn.sha256(Fn.join(" ", [self._props.identity.server_password, *passwords]))
        environment = {
            "SERVER_NAME": server.name,
            "ROLE": server.role,
            "SERVER_IP": server.ip,
            "INSTALLATION": label,
            "CA_SHA256": self._props.identity.ca_hash,
            "API_VIP": settings.api_vip or "",
            "PEERS": " ".join(peer.ip for peer in self._others(server)),
            "JOIN_ADDRESS": self._join_address(server),
        }
        resource = DataResource(self, _step("configure", server), triggers_replace=triggers)
        resource.add_override("input", server.connection_input())
        resource.add_override(
            "provisioner", [check_reachable(self._scripts), *self._run("configure", environment, files=files), *self._labelling(server)]
        )
        return resource

    def _labelling(self, server: Server) -> list[Provisioner]:
        """K3s gives taints at the first registration only, and takes no label away. An agent may not do either itself."""
        on = None if server.role == "server" else self._control_plane[-1]
        given = {"LABELS": " ".join(server.labels), "TAINTS": " ".join(server.taints)}
        return self._run("label-node", {"SERVER_NAME": (on or server).name, "NODE": server.name, **given}, on=on)


def preflight_environment(  # noqa: PLR0913 - of whom, among whom, and what it is checked for
    server: Server, servers: Sequence[Server], settings: K3sSettings, *, ingress_ip: str, shared_storage: bool, gpu_runtime: str
) -> dict[str, str]:
    """What `preflight.sh` is told of *server*, besides the cluster's identity and the time."""
    return {
        "SERVER_NAME": server.name,
        "ROLE": server.role,
        "SERVER_IP": server.ip,
        "CLUSTER_NETWORKS": f"{settings.cluster_cidr} {settings.service_cidr}",
        "PEERS": " ".join(peer.ip for peer in servers if peer is not server),
        "API_VIP": settings.api_vip or "",
        "INGRESS_IP": ingress_ip,
        "SHARED_STORAGE": _yes(shared_storage),
        "GPU_RUNTIME": gpu_runtime,
    }


def _step(what: str, server: Server) -> str:
    """Another resource in each role: agents wait for servers, and a server that changes its role for those that waited for it."""
    return f"{what}-{server.name}" if server.role == "server" else f"{what}-{server.name}-as-agent"


def _installation_label(server: Server) -> str:
    """Label value that tells this machine in this role from what had its name before (16 hex digits)."""
    return _digest([server.ssh_host_key, server.role])[:16]


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _yes(value: bool) -> str:  # noqa: FBT001 - the one thing it is about
    return "yes" if value else "no"
