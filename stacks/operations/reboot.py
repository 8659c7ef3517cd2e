"""`make reboot`: all servers, one after another, each emptied before and ready again after."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from stacks.operations.cluster import check_all_ready, helper_for, is_ready, reports_boot, serves_the_api, wait_for
from stacks.operations.remote import Remote, RemoteError

SECONDS_TO_DRAIN = 300
SECONDS_TO_BOOT = 900  # servers with much memory take minutes to test it


def reboot(remotes: Sequence[Remote], chosen: Sequence[str], console: Console) -> None:
    """Reboot the *chosen* servers (all, where none is), those in role `server` first.

    Raises RemoteError: a server is not known, or does not come through; the ones after it are left alone.
    """
    names = [remote.name for remote in remotes]
    unknown = [name for name in chosen if name not in names]
    if unknown:
        raise RemoteError(f"no server is named {', '.join(unknown)}; the location has {', '.join(names)}")
    order = sorted(remotes, key=lambda remote: remote.server.role == "agent")
    for remote in order:
        if not chosen or remote.name in chosen:
            _reboot(remote, helper_for(remote, remotes), remotes, console)


def _reboot(remote: Remote, helper: Remote, remotes: Sequence[Remote], console: Console) -> None:
    check_all_ready(helper, remotes)
    before = _boot_id(remote)
    if helper is not remote:
        _drain(remote, helper, console)
    console.print(f"{remote.name}: reboots")
    # The connection ends with the server; what ssh makes of that says nothing.
    remote.attempt("systemctl reboot")
    wait_for(f"{remote.name} boots", SECONDS_TO_BOOT, lambda: _has_booted(remote, before))
    after = _boot_id(remote)
    # Until the kubelet is back its Node still says what was true before; and a member that is not back is no vote.
    wait_for(f"the kubelet of {remote.name} is back", SECONDS_TO_BOOT, lambda: reports_boot(helper, remote.name, after))
    if remote.server.role == "server":
        wait_for(f"the API of {remote.name} is ready", SECONDS_TO_BOOT, lambda: serves_the_api(remote))
    if helper is not remote:
        helper.kubectl(f"uncordon {remote.name}")
    wait_for(f"node {remote.name} is ready", SECONDS_TO_BOOT, lambda: is_ready(helper, remote.name))
    console.print(f"{remote.name}: is ready")


def _drain(remote: Remote, helper: Remote, console: Console) -> None:
    console.print(f"{remote.name}: is drained (at most {SECONDS_TO_DRAIN} s)")
    drain = f"k3s kubectl drain {remote.name} --ignore-daemonsets --delete-emptydir-data --timeout={SECONDS_TO_DRAIN}s"
    done = helper.attempt(drain)
    if done.returncode:
        helper.attempt(f"k3s kubectl uncordon {remote.name}")
        reasons = "\n".join(sorted({line for line in done.stderr.splitlines() if "error" in line.lower()})) or done.stderr
        raise RemoteError(f"{remote.name}: cannot be drained, and takes pods again:\n{reasons}")


def _boot_id(remote: Remote) -> str:
    return remote.run("cat /proc/sys/kernel/random/boot_id").strip()


def _has_booted(remote: Remote, before: str) -> bool:
    done = remote.attempt("cat /proc/sys/kernel/random/boot_id")
    return done.returncode == 0 and done.stdout.strip() != before
