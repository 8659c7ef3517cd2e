"""Synthesise a construct in a stack of its own and look at the result."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cdktf import DataResource, TerraformStack
from cdktf import Testing as CdktfTesting
from constructs import Construct

from ib_constructs import AddonProps

Document = dict[str, Any]


def synthesise(build: Callable[[TerraformStack], object]) -> Document:
    """The Terraform JSON of a stack that *build* filled."""
    stack = TerraformStack(CdktfTesting.app(), "test")
    build(stack)
    return to_document(stack)


def to_document(stack: TerraformStack) -> Document:
    """The Terraform JSON of *stack*, without metadata."""
    document: Document = json.loads(CdktfTesting.synth(stack))
    return document


def resources(document: Document, kind: str, prefix: str = "") -> list[dict[str, Any]]:
    """The resources of *kind* whose address begins with *prefix*."""
    return [value for name, value in document.get("resource", {}).get(kind, {}).items() if name.startswith(prefix)]


def only(document: Document, kind: str, prefix: str = "") -> dict[str, Any]:
    """The one resource of *kind* whose address begins with *prefix*."""
    (found,) = resources(document, kind, prefix)
    return found


def something_to_wait_for(scope: Construct) -> DataResource:
    """A resource that stands for whatever comes before."""
    return DataResource(scope, "before")


def given(scope: Construct, *, monitored: bool = False, protect: bool = False) -> AddonProps:
    """What a location gives an add-on: a cluster, and a resource to wait for."""
    cluster, before = DataResource(scope, "cluster"), something_to_wait_for(scope)
    return AddonProps(cluster=cluster, waits_for=[before], monitored=monitored, protect=protect)
