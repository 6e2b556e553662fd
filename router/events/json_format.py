"""The JSON event format and batch format (CloudEvents JSON format 1.0.2).

The payload of an event keeps the bytes its sender wrote: spelling of numbers, white space, the order of
keys, and keys written twice are the same when the event goes out again. (White space around the whole
payload belongs to no JSON value: binary mode keeps it, here nobody can tell.) Of an attribute that the
envelope holds twice, the last one counts. A lone surrogate (half of a pair) is refused wherever it stands:
it is no Unicode character, and no JSON writer could hand it on.
"""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Any

import msgspec

from router.compiled import is_compiled
from router.events import context, json_text
from router.events.model import Event, EventError, cut, hold_to, is_json_media_type
from router.events.modesty import is_modest

MEDIA_TYPE = "application/cloudevents+json"
BATCH_MEDIA_TYPE = "application/cloudevents-batch+json"
OCTETS = "application/octet-stream"

Mend = Callable[[dict[str, Any]], None]
"""Called with the attributes as they came (JSON values, not checked yet), to fill in or drop some."""


class _Data(msgspec.Struct, gc=False):
    """The one member whose bytes matter; msgspec skips the others."""

    data: msgspec.Raw


class _Head(context.Known, forbid_unknown_fields=True, gc=False):
    """All members of most events, a number in place of the payload: nothing that msgspec would skip."""

    data: int = 0


class _Whole(context.Known, forbid_unknown_fields=True, gc=False):
    """All members of most events, the payload as it stands there."""

    data: msgspec.Raw = msgspec.Raw()


_NAME = b'"data"'
_DATA = _NAME + b":"
_ENDS = (b"}}", b"]}")
_SPACE = b" \t\n\r"
_COLON, _BACKSLASH, _DELETE = b":\\\x7f"  # each to be found as a byte
_PAYS = is_compiled()
"""Whether it costs less to look for what is beyond reading than to read it."""
_read_head = msgspec.json.Decoder(_Head).decode
_read_whole = msgspec.json.Decoder(_Whole).decode
_read_wholes = msgspec.json.Decoder(list[_Whole]).decode
_PAYLOAD = msgspec.json.Decoder(_Data)
_BATCH = msgspec.json.Decoder(list[msgspec.Raw])
_write = msgspec.json.Encoder().encode


def decode(body: bytes, mend: Mend | None = None) -> Event:
    """The event of a JSON text. What a known sender gets wrong, `mend` may put right; without it, nothing is.

    Raises:
        EventError: it is no JSON (with line and column) or no CloudEvent (with the member's name).
    """
    if mend is None and (event := _bare(body) or _usual(body)) is not None:
        return event
    return _event(json_text.read(body), body, mend)


def _is_bare(text: bytes) -> bool:
    """Whether a JSON text holds neither escapes nor anything but ASCII: no string can be wrong then.

    Of such a text msgspec lets no control character into a string but DEL. And whatever it skips there is
    JSON, only that numbers may be larger than what it reads.
    """
    return text.isascii() and _BACKSLASH not in text and _DELETE not in text


def _bare(text: bytes) -> Event | None:
    """The event of a bare text, read once; None where the other ways have to say."""
    if not (_PAYS and _is_bare(text)):
        return None
    try:
        found = _assembled((_read_whole(text),), text)
    except json_text.REFUSALS:
        return None
    return found[0] if found else None


def _bare_batch(body: bytes, most: int) -> tuple[Event, ...] | None:
    """As `_bare`, the events of a batch."""
    if not (_PAYS and _is_bare(body)):
        return None
    try:
        wholes = _read_wholes(body)
    except json_text.REFUSALS:
        return None
    hold_to(most, len(wholes))
    return _assembled(wholes, body)


def _assembled(wholes: Sequence[_Whole], text: bytes) -> tuple[Event, ...] | None:
    """The events of a bare text, one after the other; None if it is not certain that nothing is wrong there.

    Each one's payload must be all that is called `data` there: where an event has that member twice, nobody
    has looked at the first, and a number may begin with another.
    """
    at, found = 0, []
    for whole in wholes:
        payload = bytes(whole.data)
        colon = text.find(_NAME, at) + len(_NAME)
        at = colon + 1 + text.startswith(b" ", colon + 1)  # which Python's own writer puts there
        if not (
            payload
            and text[colon] == _COLON
            and text.startswith(payload, at)
            and context.is_plain(whole, is_bare=True)
            and is_json_media_type(whole.datacontenttype)
            and is_modest(payload, json_text.DEEP)
        ):
            return None
        found.append(context.assemble(whole, {}, payload))
        at += len(payload)
    return tuple(found) if text.find(_NAME, at) < 0 else None


def _usual(text: bytes) -> Event | None:
    """The event of a text that ends with an object or array as its payload; None where `_event` has to say.

    Such a text is cut in two, attributes and payload, and both are read to the last byte: what msgspec skips
    on its way to a member is JSON only nearly. If each part is whole, so was the text, and it was cut at the
    member `data`: another name that ends like this has a quotation mark in it, and is legal nowhere.
    """
    if not text.endswith(_ENDS) or (at := text.find(_DATA)) < 0:
        return None
    end = at + len(_DATA)
    head, payload = text[:end] + b"0}", text[end:-1].strip(_SPACE)
    try:
        known = _read_head(head)
    except json_text.REFUSALS:
        return _extended(head, payload)
    if not context.is_plain(known, is_bare=_is_bare(head)) or not is_json_media_type(known.datacontenttype):
        return None
    return None if json_text.glance(payload) is None else context.assemble(known, {}, payload)


