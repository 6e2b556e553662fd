"""`Sender` for http without a proxy: nothing between the loop's transport and the caller but what must be."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import anyio

from router.targets.network.connection import Connection
from router.targets.network.reasons import reason_of
from router.targets.network.special import Address
from router.targets.sender.base import Reply, SendError
from router.targets.sender.heads import Head, head_of
from router.targets.sender.links import CLOSED, LATE, Link, Links, Lost, Pool, said
from router.targets.sender.ways import Route, UnconnectedError, Ways, unanswered

_HEADS: Final = 1024
"""How many kinds of requests a sender knows the heads of without making them again."""


Go = Callable[[Pool, Route, float], Awaitable[Link]]


class PlainSender:
    """`Sender` on connections of its own, in pools for one vetted address each. For http only."""

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
        self._links = Links(every_header=every_header)
        self._ways: Ways[Pool] = Ways(connection, self._pool, steady, Pool.retire)
        self._fresh = self._ways.pins.fresh
        self._headed = lru_cache(_HEADS)(self._way_and_head)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """See `Sender.send`."""
        links = self._links
        until = links.time() + seconds
        route, head = self._headed(method, url, tuple(headers))
        data = head.request(tuple(headers.values()), body)
        pin = self._fresh(route.peer)
        link, go = None if pin is None else pin.client.idle(), self._any
        while True:
            if link is None:
                link = await self._linked(url, seconds, until, go)
            future: asyncio.Future[Reply | Lost] = links.loop.create_future()
            tell = partial(_tell, future)
            link.begin(method, data, until, tell)
            try:
                outcome = await future
            except asyncio.CancelledError:
                if link.done is tell:  # else the answer came, and the connection may be another's by now
                    link.drop("the request was cancelled")
                raise
            if isinstance(outcome, Reply):
                return outcome
            if not outcome.stale:
                raise _error(outcome, route, seconds)
            link, go = None, self._new  # which is never stale: so this is the only time

    def is_ready(self, url: str) -> bool:
        """See `PromptSender.is_ready`."""
        pin = self._fresh(self._ways.route(url).peer)
        return pin is not None and pin.client.has_idle

    def begin(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        seconds: float,
        done: Callable[[Any], None],
    ) -> bool:
        """See `PromptSender.begin`: where a connection is idle."""
        route, head = self._headed(method, url, tuple(headers))
        data = head.request(tuple(headers.values()), body)
        pin = self._fresh(route.peer)
        link = None if pin is None else pin.client.idle()
        if link is None:
            return False
        link.begin(method, data, self._links.time() + seconds, done)
        return True

    def reply(self, answer: Reply | Lost, url: str, seconds: float) -> Reply | None:
        """See `PromptSender.reply`."""
        if isinstance(answer, Reply):
            return answer
        if answer.stale:
            return None
        raise _error(answer, self._ways.route(url), seconds)

    async def _linked(self, url: str, seconds: float, until: float, go: Go) -> Link:
        """A connection, in the time that is left. Raises SendError."""
        links = self._links
        if links.is_closed:
            raise _error(CLOSED, self._ways.route(url), seconds)
        spent = seconds - (until - links.time())
        link = await self._ways.take(url, seconds, go, spent)
        if links.is_closed:
            link.drop(CLOSED.reason)
            raise _error(CLOSED, self._ways.route(url), seconds)
        if link.gone:
            raise _error(Lost(link.gone), self._ways.route(url), seconds)
        return link

    async def _any(self, pool: Pool, route: Route, left: float) -> Link:
        return pool.idle() or await self._new(pool, route, left)

    async def _new(self, pool: Pool, route: Route, left: float) -> Link:
        try:
            with anyio.fail_after(min(self._connection.connect, left)):
                link = await pool.connect(route.peer[1])
        except OSError as error:
            if isinstance(error, TimeoutError) and error.errno is None:
                raise UnconnectedError(None) from None
            reason = reason_of(["tcp connect error", said(error)], route.name, route.met)
            raise UnconnectedError(reason) from error
        return link

    def _way_and_head(self, method: str, address: str, names: tuple[str, ...]) -> tuple[Route, Head]:
        route = self._ways.route(address)
        url = route.url
        if url.scheme != "http":
            raise ValueError(f"{address} is not for this client: it would be sent in the clear")
        target = url.path if url.query_string is None else f"{url.path}?{url.query_string}"
        # RFC 9110, section 7.2: with the port, if it is not the scheme's.
        host = url.host_str if url.port is None else f"{url.host_str}:{url.port}"
        own = {"host": str(host), "user-agent": self._user_agent, "accept": "*/*"}
        if url.username or url.password:
            own["authorization"] = _basic(url.username, url.password or "")
        return route, head_of(method, target, names, own)

    def _pool(self, _host: str, address: Address) -> Pool:
        return Pool(self._links, address)

    async def close(self) -> None:
        """Close all connections. What is under way fails."""
        self._ways.pins.clear()
        await self._links.close()


def _basic(user: str, password: str) -> str:
    """RFC 7617, for what stands in a URL."""
    pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return f"Basic {b64encode(pair).decode()}"


def _tell(future: asyncio.Future[Reply | Lost], outcome: Reply | Lost) -> None:
    if not future.done():
        future.set_result(outcome)


def _error(lost: Lost, route: Route, seconds: float) -> SendError:
    if lost is LATE:
        return unanswered(route, seconds)
    if lost is CLOSED:
        return SendError(f"no answer from {route.name}: the router has closed its connections")
    return SendError(reason_of([lost.reason], route.name, route.met))
