"""One source's door: plain ASGI, because a framework would cost half of what a request may cost here."""

from __future__ import annotations

import structlog
from starlette.types import Message, Receive, Scope, Send

from router.clock import Clock
from router.errors import MessageError
from router.service import Service
from router.sources.base import Answer, Request, Source
from router.store.base import StoreError

RETRY_AFTER = 5
"""Seconds after which a sender that was turned away may come again."""

log = structlog.stdlib.get_logger(__name__)


class TooLargeError(MessageError):
    """The request body is too large."""

    status = 413


class GoneError(Exception):
    """The client went away before it had sent its request."""


class Ingest:
    """Reads a request, lets the source read it, stores what it holds, then answers.

    Args:
        name: the source's name in the configuration.
        limit: the longest request body that is read, in bytes.
    """

    def __init__(self, name: str, source: Source, service: Service, clock: Clock, limit: int) -> None:
        self._name = name
        self._source = source
        self._service = service
        self._clock = clock
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application. Success is said only after everything is on disk."""
        try:
            answer = await self._answer(scope, receive)
        except GoneError:
            return
        headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()
        ]
        headers.append((b"content-length", str(len(answer.body)).encode()))
        start: Message = {"type": "http.response.start", "status": answer.status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        headers, body = _headers(scope), b""
        try:
            body = await self._body(headers, receive)
            received = self._source.read(
                Request(
                    method=scope["method"],
                    path=scope["raw_path"].decode("latin-1"),
                    query=scope["query_string"].decode("latin-1"),
                    headers=headers,
                    body=body,
                    received=self._clock.now(),
                )
            )
            await self._service.accept(self._name, received)
        except MessageError as error:
            log.warning(
                "request.refused",
                error=error.message,
                status=error.status,
                source=self._name,
                path=scope["path"],
                client=client_of(scope),
                content_type=headers.get("content-type"),
                bytes=len(body),
            )
            return self._source.refused(error)
        except StoreError:
            return self._source.overloaded(RETRY_AFTER)
        return self._source.accepted(received)

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        # The length is the sender's word: it may end a request early, never let one in.
        if (said := headers.get("content-length", "")).isdecimal() and int(said) > self._limit:
            raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._limit:
                raise self._too_large()
            chunks.append(chunk)
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"the request body is larger than {self._limit} bytes; nothing of it was stored")


def client_of(scope: Scope) -> str:
    """Who sent a request, for the log."""
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else "unknown"


def _headers(scope: Scope) -> dict[str, str]:
    """Header fields by lower-case name; repeated ones joined (RFC 9110, section 5.3)."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
