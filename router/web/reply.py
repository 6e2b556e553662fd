"""Answers as the bytes that go out."""

from __future__ import annotations

from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from router.sources.base import Answer

Fields = list[tuple[bytes, bytes]]
"""Header fields, names in lower case."""


class Reply:
    """An answer, ready to be sent, perhaps more than once.

    Attributes:
        fields: its own header fields, without those that a server adds.
        closes: whether it says itself that the connection ends with it.

    Raises:
        UnicodeEncodeError: a header field has a character that none may have.
    """

    __slots__ = ("_servers", "_whole", "body", "closes", "fields", "status")

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.body = answer.body
        self.fields: Fields = [(b"content-length", b"%d" % len(answer.body))]
        self.fields += [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()
        ]
        self.closes = (b"connection", b"close") in self.fields
        self._servers: Fields | None = None
        self._whole = b""

    def whole(self, servers: Fields, *, last: bool = False) -> bytes:
        """All of it, byte for byte as uvicorn sends it.

        Args:
            servers: the fields that the server adds; as long as these are the same list, so are the bytes.
            last: whether the connection ends with it.
        """
        if last and not self.closes:
            return self._composed((*servers, *self.fields, (b"connection", b"close")))
        if self._servers is not servers:
            self._servers = servers
            self._whole = self._composed((*servers, *self.fields))
        return self._whole

    def _composed(self, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
        lines = b"".join([b"%b: %b\r\n" % field for field in fields])
        return b"%b%b\r\n%b" % (STATUS_LINE[self.status], lines, self.body)


class Replies:
    """Makes them. The latest is remembered: a source says success in the same words nearly always."""

    __slots__ = ("_answer", "_reply")

    def __init__(self) -> None:
        self._answer = Answer(200)
        self._reply = Reply(self._answer)

    def to(self, answer: Answer) -> Reply:
        """The reply that says this."""
        if answer is not self._answer and answer != self._answer:
            self._answer, self._reply = answer, Reply(answer)
        return self._reply
