"""Cluster identities made in Python, of the form that `ClusterIdentity` makes with Terraform's providers."""

from __future__ import annotations

import datetime as dt
import secrets
import string
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ib_constructs import Identity, KeyPair
from ib_constructs.identity import ADMIN_GROUP, AUTHORITIES

TEN_YEARS = dt.timedelta(days=3650)


def make_identity() -> Identity:
    """A fresh identity of literal values."""
    authorities: dict[str, KeyPair] = {}
    signers: dict[str, tuple[x509.Certificate, ec.EllipticCurvePrivateKey]] = {}
    for name in AUTHORITIES:
        signers[name] = _authority(name)
        authorities[name] = KeyPair(certificate=_pem(signers[name][0]), key=_key_pem(signers[name][1]))
    return Identity(
        authorities=authorities,
        service_key=_key_pem(rsa.generate_private_key(65537, 2048)),
        server_password=_password(),
        agent_password=_password(),
        admin=client_certificate(*signers["client-ca"], "terraform", ADMIN_GROUP),
    )


def client_certificate(ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, name: str, group: str) -> KeyPair:
    """A client certificate of *ca* for the Kubernetes user *name* in *group*."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, group), x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = _builder(subject, ca.subject, key.public_key()).add_extension(usage, critical=False)
    return KeyPair(certificate=_pem(builder.sign(ca_key, hashes.SHA256())), key=_key_pem(key))


def secret_values(identity: Identity) -> Mapping[str, str]:
    """Every secret of *identity* by name."""
    keys = {f"{name} key": pair.key for name, pair in identity.authorities.items()}
    return {
        **keys,
        "service key": identity.service_key,
        "admin key": identity.admin.key,
        "server password": identity.server_password,
        "agent password": identity.agent_password,
    }


def _authority(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test {name}")])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=True,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _builder(subject, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()), key


def _builder(subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + TEN_YEARS)
    )


def _password() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(48))


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
