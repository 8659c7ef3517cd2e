"""What operations ask of the cluster, through the K3s of one of its servers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from stacks.operations.remote import Remote, RemoteError


def wait_for(what: str, seconds: float, condition: Callable[[], bool]) -> None:
    """Poll until *condition* holds.

    Raises RemoteError: it does not within *seconds*; names *what* did not come.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RemoteError(f"not within {seconds:.0f} s: {what}")
        time.sleep(1)


def helper_for(server: Remote, remotes: Sequence[Remote]) -> Remote:
    """Another server in role `server`, through which the API is reached while *server* is away; itself where it is the only one."""
    others = [remote for remote in remotes if remote.server.role == "server" and remote is not server]
    return others[0] if others else server


def ready_nodes(through: Remote) -> dict[str, bool]:
    """Each Node's name, and whether it is ready and may take pods.

    Raises RemoteError: the API does not answer.
    """
    nodes = json.loads(through.kubectl("get nodes -o json"))["items"]
    ready: dict[str, bool] = {}
    for node in nodes:
        conditions = {condition["type"]: condition["status"] for condition in node["status"].get("conditions", [])}
        ready[node["metadata"]["name"]] = conditions.get("Ready") == "True" and not node["spec"].get("unschedulable", False)
    return ready


def is_ready(through: Remote, name: str) -> bool:
    """Whether the Node is ready, as far as *through* can tell just now."""
    try:
        return ready_nodes(through).get(name, False)
    except RemoteError:
        return False


def reports_boot(through: Remote, name: str, boot_id: str) -> bool:
    """Whether the kubelet of *name* has told the API of the boot with this id."""
    done = through.attempt(f"k3s kubectl --request-timeout=20s get node {name} -o jsonpath={{.status.nodeInfo.bootID}}")
    return done.returncode == 0 and done.stdout == boot_id


def serves_the_api(remote: Remote) -> bool:
    """Whether this server's own API server is ready, its etcd included."""
    return remote.attempt("k3s kubectl --request-timeout=20s get --raw /readyz").returncode == 0


def check_all_ready(through: Remote, remotes: Sequence[Remote]) -> None:
    """Refuse to go on while a server of the location is not well.

    Raises RemoteError: names those that are not.
    """
    ready = ready_nodes(through)
    missing = [remote.name for remote in remotes if not ready.get(remote.name, False)]
    if missing:
        raise RemoteError(
            f"not ready, or cordoned: {', '.join(missing)}. Another server away could stop the cluster."
            f" Repair it (journalctl -u k3s there), or let it take pods again (kubectl uncordon {missing[0]}), then start over."
        )
