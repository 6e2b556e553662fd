"""One source's door as an ASGI application: for what does not come the direct way."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive, Scope, Send

from router.clock import Clock
from router.service import Service
from router.sources.base import Source
from router.web.body import Budget
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
    ) -> None:
        self.door = Door(name, source, service, clock, limit, budget, Refusals(clock))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        visit = Visit(self.door, path, query, headers_of(scope["headers"]), scope)
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
        start: Message = {"type": "http.response.start", "status": reply.status, "headers": reply.fields}
        await send(start)
        await send({"type": "http.response.body", "body": reply.body})


async def _answer(visit: Visit) -> Reply:
    """Wait for the answer. Cancelling the wait takes nothing back."""
    said: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    visit.answer(lambda reply: None if said.done() else said.set_result(reply))
    return await said
