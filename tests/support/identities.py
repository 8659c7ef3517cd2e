"""Cluster identities made in Python, of the form that `ClusterIdentity` makes with Terraform's providers."""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets
import string
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ib_constructs import Identity, KeyPair
from ib_constructs.cluster.identity import ADMIN_GROUP, AUTHORITIES

_SIGNS_CERTIFICATES = x509.KeyUsage(
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
TEN_YEARS = dt.timedelta(days=3650)


def make_identity() -> Identity:
    """A fresh identity of literal values."""
    authorities = {name: make_authority(name) for name in AUTHORITIES}
    return Identity(
        authorities=authorities,
        service_key=_key_pem(rsa.generate_private_key(65537, 2048)),
        server_password=_password(),
        agent_password=_password(),
        admin=client_certificate(authorities["client-ca"], "terraform", ADMIN_GROUP),
    )


def client_certificate(authority: KeyPair, user: str, group: str) -> KeyPair:
    """A client certificate for the Kubernetes user *user* in *group*."""
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group), x509.NameAttribute(NameOID.COMMON_NAME, user)]
    return _leaf(authority, x509.Name(subject), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))


def server_certificate(authority: KeyPair, name: str) -> KeyPair:
    """A serving certificate for an IP address or a host name."""
    try:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))])
    except ValueError:
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
    return _leaf(authority, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")]), names)


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


def _leaf(authority: KeyPair, subject: x509.Name, extension: x509.ExtensionType) -> KeyPair:
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    signer = load_pem_private_key(authority.key.encode(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(subject, issuer.subject, key.public_key()).add_extension(extension, critical=False)
    return KeyPair(certificate=_pem(builder.sign(signer, hashes.SHA256())), key=_key_pem(key))


def make_authority(name: str) -> KeyPair:
    """A fresh self-signed authority, PEM; *name* tells it from others in a message."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test {name}")])
    builder = (
        _builder(subject, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        # As the tls provider writes it; Python's strict verification refuses an authority without.
        .add_extension(_SIGNS_CERTIFICATES, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return KeyPair(certificate=_pem(builder.sign(key, hashes.SHA256())), key=_key_pem(key))


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
