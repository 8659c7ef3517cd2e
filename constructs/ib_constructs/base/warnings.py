"""Warnings that Terraform tells with the plan of the location they belong to, and of no other.

cdktf prints its own annotations of all stacks, whichever is deployed.
"""

from __future__ import annotations

from cdktf import TerraformStack
from constructs import Construct


def warn(scope: Construct, name: str, message: str) -> None:
    """Let each plan of the stack of *scope* tell *message*; *name*: what it is about, in snake case."""
    # Terraform insists on a condition that refers to something.
    told = {"assert": [{"condition": '${terraform.workspace == ""}', "error_message": message}]}
    TerraformStack.of(scope).add_override(f"check.{name}", told)
