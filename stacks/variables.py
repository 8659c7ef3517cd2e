"""What only a person has: sensitive Terraform variables, the same ones in every stack."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf import (
    DataResource,
    Fn,
    Precondition,
    TerraformResourceLifecycle,
    TerraformStack,
    TerraformVariable,
    TerraformVariableValidationConfig,
    Token,
)

from stacks.config.schema import Location

# Terraform's regular expressions (RE2), as they stand in its configuration's strings.
BCRYPT = r"^\\$2[aby]\\$1[0-6]\\$[./A-Za-z0-9]{53}$"
"""A hash that Dex takes: bcrypt with a cost of 10 to 16 (dex, storage/static and server/password checks)."""
PRIVATE_KEY = r"^\\s*-----BEGIN ([A-Z]+ )?PRIVATE KEY-----\\s+[A-Za-z0-9+/=:,\\s-]+\\s-----END ([A-Z]+ )?PRIVATE KEY-----\\s*$"
LOCKED_KEY = r"ENCRYPTED|BEGIN OPENSSH PRIVATE KEY-----\\s+b3BlbnNzaC1rZXktdjEAAAAA([^B]|B[^G]|BG[^5]|BG5[^v])"
"""A key with a passphrase: PEM says so; OpenSSH's format has the cipher's name at its beginning, which is `none` without one."""
WORD = "^[!-~]+$"
_WRITE = "Write it into terraform.tfvars, or into the workspace's variables."
# What must hold of a value, and what is said of one of which it does not.
_TOKEN = {f'can(regex("{WORD}", {{}}))': "is empty, or holds a blank or a line break, which no such key has: copy it again"}
_HTTPS = {'can(regex("^https://[!-~]+$", {}))': "is no URL: it begins with https:// and holds no blank"}
_SSH_KEY = {
    f'can(regex("{PRIVATE_KEY}", {{}}))': (
        "is no private key: its text, from -----BEGIN to -----END, is wanted, neither the public half nor the path of its file"
    ),
    f'!can(regex("{LOCKED_KEY}", {{}}))': (
        "has a passphrase, which nobody types during a deploy: make a key for this alone with ssh-keygen -t ed25519 -N '' -f <file>"
    ),
}
_FORMS = {
    "ssh_private_key": _SSH_KEY,
    "cloudflare_api_token": _TOKEN,
    "s3_access_key": _TOKEN,
    "s3_secret_key": _TOKEN,
    "hugging_face_token": _TOKEN,
    "slack_webhook_url": _HTTPS,
    "heartbeat_url": _HTTPS,
}


@dataclass(frozen=True, kw_only=True)
class Variables:
    """References to the variables of a stack; a location may go without the values that it does not need."""

    ssh_private_key: str
    cloudflare_api_token: str
    s3_access_key: str
    s3_secret_key: str
    hugging_face_token: str
    slack_webhook_url: str
    heartbeat_url: str
    operator_password_hashes: str
    registry_passwords: Mapping[str, str]


def declare_variables(stack: TerraformStack, location: Location) -> Variables:
    """Declare all variables on *stack*, and demand a value for those that *location* needs."""
    bucket, monitoring = location.backup is not None, location.monitoring
    logins = [registry.host for registry in location.registries if registry.username]
    _check(stack, [operator.email for operator in location.operators], logins)

    def secret(name: str, description: str, *, needed: bool) -> str:
        return _secret(stack, name, description, needed=needed)

    return Variables(
        ssh_private_key=secret("ssh_private_key", "private key (PEM) that opens the way to each server's ssh_user", needed=True),
        cloudflare_api_token=secret(
            "cloudflare_api_token", "Cloudflare API token that may read the zone and edit its records", needed=location.dns is not None
        ),
        s3_access_key=secret("s3_access_key", "access key of the bucket in [backup]", needed=bucket),
        s3_secret_key=secret("s3_secret_key", "secret key of the bucket in [backup]", needed=bucket),
        hugging_face_token=secret("hugging_face_token", "Hugging Face token for models that ask for one", needed=False),
        slack_webhook_url=secret(
            "slack_webhook_url", "URL of Slack's incoming webhook", needed=monitoring.enabled and monitoring.slack is not None
        ),
        heartbeat_url=secret(
            "heartbeat_url", "URL that is called for as long as alerts work", needed=monitoring.enabled and monitoring.heartbeat
        ),
        operator_password_hashes=_by_name(stack, "operator_password_hashes", "bcrypt hash of each operator's password, by e-mail"),
        registry_passwords=_registry_passwords(stack, logins),
    )


def _secret(stack: TerraformStack, name: str, description: str, *, needed: bool) -> str:
    missing = TerraformVariableValidationConfig(
        condition=f"${{var.{name} != null}}", error_message=f"{name} is missing: the {description}. {_WRITE}"
    )
    variable = TerraformVariable(
        stack,
        name,
        type="string",
        sensitive=True,
        description=description,
        default=Token.null_value(),
        validation=[missing] if needed else None,
    )
    return variable.string_value


def _by_name(stack: TerraformStack, name: str, description: str) -> str:
    variable = TerraformVariable(stack, name, type="map(string)", sensitive=True, description=description, default=Token.null_value())
    # A reference, whatever its type.
    return variable.string_value


def _registry_passwords(stack: TerraformStack, hosts: Sequence[str]) -> Mapping[str, str]:
    """A reference to each registry's password; that there is one is checked by itself."""
    passwords = _by_name(stack, "registry_passwords", "password of each registry with a login, by its host")
    return {host: Fn.try_([Fn.lookup_nested(passwords, [host]), ""]) for host in hosts}


def _check(stack: TerraformStack, emails: Sequence[str], registries: Sequence[str]) -> None:
    """Refuse what cannot be the secret before anything is done.

    By a resource: what a variable's own validation refuses Terraform prints, sensitive or not.
    """
    checks = [
        Precondition(
            condition=f"${{var.{name} == null ? true : {condition.format(f'var.{name}')}}}",
            error_message=f"{name} {what}. {_WRITE}",
        )
        for name, form in _FORMS.items()
        for condition, what in form.items()
    ]
    if emails:
        checks.append(_hashes_of(emails))
    if registries:
        checks.append(_passwords_of(registries))
    DataResource(stack, "variables", lifecycle=TerraformResourceLifecycle(precondition=checks))


def _hashes_of(emails: Sequence[str]) -> Precondition:
    name = "operator_password_hashes"
    each = f'for email in {json.dumps(emails)} : can(regex("{BCRYPT}", var.{name}[email]))'
    return Precondition(
        condition=f"${{alltrue([{each}])}}",
        error_message=(
            f"{name} needs a bcrypt hash, of a cost from 10 to 16, for each of {', '.join(emails)}."
            " Make one with: htpasswd -nBC 12 '' | tr -d ':'."
            f' Write {name} = {{ "<email>" = "<hash>" }} into terraform.tfvars, or into the workspace\'s variables.'
        ),
    )


def _passwords_of(registries: Sequence[str]) -> Precondition:
    name = "registry_passwords"
    each = f'for host in {json.dumps(registries)} : can(regex("{WORD}", var.{name}[host]))'
    return Precondition(
        condition=f"${{alltrue([{each}])}}",
        error_message=(
            f"{name} needs a password, without blanks and line breaks, for each of {', '.join(registries)}."
            f' Write {name} = {{ "<host>" = "<password>" }} into terraform.tfvars, or into the workspace\'s variables.'
        ),
    )
