"""What the `file` kind writes: one message as one line of JSON. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from router.audit.records import seal
from router.events.json_format import encode
from router.events.json_text import is_json
from router.events.model import is_json_media_type, text_of
from router.targets.base import Body, Message

_LINE_FEED, _RETURN = b"\n\r"  # each to be found as a byte
_BREAK = re.compile(rb"[\r\n][ \t\r\n]*")


def lines_of(messages: Iterable[Message], now: float) -> bytes:
    """All messages as lines: see `line_of`."""
    time = rfc3339(now).encode()
    return b"".join([_line(message, time) for message in messages])


def line_of(message: Message, now: float) -> bytes:
    r"""The message as a line: its place, id, rules, and `event` (CloudEvents JSON format 1.0).

    A transformed body stands in the event's place under `body`: JSON as JSON, anything else as a string.

    Args:
        message: what to write.
        now: seconds since the epoch; the line's `time`.
    """
    return lines_of((message,), now)


def chained(messages: Iterable[Message], now: float, n: int, head: bytes) -> tuple[bytes, int, bytes]:
    """The messages as records of a chain: `n`, `prev`, `event` or `body`, `rules`, and what a line has too.

    Args:
        messages: what to write.
        now: seconds since the epoch; the records' `time`.
        n: how many records the chain has.
        head: the hash of the last of them.

    Returns:
        The lines, how many records the chain has with them, and the hash of the last one.
    """
    time = rfc3339(now).encode()
    found = []
    for message in messages:
        n += 1
        line, head = seal(n, head, _members(message, time))
        found.append(line)
    return b"".join(found), n, head


def _members(message: Message, time: bytes) -> bytes:
    body = message.body
    return b'"%b":%b,"rules":%b,"id":%b,"sequence":%d,"time":"%b"' % (
        b"event" if body is None else b"body",
        one_line(encode(message.event)) if body is None else _value(body),
        _rules(message.rules),
        msgspec.json.encode(message.id),
        message.sequence,
        time,
    )


def _line(message: Message, time: bytes) -> bytes:
    body = message.body
    return b'{"sequence":%d,"id":%b,"time":"%b","rules":%b,"%b":%b}\n' % (
        message.sequence,
        msgspec.json.encode(message.id),
        time,
        _rules(message.rules),
        b"event" if body is None else b"body",
        one_line(encode(message.event)) if body is None else _value(body),
    )


_rules = lru_cache(msgspec.json.encode)
"""Rules' names as JSON: few events have others than the one before."""


def rfc3339(seconds: float) -> str:
    """A moment in UTC, in microseconds (RFC 3339, section 5.6).

    >>> rfc3339(0.5)
    '1970-01-01T00:00:00.500000Z'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def one_line(text: bytes) -> bytes:
    r"""A JSON text without its line breaks and the indentation behind them; every token as it was.

    In JSON text a raw line break is always white space between tokens: inside of strings it is not
    allowed (RFC 8259, section 7), and no two tokens need white space to be told apart.

    >>> one_line(b'{"a": 1.0,\n  "b": "\\n"}')
    b'{"a": 1.0,"b": "\\n"}'
    """
    if not (_LINE_FEED in text or _RETURN in text):
        return text
    return _BREAK.sub(b"", text)


def _value(body: Body) -> bytes:
    if is_json_media_type(body.content_type) and is_json(body.content):
        return one_line(body.content)
    return msgspec.json.encode(text_of(body.content))
