"""No value of a location file is more than a value: what Terraform, a shell or YAML would read in it is refused."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from stacks.config.loader import LOCATIONS, LocationError, parse_location, sections_in
from stacks.config.schema import Location

MORE = """
domain = "stalpeni.example.com"
[dns]
public_hostname = "line.example.net"
[control.dollar_rate]
rate = 1.0842
date = 2026-11-30
[mirrors]
k3s = "http://mirror.example.com/k3s"
k3s_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
k3s_images_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
images = "https://mirror.example.com"
charts = "/srv/charts"
[[registries]]
host = "harbor.lan:5000"
username = "robot$k3s"
ca = '''
-----BEGIN CERTIFICATE-----
MIIBLjCB1KADAgECAgEBMAoGCCqGSM49BAMCMBUxEzARBgNVBAMMCkV4YW1wbGUg
Q0EwIBcNMjYwMTAxMDAwMDAwWhgPMjEyNjAxMDEwMDAwMDBaMBUxEzARBgNVBAMM
CkV4YW1wbGUgQ0EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQwvSWdCe4GEhF0
YBnZYpum2o4PVvbNQCqqmDsmK7fMTu2ysswf0GYL3jFlpir6l5sQXGndweS9ybZH
v5/osAMSoxMwETAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDA
sEDSQ3r3Jr1smGP+outi9Uj104gtSgswBX350giZqQIhAOyHXVXXGFLdDGR5bJpv
TzlY6UwHZCG+RQsacQbc/a6U
-----END CERTIFICATE-----
'''
"""
"""Keys that the example only mentions."""
HOSTILE = (
    '${file("/etc/hostname")}',
    "${var.ssh_private_key}",
    "%{ if true }x%{ endif }",
    "$(id)",
    "`id`",
    "x;id;#",
    "x|id",
    "x&id",
    "x>y",
    "x\nid: 0",
    "x\r",
    "x\0",
    "\x1b[2J",
    "'",
    '"',
    "\\",
    "{{ .Values }}",
    "<b>",
    "*",
    "-oProxyCommand=id",
    "x y: z",
    "#x;",
    "\u202ex",
    "",
    "x" * 2000,
)


def example() -> dict[str, Any]:
    """A location file with every key there is."""
    told = tomllib.loads((LOCATIONS / "example.toml").read_text())
    for table, values in tomllib.loads(MORE).items():
        if isinstance(values, dict):
            told.setdefault(table, {}).update(values)
        elif isinstance(values, list):
            told[table] = values
    return {**told, "name": "stalpeni"}


def fields(model: type[BaseModel] = Location, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where each value of a location file stands."""
    for name, field in model.model_fields.items():
        inner = list(sections_in(field.annotation))
        if not inner:
            yield (*path, name, 0) if "list" in str(field.annotation) else (*path, name)
        for section in inner:
            at = (*path, name, 0) if "list" in str(field.annotation) else (*path, name)
            yield from fields(section, at)


FIELDS = list(fields())


def with_value(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    told: Any = copy.deepcopy(example())
    table = told
    for part in path[:-1]:
        table = table[part]
    table[path[-1]] = value
    return told  # type: ignore[no-any-return]


def value_at(path: tuple[str | int, ...]) -> object:
    found: Any = example()
    for part in path:
        found = found[part]
    return found


def accepted(path: tuple[str | int, ...], value: str) -> bool:
    """Whether *value* comes through as it stands: a rule about something else refuses no value."""
    try:
        location = parse_location(with_value(path, value), "x.toml")
    except LocationError as error:
        at = ".".join(str(part) for part in path if not isinstance(part, int)).removeprefix("servers.")
        return not any(re.search(rf"\b{at.split('.')[-1]}(\.1)?:", problem) for problem in error.problems)
    found: Any = location
    for part in path:
        found = found[part] if isinstance(part, int) else getattr(found, part)
    return value in str(found)


def test_each_field_there_is_has_a_good_value_to_put_a_hostile_one_behind(record_property: Any) -> None:
    assert [path for path in FIELDS if value_at(path) is None] == []
    record_property("counted", f"{len(FIELDS)} fields of a location file, {2 * len(HOSTILE) - 1} hostile values each: none accepted")


@pytest.mark.parametrize("path", FIELDS, ids=lambda path: ".".join(str(part) for part in path))
def test_a_hostile_value_is_refused_alone_and_behind_a_good_one(path: tuple[str | int, ...]) -> None:
    good = str(value_at(path))
    tried = [*HOSTILE, *(good + hostile for hostile in HOSTILE if hostile)]
    assert [value for value in tried if accepted(path, value)] == []


def test_values_that_people_have_are_accepted() -> None:
    fine = {
        ("servers", 0, "ssh_host"): ("203.0.113.10", "line.example.com", "s1", "s1.lan"),
        ("operators", 0, "email"): ("ana.pop+k3s@mail.example.co.uk", "Ana_Pop@example.com", "a@b.io"),
        ("mirrors", "images"): ("http://harbor.lan:5000", "https://10.1.2.3/v2/proxy", "https://mirror.example.com/"),
        ("mirrors", "charts"): ("charts", "/srv/charts-1.2", "https://mirror.example.com/charts"),
        ("backup", "s3", "endpoint"): ("https://s3.eu-central-1.amazonaws.com", "http://minio.lan:9000"),
        ("backup", "s3", "bucket"): ("abc", "my.backups-2", "0" * 62 + "a"),
        ("backup", "s3", "region"): ("eu", "us-east-1", "auto"),
        ("control", "odoo", "database"): ("example", "Example_1.prod"),
        ("control", "odoo", "product"): ("AI-INFERENCE", "AI inference 1/2"),
        ("monitoring", "slack", "billing"): ("#billing", "#facturare-ro", "#plată"),
        ("terraform_cloud", "organization"): ("example-org", "Example_Org"),
        ("certificates", "issuer"): ("letsencrypt-staging",),
        ("servers", 0, "ssh_user"): ("ana", "_k3s", "terraform-1"),
        ("servers", 0, "labels", 0): ("a=", "a=b", "topology.kubernetes.io/region=eu", "nvidia.com/x.y=whole"),
        ("servers", 0, "taints", 0): ("a:NoSchedule", "x.io/a=b:NoExecute", "node-role.kubernetes.io/control-plane:NoSchedule"),
        ("registries", 0, "host"): ("harbor.lan", "10.1.2.3:5000", "registry-1.docker.io", "ghcr.io:443"),
        ("registries", 0, "username"): ("ana", "robot$proj+k3s", "AWS", "ana@example.com"),
    }
    refused = [(path, value) for path, values in fine.items() for value in values if not accepted(path, value)]
    assert refused == []
