"""Each location of the repository is initialised, validated and planned by the real providers."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.providers.conftest import SSH_KEY, ZONE_ID, Stack


@pytest.mark.parametrize("name", ["local", "pr", "stalpeni"])
def test_a_location_is_valid_and_planned_whole_before_any_server_exists(prepare: Callable[[str], Stack], name: str) -> None:
    stack = prepare(name)

    validated, planned = stack.terraform("validate"), stack.terraform("plan", "-input=false")

    assert validated.code == 0, validated.output
    assert planned.code == 0, planned.output
    kinds = stack.document["resource"]
    servers = len(kinds["terraform_data"]["k3s_membership_32FF7B5F"]["for_each"])
    # Checks and membership are one resource each, over all servers.
    expected = sum(len(found) for found in kinds.values()) - 2 + 2 * servers
    assert f"Plan: {expected} to add, 0 to change, 0 to destroy" in planned.output
    records = len(kinds.get("cloudflare_dns_record", {}))
    assert len(re.findall(rf'zone_id += "{ZONE_ID}"', planned.output)) == records, "the zone is found by its name"
    assert [line for line in SSH_KEY.splitlines()[1:3] if line in planned.output] == []
