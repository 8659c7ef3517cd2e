"""What only a person has: sensitive Terraform variables, the same ones in every stack."""

from __future__ import annotations

import json
from dataclasses import dataclass

from cdktf import TerraformStack, TerraformVariable, TerraformVariableValidationConfig, Token

from stacks.schema import Location

BCRYPT = r"^\\$2[aby]\\$[0-9]{2}\\$[./A-Za-z0-9]{53}$"


@dataclass(frozen=True, kw_only=True)
class Variables:
    """References to the variables of a stack. A location that does not need one may leave it out."""

    ssh_private_key: str
    cloudflare_api_token: str
    s3_access_key: str
    s3_secret_key: str
    hugging_face_token: str
    slack_webhook_url: str
    heartbeat_url: str
    operator_password_hashes: str


def declare_variables(stack: TerraformStack, location: Location) -> Variables:
    """Declare all of them on *stack*, and demand those that *location* needs."""
    bucket, monitoring = location.backup is not None, location.monitoring

    def secret(name: str, description: str, *, needed: bool) -> str:
        return _secret(stack, name, description, needed=needed)

    return Variables(
        ssh_private_key=secret("ssh_private_key", "private key (PEM) that root's authorized_keys on every server knows", needed=True),
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
        operator_password_hashes=_password_hashes(stack, [operator.email for operator in location.operators]),
    )


def _secret(stack: TerraformStack, name: str, description: str, *, needed: bool) -> str:
    missing = TerraformVariableValidationConfig(
        condition=f"${{var.{name} != null}}",
        error_message=f"{name} is missing: the {description}. Write it into terraform.tfvars, or into the workspace's variables.",
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


def _password_hashes(stack: TerraformStack, emails: list[str]) -> str:
    name = "operator_password_hashes"
    each = f'for email in {json.dumps(emails)} : can(regex("{BCRYPT}", var.{name}[email]))'
    missing = TerraformVariableValidationConfig(
        condition=f"${{alltrue([{each}])}}",
        error_message=(
            f"{name} needs a bcrypt hash for each of {', '.join(emails)}. Make one with: htpasswd -nBC 12 '' | tr -d ':'."
            ' Write operator_password_hashes = { "<email>" = "<hash>" } into terraform.tfvars, or into the workspace\'s variables.'
        ),
    )
    variable = TerraformVariable(
        stack,
        name,
        type="map(string)",
        sensitive=True,
        description="bcrypt hash of each operator's password, by e-mail",
        default=Token.null_value(),
        validation=[missing] if emails else None,
    )
    # A reference, whatever its type.
    return variable.string_value
