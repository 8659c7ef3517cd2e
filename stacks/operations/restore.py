"""`make snapshots`, `make restore` and `make recover`: etcd's snapshots, and the ways back from a loss."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from stacks.config.schema import Location
from stacks.operations.cluster import is_ready, serves_the_api, wait_for
from stacks.operations.remote import Remote, RemoteError

FOLDER = "/var/lib/rancher/k3s/server/db/snapshots"
UPLOADED = f"{FOLDER}/uploaded"


def list_snapshots(location: Location, remotes: Sequence[Remote], console: Console) -> None:
    """Print the snapshots on each server's own disk, the newest last."""
    table = Table(title=f"Snapshots of {location.name}", title_justify="left")
    for column in ("Server", "Made (UTC)", "MiB", "SNAPSHOT="):
        table.add_column(column, overflow="fold")
    for remote in _control_plane(remotes):
        listed = remote.run(f"TZ=UTC find {FOLDER} -maxdepth 1 -type f -printf '%TY-%Tm-%Td %TH:%TM|%s|%f\\n' 2>/dev/null | sort; true")
        for line in listed.splitlines():
            made, size, name = line.split("|")
            table.add_row(remote.name, made, f"{int(size) / 2**20:.1f}", name)
    console.print(table)


def take_snapshot(location: Location, remotes: Sequence[Remote], console: Console) -> None:
    """Save an etcd snapshot now on the disk of the first server in role `server`, and another in the bucket where there is one.

    In one step K3s would ask for the bucket first, and save nothing at all where it is away (k3s-io/k3s, pkg/etcd/snapshot.go).
    Raises RemoteError: the server cannot be reached, or K3s does not save it; the text says what is saved all the same.
    """
    first = _control_plane(remotes)[0]
    _save(first, "not saved", "--name by-hand --etcd-s3=false")
    console.print(f"{first.name}: a snapshot is saved on its disk")
    if location.backup:
        _save(first, "saved on its disk only, and not in the bucket", "--name by-hand-uploaded")
        console.print(f"{first.name}: a snapshot is saved in the bucket")


def _save(remote: Remote, otherwise: str, options: str) -> None:
    done = remote.attempt(f"k3s etcd-snapshot save {options}")
    if done.returncode:
        # K3s warns of each key of its configuration that is none of this command's, some thirty lines (pkg/configfilearg).
        lines = [line for line in done.stderr.splitlines() if "Unknown flag" not in line]
        fatal = [line for line in lines if "level=fatal" in line or "level=error" in line]
        raise RemoteError(f"{remote.name}: the snapshot is {otherwise}: {' '.join((fatal or lines)[-1:]) or 'K3s gave no reason'}")


def restore(location: Location, remotes: Sequence[Remote], snapshot: str, console: Console) -> None:
    """Bring the cluster back to *snapshot*: a file's name on one of the servers, or the path of a file here.

    Raises RemoteError: a server does not answer, or none has the snapshot, and nothing is changed; the snapshot cannot be
    restored, and all go on with what they had; or a later step fails, and can be taken again.
    """
    _check_all_answer(remotes)
    control_plane = _control_plane(remotes)
    holder, path = _find(control_plane, snapshot)
    console.print(f"{holder.name} goes back to {path}")
    _go_back(location, remotes, holder, {"STEP": "restore", "SNAPSHOT": path}, console)
    console.print(
        f"{location.name} is restored: {len(remotes)} nodes are ready. Deploy it now, so that what came after the snapshot is made again."
    )


def recover(location: Location, remotes: Sequence[Remote], name: str, console: Console) -> None:
    """Let the cluster go on with what the etcd of the server *name* has, where etcd lost its majority for good; no snapshot is needed.

    Raises RemoteError: no server in role `server` has that name, a server does not answer, or the API does, and nothing is
    changed; K3s refuses, and all go on with what they had; or a later step fails, and can be taken again.
    """
    names = {remote.name: remote for remote in _control_plane(remotes)}
    if name not in names:
        raise RemoteError(f"no server in role server is named {name}; there are {', '.join(names)}")
    _check_all_answer(remotes)
    well = [remote.name for remote in names.values() if serves_the_api(remote)]
    if well:
        raise RemoteError(
            f"the API of {', '.join(well)} is ready, so etcd has its majority; nothing was changed."
            " A server that is not well joins again when K3s is restarted there."
        )
    console.print(f"{name} goes on with what its etcd has")
    _go_back(location, remotes, names[name], {"STEP": "recover"}, console)
    console.print(f"{location.name} goes on: {len(remotes)} nodes are ready. Deploy it now, so that servers that are gone are replaced.")


def _go_back(location: Location, remotes: Sequence[Remote], holder: Remote, step: Mapping[str, str], console: Console) -> None:
    """All stop, *holder* takes its *step* to be the only member of etcd, the others join it with an empty one."""
    control_plane = _control_plane(remotes)
    others = [remote for remote in control_plane if remote is not holder]
    console.print(f"{', '.join(remote.name for remote in others) or 'no other'} joins it again")
    for remote in control_plane:
        console.print(remote.run_script("restore", {"STEP": "stop"}), end="")
    try:
        console.print(holder.run_script("restore", step), end="")
    except RemoteError:
        for remote in control_plane:
            remote.run_script("restore", {"STEP": "resume"})
        raise
    address = str(location.network.api_vip or holder.server.ip)
    for remote in others:
        console.print(remote.run_script("restore", {"STEP": "rejoin", "JOIN_ADDRESS": address}), end="")
    if others:
        holder.run_script("restore", {"STEP": "settle", "JOIN_ADDRESS": address})
    for remote in remotes:
        wait_for(f"node {remote.name} is ready", 300, partial(is_ready, holder, remote.name))


def _check_all_answer(remotes: Sequence[Remote]) -> None:
    silent = [remote.name for remote in remotes if remote.attempt("true").returncode]
    if silent:
        raise RemoteError(
            f"no answer from {', '.join(silent)}; nothing was changed. With what its etcd has it could go on as the old cluster:"
            f" switch it off for good, leave it out (WITHOUT={','.join(silent)}), and install it anew afterwards."
        )


def _control_plane(remotes: Sequence[Remote]) -> list[Remote]:
    return [remote for remote in remotes if remote.server.role == "server"]


def _find(control_plane: Sequence[Remote], snapshot: str) -> tuple[Remote, str]:
    if "/" not in snapshot:
        for remote in control_plane:
            path = f"{FOLDER}/{snapshot}"
            if remote.attempt(f"test -f {shlex.quote(path)}").returncode == 0:
                return remote, path
        names = ", ".join(remote.name for remote in control_plane)
        raise RemoteError(
            f"no server ({names}) has a snapshot named {snapshot}; `make snapshots` lists them. A file here is named by its path, with a /."
        )
    try:
        content = Path(snapshot).read_bytes()
    except OSError as error:
        raise RemoteError(f"{snapshot} cannot be read: {error.strerror}") from None
    first = control_plane[0]
    path = f"{UPLOADED}/{Path(snapshot).name}"
    first.run(f"install -d -m 0700 {UPLOADED} && umask 077 && cat > {shlex.quote(path)}", content)
    return first, path
