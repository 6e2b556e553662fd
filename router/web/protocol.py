"""HTTP/1.1 as uvicorn and httptools speak it, bounded, and deaf to `Upgrade` and to trailers.

They put no limit to what a connection may cost before an application sees a request. And a request with
`Connection: Upgrade` (`curl --http2` and Java's HttpClient send it by default) stops the parser after its
head: uvicorn would hand it to the application as one with an empty body
(https://github.com/Kludex/uvicorn/issues/2722).
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from router.web.limits import HEAD
from router.web.parting import MortalProtocol, Shared


class RefusedError(Exception):
    """Raised while the parser runs: this request goes no further.

    Attributes:
        status: the HTTP status of the answer.
    """

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


class Protocol(MortalProtocol):
    """One connection."""

    __slots__ = ("_packet", "_plain", "_silent")

    def __init__(
        self,
        config: Config,
        server_state: Shared,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._plain = b""
        """The head of a request that asks for another protocol, without that wish."""
        self._silent = 0
        """Bytes of the packets since the one in which a request, a head or a piece of a body ended."""
        self._packet = 0
        """The size of the packet that is being parsed."""

    def data_received(self, data: bytes) -> None:
        """Parse, and see what came of it."""
        if self.over:
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

    def on_headers_complete(self) -> None:
        """A head is whole: look at it before the application does."""
        if self._silent + self._packet > HEAD and self._size() > HEAD:
            raise _too_large()
        if len(self.headers) > self.limits.fields:
            raise self._too_many()
        self._silent = 0
        self._unset_keepalive_if_required()
        if self.parser.should_upgrade():
            self._plain = self._head_without_upgrade()
            return
        super().on_headers_complete()
        self.incoming = self.cycle
        # RFC 9110, section 6.5.1: trailers must not be taken for header fields, which the application reads.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """A piece of a body; as uvicorn has it, without its question for an upgrade."""
        self._silent = 0
        if not self.cycle.response_complete:
            self.cycle.body += body
            if len(self.cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """A request is whole, unless it is the one that stopped the parser."""
        self._silent = 0
        if self._plain:
            return
        self.whole = self.scope
        self.incoming = None
        if self.timer is not None:
            self.stop_waiting()
        if self.cycle.response_complete:  # it was refused before it was whole: now it is the sender's turn
            self.wait()
        else:
            self.cycle.more_body = False
            self.cycle.message_event.set()

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
        if self.scope is not self.whole:
            if len(self.headers) > self.limits.fields:
                raise self._too_many()
            self._unset_keepalive_if_required()
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
