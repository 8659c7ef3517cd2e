"""A cluster identity minted by Terraform and kept in its state."""

from __future__ import annotations

from dataclasses import dataclass

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_random.password import Password
from cdktf_cdktf_provider_tls.cert_request import CertRequest, CertRequestSubject
from cdktf_cdktf_provider_tls.locally_signed_cert import LocallySignedCert
from cdktf_cdktf_provider_tls.private_key import PrivateKey
from cdktf_cdktf_provider_tls.self_signed_cert import SelfSignedCert, SelfSignedCertSubject
from constructs import Construct

from ib_constructs.base.root_authority import TEN_YEARS_HOURS
from ib_constructs.cluster.identity import ADMIN_GROUP, AUTHORITIES, Identity, KeyPair


@dataclass(frozen=True, kw_only=True)
class ClusterIdentityProps:
    """`protect`: a plan that would destroy an authority, a key or a token fails."""

    location: str
    protect: bool = False


class ClusterIdentity(Construct):
    """Five self-signed authorities, the service-account key, two tokens and the administrators' certificate.

    K3s takes them only before its first start and must never see them change, so changes to their
    definition are ignored: `identity` stays what the first apply made it.
    """

    def __init__(self, scope: Construct, id: str, props: ClusterIdentityProps) -> None:
        super().__init__(scope, id)
        self._lifecycle = TerraformResourceLifecycle(ignore_changes="all", prevent_destroy=props.protect)
        authorities = {name: self._authority(name, props.location) for name in AUTHORITIES}
        service_key = PrivateKey(self, "service", algorithm="RSA", rsa_bits=2048, lifecycle=self._lifecycle)
        self.identity = Identity(
            authorities=authorities,
            # PKCS#1, the form of K3s's own key.
            service_key=service_key.private_key_pem,
            server_password=self._password("server-token"),
            agent_password=self._password("agent-token"),
            admin=self._admin(authorities["client-ca"]),
        )

    def _authority(self, name: str, location: str) -> KeyPair:
        slug = name.replace("/", "-")
        key = PrivateKey(self, f"{slug}-key", algorithm="ECDSA", ecdsa_curve="P256", lifecycle=self._lifecycle)
        certificate = SelfSignedCert(
            self,
            slug,
            private_key_pem=key.private_key_pem,
            subject=[SelfSignedCertSubject(common_name=f"{location} {slug}")],
            is_ca_certificate=True,
            set_subject_key_id=True,
            allowed_uses=["digital_signature", "key_encipherment", "cert_signing"],
            validity_period_hours=TEN_YEARS_HOURS,
            lifecycle=self._lifecycle,
        )
        return KeyPair(certificate=certificate.cert_pem, key=key.private_key_pem)

    def _admin(self, authority: KeyPair) -> KeyPair:
        # As long as its authority: a certificate about to be replaced is unknown at plan, and every provider with it.
        key = PrivateKey(self, "admin-key", algorithm="ECDSA", ecdsa_curve="P256", lifecycle=self._lifecycle)
        request = CertRequest(
            self,
            "admin-request",
            private_key_pem=key.private_key_pem,
            subject=[CertRequestSubject(common_name="terraform", organization=ADMIN_GROUP)],
            lifecycle=self._lifecycle,
        )
        certificate = LocallySignedCert(
            self,
            "admin",
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=authority.key,
            ca_cert_pem=authority.certificate,
            allowed_uses=["digital_signature", "key_encipherment", "client_auth"],
            validity_period_hours=TEN_YEARS_HOURS,
            early_renewal_hours=0,
            lifecycle=self._lifecycle,
        )
        return KeyPair(certificate=certificate.cert_pem, key=key.private_key_pem)

    def _password(self, id: str) -> str:
        # Alphanumeric: K3s parses tokens, and 48 characters cannot look like a bootstrap token.
        return Password(self, id, length=48, special=False, lifecycle=self._lifecycle).result
