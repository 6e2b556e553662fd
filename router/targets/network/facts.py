"""Looks at a peer as a person would: who is it, how far away, whose certificate. Blocks; sends no content."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from cryptography import x509

from router.errors import RouterError
from router.targets.network.connection import Connection

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a peer's certificate says.

    Attributes:
        subject: RFC 4514, as is `issuer`.
        names: the hosts and addresses that it is for.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out; what was not reached is None. Times are in seconds.

    Attributes:
        peer: who was connected to, as `host:port`: the proxy, where there is one.
        version: of TLS.
        http: the version of HTTP that was agreed on in TLS.
        problem: why it went no further.
    """

    peer: str
    addresses: tuple[str, ...] = ()
    address: str | None = None
    resolve: float | None = None
    connect: float | None = None
    tls: float | None = None
    version: str | None = None
    http: str | None = None
    certificate: Certificate | None = None
    problem: str | None = None


class _Look:
    """One look, step by step."""

    def __init__(self, host: str, port: int, connection: Connection) -> None:
        self.host, self.port, self.connection = host, port, connection
        self.found: dict[str, object] = {}

    def resolve(self) -> Sequence[str]:
        began = time.monotonic()
        found = self.connection.resolver(self.host, self.port)
        self.found |= {"addresses": tuple(found), "resolve": time.monotonic() - began}
        self.connection.policy.vet(self.host, [ip_address(one) for one in found])
        return found

    def connect(self, addresses: Sequence[str]) -> socket.socket:
        failure = OSError("the name has no address")
        for address in addresses:
            began = time.monotonic()
            try:
                made = socket.create_connection((address, self.port), self.connection.connect)
            except OSError as error:
                failure = error
                continue
            self.found |= {"address": address, "connect": time.monotonic() - began}
            return made
        raise failure

    def shake_hands(self, made: socket.socket, *, verify: bool) -> None:
        began = time.monotonic()
        with _context(self.connection, verify=verify).wrap_socket(made, server_hostname=self.host) as secured:
            self.found |= {"tls": time.monotonic() - began, "version": secured.version()}
            self.found |= {"http": secured.selected_alpn_protocol() or "http/1.1"}
            self.found["certificate"] = _certificate(secured.getpeercert(binary_form=True) or b"")


def look(url: str, connection: Connection) -> Facts:
    """Connect to the peer of a URL, as a sender would, and look at its certificate if it speaks TLS.

    Where that does not verify it is shown nevertheless, and `problem` says why it does not.
    """
    parts = urlsplit(url if connection.proxy is None else connection.proxy.url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    one = _Look(host, port, connection)
    try:
        addresses = one.resolve()
        with closing(one.connect(addresses)) as made:
            if parts.scheme == "https":
                one.shake_hands(made, verify=True)
    except ssl.SSLCertVerificationError as error:
        one.found["problem"] = f"its certificate is not good: {error.verify_message}"
        _look_again(one)
    except (OSError, RouterError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        bare = isinstance(error, ssl.SSLError) and connection.tls.certificate
        one.found["problem"] = (
            f"without a client certificate, which a look does not show: {why}" if bare else why
        )
    return Facts(peer=f"{host}:{port}", **one.found)  # type: ignore[arg-type] # as the steps above name them


def _look_again(one: _Look) -> None:
    """Look at a certificate that does not verify. Nothing is sent to its owner."""
    try:
        with closing(one.connect([str(one.found["address"])])) as made:
            one.shake_hands(made, verify=False)
    except OSError:
        return


def _context(connection: Connection, *, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    tls = connection.tls
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if tls.minimum == "1.3" else ssl.TLSVersion.TLSv1_2
    if tls.ca:
        context.load_verify_locations(cadata=tls.ca.decode())
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _certificate(content: bytes) -> Certificate:
    found = x509.load_der_x509_certificate(content)
    try:
        held = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [*held.get_values_for_type(x509.DNSName), *map(str, held.get_values_for_type(x509.IPAddress))]
    except x509.ExtensionNotFound:
        names = []
    return Certificate(
        subject=found.subject.rfc4514_string(),
        issuer=found.issuer.rfc4514_string(),
        names=tuple(names),
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
    )
