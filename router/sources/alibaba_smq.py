"""What Alibaba's Simple Message Queue (SMQ, once MNS) pushes: a message, perhaps in an envelope.

A subscription's `NotifyContentFormat` chooses the body: `XML` and `JSON` are envelopes with the message and
what describes it, `SIMPLIFIED` is the message alone, described by headers. From "NotifyContentFormat" and
"HttpEndpoint" (help.aliyun.com/document_detail/27482.html, 27498.html).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.events import EventError, json_text
from router.signatures import mns
from router.sources import xml

ENVELOPE = "smq-envelope"
BASE64 = "smq-base64"
"""The notes on a message that came in an envelope, and on one in base64."""


_MARKS = frozenset(("x-mns-version", "x-mns-request-id", "x-mns-message-id", mns.URL))
"""Headers that each push has, in one format or another."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message.

    Attributes:
        id, topic: None where the push does not say.
        notes: how it was wrapped.
    """

    text: bytes
    id: str | None
    topic: str | None
    notes: tuple[str, ...] = ()


def is_push(headers: Mapping[str, str]) -> bool:
    """Whether SMQ sent this, or says that it did."""
    return not _MARKS.isdisjoint(headers)


def unwrap(headers: Mapping[str, str], body: bytes) -> Message:
    """The message of a push.

    Raises:
        EventError: it begins like SMQ's XML, and is none.
    """
    envelope = _envelope(body)
    if envelope is None:
        described = headers.get("x-mns-message-id"), headers.get("x-mns-topic-name")
        text, notes = _decoded(body)
        return Message(text, *described, notes)
    text, notes = _decoded(envelope["Message"].encode())
    return Message(text, _text(envelope, "MessageId"), _text(envelope, "TopicName"), (ENVELOPE, *notes))


def _envelope(body: bytes) -> dict[str, Any] | None:
    found: Any = None
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<" and b"<Notification" in body:
        found = xml.read(body)[1]
    elif start == b"{" and b'"Message"' in body and b'"TopicName"' in body:
        found = json_text.read(body)
    fits = isinstance(found, dict) and isinstance(found.get("Message"), str)
    if start == b"<" and found is not None and not fits:
        raise EventError("a Notification of SMQ without a Message")
    return found if fits else None


def _text(envelope: Mapping[str, Any], name: str) -> str | None:
    value = envelope.get(name)
    return value if isinstance(value, str) and value else None


def _decoded(message: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A message that is base64 of a JSON object or list, as some of SMQ's SDKs publish, decoded."""
    try:
        inside = base64.b64decode(message, validate=True)
    except (binascii.Error, ValueError):
        return message, ()
    return (inside, (BASE64,)) if inside.lstrip()[:1] in (b"{", b"[") else (message, ())
