"""Provisioners that run our scripts on a server over SSH.

cdktf's typed provisioners know neither `when` nor `on_failure`, so these are Terraform's JSON, given to
a resource by `add_override`. Where a server is is read from `self.input`, since a destroy-time provisioner may refer to
nothing else; so a moved SSH port is an update in place and no reinstallation.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdktf import Fn


def connection(private_key: str, on: Server | None = None) -> dict[str, Any]:
    """The way to the server whose `connection_input` is the resource's input, or to the one that is given."""
    # In the state only where it is not root, so that what was deployed before there was a choice can still leave.
    user = on.ssh_user if on else '${try(self.input.user, "root")}'
    return {
        "type": "ssh",
        "user": user,
        "host": on.ssh_host if on else "${self.input.host}",
        "port": on.ssh_port if on else "${self.input.port}",
        "private_key": private_key,
        "host_key": on.ssh_host_key if on else "${self.input.host_key}",
        "agent": False,
        "timeout": "30s",
        # Terraform's default is /tmp, which may be noexec, with mode 0777.
        "script_path": f"{_home(on)}/.terraform-%RAND%.sh",
    }


def _home(on: Server | None) -> str:
    """Where whoever logs in may write."""
    if on:
        return "/root" if on.ssh_user == "root" else f"/home/{on.ssh_user}"
    return '${try(self.input.user, "root") == "root" ? "/root" : "/home/${try(self.input.user, "root")}"}'


@dataclass(frozen=True, kw_only=True)
class Server:
    """A machine and the way to its sshd. `ssh_host_key`: its ECDSA public key, `ecdsa-sha2-nistp256 AAAA…`.

    `ssh_user`: root, or who may use sudo for everything without a password, with a home in /home.
    `labels` (`key=value`), `taints` (`key=value:effect`): what its Node has besides.
    """

    name: str
    role: str
    ip: str
    ssh_host: str
    ssh_port: int
    ssh_host_key: str
    ssh_user: str = "root"
    labels: Sequence[str] = ()
    taints: Sequence[str] = ()

    def connection_input(self) -> dict[str, Any]:
        """The part of a resource's `input` from which `connection` reads the way to this server."""
        user = {} if self.ssh_user == "root" else {"user": self.ssh_user}
        return {"name": self.name, "host": self.ssh_host, "port": self.ssh_port, "host_key": self.ssh_host_key, **user}


NO_SUDO = "may not use sudo without a password, or there is no sudo"
BECOME_ROOT = (
    '[ "$(id -u)" = 0 ] && sudo= || sudo="sudo -n"',
    (
        f'$sudo true || {{ echo "$(uname -n): $(id -un) {NO_SUDO}. As root: '
        "echo '$(id -un) ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/$(id -un)\" >&2; exit 1; }"
    ),
)
"""Shell lines after which `$sudo` makes a command root's, whoever logged in."""

Provisioner = dict[str, dict[str, Any]]


def check_reachable(scripts: str) -> Provisioner:
    """On Terraform's own machine: say in words what an SSH time-out or key mismatch would say in none."""
    environment = {
        "SERVER_NAME": "${self.input.name}",
        "SSH_HOST": "${self.input.host}",
        "SSH_PORT": "${self.input.port}",
        "SSH_HOST_KEY": "${self.input.host_key}",
    }
    return {"local-exec": {"command": f"sh {scripts}/reach.sh", "environment": environment}}


def check_volumes(scripts: str, private_key: str, helpers: Sequence[Server]) -> Provisioner:
    """On Terraform's own machine, before a server leaves: fails where it would take the only copy of a volume with it.

    Not a `remote-exec`, which could not tell a server that says no from one that does not answer. *private_key* is not marked as
    a secret. *helpers*: those that are asked.
    """
    lines = [f"{helper.name} {helper.ssh_user} {helper.ssh_host} {helper.ssh_port} {helper.ssh_host_key}" for helper in helpers]
    environment = {
        "NODE": "${self.input.name}",
        "HELPERS": "\n".join(lines),
        "SSH_PRIVATE_KEY": private_key,
    }
    return {"local-exec": {"command": f"sh {scripts}/keep.sh", "environment": environment, "when": "destroy"}}


def run_script(  # noqa: PLR0913 - what is run, with what, where and when
    scripts: str,
    script: str,
    environment: Mapping[str, str],
    *,
    private_key: str,
    files: Mapping[str, str] | None = None,
    on: Server | None = None,
    leaving: bool = False,
) -> list[Provisioner]:
    """Upload the scripts (and *files*) to a 0700 directory in memory and run one of them; it removes the directory.

    *files* may hold secrets, *environment* may not: it is part of the command, so that the output stays visible.
    A timer removes the directory when the run is killed before the script can.
    *on*: the server to run on, where it is not the resource's own.
    With *leaving* this happens when the resource is destroyed, and a server that is gone does not stop the plan.
    """
    subject = f"{script}-${{self.input.name}}"  # one server may work for several at a time
    stage = f"/run/inference-platform/{subject}"
    unit = f"inference-platform-clear-{subject}"
    prepare = [
        # Who logs in owns it for as long as the upload takes.
        f'$sudo rm -rf {stage} && $sudo install -d -m 0700 -o "$(id -un)" {stage}',
        f"$sudo systemctl stop {unit}.timer 2>/dev/null || true",
        f"$sudo systemd-run --quiet --collect --unit={unit} --on-active=20min rm -rf {stage}",
    ]
    variables = " ".join(f"{key}={_quote(value)}" for key, value in environment.items())
    steps: list[Provisioner] = [
        {"remote-exec": {"inline": ["set -eu", *BECOME_ROOT, *prepare]}},
        {"file": {"source": f"{scripts}/", "destination": stage}},
    ]
    if files:
        bundle = "".join(f"{name} {Fn.base64encode(content)}\n" for name, content in files.items())
        steps.append({"file": {"content": bundle, "destination": f"{stage}/files.bundle"}})
    steps.append({"remote-exec": {"inline": [BECOME_ROOT[0], f"$sudo env {variables} sh {stage}/{script}.sh"]}})
    for step in steps:
        for settings in step.values():
            settings.update(connection=connection(private_key, on))
            if leaving:
                settings.update(when="destroy", on_failure="continue")
    return steps


def _quote(value: str) -> str:
    """Quoted for the shell, with Terraform references left readable to Terraform."""
    return f"'{value}'" if "${" in value else shlex.quote(value)
