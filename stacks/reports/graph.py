"""Who waits for whom at a location: `python -m stacks.reports.graph <location>` writes it as DOT, after `make synth`.

A node is a construct of the stack; an edge says that some resource of the one waits for some resource of the other.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import networkx as nx

OUT = Path("cdktf.out") / "stacks"
REFERENCE = re.compile(r"\b([a-z]+(?:_[a-z0-9]+)*)\.([A-Za-z][\w-]*)")


def resource_graph(document: Mapping[str, Any]) -> nx.DiGraph[str]:
    """The resources by address; an edge leads to each from those that it names or refers to, and so waits for."""
    kinds = document["resource"]
    graph: nx.DiGraph[str] = nx.DiGraph()
    for kind, resources in kinds.items():
        for name, resource in resources.items():
            text = json.dumps({key: value for key, value in resource.items() if key != "//"})
            found = {f"{other}.{its}" for other, its in REFERENCE.findall(_with_locals(text, document)) if its in kinds.get(other, {})}
            address = f"{kind}.{name}"
            graph.add_node(address)
            # In the order of names, by which `critical_path` chooses among equals.
            graph.add_edges_from((before, address) for before in sorted(found - {address}))
    return graph


def construct_graph(document: Mapping[str, Any]) -> nx.DiGraph[str]:
    """The constructs at the top of the stack; an edge leads to each from those whose resources its own resources wait for."""
    owner = dict(_owners(document))
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(owner.values())
    graph.add_edges_from((owner[before], owner[after]) for before, after in resource_graph(document).edges if owner[before] != owner[after])
    return graph


def critical_path(graph: nx.DiGraph[str]) -> list[str]:
    """The longest chain in which each waits for the one before it; of several such chains, the first by name."""
    return nx.dag_longest_path(graph, topo_order=nx.lexicographical_topological_sort(graph))


def to_dot(graph: nx.DiGraph[str]) -> str:
    """DOT of *graph* without the edges that a longer way implies, to be read from left to right in the order of time."""
    edges: nx.DiGraph[str] = nx.transitive_reduction(graph)
    lines = [
        "digraph location {",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded,filled", fillcolor="#eef3fb", fontname="sans-serif"];',
    ]
    for node in sorted(graph):
        lines += [f'  "{node}";', *(f'  "{before}" -> "{node}";' for before in sorted(edges.predecessors(node)))]
    return "\n".join([*lines, "}", ""])


def _with_locals(text: str, document: Mapping[str, Any]) -> str:
    """*text* with what its locals stand for, theirs included."""
    known = document.get("locals", {})
    pending, seen = re.findall(r"local\.([\w-]+)", text), set[str]()
    while pending:
        name = pending.pop()
        if name not in seen and name in known:
            seen.add(name)
            more = json.dumps(known[name])
            text += more
            pending += re.findall(r"local\.([\w-]+)", more)
    return text


def _owners(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind, resources in document["resource"].items():
        for name, resource in resources.items():
            yield f"{kind}.{name}", resource["//"]["metadata"]["path"].split("/")[1]


def main() -> None:
    """Print the graph of a location's constructs; exit with 1 where the location is not synthesised."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - itself and the location
        sys.exit("name the location: python -m stacks.reports.graph <location>")
    path = OUT / sys.argv[1] / "cdk.tf.json"
    if not path.is_file():
        sys.exit(f"{path} is not there; run make synth")
    document = json.loads(path.read_text())
    sys.stdout.write(to_dot(construct_graph(document)))


if __name__ == "__main__":
    main()
