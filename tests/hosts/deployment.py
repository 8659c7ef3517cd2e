"""A location file applied to test hosts by Terraform, as `cdktf deploy` would."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from cdktf import App, TerraformOutput, TerraformStack, TerraformVariable
from constructs import Construct

from ib_constructs import Identity, K3sCluster, KeyPair, Kubeconfig
from ib_constructs.versions import K3S_VERSION
from stacks.cluster import k3s_props
from stacks.config.loader import load_location
from stacks.config.schema import Location
from stacks.location import declare_location_guard
from tests.hosts.artefacts import IMAGES
from tests.hosts.lab import GATEWAY, MIRROR_PORT, Host
from tests.support.identities import make_identity, secret_values

NAME = "test"


class ServersStack(TerraformStack):
    """The servers of a location by themselves: built-in resources only, the identity from variables."""

    def __init__(self, scope: Construct, location: Location, identity: Identity, version: str, issuer_ca: str | None) -> None:
        super().__init__(scope, NAME)
        declare_location_guard(self, NAME)
        props = k3s_props(location, _by_variables(self, identity), _variable(self, "ssh_private_key", secret=True), issuer_ca)
        K3sCluster(self, "k3s", replace(props, version=version))
        kubeconfig = Kubeconfig(location=NAME, domain=location.domain, api_address=str(location.api_address), identity=props.identity)
        TerraformOutput(self, "k3s_kubeconfig_for_admins", value=kubeconfig.for_admins(), sensitive=True)


@dataclass
class Applied:
    """What a run of Terraform came to."""

    code: int
    output: str


class Deployment:
    """A location applied by Terraform; *prefix* is put before its command."""

    def __init__(self, prefix: Sequence[str], ssh_private_key: str, folder: Path, k3s_sha256: Mapping[str, str]) -> None:
        self._prefix = prefix
        self._ssh_private_key = ssh_private_key
        self.folder = folder
        self.identity = make_identity()
        self.k3s_sha256 = dict(k3s_sha256)
        self.version = K3S_VERSION
        self.images_sha256 = hashlib.sha256(IMAGES).hexdigest()
        self.issuer_ca: str | None = None
        self._variables = folder / "secret.tfvars.json"
        values = {"location": NAME, "ssh_private_key": ssh_private_key, **_variable_values(self.identity)}
        self._variables.write_text(json.dumps(values))

    @property
    def out(self) -> Path:
        """What `cdktf synth` would leave."""
        return self.folder / "cdktf.out"

    def describe(
        self,
        servers: Sequence[Mapping[str, str | int | list[str]]],
        *,
        domain: str = "test.example.com",
        vip: str = "",
        mirrors: Sequence[str] = (),
        backup: bool = False,
        protect: bool = False,
    ) -> None:
        """Write the location file and synthesise it. *mirrors*: more lines of that section."""
        lines = [f'domain = "{domain}"', f"protect = {json.dumps(protect)}"]
        if protect:
            lines += ["[[operators]]", 'email = "ana@example.com"']
        if backup:
            lines += ["[backup]", 's3 = { endpoint = "https://s3.example.com", bucket = "test", region = "eu" }']
        lines += ["[certificates]", 'issuer = "local"', "[network]", 'ingress_ip = "192.168.1.240"']
        lines += ['load_balancer_range = "192.168.1.240-192.168.1.245"', *([f'api_vip = "{vip}"'] if vip else [])]
        lines += ["[mirrors]", f'k3s = "http://{GATEWAY}:{MIRROR_PORT}"', f'k3s_sha256 = "{self.k3s_sha256[self.version]}"', *mirrors]
        for server in servers:
            lines += ["[[servers]]", *(f"{key} = {json.dumps(value)}" for key, value in server.items())]
        path = self.folder / f"{NAME}.toml"
        path.write_text("\n".join(lines) + "\n")
        app = App(outdir=str(self.out))
        ServersStack(app, load_location(path), self.identity, self.version, self.issuer_ca)
        app.synth()

    def apply(self) -> Applied:
        """`terraform apply`."""
        return self._terraform("apply", "-auto-approve")

    def start_apply(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """`terraform apply` in the background."""
        folder = self._initialised()
        command = [*self._prefix, "terraform", "apply", "-auto-approve", "-input=false", f"-var-file={self._variables}"]
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)

    def destroy(self) -> Applied:
        """`terraform destroy`."""
        return self._terraform("destroy", "-auto-approve")

    def admin_kubeconfig(self) -> Path:
        """The output `k3s_kubeconfig_for_admins`, as a file."""
        path = self.folder / "admin.kubeconfig"
        command = [*self._prefix, "terraform", "output", "-raw", "k3s_kubeconfig_for_admins"]
        path.write_text(subprocess.run(command, cwd=self._initialised(), check=True, capture_output=True, text=True).stdout)
        return path

    def rotate_ssh_key(self, private_key: str) -> None:
        """Give Terraform another key from now on."""
        self._ssh_private_key = private_key
        self._variables.write_text(json.dumps({**json.loads(self._variables.read_text()), "ssh_private_key": private_key}))

    def replace(self, *steps: str) -> None:
        """Have the next apply take these steps of all servers again."""
        for address in self._run(self._initialised(), "state", "list").output.split():
            if any(f"k3s_{step}-" in address for step in steps):
                self._run(self.out / "stacks" / NAME, "taint", address)

    def plan(self) -> Applied:
        """`terraform plan`; code 0 means that nothing would change, 2 that something would."""
        return self._terraform("plan", "-detailed-exitcode")

    def _terraform(self, *command: str) -> Applied:
        return self._run(self._initialised(), *command, "-input=false", f"-var-file={self._variables}")

    def _initialised(self) -> Path:
        folder = self.out / "stacks" / NAME
        backend = {"terraform": {"backend": {"local": {"path": str(self.folder / "state")}}}}
        (folder / "override.tf.json").write_text(json.dumps(backend))
        initialised = self._run(folder, "init", "-input=false")
        assert initialised.code == 0, initialised.output
        return folder

    def _run(self, folder: Path, *command: str) -> Applied:
        done = subprocess.run(
            [*self._prefix, "terraform", *command, *([] if command[0] == "state" else ["-no-color"])],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        return Applied(done.returncode, done.stdout)

    def secret_marks(self) -> Mapping[str, str]:
        """For each secret a piece of text that betrays it, plain and as base64."""
        secrets = {**secret_values(self.identity), "ssh key": self._ssh_private_key, **self._tokens()}
        marks: dict[str, str] = {}
        for name, text in secrets.items():
            lines = text.splitlines()
            marks[name] = lines[len(lines) // 2]
            marks[f"{name}, base64"] = base64.b64encode(text.encode()).decode().rstrip("=")[-60:-1]
        return marks

    def _tokens(self) -> Mapping[str, str]:
        """The tokens whole: inside them, a password's base64 is another than by itself."""
        digest = hashlib.sha256(self.identity.server_ca.encode()).hexdigest()
        passwords = {"server": self.identity.server_password, "node": self.identity.agent_password}
        return {f"{user} token": f"K10{digest}::{user}:{password}" for user, password in passwords.items()}

    @contextmanager
    def watching_processes(self) -> Generator[list[str]]:
        """Collect the secrets seen in any command line or environment of this machine, the hosts' processes included.

        Terraform's own environment is not looked at: variables come by file.
        """
        marks, seen, done = self.secret_marks(), list[str](), threading.Event()

        def look() -> None:
            while not done.wait(0.005):
                for process in Path("/proc").glob("[0-9]*"):
                    for kind in ("cmdline", "environ"):
                        try:
                            text = (process / kind).read_bytes().decode(errors="replace")
                        except OSError:
                            continue
                        seen.extend(f"{name} in {kind} of {text[:60]!r}" for name, mark in marks.items() if mark in text)

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield seen
        finally:
            done.set()
            watcher.join()

    def files_with_secrets(self, host: Host) -> set[str]:
        """Files on *host*, memory file systems included, that hold a secret."""
        marks = "\n".join(self.secret_marks().values())
        found = host.run("grep -rlF -f - / --exclude-dir=proc --exclude-dir=sys --devices=skip 2>/dev/null; true", stdin=marks + "\n")
        said = host.run("journalctl -o cat --no-pager")
        assert [name for name, mark in self.secret_marks().items() if mark in said] == [], "a log shows a secret"
        return set(found.splitlines())


