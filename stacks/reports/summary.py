"""What a synthesised program would create, as a short table for each location: `python -m stacks.reports.summary`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from stacks.config.loader import LocationError, load_locations
from stacks.config.schema import Location

OUT = Path("cdktf.out") / "stacks"
# Construct at the top of a stack to layer; any other construct is an add-on.
LAYERS = {
    **dict.fromkeys(("identity", "k3s", "root", "snapshots-s3"), "Servers"),
    **dict.fromkeys(("metallb", "ingress", "cluster-dns"), "Network"),
    "dns": "DNS",
}


def main() -> None:
    """Print the tables; exit with 1 where a location cannot be read."""
    try:
        locations = load_locations()
    except LocationError as error:
        sys.exit(str(error))
    console = Console()
    for location in locations.values():
        document = json.loads((OUT / location.name / "cdk.tf.json").read_text())
        console.print(table(location, document))


def table(location: Location, document: dict[str, Any]) -> Table:
    """Rows by layer, with the number of Terraform resources in each."""
    counts = count_by_layer(document)
    where = f"Terraform Cloud {location.terraform_cloud.organization}" if location.terraform_cloud else "local state"
    result = Table(title=f"{location.name} · {location.domain} · {where}", title_justify="left", min_width=96)
    result.add_column("Layer")
    result.add_column("What", ratio=1)
    result.add_column("Resources", justify="right")
    for layer, what in {**describe(location), "Add-ons": addons(document)}.items():
        result.add_row(layer, what, str(counts[layer]))
    return result


def count_by_layer(document: dict[str, Any]) -> Counter[str]:
    """Resources of a synthesised stack by layer."""
    counts: Counter[str] = Counter()
    for resources in document["resource"].values():
        for resource in resources.values():
            top = resource["//"]["metadata"]["path"].split("/")[1]
            counts[LAYERS.get(top, "Add-ons")] += 1
    return counts


def addons(document: dict[str, Any]) -> str:
    """Names of the charts released as add-ons."""
    releases = document["resource"].get("helm_release", {}).values()
    names = [release["name"] for release in releases if release["//"]["metadata"]["path"].split("/")[1] not in LAYERS]
    return ", ".join(sorted(names)) or "none"


def describe(location: Location) -> dict[str, str]:
    """A location's servers, network and DNS in a person's words, by layer."""
    servers = ", ".join(f"{server.name} ({server.role}, {server.ip})" for server in location.servers)
    network = location.network
    vip = f"API VIP {network.api_vip}, " if network.api_vip else ""
    dns = location.dns
    return {
        "Servers": servers,
        "Network": f"{vip}MetalLB {network.load_balancer_range}, ingress {network.ingress_ip}",
        "DNS": f"*.{location.domain}, k3s.{location.domain} → {dns.public_address or dns.public_hostname}"
        if dns
        else "none: see output etc_hosts",
    }


if __name__ == "__main__":
    main()
