"""A CloudEvent 1.0: context attributes as values, the payload as the bytes that were sent."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from router.errors import MessageError

SPEC_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema")
"""CloudEvents 1.0, section "Context Attributes", in the order in which they are written."""

ATTRIBUTE_NAME = re.compile(r"[a-z0-9]+\Z")
"""CloudEvents 1.0, section "Naming Conventions"."""

INTEGER_RANGE = range(-(2**31), 2**31)
"""CloudEvents 1.0, section "Type System": Integer is a signed 32-bit number."""

_JSON_MEDIA_TYPE = re.compile(r"(?i)\s*[^/;\s]+/(?:[^/;\s]+\+)?json\s*(?:;|\Z)")

Attribute = str | int | bool
"""A context attribute's value; what JSON has no type for (time, URI, binary) is its canonical string."""


SHOWN = 100
"""How many characters of a sender's own text a message repeats: an answer and a log line stay short."""


class EventError(MessageError):
    """This is not an event."""


class TooMuchError(EventError):
    """One request asks for more than is done for one request."""

    status = 413


def cut(text: str) -> str:
    r"""A sender's text as a message repeats it: on one line, and not more than its first `SHOWN` characters.

    >>> cut("a\nb"), len(cut("x" * 1_000_000))
    ('a\\nb', 101)
    """
    if not text.isprintable():
        text = ascii(text[: SHOWN + 1])[1:-1]
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def hold_to(most: int, count: int) -> None:
    """Refuse a request that holds more events than are taken at once.

    Raises:
        TooMuchError: `count` is greater than `most`.
    """
    if count > most:
        raise TooMuchError(f"{count} events in one request; at most {most} are taken at once, so send fewer")


def canonical(value: Attribute) -> str:
    """The canonical string of a context attribute (CloudEvents 1.0, section "Type System").

    >>> canonical(True), canonical(7), canonical("x")
    ('true', '7', 'x')
    """
    if value is True:
        return "true"
    if value is False:
        return "false"
    return str(value)


def is_json_media_type(text: str | None) -> bool:
    """Whether a `datacontenttype` declares JSON (CloudEvents JSON format 1.0, section 3.1).

    Absent means JSON. A subtype `json` or one that ends in `+json` is JSON, whatever its parameters.
    """
    if text is None or text == "application/json":
        return True
    return _declares_json(text) if len(text) <= SHOWN else _JSON_MEDIA_TYPE.match(text) is not None


@lru_cache(1_000)  # every event of a sender declares the same
def _declares_json(text: str) -> bool:
    return _JSON_MEDIA_TYPE.match(text) is not None


class Event(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One CloudEvent.

    Attributes:
        time: RFC 3339 text, with the digits it was sent with. A CloudEvent's is the sender's own text; only
            what a cloud sends that is not quite RFC 3339 (`2022-08-09 14:54:17+0800`) is put right by its
            source (`router.sources.lenient.date_time`).
        extensions: in the order in which they were sent.
        data: the payload as HTTP's binary mode would carry it, byte for byte what the sender wrote;
            None where the event has no payload. With a JSON content type it is valid JSON text.
    """

    id: str
    source: str
    type: str
    specversion: str = "1.0"
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    extensions: dict[str, Attribute] = {}
    data: bytes | None = None

    @property
    def is_json(self) -> bool:
        """Whether the payload is declared to be JSON."""
        return is_json_media_type(self.datacontenttype)

    def attributes(self) -> dict[str, str]:
        """Context attributes and extensions that are present, as canonical strings."""
        found = {"specversion": self.specversion, "id": self.id, "source": self.source, "type": self.type}
        if self.subject is not None:
            found["subject"] = self.subject
        if self.time is not None:
            found["time"] = self.time
        if self.datacontenttype is not None:
            found["datacontenttype"] = self.datacontenttype
        if self.dataschema is not None:
            found["dataschema"] = self.dataschema
        for name, value in self.extensions.items():
            found[name] = canonical(value)
        return found

    def value(self) -> Any:
        """The payload as rules see it: the JSON value, else the text, else (not UTF-8) its base64.

        None for an event without payload and for the payload `null`; `data` tells the two apart.
        It cannot fail on an event that was read: the reader that let the payload in is the one that reads
        it here. Numbers are Python's: an integer has all its digits, any other number is the nearest
        double, as RFC 8259, section 6, expects (`1e-999` is 0.0). The spelling stands in `data` alone, and
        may be beyond what `decimal.Decimal` can hold.
        """
        if self.data is None:
            return None
        if self.is_json:
            return msgspec.json.decode(self.data)
        return text_of(self.data)

    def view(self) -> dict[str, Any]:
        """What expressions (`where`, transforms, `order_by`) see: attributes, and the payload as `data`."""
        seen: dict[str, Any] = dict(self.attributes())
        if self.data is not None:
            seen["data"] = self.value()
        return seen


def text_of(payload: bytes) -> str:
    """A payload that is not JSON as a string: its UTF-8 text, else its base64 (RFC 4648, section 4)."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return msgspec.json.decode(msgspec.json.encode(payload), type=str)
