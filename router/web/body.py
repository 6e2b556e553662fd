"""The body of a request, read whole or not at all, within what one request and all of them may hold."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Receive

from router.errors import MessageError, RouterError
from router.web.limits import BODIES


class TooLargeError(MessageError):
    """The request body is too large."""

    status = 413


class EncodedError(MessageError):
    """The request body is in a transfer coding other than chunked."""

    status = 501  # RFC 9112, section 6.1


class IncompleteError(MessageError):
    """The request body is not what its head announced; nothing of it was stored."""


class CrowdedError(RouterError):
    """The bodies of the requests under way leave no room for this one; nothing of it was stored."""


class GoneError(Exception):
    """The client went away before it had sent its request."""


class Budget:
    """How many bytes of bodies are held at one time, by all requests under way."""

    def __init__(self, most: int = BODIES) -> None:
        self._most = most
        self._held = 0

    def take(self, size: int, own: int) -> None:
        """Hold `size` bytes more; who is alone may hold more than there is.

        Args:
            size: the bytes that come in addition.
            own: the bytes that the same request holds already.

        Raises:
            CrowdedError: there is no room for them.
        """
        if self._held + size > self._most and self._held > own:
            raise CrowdedError
        self._held += size

    def give_back(self, size: int) -> None:
        """Hold `size` bytes less."""
        self._held -= size


class Body:
    """One body, from its first byte until its request is answered.

    Attributes:
        size: the bytes of it that are held.
    """

    __slots__ = ("_budget", "_limit", "size")

    def __init__(self, limit: int, budget: Budget) -> None:
        self._limit = limit
        self._budget = budget
        self.size = 0

    async def read(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """Read it.

        Raises:
            TooLargeError: it is longer than the limit.
            EncodedError: it would have to be decoded first.
            IncompleteError: its length is not the announced one.
            CrowdedError: there is no room for it.
            GoneError: the sender has gone.
        """
        if headers.get("transfer-encoding", "chunked").lower() != "chunked":
            raise EncodedError
        announced = int(headers.get("content-length", -1))
        if announced > self._limit:
            raise self._too_large()
        body = bytearray()  # not a list, in which a piece of one byte costs forty
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            piece: bytes = message.get("body", b"")
            if self.size + len(piece) > self._limit:
                raise self._too_large()
            self._budget.take(len(piece), self.size)
            self.size += len(piece)
            body += piece
            more = message.get("more_body", False)
        # A server's parser that stops at `Upgrade` hands over a body that is empty and looks complete.
        lost = not body and "upgrade" in headers and "transfer-encoding" in headers
        if lost or announced not in (-1, len(body)):
            raise IncompleteError
        return bytes(body)

    def release(self) -> None:
        """Hold it no longer."""
        self._budget.give_back(self.size)
        self.size = 0

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"the request body is larger than {self._limit} bytes; nothing of it was stored")
