"""Fragments of pods that charts take as values: what a container may use, and what it may not do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

POD_RESTRICTED: Mapping[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
"""A pod's security context at Pod Security level `restricted`."""

CONTAINER_RESTRICTED: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
"""A container's security context at Pod Security level `restricted`, without a place to write but its volumes."""


def resources(cpu: str, memory: str, memory_limit: str) -> dict[str, Any]:
    """What a container asks for and may use at most; Kubernetes quantities (`50m`, `128Mi`).

    Processors are asked for and not limited: a limit would throttle a container beside idle cores, while the request
    already gives each its share of busy ones. Memory cannot be shared out again, so it is limited.
    """
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory_limit}}
