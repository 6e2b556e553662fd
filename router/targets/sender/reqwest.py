"""`Sender` on pyreqwest: TLS, proxies and HTTP/2. This is the one module that knows that client."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import lru_cache

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

from router.errors import ConfigurationError
from router.targets.network.connection import Connection, Tls
from router.targets.network.reasons import reason_of
from router.targets.network.special import Address
from router.targets.network.vetting import literal
from router.targets.sender.base import READ_BYTES, Reply, SendError, is_silent
from router.targets.sender.ways import Route, UnconnectedError, Ways, unanswered

_WITHOUT_BODY = frozenset({204, 304})

_MOMENT = 0.001
"""Seconds that a last try has at least."""

_PING = timedelta(seconds=20)
_PONG = timedelta(seconds=10)
"""A peer that is gone takes an HTTP/2 connection with it: without these, all requests would die there."""


class PyreqwestSender:
    """`Sender` on pyreqwest clients, each of which is pinned to one vetted address."""

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
        self._ways: Ways[Client] = Ways(connection, self._client, steady)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """See `Sender.send`."""

        async def go(client: Client, route: Route, left: float) -> Reply:
            try:
                async with _request(client, method, route.url, headers, body, left) as response:
                    status = response.status
                    is_quiet = is_silent(status, method) and not self._every_header
                    fields = {} if is_quiet else _headers(response)
                    found = await _read(response) if _has_body(status, response) else b""
                    return Reply(status, fields, found)
            except get_cancelled_exc_class():
                # The client raises a cancellation of its own instead of passing on the one it got; anyio
                # would not know it for its scope's. This raises the scope's again, if it was one.
                await checkpoint_if_cancelled()
                raise
            except ConnectTimeoutError:
                raise UnconnectedError(None) from None
            except RequestTimeoutError:
                raise unanswered(route, seconds) from None
            except ConnectError as error:
                raise UnconnectedError(_reason(error, route)) from error
            except RequestError as error:
                raise SendError(_reason(error, route)) from error

        return await self._ways.take(url, seconds, go)

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
        for client in self._ways.pins.clear():
            await client.close()

    def check(self) -> None:
        """Raise ConfigurationError if no client can be had like this."""
        if self._connection.tls == Tls():
            return
        try:
            self._builder().build()
        except (PyreqwestError, ValueError) as error:
            raise ConfigurationError(f"no TLS with these certificates: {error}") from error


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


def _reason(error: RequestError, route: Route) -> str:
    causes = [cause["message"] for cause in error.details["causes"] or ()] or [error.message]
    return reason_of(causes, route.name, route.met)
