"""A certificate authority for tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its key, both as PEM."""

    certificate: str
    key: str

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write both into files; their paths."""
        files = folder / f"{name}.pem", folder / f"{name}.key"
        files[0].write_text(self.certificate)
        files[1].write_text(self.key)
        return files


class Authority:
    """Issues certificates that are good for a day around now.

    Attributes:
        pem: its own certificate.
    """

    def __init__(self, name: str = "A test's authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        made = _builder(self._name, self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.pem = _pem(made.sign(self._key, hashes.SHA256()))

    def issue(self, *names: str, ended: bool = False) -> Identity:
        """A certificate for these host names and addresses; one whose time is over, if asked for."""
        key = ec.generate_private_key(ec.SECP256R1())
        past = timedelta(days=30) if ended else timedelta()
        made = _builder(self._name, _named(names[0]), key, past).add_extension(
            x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False
        )
        return Identity(_pem(made.sign(self._key, hashes.SHA256())), _key(key))


def self_signed(name: str) -> Identity:
    """A certificate that has no authority but itself, as `openssl req -x509` makes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = _builder(_named(name), _named(name), key)
    made = made.add_extension(x509.SubjectAlternativeName([_alternative(name)]), critical=False)
    return Identity(_pem(made.sign(key, hashes.SHA256())), _key(key))


def _key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePrivateKey, past: timedelta = timedelta()
) -> x509.CertificateBuilder:
    now, day = datetime.now(UTC) - past, timedelta(days=1)
    made = x509.CertificateBuilder().issuer_name(issuer).subject_name(subject).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    return made.not_valid_before(now - day).not_valid_after(now + day)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
