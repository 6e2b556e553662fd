"""One request at a source's door, from its head to its answer: the same whichever way it comes in.

There is nothing to wait for in here, and nothing of HTTP. `ingest` leads requests through as an ASGI
application does, `direct` from one call of the parser to the next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.types import Scope

from router import quarantine
from router.clock import Clock
from router.config.names import QUARANTINE
from router.errors import MessageError, RouterError
from router.service import Service
from router.signatures.base import SignatureError
from router.sources.base import Answer, Request, Source, Wanted, refusal
from router.store.base import Route, StoreError
from router.telemetry.counts import Counts
from router.web import origin
from router.web.body import (
    Body,
    Budget,
    CompressedError,
    CrowdedError,
    IncompleteError,
    TooLargeError,
    decoded,
)
from router.web.library import Library, UnavailableError
from router.web.limits import RETRY_AFTER
from router.web.refusals import Refusals
from router.web.reply import Replies, Reply

_ASIDE = (Route(QUARANTINE),)

_CHARSET = "latin-1"
"""What header fields are read as; of this charset's names, CPython is quickest at this one."""


class FailedError(MessageError):
    """The router failed on this request, and nothing of it was stored; the router's log says why."""

    status = 500


@dataclass(frozen=True, slots=True)
class Door:
    """A source, and what is behind it.

    Attributes:
        name: the source's name in the configuration.
        limit: the longest request body that is read, in bytes.
        budget: what the bodies of all requests under way may hold together.
        counts: what came.
        library: where the source's certificates come from; None where none can be had.
        asks_first: whether it is known from the head alone who may send.
        keeps: whether what cannot be read is set aside.
    """

    name: str
    source: Source
    service: Service
    clock: Clock
    limit: int
    budget: Budget
    refusals: Refusals
    counts: Counts = field(default_factory=Counts)
    library: Library | None = None
    replies: Replies = field(default_factory=Replies)
    asks_first: bool = field(init=False)
    keeps: bool = field(init=False)

    def __post_init__(self) -> None:
        """Ask the source once what stays as it is."""
        verifies = self.source.verifies
        object.__setattr__(self, "asks_first", verifies and self.source.by_head)
        object.__setattr__(self, "keeps", verifies and self.source.keeps_unreadable)


