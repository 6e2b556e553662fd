"""HTTP/1.1 as uvicorn and httptools speak it, bounded, and deaf to `Upgrade` and to trailers.

They put no limit to what a connection may cost before an application sees a request. And a request with
`Connection: Upgrade` (`curl --http2` and Java's HttpClient send it by default) stops the parser after its
head: uvicorn would hand it to the application as one with an empty body
(https://github.com/Kludex/uvicorn/issues/2722).

Plain posts of events go the way of `direct`, without the parser where `heads` knows what it would say;
everything unusual goes the way of ASGI.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from router.web.app import Served
from router.web.direct import Exchange
from router.web.heads import Memory
from router.web.limits import HEAD
from router.web.parting import MortalProtocol, Shared
from router.web.visit import Visit, headers_of


class RefusedError(Exception):
    """Raised while the parser runs: this request goes no further.

    Attributes:
        status: the HTTP status of the answer.
    """

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


class Protocol(MortalProtocol):
    """One connection.

    Attributes:
        memory: what it has learnt of its sender's heads.
    """

    __slots__ = ("_asked", "_exchange", "_packet", "_plain", "_served", "_silent", "_visit", "memory")

    def __init__(
        self,
        config: Config,
        server_state: Shared,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._served = cast("Served", self.app)
        self._plain = b""
        """The head of a request that asks for another protocol, without that wish."""
        self._silent = 0
        """Bytes of the packets since the one in which a request, a head or a piece of a body ended."""
        self._packet = 0
        """The size of the packet that is being parsed."""
        self._visit: Visit | None = None
        """The latest request, if it goes the direct way."""
        self._asked: Visit | None = None
        """The latest that does; those after it wait for its answer."""
        self.memory = Memory()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Prepare for the direct way."""
        super().connection_made(transport)
        scope = {"scheme": self.scheme, "server": self.server, "client": self.client}
        self._exchange = Exchange(self.transport, scope, self.server_state, self.on_response_complete)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self.incoming is not None:
            self.drop()
        super().connection_lost(exc)
        self._exchange.leave()

    def data_received(self, data: bytes) -> None:
        """Parse, and see what came of it."""
        if self.over:
            return
        begins = not self.coming
        if begins and self.memory.doors is self._served.doors and self._recalled(data):
            return
        self._packet = len(data)
        self._silent += self._packet
        try:
            self._parse(data)
        except RefusedError as refused:
            self.refuse(refused.status, str(refused))
        except httptools.HttpParserCallbackError as error:
            if isinstance(cause := error.__context__, RefusedError):
                self.refuse(cause.status, str(cause))
            else:
                self.refuse(HTTPStatus.BAD_REQUEST, "the target of the request cannot be read")
        except httptools.HttpParserError as error:
            self.refuse(HTTPStatus.BAD_REQUEST, f"this is no HTTP/1.1 request: {error}")
        asked = self._asked
        if asked is not None and asked.due:  # not sooner: what follows it in this packet finds it unanswered
            if begins and self.memory.patience and asked.welcome and self._exchange.keep_alive:
                self.memory.learn(data, self._served.doors, asked)
            asked.answer(self._exchange.say)

    def on_message_begin(self) -> None:
        """A request begins; which way it goes is seen when its head is whole."""
        self.coming = True
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or a trailer."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """A head is whole: look at it before anybody else does."""
        if self._silent + self._packet > HEAD and self._size() > HEAD:
            raise _too_large()
        if len(self.headers) > self.limits.fields:
            raise self._too_many()
        self._silent = 0
        if self.parser.should_upgrade():
            self._plain = self._head_without_upgrade()
            return
        self._visit = self._direct_visit()
        if self._visit is None:
            self._ask_application()
        self.incoming = self.cycle
        # RFC 9110, section 6.5.1: trailers must not be taken for header fields, which the application reads.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """A piece of a body; as uvicorn has it, without its question for an upgrade."""
        self._silent = 0
        if self._visit is not None:
            self._visit.take(body)
        elif not self.cycle.response_complete:
            self.cycle.body += body
            if len(self.cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """A request is whole, unless it is the one that stopped the parser."""
        self._silent = 0
        if self._plain:
            return
        self.coming = False
        self.incoming = None
        self.until = None
        if self.cycle.response_complete:  # it was refused before it was whole: now it is the sender's turn
            self.wait()
        elif self._visit is not None:
            self._visit.end()
        else:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def drop(self) -> None:
        """The rest of the request on its way in will not come."""
        super().drop()
        if self._visit is not None:
            self._visit.abandon()

    def _direct_visit(self) -> Visit | None:
        """Where nothing is unusual about this request, its way past ASGI."""
        door = self._served.doors.get(self.url)
        if door is None or self.parser.get_method() != b"POST":
            return None
        latest = cast("RequestResponseCycle | None", self.cycle)  # None before the first
        if self.flow.write_paused or not (latest is None or latest.response_complete):
            return None  # ASGI waits for the sender to read, and for the answers before this one
        headers = headers_of(self.headers)
        if "expect" in headers:
            return None
        keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        visit = Visit(door, self.url.decode("ascii"), "", headers, self._exchange.scope)
        visit.check()
        self.cycle = cast("RequestResponseCycle", self._exchange.begin(keep_alive=keep_alive))
        self._asked = visit
        return self._asked

    def _recalled(self, packet: bytes) -> bool:
        """Whether this packet is a request whose head is known; then it goes its way without the parser."""
        if self.flow.write_paused or not self.cycle.response_complete:
            return False
        visit = self.memory.recall(packet)
        if visit is None:
            return False
        self._silent = 0
        self.until = None
        exchange = self._exchange
        self.cycle = cast("RequestResponseCycle", exchange.begin(keep_alive=True))
        visit.answer(exchange.say)
        return True

    def _ask_application(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()  # makes the scope
        self.url = url
        self.headers += headers
        self.expect_100_continue = (b"expect", b"100-continue") in (
            (name, value.lower()) for name, value in headers
        )
        super().on_headers_complete()

    def _parse(self, data: bytes) -> None:
        stopped = 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            stopped = upgrade.args[0]
        if stopped:
            self._parse_again(memoryview(data), stopped)
        if self._silent > HEAD:
            raise _too_large()
        if self.coming:
            if len(self.headers) > self.limits.fields:
                raise self._too_many()
            self.wait()

    def _parse_again(self, data: memoryview, stopped: int) -> None:
        """Go on where a wish for another protocol has stopped the parser.

        As RFC 9110, section 7.8, allows, it is not granted: the head goes in again without it, then what
        follows.
        """
        while stopped:
            data = data[stopped:]
            stopped = 0
            head, self._plain = self._plain, b""
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            self.parser.feed_data(head)
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                stopped = upgrade.args[0]

    def _head_without_upgrade(self) -> bytes:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            raise RefusedError(HTTPStatus.NOT_IMPLEMENTED, "this router is no proxy")
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        lines += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_many(self) -> RefusedError:
        told = f"the request has more than {self.limits.fields} header fields"
        return RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, told)


def _too_large() -> RefusedError:
    told = f"the request line and the header fields are larger than {HEAD} bytes"
    return RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, told)
