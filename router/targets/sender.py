"""The HTTP client behind a small protocol. This is the one module that knows which client it is."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import lru_cache
from typing import Protocol

import anyio
import msgspec
from anyio import get_cancelled_exc_class
from anyio.lowlevel import checkpoint_if_cancelled
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import (
    ConnectError,
    ConnectTimeoutError,
    PyreqwestError,
    RequestError,
    RequestTimeoutError,
)
from pyreqwest.http import Url
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from router.errors import ConfigurationError, RouterError
from router.targets.base import Cause
from router.targets.network.connection import Connection, Tls
from router.targets.network.pins import Peer, Pin, Pins
from router.targets.network.reasons import reason_of
from router.targets.network.resolving import UnresolvedError
from router.targets.network.special import Address
from router.targets.network.vetting import RefusedError, literal, surely

READ_BYTES = 64 * 1024
"""How much of an answer is read at most; what is longer costs the peer its connection."""

_SUCCESS = range(200, 300)
_WITHOUT_BODY = frozenset({204, 304})

_ROUTES = 1024
"""How many addresses a sender knows the way to without reading them again."""

_ADDRESSES = 8
"""How many addresses of a name one request tries at most; the next one goes on behind them."""

_MOMENT = 0.001
"""Seconds that a last try has at least."""

_PING = timedelta(seconds=20)
_PONG = timedelta(seconds=10)
"""A peer that is gone takes an HTTP/2 connection with it: without these, all requests would die there."""


class SendError(RouterError):
    """There was no answer.

    Attributes:
        cause: whose fault that is.
    """

    def __init__(self, message: str, cause: Cause = Cause.PASSING) -> None:
        super().__init__(message)
        self.cause = cause


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer.

    Attributes:
        headers: by lower-case name; fields whose values are no ASCII text are left out, and so is
            all but the last of a repeated field. Empty where the status says success: nobody asks then,
            but of an answer to OPTIONS.
        body: what was read of it, at most `READ_BYTES`; less than was sent when the peer broke off.
            The status line was there by then: a broken body does not undo it.
    """

    status: int
    headers: dict[str, str]
    body: bytes


