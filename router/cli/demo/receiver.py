"""The demo's receiver: it fails each path's first deliveries, as real ones do after a deployment."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

NOT_YET: tuple[tuple[int, dict[str, str]], ...] = ((503, {}), (503, {}), (429, {"Retry-After": "1"}))
"""How the first requests on a path are answered."""


class Receiver:
    """An ASGI application that counts what it took.

    Attributes:
        taken: the delivery ids that were answered with success, with how often.
    """

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}
        self._asked: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        await request.body()
        path = request.url.path
        asked = self._asked[path] = self._asked.get(path, 0) + 1
        if asked <= len(NOT_YET):
            status, headers = NOT_YET[asked - 1]
            answer = Response("not yet", status, headers)
        else:
            delivery = request.headers["idempotency-key"]
            self.taken[delivery] = self.taken.get(delivery, 0) + 1
            answer = Response(status_code=204)
        await answer(scope, receive, send)
