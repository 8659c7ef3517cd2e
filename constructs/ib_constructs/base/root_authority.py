"""The root certificate of a location whose host names no public authority signs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_tls.private_key import PrivateKey
from cdktf_cdktf_provider_tls.self_signed_cert import SelfSignedCert, SelfSignedCertSubject
from constructs import Construct

TEN_YEARS_HOURS = 87_600
LETSENCRYPT_STAGING_ROOTS = (Path(__file__).parent / "letsencrypt_staging_roots.pem").read_text()
"""Root certificates (PEM) that no trust store has, for what talks to a location of staging certificates
(letsencrypt.org/docs/staging-environment)."""


@dataclass(frozen=True, kw_only=True)
class RootAuthorityProps:
    """`protect`: a plan that would destroy the key fails."""

    location: str
    protect: bool = False


class RootAuthority(Construct):
    """A self-signed authority, apart from the cluster's own five: people put its `certificate` (PEM) into their trust stores."""

    def __init__(self, scope: Construct, id: str, props: RootAuthorityProps) -> None:
        super().__init__(scope, id)
        lifecycle = TerraformResourceLifecycle(ignore_changes="all", prevent_destroy=props.protect)
        key = PrivateKey(self, "key", algorithm="ECDSA", ecdsa_curve="P256", lifecycle=lifecycle)
        certificate = SelfSignedCert(
            self,
            "certificate",
            private_key_pem=key.private_key_pem,
            subject=[SelfSignedCertSubject(common_name=f"{props.location} root")],
            is_ca_certificate=True,
            set_subject_key_id=True,
            allowed_uses=["digital_signature", "cert_signing", "crl_signing"],
            validity_period_hours=TEN_YEARS_HOURS,
            lifecycle=lifecycle,
        )
        self.certificate: str = certificate.cert_pem
        self.key: str = key.private_key_pem
