"""A location of several test hosts, and what its cluster says of itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.hosts.deployment import Applied, Deployment, server
from tests.hosts.lab import Host, Lab

ROOT = Path(__file__).parents[2]
VIP = "192.168.1.252"
ADDRESSES = {
    **{f"s{number}": f"192.168.1.1{number}" for number in range(1, 6)},
    **{f"a{number}": f"192.168.1.2{number}" for number in range(1, 3)},
}
TLS = "/var/lib/rancher/k3s/server/tls"
ETCDCTL = (
    "/opt/engines/etcdctl --endpoints=https://127.0.0.1:2379 --command-timeout=10s"
    f" --cacert={TLS}/etcd/server-ca.crt --cert={TLS}/etcd/client.crt --key={TLS}/etcd/client.key"
)
KILL_YOUNG = """
pid() { systemctl show -P MainPID k3s; }
for seconds; do
  until [ "$(pid)" -gt 0 ] && [ -d /var/lib/rancher/k3s/server/db/etcd/member/wal ]; do sleep 0.05; done
  sleep "$seconds"
  [ "$(pid)" -eq 0 ] || { kill -9 "$(pid)" && echo "$seconds" >> /root/killed-young; }
  until [ "$(pid)" = 0 ]; do sleep 0.05; done
done
"""


@dataclass
class Fleet:
    """`roles`: of the servers in the location file, in its order."""

    lab: Lab
    deployment: Deployment
    roles: dict[str, str]
    hosts: dict[str, Host] = field(default_factory=dict[str, Host])
    domain: str = "test.example.com"
    first: Applied = field(default_factory=lambda: Applied(-1, "not applied"))

    @property
    def control_plane(self) -> list[str]:
        """Servers in role `server`."""
        return [name for name, role in self.roles.items() if role == "server"]

    def boot(self, *names: str) -> None:
        """Start empty machines; one of that name that runs is switched off for good."""
        for name in names:
            self.hosts[name] = self.lab.start_host(name, ADDRESSES[name])

    def describe(self) -> None:
        """Write the location file as `roles` and `domain` are now."""
        entries = [server(self.hosts[name], role) for name, role in self.roles.items()]
        self.deployment.describe(entries, vip=VIP, domain=self.domain, backup=True)

    def apply(self) -> Applied:
        """Describe, and apply."""
        self.describe()
        return self.deployment.apply()

    def operate(self, what: str, *arguments: str, stdin: str = "") -> Applied:
        """`python -m stacks.operations …`, as make runs it."""
        files = (str(self.deployment.folder / "test.toml"), "--key", str(self.lab.folder / "id"))
        command = [*self.lab.inside, sys.executable, "-m", "stacks.operations", what, *files, *arguments]
        done = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=600, check=False)
        return Applied(done.returncode, done.stdout + done.stderr)

    def kubectl(self, command: str, *, on: str = "s1", stdin: str | None = None) -> str:
        """Output of kubectl on a server."""
        return self.hosts[on].run(f"k3s kubectl --request-timeout=20s {command}", stdin=stdin)

    def nodes(self, on: str = "s1") -> Mapping[str, tuple[bool, str]]:
        """Each Node's readiness and version."""
        found: dict[str, tuple[bool, str]] = {}
        for node in json.loads(self.kubectl("get nodes -o json", on=on))["items"]:
            conditions = {each["type"]: each["status"] for each in node["status"].get("conditions", [])}
            found[node["metadata"]["name"]] = (conditions.get("Ready") == "True", node["status"]["nodeInfo"]["kubeletVersion"])
        return found

    def all_ready(self, on: str = "s1") -> bool:
        """Whether the Nodes are exactly the servers of the location file, each ready."""
        nodes = self.nodes(on)
        return set(nodes) == set(self.roles) and all(ready for ready, _ in nodes.values())

    def goes_on(self) -> bool:
        """Whether all servers are ready and members, as far as can be told just now."""
        try:
            return self.all_ready() and self.members() == self.control_plane
        except AssertionError:
            return False

    def members(self, on: str = "s1") -> list[str]:
        """Servers that are members of etcd."""
        listed = json.loads(self.hosts[on].run(f"{ETCDCTL} member list -w json"))["members"]
        return sorted(member["name"].rpartition("-")[0] for member in listed)

    def foundings(self) -> list[str]:
        """Running servers that founded a cluster rather than join one."""
        said = {name: host.run("journalctl -u k3s -o cat --no-pager") for name, host in self.hosts.items() if host.process.poll() is None}
        return [name for name, text in said.items() if "Starting etcd for new cluster, cluster-reset=false" in text]

    def kill_young(self, name: str, *seconds: float) -> None:
        """Have K3s of a server killed so many seconds after etcd's WAL appears, at one start after another."""
        self.hosts[name].run("cat > /root/kill-young", stdin=KILL_YOUNG)
        self.hosts[name].run(f"systemd-run --quiet sh /root/kill-young {' '.join(map(str, seconds))}")

    def started(self, name: str) -> str:
        """Tells one start of K3s from another."""
        return self.hosts[name].run("systemctl show -p MainPID k3s; cat /proc/sys/kernel/random/boot_id")
