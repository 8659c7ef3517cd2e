"""SSH keys for tests."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

Kind = type[ec.EllipticCurvePrivateKey] | type[ed25519.Ed25519PrivateKey]


@dataclass
class SshKey:
    """A key pair in OpenSSH's formats."""

    private: str
    public: str

    @classmethod
    def make(cls, kind: Kind) -> SshKey:
        """A fresh key: ECDSA for a host, Ed25519 for a person."""
        key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
        key = ec.generate_private_key(ec.SECP256R1()) if kind is ec.EllipticCurvePrivateKey else ed25519.Ed25519PrivateKey.generate()
        return cls(
            key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(),
            key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
        )
