"""One source's door: plain ASGI, because a framework would cost half of what a request may cost here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from router.clock import Clock
from router.errors import MessageError
from router.service import Service
from router.sources.base import Answer, Request, Source
from router.store.base import StoreError
from router.web import origin
from router.web.body import Body, Budget, CrowdedError, GoneError, IncompleteError
from router.web.limits import RETRY_AFTER
from router.web.refusals import Refusals

BUDGET = Budget()
"""What the bodies of all sources share: it is the process whose memory they take."""


class FailedError(MessageError):
    """The router failed on this request, and nothing of it was stored; the router's log says why."""

    status = 500


class Ingest:
    """Reads a request, lets the source read it, stores what it holds, then answers.

    Args:
        name: the source's name in the configuration.
        limit: the longest request body that is read, in bytes.
        budget: what the bodies of all requests under way may hold together.
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
        self._name = name
        self._source = source
        self._service = service
        self._clock = clock
        self._limit = limit
        self._budget = budget
        self._refusals = Refusals(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application. Success is said only after everything is on disk."""
        headers = _headers(scope)
        body = Body(self._limit, self._budget)
        try:
            answer = await self._outcome(scope, headers, receive, body)
        except GoneError:
            return
        except Exception as error:  # noqa: BLE001 (whatever it is: a sender may understand its own dialect alone)
            failed = FailedError()
            self._refusals.failed(error, failed.status, self._name, **_about(scope, headers, body))
            answer = self._source.refused(failed)
        finally:
            body.release()
        fields = [(b"content-length", b"%d" % len(answer.body))]
        fields += [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()
        ]
        start: Message = {"type": "http.response.start", "status": answer.status, "headers": fields}
        await send(start)
        await send({"type": "http.response.body", "body": answer.body})

    async def _outcome(self, scope: Scope, headers: dict[str, str], receive: Receive, body: Body) -> Answer:
        try:
            if "origin" in headers:
                origin.check(headers["origin"], scope)
            received = self._source.read(
                Request(
                    method=scope["method"],
                    path=scope["raw_path"].decode("latin-1"),
                    query=scope["query_string"].decode("latin-1"),
                    headers=headers,
                    body=await body.read(headers, receive),
                    received=self._clock.now(),
                )
            )
            answer = self._source.accepted(received)  # before it is stored: this might fail, too
            await self._service.accept(self._name, received, patient=self._source.repeats)
        except MessageError as error:
            refused = self._source.refused(error)
            about = _about(scope, headers, body)
            self._refusals.refused(error.message, error.status, self._name, **about)
            if isinstance(error, IncompleteError):  # nobody knows where the next request begins
                return replace(refused, headers={**refused.headers, "connection": "close"})
            return refused
        except CrowdedError as error:
            overloaded = self._source.overloaded(RETRY_AFTER)
            about = _about(scope, headers, body)
            self._refusals.refused(error.message, overloaded.status, self._name, **about)
            return overloaded
        except StoreError:
            return self._source.overloaded(RETRY_AFTER)
        return answer


def client_of(scope: Scope) -> str:
    """Who sent a request, for the log."""
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else "unknown"


def _about(scope: Scope, headers: dict[str, str], body: Body) -> dict[str, Any]:
    """A request, for the log."""
    return {
        "path": scope["path"],
        "client": client_of(scope),
        "content_type": headers.get("content-type"),
        "bytes": body.size,
    }


def _headers(scope: Scope) -> dict[str, str]:
    """Header fields by lower-case name; repeated ones joined (RFC 9110, section 5.3)."""
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    found = dict(fields)
    if len(found) < len(fields):
        found = {name: ", ".join(value for other, value in fields if other == name) for name in found}
    return found
