"""The body of a request, read whole or not at all, within what one request and all of them may hold."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from starlette.types import Receive

from router.errors import MessageError, RouterError
from router.web.limits import BODIES


class TooLargeError(MessageError):
    """The request body is too large."""

    status = 413


class CompressedError(MessageError):
    """The request body has a Content-Encoding other than gzip; send it without."""

    status = 415  # RFC 9110, section 15.5.16


class EncodedError(MessageError):
    """The request body is in a transfer coding other than chunked."""

    status = 501  # RFC 9112, section 6.1


class IncompleteError(MessageError):
    """The request body is not what its head announced; nothing of it was stored."""


class CrowdedError(RouterError):
    """The bodies of the requests under way leave no room for this one; nothing of it was stored."""


class GoneError(Exception):
    """The client went away before it had sent its request."""


class BrokenError(MessageError):
    """The request body is said to be gzip, and is not."""


_GZIP = ("gzip", "x-gzip")
"""RFC 9110, section 8.4.1.3."""


def decoded(body: bytes, headers: Mapping[str, str], limit: int) -> bytes:
    """A request body without its Content-Encoding.

    Args:
        body: as it was sent.
        headers: names in lower case.
        limit: the most bytes that it may have.

    Raises:
        TooLargeError: it would be longer; no more than that was made of it.
        BrokenError, CompressedError: it cannot be decoded.
    """
    coding = _coding(headers)
    if not coding:
        return body
    if coding not in _GZIP:
        raise CompressedError
    decoder = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        found = decoder.decompress(body, limit + 1)
    except zlib.error:
        raise BrokenError from None
    if len(found) > limit:
        raise TooLargeError(f"the request body is larger than {limit} bytes, unpacked")
    if not decoder.eof or decoder.unused_data:
        raise BrokenError
    return found


def _coding(headers: Mapping[str, str]) -> str:
    """How a body is encoded; empty where it is not."""
    coding = headers.get("content-encoding", "").strip().lower()
    return "" if coding == "identity" else coding


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
    """One body, from its head until its request is answered.

    Attributes:
        size: the bytes of it that are held.
    """

    __slots__ = ("_announced", "_budget", "_held", "_limit", "size")

    def __init__(self, limit: int, budget: Budget) -> None:
        self._limit = limit
        self._budget = budget
        self._announced = -1
        self._held: bytes | bytearray = b""
        self.size = 0

    async def read(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """Read it as an ASGI application does.

        Raises:
            MessageError: it will not be taken, or is not what its head announced.
            CrowdedError: there is no room for it.
            GoneError: the sender has gone.
        """
        self.check(headers)
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            self.take(message.get("body", b""))
            more = message.get("more_body", False)
        return self.whole(headers)

    def check(self, headers: Mapping[str, str]) -> None:
        """See whether what its head announces will be taken.

        Raises:
            TooLargeError: it is longer than the limit.
            EncodedError, CompressedError: it would have to be decoded first.
        """
        if "content-length" in headers:
            self._announced = int(headers["content-length"])
        if "content-encoding" in headers and _coding(headers) not in {"", *_GZIP}:
            raise CompressedError
        if "transfer-encoding" in headers and headers["transfer-encoding"].lower() != "chunked":
            raise EncodedError
        if self._announced > self._limit:
            raise self._too_large()

    def take(self, piece: bytes) -> None:
        """Hold a piece of it, too.

        Raises:
            TooLargeError: it is longer than the limit.
            CrowdedError: there is no room for it.
        """
        held = self.size
        size = held + len(piece)
        if size > self._limit:
            raise self._too_large()
        self._budget.take(len(piece), held)
        if not held:
            self._held = piece  # nearly always all of it
        else:
            if isinstance(self._held, bytes):
                self._held = bytearray(self._held)  # not a list, in which a piece of one byte costs forty
            self._held += piece
        self.size = size

    def whole(self, headers: Mapping[str, str]) -> bytes:
        """All of it, now that nothing more comes.

        Raises:
            IncompleteError: its length is not the announced one.
        """
        # A server's parser that stops at `Upgrade` hands over a body that is empty and looks complete.
        lost = not self.size and "upgrade" in headers and "transfer-encoding" in headers
        if lost or 0 <= self._announced != self.size:
            raise IncompleteError
        return bytes(self._held)

    def release(self) -> None:
        """Hold it no longer."""
        self._budget.give_back(self.size)
        self._held = b""
        self.size = 0

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"the request body is larger than {self._limit} bytes; nothing of it was stored")
