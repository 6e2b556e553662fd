"""One event of Alibaba's, from the text that holds it: a CloudEvent, or a message of IMM's own shape."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from router.events import Event, EventError, context, json_format, json_text
from router.events.received import Reading
from router.sources.lenient import epoch_time, mend
from router.sources.verdict import imm

Decode = Callable[[json_format.Mend | None], Event]

LOSSLESS = frozenset(("specversion-defaulted", "id-from-content"))
"""Notes on what was only filled in: the event still holds all that was sent."""

DIRECT = "direct-message"
"""The note on an event made of IMM's own message."""

_OWN = ("verdict", "verdictreason")
"""The extensions of IMM's events that are the router's to set."""


class _Marks(msgspec.Struct, frozen=True):
    """What marks an object as an event."""

    specversion: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    source: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    type: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Result(msgspec.Struct, frozen=True):
    """The members that `verdict.imm` asks for; null is as good as absent there."""

    Status: Any = None
    State: Any = None
    Success: Any = None
    Code: Any = None
    ErrorCode: Any = None
    FailReason: Any = None
    Suggestion: Any = None


_RESULT = msgspec.json.Decoder(_Result)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_MARKS = msgspec.json.Decoder(_Marks)


def read(sent: bytes, decode: Decode, *, strict: bool, where: str = "") -> Reading:
    """One event, and what had to be put right.

    Args:
        sent: all that was sent of it.
        decode: makes it, with a function that puts right what known senders get wrong.
        strict: whether nothing is put right.
        where: its place in the request, for messages.

    Raises:
        EventError: it cannot be read.
    """
    notes: list[str] = []

    def forgive(attributes: dict[str, Any]) -> None:
        if attributes.get("specversion") is None:
            attributes["specversion"] = "1.0"
            notes.append("specversion-defaulted")
        if attributes.get("id") is None:
            attributes["id"] = hashlib.sha256(sent).hexdigest()
            notes.append("id-from-content")
        notes.extend(mend(attributes))

    try:
        event = decode(None if strict else forgive)
    except EventError as error:
        if not where:
            raise
        # The same kind of error, which knows the status: too much stays too much.
        raise type(error)(where + error.message) from None
    return judged(event, tuple(notes))


def read_text(text: bytes, *, strict: bool, where: str = "") -> Reading:
    """The event of a JSON text: a CloudEvent, or IMM's direct message.

    Raises:
        EventError: it is neither.
    """
    message = _direct(text)
    if message is None:
        return read(text, lambda mend: json_format.decode(text, mend), strict=strict, where=where)
    reading = read(text, lambda mend: _of_message(message, mend), strict=strict, where=where)
    return msgspec.structs.replace(reading, notes=(DIRECT, *reading.notes))


def judged(event: Event, notes: tuple[str, ...]) -> Reading:
    """An event with its verdict. What a sender itself says there counts for nothing in an event of IMM's."""
    if not event.type.startswith("imm:"):
        return Reading(event, notes)
    # Asked first without the payload, which need not be read for an event that is no moderation.
    verdict = imm(event.type, None) and imm(event.type, _result(event))
    said = {name: event.extensions[name] for name in _OWN if name in event.extensions}
    if said == verdict:
        return Reading(event, notes)
    others = {name: value for name, value in event.extensions.items() if name not in _OWN}
    event = msgspec.structs.replace(event, extensions={**others, **verdict})
    return Reading(event, (*notes, "verdict-replaced") if said else notes)


def _result(event: Event) -> dict[str, Any]:
    """What a moderation's payload says of its outcome: the rest of it was read once, and may be long."""
    if event.data is None or not event.is_json:
        return {}
    try:
        return msgspec.structs.asdict(_RESULT.decode(event.data))
    except msgspec.ValidationError:  # JSON, and no object
        return {}


def is_meant(text: bytes) -> bool:
    """Whether somebody meant this as a CloudEvent, or several, however wrong they are."""
    if (begins := text.lstrip()[:1]) not in (b"{", b"["):
        return False
    try:
        if any(map(_has_marks, _LIST.decode(text) if begins == b"[" else (text,))):
            return True
    except json_text.REFUSALS:
        return b'"specversion"' in text
    return b'"specversion"' in text and not json_text.is_json(text)


def payload_type(payload: bytes) -> str:
    """The media type of a payload that nobody names: JSON where it is an object or a list, or text."""
    if payload.lstrip()[:1] in (b"{", b"[") and json_text.is_json(payload):
        return "application/json"
    try:
        payload.decode()
    except UnicodeDecodeError:
        return json_format.OCTETS
    return "text/plain; charset=utf-8"


def _has_marks(text: bytes | msgspec.Raw) -> bool:
    """Whether a JSON text is an object with what marks an event; nothing else in it is read.

    Raises:
        msgspec.MsgspecError: it is no JSON.
    """
    try:
        found = _MARKS.decode(text)
    except msgspec.ValidationError:
        return False
    unset = msgspec.UNSET
    return found.specversion is not unset or (found.source is not unset and found.type is not unset)


def _direct(text: bytes) -> dict[str, Any] | None:
    """The members of IMM's direct message (help.aliyun.com/document_detail/2743997.html).

    `{"id": …, "source": …, "type": …, "subject": …, "time": milliseconds as text, "content": JSON as text}`.
    """
    if b'"content"' not in text or b'"specversion"' in text:
        return None
    try:
        value = json_text.read(text)
    except EventError:
        return None  # whoever reads it next says why
    if not isinstance(value, dict) or "data" in value or "data_base64" in value:
        return None
    return value if type(value.get("content")) is str else None


def _of_message(message: Mapping[str, Any], mend: json_format.Mend | None) -> Event:
    payload = message["content"].encode()
    attributes = {
        "specversion": "1.0",
        **{name: value for name, value in message.items() if name != "content"},
        "datacontenttype": payload_type(payload),
    }
    if (time := epoch_time(attributes.get("time"))) is not None:
        attributes["time"] = time
    if mend is not None:
        mend(attributes)
    return context.build(attributes, payload)
