"""Leaf certificates of the staged authorities, as K3s mints them at each start."""

import datetime as dt
import ipaddress
from pathlib import Path

from config import TLS
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITIES = ("server-ca", "client-ca", "request-header-ca", "etcd/peer-ca", "etcd/server-ca")
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def mint(authority: str, cn: str, groups: list, names: list, uses: list) -> tuple:
    """Certificate and key, PEM."""
    ca = x509.load_pem_x509_certificate((TLS / f"{authority}.crt").read_bytes())
    ca_key = serialization.load_pem_private_key((TLS / f"{authority}.key").read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([*subject, x509.NameAttribute(NameOID.COMMON_NAME, cn)]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # As K3s: valid from when the authority is.
        .not_valid_before(ca.not_valid_before_utc)
        .not_valid_after(dt.datetime.now(dt.UTC) + dt.timedelta(days=365))
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
    certificate = builder.sign(ca_key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM), pem


def write(path: str, pair: tuple) -> None:
    target = TLS / path
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for end, text in zip(("crt", "key"), pair, strict=True):
        file = Path(f"{target}.{end}")
        file.touch(mode=0o600)
        file.write_bytes(text)


def mint_all(config: dict) -> None:
    """What the components need, below server/tls under K3s's own names."""
    node, ip = config["node-name"], config["node-ip"]
    san = list(dict.fromkeys([*config.get("tls-san", []), ip, node, "127.0.0.1", "localhost", "10.43.0.1", "kubernetes.default.svc"]))
    leaves = {
        "serving-kube-apiserver": ("server-ca", "kube-apiserver", [], san, [SERVER]),
        "client-admin": ("client-ca", "system:admin", ["system:masters"], [], [CLIENT]),
        "client-controller": ("client-ca", "system:kube-controller-manager", [], [], [CLIENT]),
        "client-scheduler": ("client-ca", "system:kube-scheduler", [], [], [CLIENT]),
        "client-kube-apiserver": ("client-ca", "kube-apiserver", ["system:masters"], [], [CLIENT]),
        "client-kubelet": ("client-ca", f"system:node:{node}", ["system:nodes"], [], [CLIENT]),
        "client-auth-proxy": ("request-header-ca", "system:auth-proxy", [], [], [CLIENT]),
        "etcd/client": ("etcd/server-ca", "etcd-client", [], [], [CLIENT]),
        "etcd/server-client": ("etcd/server-ca", "etcd-server", [], [ip, "127.0.0.1", "localhost"], [SERVER, CLIENT]),
        "etcd/peer-server-client": ("etcd/peer-ca", "etcd-peer", [], [ip, "127.0.0.1", "localhost"], [SERVER, CLIENT]),
    }
    for path, arguments in leaves.items():
        write(path, mint(*arguments))


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
