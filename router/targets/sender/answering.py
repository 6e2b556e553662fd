"""Reads answers as a connection brings them (RFC 9112, sections 4 to 7): bytes in, replies out. No I/O.

httptools splits them. What it does not look after is looked after here: how much there may be of each part,
what is no HTTP/1, and after which answers nobody can be sure where the next one begins.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import httptools

from router.targets.sender.base import READ_BYTES, Reply, is_silent

HEAD_BYTES: Final = 64 * 1024
"""How long the head of an answer may be, with all informational ones before it."""

_WIRE_BYTES: Final = HEAD_BYTES + 8 * READ_BYTES
"""How long an answer may be with all that is not content: the sizes of chunks, extensions, trailers. A chunk
of one byte takes six."""

_VERSION: Final = b"HTTP/1."
_END: Final = b"\r\n\r\n"
_WITHOUT_BODY: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class BrokenError(Exception):
    """This is no answer; the message says why, in a few words."""


class Answers:
    """The answers of one connection, one after the other.

    Args:
        every_header: whether answers of success have their headers, too.

    Attributes:
        method: that of the request which is to be answered; its caller sets it.
        begun: whether something of an answer has come since the one before was whole.
        sound: whether the next answer can be told from this one. If not, the connection is of no more use.
    """

    __slots__ = (
        "_body", "_every_header", "_fields", "_parser", "_raw", "_read", "_refusal", "_size", "_status",
        "_whole", "begun", "method", "sound",
    )  # fmt: skip

    def __init__(self, *, every_header: bool) -> None:
        self._every_header = every_header
        self.method = ""
        self.sound = True
        self._parser = self._new_parser()
        self._reset()

    def _new_parser(self) -> httptools.HttpResponseParser:
        parser = httptools.HttpResponseParser(self)
        # As browsers do: chunks go before a length, and a line may end without CR. A head with either is not
        # `sound`.
        parser.set_dangerous_leniencies(lenient_chunked_length=True, lenient_optional_cr_before_lf=True)
        return parser

    def _reset(self) -> None:
        self.begun = False
        self._whole = False
        self._refusal: httptools.HttpParserError | None = None
        self._status = 0
        self._read = 0
        self._size = 0
        self._raw: bytes | bytearray = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    def feed(self, data: bytes) -> Reply | None:
        """Read on.

        Returns:
            The answer, once it is whole, as long as allowed, or broken behind its head.

        Raises:
            BrokenError: this is no answer.
        """
        self.begun = True
        self._read += len(data)
        if not self._status:
            self._keep(data)
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            self.sound = False
            if not self._status:
                raise _broken(error) from None
            return self.end()
        except httptools.HttpParserUpgrade:  # 101: what follows is another protocol
            self.sound = False
        if self._whole:
            return self.end()
        if self._status:
            if self._size >= READ_BYTES or self._read > _WIRE_BYTES:
                self.sound = False
                return self.end()
        elif self._read > HEAD_BYTES:
            raise _too_large()
        return None

    def end(self) -> Reply | None:
        """The answer as far as it came; None before the end of its head. What comes next is another one."""
        status = self._status
        if not status:
            return None
        body = self._body
        content = body[0] if len(body) == 1 else b"".join(body)
        if not self._whole or self._size > READ_BYTES:
            self.sound = False
            content = content[:READ_BYTES]
        is_quiet = is_silent(status, self.method) and not self._every_header
        reply = Reply(status, {} if is_quiet else _texts(self._fields), content)
        self._reset()
        return reply

    def release(self) -> None:
        """Let go of the parser, which holds this in turn."""
        del self._parser

    def _parse(self, data: bytes) -> None:
        """Have the parser read on."""
        if self._refusal is None:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError as error:
                if self._status or not self.sound or str(error) not in _REPEATED:
                    raise
                self._refusal = error
        if self._refusal is not None and _END in self._raw:
            self._parse_once(self._refusal)

    def _parse_once(self, refusal: httptools.HttpParserError) -> None:
        """Read a whole head again, which the parser refused because it says its length more than once."""
        once = _with_one_length(bytes(self._raw))
        if once is None:
            raise refusal
        self.sound = False
        self._refusal = None
        self._fields = []
        self._raw = once
        self._parser = self._new_parser()
        self._parser.feed_data(once)

    def _keep(self, data: bytes) -> None:
        """Bytes of heads are looked at again, once they are whole; the empty lines before them are none."""
        if not self._raw:
            self._raw = data.lstrip(b"\r\n")
        elif isinstance(self._raw, bytes):
            self._raw = bytearray(self._raw + data)
        else:
            self._raw += data

    # What the parser calls:

    def on_message_begin(self) -> None:
        """An answer begins."""
        if self._whole:
            raise BrokenError("bytes behind the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or a trailer, which is none (RFC 9110, section 6.5.1)."""
        if not self._status:
            self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """A head is whole."""
        parser = self._parser
        status = parser.get_status_code()
        if status < HTTPStatus.CONTINUE:
            raise BrokenError("invalid HTTP status-code parsed")
        if self._read > HEAD_BYTES and _size(self._fields) > HEAD_BYTES:
            raise _too_large()
        if not self._is_plain():
            self.sound = False
        if status >= HTTPStatus.OK or status == HTTPStatus.SWITCHING_PROTOCOLS:
            self._status = status
            if self.method == "HEAD":
                self.sound = False  # the parser waits for what is not there (RFC 9112, section 6.3)
                self._whole = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if not self._whole:
            self._body.append(body)
            self._size += len(body)

    def on_message_complete(self) -> None:
        """An answer is whole, or an informational one."""
        if not self._status:
            self._fields = []
            self.sound = False
            return
        self._whole = True
        if not self._parser.should_keep_alive():
            self.sound = False

    def _is_plain(self) -> bool:
        """Whether nobody could read this head in another way.

        Raises:
            BrokenError: it is no HTTP/1 at all, or an informational answer with a body.
        """
        raw = self._raw
        if not raw.startswith(_VERSION):
            raise BrokenError("invalid HTTP version parsed")
        status = self._parser.get_status_code()
        framing = {name: value for name, value in self._fields if name in _FRAMING}
        if status < HTTPStatus.OK and framing not in _NO_CONTENT:
            raise BrokenError("an informational answer with a body")
        end = raw.find(_END)
        if end < 0 or raw.count(b"\n", 0, end) != raw.count(b"\r\n", 0, end):
            return False
        if status in _WITHOUT_BODY:
            return framing in _NO_CONTENT
        return _CODING not in framing or (len(framing) == 1 and self._parser.get_http_version() == "1.1")


