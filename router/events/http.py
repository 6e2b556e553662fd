"""The HTTP protocol binding (CloudEvents HTTP binding 1.0.2), and plain JSON described by the query.

Headers are a mapping of lower-case names to values; there is no I/O here.
"""

from __future__ import annotations

import encodings
import encodings.aliases
import hashlib
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, quote, unquote_to_bytes

import msgspec

from router.events import context, json_format, json_text
from router.events.model import Event, EventError, cut, is_json_media_type

PREFIX = "ce-"
"""Section 3.1.3.1: every attribute but `datacontenttype` and `data` becomes a header of this prefix."""

_STRUCTURED = "application/cloudevents"
_BATCH = "application/cloudevents-batch"
_USUAL = frozenset(json_format.MEDIA_TYPE + more for more in ("", "; charset=utf-8", "; charset=UTF-8"))
"""How senders write the structured mode's type. What else means the same is understood, too."""

_CURL_DEFAULT = "application/x-www-form-urlencoded"

_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
"""Section 3.1.3.2: what stands in a header as it is; space, `"`, `%` and all others are percent-encoded."""

_UNQUOTED = re.compile(r"[!#$&-~]*+")
"""What holds nothing but `_SAFE`: by far the most."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CHARSET = re.compile(r"(?i);\s*charset\s*=\s*\"?([^\s\";]+)")


_JSON_CODECS = frozenset(("utf_8", "ascii"))
"""JSON is UTF-8 (RFC 8259, section 8.1), and so is every US-ASCII text."""


class UnsupportedMediaType(EventError):  # noqa: N818 (the name RFC 9110, section 15.5.16, gives it)
    """The event format is not one this router reads."""

    status = 415


def decode_request(
    headers: Mapping[str, str],
    body: bytes,
    query: str = "",
    most: int = sys.maxsize,
    mend: json_format.Mend | None = None,
) -> tuple[Event, ...]:
    """The events of a request, in whichever mode it is.

    Section 3: a batch or structured event by its Content-Type (the batch's begins with the structured
    one's, so it is asked first), else a binary event by its `ce-` headers. What has neither is plain
    JSON, described by the query's `type` and `source`. `mend` is called once for each event, in their order.

    Raises:
        UnsupportedMediaType: the Content-Type names an event format or charset other than JSON in UTF-8, or
            anything else that holds no event.
        TooMuchError: it is a batch of more than `most` events.
        EventError: the request cannot be read; the message says what is wrong and where.
    """
    content_type = headers.get("content-type", "")
    if content_type in _USUAL:
        return (json_format.decode(body, mend),)
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith(_STRUCTURED):
        return _by_format(media_type, content_type, body, most, mend)
    if is_binary(headers):
        return (decode_binary(headers, body, mend),)
    return (_plain(media_type, content_type, body, query, mend),)


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether there are `ce-` headers, and no event format in Content-Type (which counts for more)."""
    if headers.get("content-type", "").lstrip().lower().startswith(_STRUCTURED):
        return False
    return "ce-specversion" in headers or any(name.startswith(PREFIX) for name in headers)


def decode_binary(headers: Mapping[str, str], body: bytes, mend: json_format.Mend | None = None) -> Event:
    """The event of a binary-mode request (section 3.1): attributes in headers, the body is the payload.

    Raises:
        EventError: an attribute is missing or illegal, a header cannot be decoded, or the body is not
            the JSON that its Content-Type declares.
    """
    attributes: dict[str, Any] = {}
    size = len(PREFIX)
    for name, value in headers.items():
        if name[:size] == PREFIX:  # asked of every header, and faster than `startswith`
            attributes[name[size:]] = _header_text(name, value)
    if "datacontenttype" in attributes:
        raise EventError("ce-datacontenttype: the payload's type belongs in Content-Type")
    if "content-type" in headers:
        attributes["datacontenttype"] = headers["content-type"].strip()
    if mend is not None:
        mend(attributes)
    if not body:
        return context.build(attributes, None)
    json_format.check_payload(attributes, body)
    return context.build(attributes, body)


def encode_binary(event: Event) -> tuple[dict[str, str], bytes]:
    """Headers and body of an event in binary mode.

    A payload without content type is JSON, and is sent as such: the core specification asks for it to be
    made explicit where an event changes its format.
    """
    attributes = event.attributes()
    content_type = attributes.pop("datacontenttype", None)
    if not _UNQUOTED.fullmatch("".join(attributes.values())):
        attributes = {name: quote(value, safe=_SAFE) for name, value in attributes.items()}
    headers = {PREFIX + name: value for name, value in attributes.items()}
    if content_type is not None:
        headers["content-type"] = content_type
    elif event.data is not None:
        headers["content-type"] = "application/json"
    return headers, event.data or b""


def encode_structured(event: Event) -> tuple[dict[str, str], bytes]:
    """Headers and body of an event in structured mode."""
    return {"content-type": json_format.MEDIA_TYPE}, json_format.encode(event)


def encode_batch(events: Iterable[Event]) -> tuple[dict[str, str], bytes]:
    """Headers and body of several events in batch mode."""
    return {"content-type": json_format.BATCH_MEDIA_TYPE}, json_format.encode_batch(events)


def _by_format(
    media_type: str, content_type: str, body: bytes, most: int, mend: json_format.Mend | None
) -> tuple[Event, ...]:
    batch = media_type.startswith(_BATCH)
    if media_type not in (json_format.MEDIA_TYPE, json_format.BATCH_MEDIA_TYPE):
        known = json_format.BATCH_MEDIA_TYPE if batch else json_format.MEDIA_TYPE
        raise UnsupportedMediaType(
            f"Content-Type {cut(media_type)}: send {known}, no other event format is read"
        )
    charset = _CHARSET.search(content_type)
    if charset and _codec(charset[1]) not in _JSON_CODECS:
        raise UnsupportedMediaType(f"Content-Type {cut(content_type)}: JSON is UTF-8, send it as that")
    return json_format.decode_batch(body, most, mend) if batch else (json_format.decode(body, mend),)


def _codec(charset: str) -> str:
    """The codec that Python knows a charset by, however its name is spelled (`UTF8`, `'utf-8'`).

    From the table of names alone: `codecs.lookup` would look for a module of any name that a stranger sends.
    """
    name = encodings.normalize_encoding(charset).lower()
    return encodings.aliases.aliases.get(name, name)


def _header_text(name: str, value: str) -> str:
    """Section 3.1.3.2, "Decoding": unquote a quoted string, percent-decode exactly once, read as UTF-8.

    A server hands over a header's bytes as Latin-1; UTF-8 that came unencoded is read as what it is.
    """
    value = value.strip(" \t")
    if value.isascii() and "%" not in value and '"' not in value:
        return value
    if quoted := _QUOTED.fullmatch(value):
        value = _ESCAPED.sub(r"\1", quoted[1])
    try:
        raw = value.encode("latin-1")
    except UnicodeEncodeError:
        raw = value.encode(errors="surrogatepass")
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        advice = "what is not ASCII goes there as the percent-encoded bytes of its UTF-8"
        raise EventError(f"{cut(name)}: is not UTF-8; {advice}") from None


def _plain(
    media_type: str, content_type: str, body: bytes, query: str, mend: json_format.Mend | None
) -> Event:
    """An ordinary JSON body; `type` and `source`, perhaps `id`, `subject` and `time`, stand in the query."""
    given = parse_qs(query, keep_blank_values=True, errors="surrogateescape")
    attributes: dict[str, Any] = {
        name: given[name][-1] for name in ("type", "source", "id", "subject", "time") if name in given
    }
    foreign = media_type and media_type != _CURL_DEFAULT and not is_json_media_type(content_type)
    if "type" not in given or "source" not in given:
        # HTTP 1.1 Web Hooks for CloudEvents, section 2.2: 415 for a format that is not understood.
        raise (UnsupportedMediaType if foreign else EventError)(_lost(body))
    if foreign:
        raise UnsupportedMediaType(
            f"Content-Type {cut(media_type)}: with ?type= and ?source= the body is JSON"
        )
    json_text.read(body)
    attributes["specversion"] = "1.0"
    attributes["datacontenttype"] = content_type if is_json_media_type(content_type) else "application/json"
    attributes.setdefault("id", _content_id(attributes, body))
    if mend is not None:
        mend(attributes)
    return context.build(attributes, body)


def _content_id(attributes: Mapping[str, Any], body: bytes) -> str:
    """The same for a sender's retry, another for anything else."""
    described = [attributes.get(name) for name in ("type", "source", "subject", "time")]
    return hashlib.sha256(ascii(described).encode() + b"\0" + body).hexdigest()


def _lost(body: bytes) -> str:
    """What to tell a sender whose request has no event in it, as far as one can see."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        document = None
    if type(document) is dict and "specversion" in document:
        return f"this looks like a structured CloudEvent: send it with Content-Type {json_format.MEDIA_TYPE}"
    return (
        "no CloudEvent: neither Content-Type application/cloudevents+json, nor ce- headers, "
        "nor plain JSON with ?type=…&source=…"
    )
