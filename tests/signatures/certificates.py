"""Certificates of our own, self-signed like those of the clouds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NOW = 1_790_000_000.0
"""The time at which tests receive, seconds since the epoch."""


@cache
def private_key(name: str = "ours", bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of that name; the same one for each call."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def certificate(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *, at: float = NOW, days: int = 30
) -> bytes:
    """The PEM of a certificate that counts so many days from a time on; it ended, where they are negative."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "notify")])
    middle = datetime.fromtimestamp(at, UTC)
    begin, end = sorted((middle - timedelta(days=1), middle + timedelta(days=days)))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)
