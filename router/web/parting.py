"""How a connection ends: when nothing comes, when too many are open, when something is refused.

What was asked before is answered first; then one line of JSON says why, and the connection is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from router.clock import Clock
from router.sources.base import json_answer
from router.web.limits import LAST_CALL, LINGER, RETRY_AFTER, Limits
from router.web.refusals import Refusals
from router.web.reply import Reply


class Shared(ServerState):
    """What the connections of one server share.

    Attributes:
        leaving: connections that were told why they are not served, and are about to be closed.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        super().__init__()
        self.limits = limits
        self.refusals = Refusals(clock)
        self.leaving: set[MortalProtocol] = set()


class MortalProtocol(HttpToolsProtocol):
    """One connection, which ends.

    Attributes:
        limits: what it may ask for.
        coming: whether a request has begun to come in and is not whole.
        incoming: who waits for the rest of its body.
        over: whether nothing more is taken.
        until: when what is waited for must have come, in the loop's time; None where nothing is.
    """

    # uvicorn's own attributes fill what CPython shares among instances; more of them would slow all down.
    __slots__ = ("_idle", "_parting", "_shared", "_timer", "coming", "incoming", "limits", "over", "until")

    def __init__(
        self,
        config: Config,
        server_state: Shared,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.limits = server_state.limits
        self.coming = False
        self.incoming: RequestResponseCycle | None = None
        self.over = False
        self.until: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._shared = server_state
        self._parting = b""
        self._idle = 0.0
        """When the latest answer was given, in the loop's time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Turn it away where there are too many; give the others a time to say something."""
        super().connection_made(cast("asyncio.Transport", transport))
        most = self.limits.connections
        if len(self.connections) <= most:
            self.wait()
        elif len(self._shared.leaving) < most:
            told = f"{most} connections are open, which is all that are served; try again later"
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, told, {"retry-after": str(RETRY_AFTER)})
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_waiting()
        self._unset_keepalive_if_required()
        self._shared.leaving.discard(self)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """A request was answered."""
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.over:
            self._part()
        elif not self.coming:
            self._idle = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self._close_when_idle(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """See whether nothing has come for so long. A timer for each request would cost too much."""
        self.timeout_keep_alive_task = None
        if self.coming or self._owes():
            return  # the next answer sets it again
        left = self._idle + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._close_when_idle(left)
        else:
            super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        """The server stops: do not wait for the rest of a body for as long as usual."""
        super().shutdown()
        if self.incoming is not None and not self.transport.is_closing():
            self._stop_waiting()
            self._wait(LAST_CALL)

    def wait(self) -> None:
        """Something is to come in time. When it has, `until` is None again; the timer finds that so."""
        if self.until is None:
            self._wait(self.limits.seconds)

    def _wait(self, seconds: float) -> None:
        self.until = self.loop.time() + seconds
        if self._timer is None:  # a timer for each request would cost too much here, too
            self._timer = self.loop.call_later(seconds, self._look)

    def _stop_waiting(self) -> None:
        self.until = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """See whether what is waited for now should have come by now."""
        self._timer = None
        if self.until is None:
            return  # the next wait sets it again
        left = self.until - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._look)
        else:
            self.until = None
            self._timed_out()

    def _timed_out(self) -> None:
        if self._owes():  # it is not the sender who is slow
            self.wait()
        elif self.coming:
            told = "the rest of the request did not come in time; nothing of it was stored"
            self.refuse(HTTPStatus.REQUEST_TIMEOUT, told)
        else:
            self.transport.close()

    def _owes(self) -> bool:
        """Whether a request that came in whole has yet to be answered."""
        if self.pipeline:
            return True
        latest = cast("RequestResponseCycle | None", self.cycle)  # None before the first
        return latest is not None and latest is not self.incoming and not latest.response_complete

    def refuse(self, status: int, told: str, headers: Mapping[str, str] | None = None) -> None:
        """Take nothing more; say this once what was asked before is answered."""
        self._stop_waiting()
        client = f"{self.client[0]}:{self.client[1]}" if self.client else "unknown"
        self._shared.refusals.refused(told, status, client=client)
        self.over = True
        parting = Reply(json_answer(status, {"error": told}, headers))
        self._parting = parting.whole(self.server_state.default_headers, last=True)
        owes = self._owes()
        if (unfinished := self.incoming) is not None:
            if unfinished.response_started:  # it has been refused already
                self._parting = b""
            self.drop()
            if self.pipeline and self.pipeline[0][0] is unfinished:
                self.pipeline.popleft()
        if not owes:
            self._part()

    def drop(self) -> None:
        """Tell whoever waits for the rest of a body that it will not come."""
        if self.incoming is not None:
            self.incoming.disconnected = True
            self.incoming.message_event.set()

    def _close_when_idle(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _part(self) -> None:
        """Say the last words, and close in a while.

        To close at once could destroy them on their way: whoever still sends would meet a reset (RFC 9112,
        section 9.6).
        """
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self.transport.write(self._parting)
        self.transport.write_eof()
        self.connections.discard(self)
        self._shared.leaving.add(self)
        self._timer = self.loop.call_later(LINGER, self.transport.close)
