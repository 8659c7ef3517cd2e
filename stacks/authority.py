"""Who signs the certificates of a location's host names."""

from __future__ import annotations

from dataclasses import dataclass

from cdktf import TerraformOutput, TerraformStack

from ib_constructs import KeyPair, RootAuthority, RootAuthorityProps
from ib_constructs.base.root_authority import LETSENCRYPT_STAGING_ROOTS
from stacks.config.schema import Location


@dataclass(frozen=True, kw_only=True)
class Authority:
    """The authority behind a location's host names.

    `root`: the location's own, where it signs them itself.
    `certificate`: root certificate (PEM) for whoever talks to a host name; None where every trust store has it.
    """

    root: KeyPair | None = None
    certificate: str | None = None


def declare_authority(stack: TerraformStack, location: Location) -> Authority:
    """The authority that *location* names; one of its own is made on *stack*, with the output `root_ca` for people's trust stores."""
    if location.certificates.issuer == "letsencrypt":
        return Authority()
    if location.certificates.issuer == "letsencrypt-staging":
        return Authority(certificate=LETSENCRYPT_STAGING_ROOTS)
    root = RootAuthority(stack, "root", RootAuthorityProps(location=location.name, protect=location.protect))
    TerraformOutput(stack, "root_ca", value=root.certificate, description="Root certificate of the location, for people's trust stores")
    return Authority(root=KeyPair(certificate=root.certificate, key=root.key), certificate=root.certificate)
