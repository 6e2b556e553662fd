"""The HTTP/1.1 protocol with bounds.

uvicorn and its parser put no limit to what a connection may cost before an application sees a request. Here
every request is given to the application as it was sent, or refused with a line of JSON and the end of the
connection; what was asked before is answered first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import httptools
import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from router.clock import Clock
from router.web.limits import HEAD, LAST_CALL, LINGER, RETRY_AFTER, Limits
from router.web.plain import PlainProtocol
from router.web.refusals import Refusals


class Shared(ServerState):
    """What the connections of one server share.

    Attributes:
        leaving: connections that were told why they are not served, and are about to be closed.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        super().__init__()
        self.limits = limits
        self.refusals = Refusals(clock)
        self.leaving: set[Protocol] = set()


class RefusedError(Exception):
    """Raised while the parser runs: this request goes no further.

    Attributes:
        status: the HTTP status of the answer.
    """

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


class Protocol(PlainProtocol):
    """One connection."""

    # uvicorn's own attributes fill what CPython shares among instances; more of them would slow all down.
    __slots__ = ("_begun", "_incoming", "_limits", "_packet", "_parting", "_shared", "_silent", "_timer")

    def __init__(
        self,
        config: Config,
        server_state: Shared,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._shared = server_state
        self._limits = server_state.limits
        self._begun = False
        """Whether a request is on its way in."""
        self._incoming: RequestResponseCycle | None = None
        """Who waits for the rest of its body."""
        self._silent = 0
        """Bytes of the packets since the one in which a request, a head or a piece of a body ended."""
        self._packet = 0
        """The size of the packet that is being parsed."""
        self._timer: asyncio.TimerHandle | None = None
        self._parting: bytes | None = None
        """The last words of a connection from which nothing more is taken."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Turn it away where there are too many; give the others a time to say something."""
        super().connection_made(cast("asyncio.Transport", transport))
        most = self._limits.connections
        if len(self.connections) <= most:
            self._wait(self._limits.seconds)
        elif len(self._shared.leaving) < most:
            told = f"{most} connections are open, which is all that are served; try again later"
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, told, {"retry-after": str(RETRY_AFTER)})
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_waiting()
        self._shared.leaving.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and see what came of it."""
        if self._parting is not None:
            return
        self._packet = len(data)
        self._silent += self._packet
        try:
            self.parse(data)
            if self._silent > HEAD:
                raise _too_large()
            if self._begun:
                if len(self.headers) > self._limits.fields:
                    raise self._too_many()
                if self._timer is None:
                    self._wait(self._limits.seconds)
        except RefusedError as refused:
            self._refuse(refused.status, str(refused))
        except httptools.HttpParserCallbackError as error:
            if isinstance(cause := error.__context__, RefusedError):
                self._refuse(cause.status, str(cause))
            else:
                self._refuse(HTTPStatus.BAD_REQUEST, "the target of the request cannot be read")
        except httptools.HttpParserError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"this is no HTTP/1.1 request: {error}")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._begun = True
        self._unset_keepalive_if_required()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is whole: look at it before anybody else does."""
        if self._silent + self._packet > HEAD and self._size() > HEAD:
            raise _too_large()
        self._silent = 0
        if len(self.headers) > self._limits.fields:
            raise self._too_many()
        super().on_headers_complete()
        self._incoming = self.cycle

    def on_upgrade(self) -> None:
        """A request asks for another protocol."""
        if self.parser.get_method() == b"CONNECT":
            raise RefusedError(HTTPStatus.NOT_IMPLEMENTED, "this router is no proxy")
        super().on_upgrade()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._silent = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._begun = False
        self._silent = 0
        if self._timer is not None:
            self._stop_waiting()
        super().on_message_complete()
        if (complete := self._incoming) is not None:
            self._incoming = None
            if complete.response_complete:  # refused before it was whole: now it is the sender's turn
                self._wait(self._limits.seconds)

    def on_response_complete(self) -> None:
        """A request was answered."""
        last = not self.pipeline
        super().on_response_complete()
        if self._begun:  # the next one is on its way, or the rest of this one
            self._unset_keepalive_if_required()
        if last and self._parting is not None:
            self._part(self._parting)

    def shutdown(self) -> None:
        """The server stops: do not wait for the rest of a body for as long as usual."""
        super().shutdown()
        if self._incoming is not None and not self.transport.is_closing():
            self._stop_waiting()
            self._wait(LAST_CALL)

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_many(self) -> RefusedError:
        told = f"the request has more than {self._limits.fields} header fields"
        return RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, told)

    def _wait(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._timed_out)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timed_out(self) -> None:
        self._timer = None
        if self._owes():  # it is not the sender who is slow
            self._wait(self._limits.seconds)
        elif self._begun:
            told = "the rest of the request did not come in time; nothing of it was stored"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, told)
        else:
            self.transport.close()

    def _owes(self) -> bool:
        """Whether a request that came in whole has yet to be answered."""
        if self.pipeline:
            return True
        latest = cast("RequestResponseCycle | None", self.cycle)  # None before the first
        return latest is not None and latest is not self._incoming and not latest.response_complete

    def _refuse(self, status: int, told: str, headers: Mapping[str, str] | None = None) -> None:
        """Take nothing more; say this once what was asked before is answered."""
        self._stop_waiting()
        client = f"{self.client[0]}:{self.client[1]}" if self.client else "unknown"
        self._shared.refusals.refused(told, status, client=client)
        self._parting = self._answer(status, told, headers or {})
        owes = self._owes()
        if (unfinished := self._incoming) is not None:
            if unfinished.response_started:  # the application has refused it already
                self._parting = b""
            unfinished.disconnected = True
            unfinished.message_event.set()
            if self.pipeline and self.pipeline[0][0] is unfinished:
                self.pipeline.popleft()
        if not owes:
            self._part(self._parting)

    def _answer(self, status: int, told: str, headers: Mapping[str, str]) -> bytes:
        body = msgspec.json.encode({"error": told})
        fields = [*self.server_state.default_headers, (b"content-type", b"application/json")]
        fields += [(name.encode(), value.encode()) for name, value in headers.items()]
        fields += [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        return STATUS_LINE[status] + b"".join(b"%s: %s\r\n" % field for field in fields) + b"\r\n" + body

    def _part(self, words: bytes) -> None:
        """Say the last words, and close in a while.

        To close at once could destroy them on their way: whoever still sends would meet a reset (RFC 9112,
        section 9.6).
        """
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self.transport.write(words)
        self.transport.write_eof()
        self.connections.discard(self)
        self._shared.leaving.add(self)
        self._timer = self.loop.call_later(LINGER, self.transport.close)


def _too_large() -> RefusedError:
    told = f"the request line and the header fields are larger than {HEAD} bytes"
    return RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, told)