class Visit:
    """One request.

    Args:
        path, query: as sent, undecoded.
        headers: see `headers_of`.
        scope: an ASGI scope, or as much of one as says who met whom: `scheme`, `server`, `client`.

    Attributes:
        door, path, query, headers, scope: as they were given.
        due: whether it is time to answer: it is whole, or is refused for what is known of it.
    """

    __slots__ = (
        "_body",
        "_events",
        "_fault",
        "_kept",
        "_left",
        "_say",
        "_success",
        "door",
        "due",
        "headers",
        "path",
        "query",
        "scope",
    )

    def __init__(self, door: Door, path: str, query: str, headers: dict[str, str], scope: Scope) -> None:
        self.due = False
        self.door = door
        self.path = path
        self.query = query
        self.headers = headers
        self.scope = scope
        self._events = 0
        self._left: dict[str, int] | None = None
        self._kept: tuple[str, int] | None = None
        self._body = Body(door.limit, door.budget)
        self._fault: MessageError | CrowdedError | None = None

    @property
    def welcome(self) -> bool:
        """Whether it was not refused so far."""
        return self._fault is None

    def check(self) -> None:
        """See whether it is taken, as far as its head tells."""
        door, headers = self.door, self.headers
        try:
            if "origin" in headers:
                origin.check(headers["origin"], self.scope)
            if door.asks_first:  # strangers must not fill the memory with bodies
                door.source.admit(self._request(b""))
            self._body.check(headers)
        except CompressedError as error:
            if not door.keeps:
                self._refuse(error)
        except MessageError as error:
            self._refuse(error)

    def take(self, piece: bytes) -> None:
        """A piece of its body has come; what belongs to a refused request is ignored."""
        if self._fault is None:
            try:
                self._body.take(piece)
            except (MessageError, CrowdedError) as error:
                self._refuse(error)

    def end(self) -> None:
        """Nothing more comes."""
        if self._fault is None:
            self.due = True

    def answer(self, say: Callable[[Reply], None]) -> None:
        """Have it read by the source, and stored. `say` is called once, perhaps from in here.

        Success is said only after everything is on disk.
        """
        self.due = False
        self._say = say
        if self._fault is not None:
            self._end(self._fault)
            return
        try:
            request = self._request(self._body.whole(self.headers))
            try:
                self.door.source.admit(request)
            except Wanted as wanted:
                self._fetch(wanted, request)
            else:
                self._take(request)
        except Exception as error:  # noqa: BLE001 (whatever it is: a sender may understand its own dialect alone)
            self._end(error)

    def abandon(self) -> None:
        """The rest of it will not come, or nobody wants to hear the answer."""
        self.due = False
        self._body.release()

    def _refuse(self, error: MessageError | CrowdedError) -> None:
        """It goes no further."""
        self._fault = error
        self.due = True

    def _request(self, body: bytes) -> Request:
        return Request("POST", self.path, self.query, self.headers, body, self.door.clock.now())

    def _fetch(self, wanted: Wanted, request: Request) -> None:
        if self.door.library is None:
            raise UnavailableError
        self.door.library.fetch(wanted, partial(self._learnt, request))

    def _learnt(self, request: Request, error: RouterError | None) -> None:
        """What was wanted to know the sender is here, or cannot be had."""
        if error is not None:
            self._end(error)
            return
        try:
            self.door.source.admit(request)
            self._take(request)
        except Wanted:
            self._end(UnavailableError())
        except Exception as fault:  # noqa: BLE001 (as in `answer`)
            self._end(fault)

    def _take(self, request: Request) -> None:
        """Read what an admitted sender has sent, and have it stored."""
        door = self.door
        source = door.source
        try:
            if "content-encoding" in self.headers:
                request = self._unpacked(request)
            received = source.read(request)
        except MessageError as error:
            if not door.keeps:
                raise
            received = quarantine.set_aside(door.name, source, request, error)
            self._success = door.replies.to(source.kept(request))
            self._kept = (error.message, self._success.status)
            door.service.offer(door.name, received, self._end, patient=source.repeats, beside=_ASIDE)
            return
        # Before it is stored: this might fail, too.
        self._success = door.replies.to(source.accepted(received))
        self._events = len(received.readings)
        self._left = received.left
        door.service.offer(door.name, received, self._end, patient=source.repeats)

    def _unpacked(self, request: Request) -> Request:
        """The same without its Content-Encoding, which signatures know nothing of."""
        body = decoded(request.body, self.headers, self.door.limit)
        headers = {name: value for name, value in self.headers.items() if name != "content-encoding"}
        return msgspec.structs.replace(request, body=body, headers=headers)

    def _end(self, error: Exception | None) -> None:
        if error is None:
            self._count()
            reply = self._success
        else:
            reply = self._refused(error)
        self._body.release()
        self._say(reply)

    def _count(self) -> None:
        counts = self.door.counts
        counts.requests += 1
        counts.events += self._events
        if self._left:
            counts.refused.update({f"entry: {why}": count for why, count in self._left.items()})
            self.door.refusals.incomplete(self._left, self.door.name, **self._about())
        if self._kept is not None:
            counts.quarantined += 1
            self.door.refusals.quarantined(*self._kept, self.door.name, **self._about())

    def _refused(self, error: Exception) -> Reply:
        """What is said instead of success, in the sender's dialect."""
        self.door.counts.refused[_why(error)] += 1
        try:
            return Reply(self._refusal(error))
        except Exception as fault:  # noqa: BLE001 (as above)
            failed = FailedError()
            self.door.refusals.failed(fault, failed.status, self.door.name, **self._about())
            with contextlib.suppress(Exception):  # a source may be as broken as that
                return Reply(self.door.source.refused(failed))
            return Reply(refusal(failed))

    def _refusal(self, error: Exception) -> Answer:
        source = self.door.source
        if isinstance(error, MessageError):
            answer = source.refused(error)
            self._note(error, answer.status)
            if isinstance(error, IncompleteError):  # nobody knows where the next request begins
                return replace(answer, headers={**answer.headers, "connection": "close"})
            return answer
        if isinstance(error, (CrowdedError, UnavailableError)):
            answer = source.overloaded(RETRY_AFTER)
            self._note(error, answer.status)
            return answer
        if isinstance(error, StoreError):
            return source.overloaded(RETRY_AFTER)
        raise error

    def _note(self, error: RouterError, status: int) -> None:
        self.door.refusals.refused(error.message, status, self.door.name, _why(error), **self._about())

    def _about(self) -> dict[str, Any]:
        """This request, for the log."""
        return {
            "path": unquote(self.path),
            "client": client_of(self.scope),
            "content_type": self.headers.get("content-type"),
            "bytes": self._body.size,
        }


def _why(error: Exception) -> str:
    """Why a request was not taken, in a word to count by."""
    if isinstance(error, SignatureError):
        return error.reason.value
    if isinstance(error, origin.ForeignOriginError):
        return "foreign-origin"
    if isinstance(error, TooLargeError):
        return "too-large"
    if isinstance(error, MessageError):
        return "unreadable"
    return "overloaded" if isinstance(error, RouterError) else "failed"


def client_of(scope: Scope) -> str:
    """Who sent a request, for the log."""
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else "unknown"


def headers_of(fields: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields by lower-case name; repeated ones joined (RFC 9110, section 5.3).

    Args:
        fields: with names in lower case.
    """
    found: dict[str, str] = {}
    for name, value in fields:
        found[name.decode(_CHARSET)] = value.decode(_CHARSET)
    if len(found) < len(fields):
        for repeated in found:
            values = [value for name, value in fields if name == repeated.encode(_CHARSET)]
            found[repeated] = b", ".join(values).decode(_CHARSET)
    return found
