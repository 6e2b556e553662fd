"""One source's door as an ASGI application: for what does not come the direct way."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from router.clock import Clock
from router.service import Service
from router.sources.base import Request, Source
from router.telemetry.counts import Counts
from router.web.body import Budget
from router.web.library import Library
from router.web.refusals import Refusals
from router.web.reply import Reply
from router.web.visit import Door, Visit, headers_of

BUDGET = Budget()
"""What the bodies of all sources share: it is the process whose memory they take."""


class Ingest:
    """Reads a request, lets the source read it, stores what it holds, then answers.

    Args:
        name: the source's name in the configuration.
        limit: the longest request body that is read, in bytes.
        budget: what the bodies of all requests under way may hold together.
        counts: what came.
        library: where the source's certificates come from; None where none can be had.

    Attributes:
        door: the same, for who comes without ASGI.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        service: Service,
        clock: Clock,
        limit: int,
        budget: Budget = BUDGET,
        counts: Counts | None = None,
        library: Library | None = None,
    ) -> None:
        counts = Counts() if counts is None else counts
        self.door = Door(name, source, service, clock, limit, budget, Refusals(clock), counts, library)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        if scope["method"] == "OPTIONS":
            await _send(send, self._greeting(path, query, headers_of(scope["headers"])))
            return
        visit = Visit(self.door, path, query, headers_of(scope["headers"]), scope)
        visit.check()
        try:
            while not visit.due:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                visit.take(message.get("body", b""))
                if not message.get("more_body", False):
                    visit.end()
            reply = await _answer(visit)
        finally:
            visit.abandon()
        await _send(send, reply)

    def _greeting(self, path: str, query: str, headers: dict[str, str]) -> Reply:
        """What a sender is told that asks whether it may send."""
        request = Request("OPTIONS", path, query, headers, b"", self.door.clock.now())
        answer = self.door.source.greeted(request)
        if answer is None:
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
        return Reply(answer)


async def _send(send: Send, reply: Reply) -> None:
    start: Message = {"type": "http.response.start", "status": reply.status, "headers": reply.fields}
    await send(start)
    await send({"type": "http.response.body", "body": reply.body})


async def _answer(visit: Visit) -> Reply:
    """Wait for the answer. Cancelling the wait takes nothing back."""
    said: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    visit.answer(lambda reply: None if said.done() else said.set_result(reply))
    return await said