class Sender(Protocol):
    """Sends one request and reads its answer. Redirects are answers like any other."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """Send; return the answer.

        Args:
            method: upper case.
            url: absolute, http or https.
            headers: already valid (RFC 9110, section 5.5). What is not ASCII is sent as UTF-8.
            body: the content; its length is sent with it.
            seconds: the time for everything, from the connection to the answer's last byte; above 0.

        Raises:
            SendError: there was no answer; the message says why, for a person.
            ValueError: the method, the URL or a header cannot be sent at all.
        """
        ...


OpenSender = Callable[[str, Connection], AbstractAsyncContextManager[Sender]]
"""As `open_sender`."""


class _Route(msgspec.Struct, frozen=True):
    """How to get to an address.

    Attributes:
        url: as the client understands it: what is vetted is what it connects to.
        name: `host:port`, as a person would look for it.
        peer: who is connected to: the address's own host, or the proxy.
        met: that one's name.
    """

    url: Url
    name: str
    peer: Peer
    met: str


class PyreqwestSender:
    """`Sender` on pyreqwest clients, each of which is pinned to one vetted address.

    Attributes:
        pins: those clients.
    """

    def __init__(
        self,
        user_agent: str,
        connection: Connection,
        *,
        every_header: bool = False,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._user_agent = user_agent
        self._connection = connection
        self._every_header = every_header
        self._proxy = None if connection.proxy is None else _peer(Url(connection.proxy.url))
        self._route = lru_cache(_ROUTES)(self._routed)
        self.pins: Pins[Client] = Pins(connection.policy, connection.resolver, self._client, steady)
        self._steady = steady

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """See `Sender.send`."""
        began, left = self._steady(), seconds
        tried: set[Address] = set()
        try:
            route = self._route(url)
            pin = self.pins.fresh(route.peer) or await self._pin(route, seconds)
            while True:
                try:
                    async with _request(pin.client, method, route.url, headers, body, left) as response:
                        status = response.status
                        is_silent = status in _SUCCESS and not self._every_header and method != "OPTIONS"
                        fields = {} if is_silent else _headers(response)
                        found = await _read(response) if _has_body(status, response) else b""
                        return Reply(status, fields, found)
                except get_cancelled_exc_class():
                    # The client raises a cancellation of its own instead of passing on the one it got; anyio
                    # would not know it for its scope's. This raises the scope's again, if it was one.
                    await checkpoint_if_cancelled()
                    raise
                except RequestError as error:
                    left = seconds - (self._steady() - began)
                    reason = self._unconnected(error, route, seconds, left)
                tried.add(pin.address)
                if not self.pins.move_on(route.peer, pin, tried) or len(tried) == _ADDRESSES or left <= 0:
                    raise SendError(reason)
                pin = self.pins.fresh(route.peer) or await self._pin(route, left)
                left = seconds - (self._steady() - began)
        except RefusedError as error:
            raise SendError(error.message, Cause.MISDIRECTED) from None
        except UnresolvedError as error:
            raise SendError(error.message) from None

    def _unconnected(self, error: RequestError, route: _Route, seconds: float, left: float) -> str:
        """Why no connection came about: another address may be tried.

        Raises:
            SendError: there was one, or there is no time left.
        """
        if isinstance(error, ConnectTimeoutError) and left >= seconds / 1000:
            return f"no connection to {route.met} within {self._connection.connect:g} s"
        if isinstance(error, RequestTimeoutError):
            raise SendError(f"no answer from {route.name} within {seconds:g} s") from None
        reason = _reason(error, route)
        if not isinstance(error, ConnectError):
            raise SendError(reason) from error
        return reason

    async def _pin(self, route: _Route, seconds: float) -> Pin[Client]:
        try:
            with anyio.fail_after(seconds):
                return await self.pins.renewed(route.peer, seconds)
        except TimeoutError:
            raise SendError(f"no answer from {route.name} in time: its name was still asked for") from None

    def _routed(self, url: str) -> _Route:
        """Raises ValueError for what is no URL, RefusedError for an address that the proxy is not told."""
        parsed = Url(url)
        peer = _peer(parsed)
        if self._proxy is not None and (address := surely(peer[0])) is not None:
            self._connection.policy.vet(peer[0], [address])
        name = f"{peer[0]}:{peer[1]}"
        if self._proxy is None:
            return _Route(parsed, name, peer, name)
        return _Route(parsed, name, self._proxy, f"the proxy {self._proxy[0]}:{self._proxy[1]}")

    def _client(self, host: str, address: Address) -> Client:
        """A client for which this host has this address, and which asks nobody for another."""
        builder = self._builder()
        if literal(host) is None:
            builder = builder.resolve(host, str(address), 0)  # 0: the URL's own port
        return builder.build()

    def _builder(self) -> ClientBuilder:
        """No redirects, no decompression, no cookies, and no proxies but the one that was asked for."""
        connection = self._connection
        builder = ClientBuilder().follow_redirects(enable=False).referer(enable=False)
        builder = builder.gzip(enable=False).brotli(enable=False).zstd(enable=False).deflate(enable=False)
        builder = builder.user_agent(self._user_agent).connect_timeout(_span(connection.connect))
        builder = builder.http2(enable=True).http2_keep_alive_interval(_PING).http2_keep_alive_timeout(_PONG)
        builder = builder.min_tls_version("TLSv1.3" if connection.tls.minimum == "1.3" else "TLSv1.2")
        if connection.tls.ca:
            builder = builder.add_root_certificate_pem(connection.tls.ca)
        if connection.tls.certificate:
            builder = builder.identity_pem(connection.tls.key + b"\n" + connection.tls.certificate)
        if connection.proxy is None:
            return builder.no_proxy()
        proxy = ProxyBuilder.all(connection.proxy.url)
        if connection.proxy.user:
            proxy = proxy.basic_auth(connection.proxy.user, connection.proxy.password)
        return builder.proxy(proxy)

    async def close(self) -> None:
        """Close all connections."""
        for client in self.pins.clear():
            await client.close()

    def check(self) -> None:
        """Raise ConfigurationError if no client can be had like this."""
        if self._connection.tls == Tls():
            return
        try:
            self._builder().build()
        except (PyreqwestError, ValueError) as error:
            raise ConfigurationError(f"no TLS with these certificates: {error}") from error


@asynccontextmanager
async def open_sender(
    user_agent: str, connection: Connection | None = None, *, every_header: bool = False
) -> AsyncIterator[Sender]:
    """A sender with connection pools of its own.

    Args:
        user_agent: how it calls itself.
        connection: how it connects, and where to; anywhere if nobody says so.
        every_header: whether answers of success have their headers, too.

    Raises:
        ConfigurationError: nobody can connect like that.
    """
    sender = PyreqwestSender(user_agent, connection or Connection(), every_header=every_header)
    sender.check()
    try:
        yield sender
    finally:
        await sender.close()


_span = lru_cache(lambda seconds: timedelta(seconds=seconds))


def _request(
    client: Client, method: str, url: Url, headers: Mapping[str, str], body: bytes, seconds: float
) -> StreamRequest:
    if not body:
        headers = {**headers, "content-length": "0"}  # RFC 9110, section 8.6; the client leaves it out
    builder = client.request(method, url).headers(headers).body_bytes(body)
    # Without read-ahead the status is known before the body breaks.
    return builder.timeout(_span(max(seconds, _MOMENT))).streamed_read_buffer_limit(0).build_streamed()


def _has_body(status: int, response: Response) -> bool:
    """Whether there is anything to wait for behind the head (RFC 9112, section 6.3)."""
    return status not in _WITHOUT_BODY and response.get_header("content-length") != "0"


async def _read(response: Response) -> bytes:
    """The body up to `READ_BYTES`, or up to where the peer broke off."""
    found = bytearray()
    reader = response.body_reader
    try:
        while len(found) < READ_BYTES and (chunk := await reader.read_chunk()) is not None:
            found += memoryview(chunk)
    except PyreqwestError:
        pass
    return bytes(found[:READ_BYTES])


def _headers(response: Response) -> dict[str, str]:
    fields = response.headers
    found = {}
    for name in fields:
        try:
            found[name] = fields[name]
        except ValueError:  # obs-text (RFC 9110, section 5.5)
            continue
    return found


def _peer(url: Url) -> Peer:
    """Raises ValueError for a URL that leads to no host."""
    host, port = url.host_str, url.port_or_known_default
    if url.scheme not in {"http", "https"} or not host or port is None:
        raise ValueError(f"{url} is no address of a web server")
    return host, port


def _reason(error: RequestError, route: _Route) -> str:
    causes = [cause["message"] for cause in error.details["causes"] or ()] or [error.message]
    return reason_of(causes, route.name, route.met)
