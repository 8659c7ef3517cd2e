"""What an empty platform asks of its servers, from the synthesised values: `python -m stacks.reports.sizing` after `make synth`.

These are the containers' requests, which the scheduler keeps free; what models and customers' calls need comes on top.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import yaml
from rich.console import Console
from rich.table import Table

OUT = Path("cdktf.out") / "stacks"
Place = Literal["once", "each server", "each GPU server", "while it runs"]
# Where a part of a chart's values runs, if not once. The rest of a path is the chart's own nesting.
PLACES: Mapping[tuple[str, str], Place] = {
    ("metallb", "speaker"): "each server",
    ("longhorn", "longhornManager"): "each server",
    ("node-feature-discovery", "worker"): "each server",
    ("kube-prometheus-stack", "prometheus-node-exporter"): "each server",
    ("alloy", "alloy"): "each server",
    ("alloy", "configReloader"): "each server",
    ("velero", "nodeAgent"): "each server",
    ("gpu-operator", "devicePlugin"): "each GPU server",
    ("gpu-operator", "gfd"): "each GPU server",
    ("gpu-operator", "toolkit"): "each GPU server",
    ("gpu-operator", "dcgmExporter"): "each GPU server",
    ("gpu-operator", "validator"): "each GPU server",
    ("cert-manager", "startupapicheck"): "while it runs",
    ("ingress-nginx", "controller.admissionWebhooks"): "while it runs",
    ("kube-prometheus-stack", "prometheusOperator.admissionWebhooks"): "while it runs",
    ("velero", "initContainers"): "while it runs",
    ("velero", "kubectl"): "while it runs",
    ("kubeai", "resourceProfiles"): "while it runs",
}
REPLICAS = ("replicaCount", "replicas")
CPU = {"m": 1, "": 1000}
MEMORY = {"Mi": 1, "Gi": 1024}
DISK = {"Gi": 1}


@dataclass(frozen=True)
class Ask:
    """What one container asks for: `cpu` in millicores, `memory` in MiB. `count`: how many run at each `place`."""

    release: str
    part: str
    place: Place
    cpu: int
    memory: int
    count: int


def asks(document: Mapping[str, Any]) -> list[Ask]:
    """The requests of every container whose resources the synthesised releases set."""
    found: list[Ask] = []
    for release in document["resource"]["helm_release"].values():
        values = _values(release)
        own = _of_objects(values["objects"]) if "objects" in values else _of_values(values, (), 1)
        found += [
            Ask(
                release["name"],
                ".".join(path),
                _place(release["name"], path),
                quantity(requests["cpu"], CPU),
                quantity(requests["memory"], MEMORY),
                count,
            )
            for path, requests, count in own
        ]
    return found


def volumes(document: Mapping[str, Any]) -> dict[str, int]:
    """The size in GiB of each volume that is asked for, by the name of who asks."""
    found: dict[str, int] = {}
    for release in document["resource"]["helm_release"].values():
        for path, size in _sizes(_values(release), ()):
            found[f"{release['name']} {'.'.join(path[:2])}"] = size
    for claim in document["resource"].get("kubernetes_persistent_volume_claim_v1", {}).values():
        found[claim["metadata"]["name"]] = quantity(claim["spec"]["resources"]["requests"]["storage"], DISK)
    return found


def total(found: list[Ask], servers: int, gpu_servers: int = 0) -> tuple[int, int]:
    """Millicores and MiB asked of a location of so many servers."""
    times = {"once": 1, "each server": servers, "each GPU server": gpu_servers, "while it runs": 0}
    counted = [(ask, ask.count * times[ask.place]) for ask in found]
    return sum(ask.cpu * count for ask, count in counted), sum(ask.memory * count for ask, count in counted)


def quantity(text: str, units: Mapping[str, int]) -> int:
    """The Kubernetes quantity *text* in that unit of *units* whose factor is 1.

    Raises ValueError: its unit is not among *units*.
    """
    number = text.rstrip("GMKim")
    unit = text[len(number) :]
    if unit not in units:
        raise ValueError(f"{text}: the unit {unit or '(none)'} is not one of {', '.join(units)}")
    return int(number) * units[unit]


def _values(release: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(release.get("values", ["{}"])[0])
    return found


Found = Iterator[tuple[tuple[str, ...], Mapping[str, str], int]]


def _of_values(value: Any, path: tuple[str, ...], count: int) -> Found:
    if isinstance(value, list):
        for item in _items(value):
            yield from _of_values(item, path, count)
    if not isinstance(value, dict):
        return
    entries = dict(_entries(value))
    count = next((int(entries[key]) for key in REPLICAS if isinstance(entries.get(key), int)), count)
    requests = dict(_entries(entries.get("requests")))
    if {"cpu", "memory"} <= requests.keys():
        yield path, requests, count
    for key, inner in entries.items():
        yield from _of_values(inner, (*path, key), count)


def _items(value: Any) -> list[Any]:
    return list(value)


def _entries(value: Any) -> list[tuple[str, Any]]:
    return list(cast("dict[str, Any]", value).items()) if isinstance(value, dict) else []


def _of_objects(objects: list[dict[str, Any]]) -> Found:
    for item in objects:
        template = item.get("spec", {}).get("template", {}).get("spec", {})
        if item["kind"] in {"Deployment", "StatefulSet"}:
            for container in template["containers"]:
                yield (item["metadata"]["name"], container["name"]), container["resources"]["requests"], item["spec"].get("replicas", 1)


def _sizes(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(value, list):
        for item in _items(value):
            yield from _sizes(item, path)
    if not isinstance(value, dict):
        return
    for key, inner in _entries(value):
        if key in {"storage", "size"} and isinstance(inner, str) and inner.endswith("Gi"):
            yield path, quantity(inner, DISK)
        else:
            yield from _sizes(inner, (*path, str(key)))


def _place(release: str, path: tuple[str, ...]) -> Place:
    name = ".".join(path)
    places: list[Place] = [place for (chart, part), place in PLACES.items() if chart == release and name.startswith(part)]
    return places[0] if places else "once"


def tables(name: str, document: Mapping[str, Any]) -> Table:
    """A row for each release, and the sums for one server and for three."""
    found = asks(document)
    table = Table(title=f"{name}: what an empty platform asks for", title_justify="left")
    for column in ("Release", "Where", "CPU (m)", "Memory (MiB)"):
        table.add_column(column, justify="left" if column in {"Release", "Where"} else "right")
    rows: dict[tuple[str, str], list[int]] = {}
    for ask in found:
        row = rows.setdefault((ask.release, ask.place), [0, 0])
        row[0] += ask.cpu * ask.count
        row[1] += ask.memory * ask.count
    for (release, place), (cpu, memory) in sorted(rows.items()):
        if place != "while it runs":
            table.add_row(release, place, str(cpu), str(memory))
    for servers in (1, 3):
        cpu, memory = total(found, servers)
        table.add_row(f"all, on {servers} server(s) without GPU", "", str(cpu), str(memory), style="bold")
    table.add_row("volumes, before replicas", f"{sum(volumes(document).values())} GiB", "", "")
    return table


def main() -> None:
    """Print a table for each synthesised location."""
    folders = sorted(OUT.glob("*/cdk.tf.json"))
    if not folders:
        sys.exit(f"nothing is synthesised in {OUT}; run make synth")
    for path in folders:
        Console().print(tables(path.parent.name, json.loads(path.read_text())))


if __name__ == "__main__":
    main()
