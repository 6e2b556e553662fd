"""A CloudEvent 1.0: context attributes as values, the payload as the bytes that were sent."""

from __future__ import annotations

import re
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


class EventError(MessageError):
    """This is not an event."""


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
    return text is None or _JSON_MEDIA_TYPE.match(text) is not None


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One CloudEvent.

    Attributes:
        time: RFC 3339 text as it was sent; never re-formatted, so nothing of its precision is lost.
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
        found = {name: value for name in SPEC_ATTRIBUTES if (value := getattr(self, name)) is not None}
        for name, value in self.extensions.items():
            found[name] = canonical(value)
        return found

    def value(self) -> Any:
        """The payload as rules see it: the JSON value, else the text, else (not UTF-8) its base64.

        None for an event without payload and for the payload `null`; `data` tells the two apart.
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
