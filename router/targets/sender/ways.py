"""The way to an address: who is connected to, at which of the vetted addresses, and what to try next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Generic, TypeVar

import anyio
import msgspec
from pyreqwest.http import Url

from router.targets.base import Cause
from router.targets.network.connection import Connection
from router.targets.network.pins import Peer, Pin, Pins
from router.targets.network.resolving import UnresolvedError
from router.targets.network.special import Address
from router.targets.network.vetting import RefusedError, surely
from router.targets.sender.base import SendError

_ROUTES = 1024
"""How many addresses a sender knows the way to without reading them again."""

_ADDRESSES = 8
"""How many addresses of a name one request tries at most; the next one goes on behind them."""

C = TypeVar("C")
T = TypeVar("T")


class Route(msgspec.Struct, frozen=True):
    """How to get to an address.

    Attributes:
        url: as the clients understand it: what is vetted is what they connect to.
        name: `host:port`, as a person would look for it.
        peer: who is connected to: the address's own host, or the proxy.
        met: that one's name.
    """

    url: Url
    name: str
    peer: Peer
    met: str


class UnconnectedError(Exception):
    """No connection came about, so nothing was sent: another address may be tried.

    Attributes:
        reason: for a person; None if it took longer than it may.
    """

    def __init__(self, reason: str | None) -> None:
        super().__init__(reason)
        self.reason = reason


class Ways(Generic[C]):
    """The ways of one sender.

    Args:
        connection: how it connects, and where to.
        build: makes a client for which this host has this address and no other.
        steady: the time, in seconds since some moment.
        retire: what becomes of a client whose address is the peer's no longer.

    Attributes:
        pins: the clients.
        route: the way to a URL. Raises ValueError for what is no URL of a web server, RefusedError for an
            address that the proxy is not told.
    """

    def __init__(
        self,
        connection: Connection,
        build: Callable[[str, Address], C],
        steady: Callable[[], float],
        retire: Callable[[C], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._proxy = None if connection.proxy is None else _peer(Url(connection.proxy.url))
        self._steady = steady
        self.pins: Pins[C] = Pins(connection.policy, connection.resolver, build, steady, retire)
        self.route = lru_cache(_ROUTES)(self._routed)

    async def take(
        self, url: str, seconds: float, go: Callable[[C, Route, float], Awaitable[T]], spent: float = 0.0
    ) -> T:
        """Go there by the vetted addresses, one after the other, until there is a connection.

        Args:
            url: where to.
            seconds: the time for everything.
            go: gets a client, the route and the seconds that are left. Raises UnconnectedError where the
                next address may be tried.
            spent: how many of the seconds are gone.

        Raises:
            SendError: no connection came about, or no time is left.
            ValueError: this is no URL of a web server.
        """
        began, left = self._steady() - spent, seconds - spent
        tried: set[Address] = set()
        try:
            route = self.route(url)
            pin = self.pins.fresh(route.peer) or await self._renewed(route, left)
            while True:
                try:
                    return await go(pin.client, route, left)
                except UnconnectedError as error:
                    had, left = left, seconds - (self._steady() - began)
                    reason = error.reason or self._slow(route, seconds, had, left)
                tried.add(pin.address)
                if not self.pins.move_on(route.peer, pin, tried) or len(tried) == _ADDRESSES or left <= 0:
                    raise SendError(reason)
                pin = self.pins.fresh(route.peer) or await self._renewed(route, left)
                left = seconds - (self._steady() - began)
        except RefusedError as error:
            raise SendError(error.message, Cause.MISDIRECTED) from None
        except UnresolvedError as error:
            raise SendError(error.message) from None

    def _slow(self, route: Route, seconds: float, had: float, left: float) -> str:
        """Why no connection came about in time. Raises SendError where the whole was over by then."""
        if had <= self._connection.connect or left < seconds / 1000:
            raise unanswered(route, seconds)
        return f"no connection to {route.met} within {self._connection.connect:g} s"

    async def _renewed(self, route: Route, seconds: float) -> Pin[C]:
        try:
            with anyio.fail_after(seconds):
                return await self.pins.renewed(route.peer, seconds)
        except TimeoutError:
            raise SendError(f"no answer from {route.name} in time: its name was still asked for") from None

    def _routed(self, url: str) -> Route:
        parsed = Url(url)
        peer = _peer(parsed)
        if self._proxy is not None and (address := surely(peer[0])) is not None:
            self._connection.policy.vet(peer[0], [address])
        name = f"{peer[0]}:{peer[1]}"
        if self._proxy is None:
            return Route(parsed, name, peer, name)
        return Route(parsed, name, self._proxy, f"the proxy {self._proxy[0]}:{self._proxy[1]}")


def unanswered(route: Route, seconds: float) -> SendError:
    """The time for everything is over."""
    return SendError(f"no answer from {route.name} within {seconds:g} s")


def _peer(url: Url) -> Peer:
    """Raises ValueError for a URL that leads to no host."""
    host, port = url.host_str, url.port_or_known_default
    if url.scheme not in {"http", "https"} or not host or port is None:
        raise ValueError(f"{url} is no address of a web server")
    return host, port
