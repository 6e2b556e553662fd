"""What every source is: it reads its sender's requests and answers in that sender's dialect.

A source does no I/O, not even to look up a time zone. The web hands it a `Request`; it gives back the
events, or raises `MessageError`; after the store has committed, the web asks it for the `Answer`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Protocol

import msgspec

from router.errors import MessageError
from router.events.received import Received
from router.sources.settings import SourceSettings

MAX_EVENTS = 1000
"""How many events one request may hold; one with more is refused whole.

A request is read, matched and committed in one go, while every other sender waits: a thousand events are some
tens of milliseconds. Clouds send one, or a few; a sender of more can divide them."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """An HTTP request as a source sees it.

    Attributes:
        path: as sent, undecoded, without the query.
        query: the query as sent, undecoded, without `?`.
        headers: names in lower case; a repeated header's values joined by `, ` (RFC 9110, section 5.3).
        received: seconds since the epoch.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    received: float


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Wanted(Exception):  # noqa: N818 (no fault of the request's)
    """Before a request can be admitted, a document is needed: the certificate that it names.

    Attributes:
        url: where it is; a place that the source trusts.
        learn: hands the document over. After it the request is to be asked about again.
    """

    def __init__(self, url: str, learn: Callable[[bytes], None]) -> None:
        super().__init__(url)
        self.url = url
        self.learn = learn


class Source(Protocol):
    """One sender's dialect.

    Attributes:
        shape: what its entry in the configuration looks like. A source is made from such settings; without
            any it is open: it verifies nobody.
    """

    shape: ClassVar[type[SourceSettings]]

    def __init__(self, settings: Any = ...) -> None:
        """Make it; `settings` is an instance of `shape`."""

    @property
    def kind(self) -> str:
        """The word `router.yml` names it by."""
        ...

    @property
    def paths(self) -> Sequence[str]:
        """Where it listens by default, as Starlette path templates.

        A trailing `?name` means that the query must carry the key `name` (`/v1/{bucket}/?result`), a trailing
        `!name` that there must be a header field `name`.
        """
        ...

    @property
    def verifies(self) -> bool:
        """Whether it asks who sends. Else whoever reaches it may."""
        ...

    @property
    def by_head(self) -> bool:
        """Whether `admit` looks at the head alone: then it is asked before the body is taken in."""
        ...

    @property
    def keeps_unreadable(self) -> bool:
        """Whether a request of a verified sender that cannot be read is set aside, and taken for good.

        For senders that would only repeat it, and whose answers nobody reads.
        """
        ...

    @property
    def repeats(self) -> bool:
        """Whether the sender is known to send again what was turned away. The others are turned away last."""
        ...

    def admit(self, request: Request) -> None:
        """Find out who sent it.

        Raises:
            router.signatures.base.SignatureError: nobody who may.
            Wanted: that cannot be told without this.
        """
        ...

    def read(self, request: Request) -> Received:
        """The events of a request that was admitted.

        Raises:
            MessageError: nothing of the request is taken; its message says what is wrong and where.
        """
        ...

    def accepted(self, received: Received) -> Answer:
        """The answer after everything is on disk: success, in this sender's words."""
        ...

    def kept(self, request: Request) -> Answer:
        """The answer to a verified request that cannot be read, and was set aside: success, too."""
        ...

    def refused(self, error: MessageError) -> Answer:
        """The answer to a request that cannot be read or is not allowed."""
        ...

    def overloaded(self, retry_after: int) -> Answer:
        """The answer when nothing was stored and the sender should try again in `retry_after` seconds."""
        ...

    def greeted(self, request: Request) -> Answer | None:
        """The answer to an OPTIONS request; None where this sender sends none."""
        ...

    def redacted(self, body: bytes) -> bytes:
        """A body without the credentials that its sender puts into it, whether or not it can be read."""
        ...


class Plain:
    """The answers of a sender that reads nothing but the status. What a dialect adds is two numbers.

    Attributes:
        success: the status that means: it is on disk, never send it again.
        later: the status that means: nothing was stored, send it again.
        repeats, by_head, keeps_unreadable: as in `Source`.
    """

    __slots__ = ()

    repeats: ClassVar[bool] = True
    by_head: ClassVar[bool] = False
    keeps_unreadable: ClassVar[bool] = False
    success: ClassVar[int]
    later: ClassVar[int]

    def accepted(self, received: Received) -> Answer:  # noqa: ARG002 (the interface's)
        """Success, without a body."""
        return _success(self.success)

    def kept(self, request: Request) -> Answer:  # noqa: ARG002 (the interface's)
        """Success, likewise."""
        return _success(self.success)

    def refused(self, error: MessageError) -> Answer:
        """The error's own status, and why."""
        return refusal(error)

    def overloaded(self, retry_after: int) -> Answer:
        """Not now, with Retry-After."""
        return overload(self.later, retry_after)

    def greeted(self, request: Request) -> Answer | None:  # noqa: ARG002 (the interface's)
        """Nobody asks first."""
        return None

    def redacted(self, body: bytes) -> bytes:
        """As it is: no credentials stand in it."""
        return body


@cache
def _success(status: int) -> Answer:
    """The same object for every request: there are as many as sources have statuses."""
    return Answer(status)


def json_answer(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer whose body is JSON."""
    return Answer(
        status, msgspec.json.encode(content), {"content-type": "application/json", **(headers or {})}
    )


def refusal(error: MessageError) -> Answer:
    """`{"error": …}` for a person; no sender is known to read the body of a refusal."""
    return json_answer(error.status, {"error": error.message})


def overload(status: int, retry_after: int) -> Answer:
    """Not now: `status`, with Retry-After (RFC 9110, section 10.2.3)."""
    return json_answer(
        status,
        {"error": f"overloaded; nothing was stored, try again in {retry_after} s"},
        {"retry-after": str(retry_after)},
    )
