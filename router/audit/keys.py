"""The key that signs checkpoints (ed25519, PEM): made, and read."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from router.errors import ConfigurationError


def make(path: Path) -> str:
    """Write a new private key, for its owner alone; the public one as PEM.

    Raises:
        ConfigurationError: there is a file already, or it cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigurationError(f"the key cannot be written to {path}: {error.strerror}") from error
    return public_text(key)


def public_text(key: Ed25519PrivateKey) -> str:
    """The public key as PEM."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def private(pem: str) -> Ed25519PrivateKey:
    """The private key that a PEM text holds.

    Raises:
        ValueError: it holds none; the text itself is not told.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        what = "is no ed25519 private key (PEM, without a password): router audit key FILE makes one"
        raise ValueError(what)  # noqa: TRY004 -- pydantic takes it for the value's fault
    return key


def public(path: Path) -> Ed25519PublicKey:
    """The public key in a file.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"the public key {path} cannot be read: {error.strerror}") from error
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{path} holds no ed25519 public key (PEM); router audit key prints one")
    return key
