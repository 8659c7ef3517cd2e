"""`make preflight`: is each server fit for K3s? Changes nothing."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from rich.console import Console
from rich.table import Table

from ib_constructs.cluster.k3s import preflight_environment
from ib_constructs.cluster.ssh import NO_SUDO
from stacks.cluster import k3s_servers, k3s_settings
from stacks.config.schema import Location
from stacks.operations.remote import Remote, RemoteError

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@dataclass(frozen=True)
class Finding:
    """What one check came to on one server. `state`: ok, warning or problem."""

    server: str
    check: str
    state: str
    found: str
    remedy: str = ""


def preflight(location: Location, remotes: Sequence[Remote], console: Console) -> int:
    """Print a table of all checks on all servers; returns the number of problems."""
    with ThreadPoolExecutor(len(remotes)) as pool:
        found = [finding for findings in pool.map(partial(_check, location), remotes) for finding in findings]
    found += _not_unique(found)
    console.print(_table(location, found))
    problems = [finding for finding in found if finding.state == "problem"]
    for finding in found:
        if finding.state != "ok":
            console.print(f"[{COLOURS[finding.state]}]{finding.server}[/]: {finding.found}. {finding.remedy}", soft_wrap=True)
    console.print(f"{len(remotes)} servers, {len(found)} checks, {len(problems)} problems. Nothing was changed.")
    return len(problems)


def _check(location: Location, remote: Remote) -> list[Finding]:
    servers = k3s_servers(location)
    (server,) = (server for server in servers if server.name == remote.name)
    environment = {
        **preflight_environment(
            server,
            servers,
            k3s_settings(location),
            ingress_ip=str(location.network.ingress_ip),
            shared_storage=location.storage.longhorn,
            gpu_runtime=location.gpu.runtime,
        ),
        "SILENT_PEER": "problem",
        # Whose K3s is there already can only be told with the state at hand.
        "FINGERPRINT": "",
        "CA_SHA256": "",
        "NOW": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "REPORT": "yes",
    }
    try:
        lines = remote.run_script("preflight", environment).splitlines()
    except RemoteError as error:
        if "sudo: " in str(error):
            user = remote.server.ssh_user
            remedy = f"As root on it: apt-get install -y sudo && echo '{user} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{user}"
            return [Finding(remote.name, "sudo", "problem", f"{user} {NO_SUDO}", remedy)]
        remedy = "Check that the server is on, and its ssh_host, ssh_port and ssh_host_key; name your own key with SSH_KEY=<file>."
        return [Finding(remote.name, "SSH", "problem", str(error).removeprefix(f"{remote.name}: "), remedy)]
    return [Finding(remote.name, *line.split("|", 3)) for line in lines]


def _not_unique(found: Sequence[Finding]) -> list[Finding]:
    """Machines cloned from one disk have one machine id, which no server can see by itself."""
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for finding in found:
        if finding.check == "machine-id" and finding.state == "ok":
            owners[finding.found].append(finding.server)
    remedy = "On all but one: rm -f /etc/machine-id && systemd-machine-id-setup, then reboot."
    return [
        Finding(names[-1], "machine-id", "problem", f"{value}, as is that of {', '.join(names[:-1])}", remedy)
        for value, names in owners.items()
        if len(names) > 1
    ]


def _table(location: Location, found: Sequence[Finding]) -> Table:
    """A row for each check and a column for each server."""
    servers = [server.name for server in location.servers]
    states = {(finding.check, finding.server): finding.state for finding in found}
    table = Table(title=f"Preflight of {location.name}", title_justify="left")
    table.add_column("Check", overflow="fold")
    for name in servers:
        table.add_column(name, justify="center")
    for check in dict.fromkeys(finding.check for finding in found):
        cells = [states.get((check, name), "") for name in servers]
        table.add_row(check, *(f"[{COLOURS[state]}]{state}[/]" if state else "" for state in cells))
    return table