def server(host: Host, role: str = "server", **changes: str | list[str]) -> Mapping[str, str | int | list[str]]:
    """The `[[servers]]` entry of *host*."""
    return {"name": host.name, "role": role, "ip": host.ip, "ssh_host_key": host.host_key, **changes}


def _variable(stack: TerraformStack, name: str, *, secret: bool) -> str:
    return TerraformVariable(stack, name, type="string", sensitive=secret).string_value


def _by_variables(stack: TerraformStack, identity: Identity) -> Identity:
    def pair(slug: str) -> KeyPair:
        return KeyPair(certificate=_variable(stack, f"{slug}_crt", secret=False), key=_variable(stack, f"{slug}_key", secret=True))

    return Identity(
        authorities={name: pair(name.replace("/", "_")) for name in identity.authorities},
        service_key=_variable(stack, "service_key", secret=True),
        server_password=_variable(stack, "server_password", secret=True),
        agent_password=_variable(stack, "agent_password", secret=True),
        admin=pair("admin"),
    )


def _variable_values(identity: Identity) -> dict[str, str]:
    pairs = {**identity.authorities, "admin": identity.admin}
    values = {f"{name.replace('/', '_')}_crt": pair.certificate for name, pair in pairs.items()}
    values |= {f"{name.replace('/', '_')}_key": pair.key for name, pair in pairs.items()}
    values |= {"service_key": identity.service_key}
    return values | {"server_password": identity.server_password, "agent_password": identity.agent_password}
