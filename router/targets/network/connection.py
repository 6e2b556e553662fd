"""How connections are made: what a sender must know beside the address."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from router.targets.network.resolving import Resolver, system
from router.targets.network.vetting import ANYWHERE, Policy

CONNECT_SECONDS: Final = 5.0
"""How long a connection may take, TLS included, if nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What TLS needs beside the authorities that this machine trusts. Peers are always verified.

    Attributes:
        ca: PEM of further authorities; empty for none.
        certificate: PEM of the client's certificate, and those between it and its authority; empty for none.
        key: PEM of its private key.
        minimum: the oldest version that is spoken.
    """

    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    minimum: Literal["1.2", "1.3"] = "1.2"


@dataclass(frozen=True, slots=True)
class Proxy:
    """Who connects for us.

    Attributes:
        url: http or https, without user and password.
        user: for Basic authentication (RFC 7617); empty for none.
    """

    url: str
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Connection:
    """How a sender connects.

    Attributes:
        policy: where to. With a proxy: where the proxy may be, and which literal addresses it is told.
        connect: seconds that one connection may take, TLS included.
        proxy: who connects for us; None for nobody. The environment's proxies are nobody's.
        resolver: who knows the addresses of names.
    """

    policy: Policy = ANYWHERE
    connect: float = CONNECT_SECONDS
    tls: Tls = Tls()
    proxy: Proxy | None = None
    resolver: Resolver = system
