"""What a sender is, whichever client it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, runtime_checkable

import msgspec

from router.errors import RouterError
from router.targets.base import Cause
from router.targets.network.connection import Connection

READ_BYTES = 64 * 1024
"""How much of an answer is read at most; what is longer costs the peer its connection."""

SUCCESS = range(200, 300)
"""Statuses (RFC 9110, section 15.3)."""


class SendError(RouterError):
    """There was no answer.

    Attributes:
        cause: whose fault that is.
    """

    def __init__(self, message: str, cause: Cause = Cause.PASSING) -> None:
        super().__init__(message)
        self.cause = cause


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer.

    Attributes:
        headers: by lower-case name; fields whose values are no ASCII text are left out, and so is
            all but the first of a repeated field. Empty where the status says success: nobody asks then,
            but of an answer to OPTIONS.
        body: what was read of it, at most `READ_BYTES`; less than was sent when the peer broke off.
            The status line was there by then: a broken body does not undo it.
    """

    status: int
    headers: dict[str, str]
    body: bytes


def is_silent(status: int, method: str) -> bool:
    """Whether nobody asks for the headers of such an answer (see `Reply.headers`)."""
    return status in SUCCESS and method != "OPTIONS"


class Sender(Protocol):
    """Sends one request and reads its answer. Redirects are answers like any other."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """Send; return the answer.

        Args:
            method: upper case.
            url: absolute, http or https.
            headers: already valid (RFC 9110, section 5.5). What is not ASCII is sent as UTF-8.
            body: the content; its length is sent with it.
            seconds: the time for everything, from the connection to the answer's last byte; above 0.

        Raises:
            SendError: there was no answer; the message says why, for a person.
            ValueError: the method, the URL or a header cannot be sent at all.
        """
        ...


@runtime_checkable
class PromptSender(Sender, Protocol):
    """A sender that can also send without anybody who waits for the answer."""

    def is_ready(self, url: str) -> bool:
        """Whether `begin` sends, most likely: who asks first makes no request for nothing.

        Raises:
            ValueError: this is no URL of a web server.
        """
        ...

    def begin(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        seconds: float,
        done: Callable[[Any], None],
    ) -> bool:
        """Send, if it can be done at once; whether it was.

        Args:
            method: as all of these, see `send`.
            url: see there.
            headers: see there.
            body: see there.
            seconds: see there.
            done: is called once on the event loop, with an answer for `reply`; not where this returns False.

        Raises:
            ValueError: as `send`.
        """
        ...

    def reply(self, answer: Any, url: str, seconds: float) -> Reply | None:
        """What `done` was called with; None where the peer had gone before, and has to be asked once more.

        Raises:
            SendError: as `send`.
        """
        ...


OpenSender = Callable[[str, Connection], AbstractAsyncContextManager[Sender]]
"""As `open_sender`."""