def _extended(head: bytes, payload: bytes) -> Event | None:
    """As `_usual`, with extensions: `head` is what stands before the payload, and a number in its place."""
    attributes = json_text.glance(head)
    if attributes is None or not context.is_json(attributes) or json_text.glance(payload) is None:
        return None
    attributes.pop("data", None)
    try:
        return context.build(attributes, payload)
    except EventError:
        return None


def _event(document: Any, text: bytes, mend: Mend | None) -> Event:
    """The event of a text that has been read as `document`."""
    if type(document) is not dict:
        raise EventError("a CloudEvent in JSON is an object with specversion, id, source and type")
    has_data = "data" in document
    data, encoded = document.pop("data", None), document.pop("data_base64", None)
    if mend is not None:
        mend(document)
    if encoded is not None:
        if has_data:
            raise EventError("data and data_base64: an event has one of them")
        return context.build(document, _binary(document, encoded))
    if not has_data:
        return context.build(document, None)
    if context.is_json(document):
        return context.build(document, bytes(_PAYLOAD.decode(text).data))
    return context.build(document, _text(document, data))


def encode(event: Event) -> bytes:
    """The event as a JSON text: JSON data as its sender wrote it, text as a string, the rest in base64."""
    text = _write(
        context.Known(
            event.specversion,
            event.id,
            event.source,
            event.type,
            event.subject,
            event.time,
            event.datacontenttype,
            event.dataschema,
        )
    )
    if event.extensions:
        text = b"%b,%b" % (text[:-1], _write(event.extensions)[1:])
    data = event.data
    if data is None:
        return text
    if is_json_media_type(event.datacontenttype):
        return b"".join((text[:-1], b',"data":', data, b"}"))
    try:
        return b'%b,"data":%b}' % (text[:-1], _write(data.decode()))
    except UnicodeDecodeError:
        return b'%b,"data_base64":%b}' % (text[:-1], _write(data))  # msgspec writes bytes as base64


def split_batch(body: bytes, most: int = sys.maxsize) -> tuple[bytes, ...]:
    """The events of a batch, each as the JSON text its sender wrote.

    Raises:
        EventError: it is no JSON array; the message says where.
        TooMuchError: it holds more than `most` events.
    """
    texts = _elements(body, most)
    json_text.read(body)
    return texts


def decode_batch(body: bytes, most: int = sys.maxsize, mend: Mend | None = None) -> tuple[Event, ...]:
    """The events of a batch, in its order, which is that of the calls of `mend`. An empty batch is legal.

    Raises:
        EventError: the batch or one of its events cannot be read; `events[1]` is the second one.
        TooMuchError: it holds more than `most` events.
    """
    if mend is None and (events := _bare_batch(body, most)) is not None:
        return events
    texts = _elements(body, most)
    if mend is None:
        with suppress(EventError):  # which is told below: first what is wrong with the text as a whole
            return tuple(map(_element, texts))
    documents = [json_text.glance(text) for text in texts]
    if None in documents:
        documents = json_text.read(body)
    return tuple(map(_numbered, range(len(texts)), documents, texts, repeat(mend)))


def _element(text: bytes) -> Event:
    """The event of an element that nobody has read yet."""
    return _usual(text) or _event(json_text.glance(text), text, None)


def _elements(body: bytes, most: int) -> tuple[bytes, ...]:
    """The texts of a batch's events. Nobody has read them yet."""
    try:
        texts = _BATCH.decode(body)
    except json_text.REFUSALS:
        json_text.read(body)
        raise EventError("a batch of CloudEvents in JSON is an array") from None
    hold_to(most, len(texts))
    return tuple(map(bytes, texts))


def _numbered(index: int, document: Any, text: bytes, mend: Mend | None) -> Event:
    try:
        return _event(document, text, mend)
    except EventError as error:
        raise EventError(f"events[{index}]: {error.message}") from None


def encode_batch(events: Iterable[Event]) -> bytes:
    """Events as one batch."""
    return b"[%b]" % b",".join(map(encode, events))


def _text(attributes: dict[str, Any], data: Any) -> bytes | None:
    """Section 3.1: under a content type that is not JSON, `data` is a string that holds the text."""
    if data is None:
        return None
    if type(data) is not str:
        declared = cut(attributes["datacontenttype"])
        raise EventError(f"data: must be a string, because datacontenttype is {declared}")
    return data.encode()


def _binary(attributes: dict[str, Any], encoded: Any) -> bytes:
    """Section 3.1.1: `data_base64` holds any payload, JSON as well.

    Bytes that are no JSON, with no content type to say what they are, are `application/octet-stream`
    (RFC 9110, section 8.3): an event without content type would claim to hold JSON.
    """
    try:
        payload = base64.b64decode(encoded, validate=True) if type(encoded) is str else None
    except (binascii.Error, ValueError):
        payload = None
    if payload is None:
        raise EventError("data_base64: is no base64 (RFC 4648, section 4: A-Z a-z 0-9 + / and padding)")
    try:
        check_payload(attributes, payload)
    except EventError as error:
        raise EventError(f"data_base64: what it holds should be JSON; {error.message}") from None
    return payload


def check_payload(attributes: dict[str, Any], payload: bytes) -> None:
    """Hold a payload that came as bytes to its content type; name the type of octets that have none.

    Raises:
        EventError: it should be JSON and is not; the message has line and column.
    """
    if attributes.get("datacontenttype") is None:
        if not json_text.is_json(payload):
            attributes["datacontenttype"] = OCTETS
    elif context.is_json(attributes):
        json_text.read(payload)
