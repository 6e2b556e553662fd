"""The way of nearly every event: from the parser to the source and the service, and back, without ASGI.

No scope, no task, no coroutine: they would cost more than all the rest of what the web does for a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from starlette.types import Scope
from uvicorn.server import ServerState

from router.web.reply import Reply


class Exchange:
    """What goes this way on one connection, one request after the other.

    It takes the place of uvicorn's cycle: of that it has what is looked at from outside.

    Attributes:
        scope: as much of an ASGI scope as says who met whom.
        keep_alive: whether the connection goes on after this request.
        message_event: nobody waits for it.
    """

    __slots__ = (
        "_on_response",
        "_state",
        "_transport",
        "disconnected",
        "keep_alive",
        "message_event",
        "response_complete",
        "response_started",
        "scope",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        scope: Scope,
        state: ServerState,
        on_response: Callable[[], None],
    ) -> None:
        self.scope = scope
        self.keep_alive = True
        self.message_event = asyncio.Event()
        self.disconnected = False
        self.response_started = self.response_complete = True
        self._transport = transport
        self._state = state
        self._on_response = on_response

    def begin(self, *, keep_alive: bool) -> Self:
        """A request is to be answered; the one before has been."""
        self.keep_alive = keep_alive
        self.response_started = self.response_complete = False
        return self

    def say(self, reply: Reply) -> None:
        """This is the answer, if anybody is there to hear it."""
        self.response_started = self.response_complete = True
        transport = self._transport
        if transport.is_closing():
            return
        last = reply.closes or not self.keep_alive
        try:
            whole = reply.whole(self._state.default_headers, last=last)
        except Exception:
            self._transport.close()  # a sender that gets no answer must not wait for one
            raise
        transport.write(whole)
        if last:
            self._transport.close()
        else:
            self._on_response()

    def leave(self) -> None:
        """The connection is gone. What is whole is stored all the same."""
        self._on_response = _nothing  # it would keep the connection's protocol in memory


def _nothing() -> None:
    pass
