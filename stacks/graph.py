"""Who waits for whom at a location: `python -m stacks.graph <location>` writes it as DOT, after `make synth`.

A node is a construct of the stack; an edge says that some resource of the one waits for some resource of the other.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

OUT = Path("cdktf.out") / "stacks"
REFERENCE = re.compile(r"\b([a-z]+(?:_[a-z0-9]+)*)\.([A-Za-z][\w-]*)")
Graph = dict[str, set[str]]


def resource_graph(document: Mapping[str, Any]) -> Graph:
    """Address of each resource to the addresses that it waits for, named or referred to."""
    kinds = document["resource"]
    graph: Graph = {}
    for kind, resources in kinds.items():
        for name, resource in resources.items():
            text = json.dumps({key: value for key, value in resource.items() if key != "//"})
            found = {f"{other}.{its}" for other, its in REFERENCE.findall(_with_locals(text, document)) if its in kinds.get(other, {})}
            graph[f"{kind}.{name}"] = found - {f"{kind}.{name}"}
    return graph


def construct_graph(document: Mapping[str, Any]) -> Graph:
    """The same between the constructs at the top of the stack."""
    owner = dict(_owners(document))
    graph: Graph = {name: set() for name in owner.values()}
    for resource, needed in resource_graph(document).items():
        graph[owner[resource]] |= {owner[each] for each in needed} - {owner[resource]}
    return graph


def critical_path(graph: Graph) -> list[str]:
    """The longest chain of resources that wait for each other, the first first; of several, the first by name."""
    longest: dict[str, list[str]] = {}
    for node in TopologicalSorter(graph).static_order():
        before = max((longest[each] for each in sorted(graph[node])), key=len, default=list[str]())
        longest[node] = [*before, node]
    return max((longest[node] for node in sorted(longest)), key=len)


def reduced(graph: Graph) -> Graph:
    """Without the edges that a longer way implies: the same order, and a picture that can be read."""
    reach: dict[str, set[str]] = {}
    for node in TopologicalSorter(graph).static_order():
        reach[node] = set(graph[node]).union(*(reach[each] for each in graph[node])) if graph[node] else set()
    return {node: {each for each in needed if not any(each in reach[other] for other in needed - {each})} for node, needed in graph.items()}


def to_dot(graph: Graph) -> str:
    """DOT, to be read from left to right in the order of time."""
    lines = [
        "digraph location {",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded,filled", fillcolor="#eef3fb", fontname="sans-serif"];',
    ]
    for node in sorted(graph):
        lines += [f'  "{node}";', *(f'  "{before}" -> "{node}";' for before in sorted(graph[node]))]
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
    """Print the reduced graph of the constructs of a location."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - itself and the location
        sys.exit("name the location: python -m stacks.graph <location>")
    path = OUT / sys.argv[1] / "cdk.tf.json"
    if not path.is_file():
        sys.exit(f"{path} is not there; run make synth")
    document = json.loads(path.read_text())
    sys.stdout.write(to_dot(reduced(construct_graph(document))))


if __name__ == "__main__":
    main()
