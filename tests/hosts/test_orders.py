"""Whatever becomes of a location's servers in one deploy, Terraform finds an order for the steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from ib_constructs.versions import K3S_VERSION
from tests.hosts.deployment import NAME, Deployment
from tests.hosts.keys import SshKey

CHANGES = [
    ("s1", "s1 s2 s3"),
    ("s1 s2 s3", "s1"),
    ("s1 s2 s3", "s3"),
    ("s1", "s1 s2 s3 s4 s5"),
    ("s1 s2 s3 s4 s5", "s4 s2 s5"),
    ("s1 s2 s3", "s3 s2 s1"),
    ("s1 s2 s3", "s0 s2 s3"),
    ("s1 s2=agent", "s1"),
    ("s1 s2=agent", "s1=agent s2"),
    ("s1 s2 s3 s4=agent", "s1 s2 s3=agent s4"),
    ("s1 s2 s3 s4=agent", "s1=agent s2 s3 s4"),
    ("s1 s2 s3", "s1 s2=agent s3=agent"),
    ("s1 s2 s3", "s1=agent s2=agent s3"),
    ("s1=agent s2=agent s3", "s1 s2 s3"),
    ("s1 s2 s3 s4=agent", "s3 s4=agent"),
    ("s1 s2 s3 s4=agent s5=agent", "s4 s5 s1 s2=agent s3=agent"),
]


class Steps(Deployment):
    """A deployment whose steps do nothing: what is left is their order."""

    def _initialised(self) -> Path:
        path = self.out / "stacks" / NAME / "cdk.tf.json"
        document = json.loads(path.read_text())
        for resource in document["resource"]["terraform_data"].values():
            resource.pop("provisioner", None)
        path.write_text(json.dumps(document))
        return super()._initialised()


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_servers_come_leave_and_change_roles_in_one_deploy(tmp_path: Path, before: str, after: str) -> None:
    deployment = Steps([], SshKey.make(ed25519.Ed25519PrivateKey).private, tmp_path, {K3S_VERSION: "0" * 64})
    keys = {f"s{number}": SshKey.make(ec.EllipticCurvePrivateKey).public for number in range(6)}
    for servers in (before, after):
        entries: list[dict[str, str | int]] = []
        for name, _, role in (server.partition("=") for server in servers.split()):
            entries.append({"name": name, "role": role or "server", "ip": f"192.168.1.1{name[1]}", "ssh_host_key": keys[name]})
        deployment.describe(entries, vip="192.168.1.252")
        applied = deployment.apply()
        assert applied.code == 0, applied.output