_LENGTH: Final = b"content-length"
_CODING: Final = b"transfer-encoding"
_FRAMING: Final = frozenset({_LENGTH, _CODING})
_REPEATED: Final = frozenset({"Duplicate Content-Length", "Invalid character in Content-Length"})
_NO_CONTENT: Final[tuple[dict[bytes, bytes], ...]] = ({}, {_LENGTH: b"0"})


def _broken(error: httptools.HttpParserError) -> BrokenError:
    """In the words of the other client, where it has some for this."""
    if isinstance(error.__context__, BrokenError):
        return error.__context__
    if isinstance(error, httptools.HttpParserInvalidStatusError):
        return BrokenError("invalid HTTP status-code parsed")
    said = str(error)
    return BrokenError("invalid HTTP version parsed" if said.startswith("Expected HTTP/") else said)


def _with_one_length(raw: bytes) -> bytes | None:
    """An answer whose length is said once; None if it says several (RFC 9110, section 8.6)."""
    head, end, rest = raw.partition(_END)
    lines: list[bytes] = []
    said: set[bytes] = set()
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() != _LENGTH:
            lines.append(line)
            continue
        said.update(one.strip(b" \t") for one in value.split(b","))
    if len(said) != 1:
        return None
    return b"\r\n".join([*lines, b"Content-Length: " + said.pop()]) + end + rest


def _too_large() -> BrokenError:
    return BrokenError("message head is too large")


def _size(fields: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in fields)


def _texts(fields: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """As `Reply.headers` has them."""
    found = {}
    for name, value in reversed(fields):
        key = name.decode("ascii")
        if value.isascii():
            found[key] = value.strip(b" \t").decode("ascii")
        else:
            found.pop(key, None)
    return found
