"""Context attributes, checked: the one place through which every event of every HTTP mode comes.

Section names are those of the CloudEvents 1.0.2 core specification.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from router.events.model import (
    ATTRIBUTE_NAME,
    INTEGER_RANGE,
    SHOWN,
    SPEC_ATTRIBUTES,
    Attribute,
    Event,
    EventError,
    cut,
    is_json_media_type,
)

RESERVED_NAMES = frozenset(("data", "data_base64"))
"""Members of the JSON format that no attribute may be named after (section "Naming Conventions")."""

_USUAL = (None, "application/json")
_REQUIRED = ("specversion", "id", "source", "type")
_SPEC_NAMES = frozenset(SPEC_ATTRIBUTES)

_ILLEGAL = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
    + "]"
)
"""Section "Type System": what a String must not contain (control characters, surrogates, noncharacters)."""

_DATE_TIME = re.compile(
    r"(?!0000)\d{4}-(?:"
    r"(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]|29()))"
    r"[Tt](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
"""RFC 3339, section 5.6, `date-time`; the one group is that of a leap day. A leap second (`:60`) is legal."""

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:[ \t]*;[ -~\t]*)?", re.ASCII)
"""RFC 6838, section 4.2 (the names that RFC 2046 leaves to registration), and whatever parameters."""


def is_date_time(text: str) -> bool:
    """Whether a text is an RFC 3339 `date-time`.

    >>> is_date_time("2024-02-29T23:59:60Z"), is_date_time("2023-02-29T00:00:00Z")
    (True, False)
    """
    found = _DATE_TIME.fullmatch(text)
    return found is not None and (found.lastindex is None or calendar.isleap(int(text[:4])))


@lru_cache(1_000)  # all events of a sender declare the same
def _is_plain_media_type(text: str) -> bool:
    return text.isprintable() and _MEDIA_TYPE.fullmatch(text) is not None


_FORMS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "specversion": ("1.0".__eq__, 'but this router speaks "1.0"'),
    "time": (is_date_time, "which is no RFC 3339 time, such as 2026-01-31T08:30:00Z"),
    "datacontenttype": (_MEDIA_TYPE.fullmatch, "which is no media type, such as application/json"),
}
"""What these must look like, beyond being text, and how to say that they do not."""


_Text = Annotated[str, msgspec.Meta(min_length=1)]


class Known(msgspec.Struct, omit_defaults=True, gc=False):
    """`SPEC_ATTRIBUTES`, in their order."""

    specversion: str
    id: _Text
    source: _Text
    type: _Text
    subject: _Text | None = None
    time: _Text | None = None
    datacontenttype: _Text | None = None
    dataschema: _Text | None = None


def complaint(name: str, value: Any) -> str | None:
    """What is wrong with one attribute that is present, None if nothing is. It begins with the name."""
    wrong = _spec_complaint(name, value) if name in _SPEC_NAMES else _extension_complaint(name, value)
    if wrong is None and type(value) is str and not value.isprintable() and (found := _ILLEGAL.search(value)):
        return f"{cut(name)}: holds U+{ord(found[0]):04X}, which no attribute may contain"
    return wrong


def _spec_complaint(name: str, value: Any) -> str | None:
    if type(value) is not str or not value:
        return f"{name}: {_shown(value)} where a non-empty string should stand"
    if name in _FORMS:
        fits, otherwise = _FORMS[name]
        if not fits(value):
            return f"{name}: {_shown(value)}, {otherwise}"
    return None


def _may_be_named(name: str) -> bool:
    return ATTRIBUTE_NAME.match(name) is not None and name not in RESERVED_NAMES


def _extension_complaint(name: str, value: Any) -> str | None:
    if not _may_be_named(name):
        return f"{_shown(name)} can name no attribute: only lower-case letters and digits can, and not `data`"
    if type(value) is int:
        if value in INTEGER_RANGE:
            return None
        return f"{cut(name)}: {_shown(value)} does not fit into 32 bits; send it as a string"
    if type(value) is not str and type(value) is not bool:
        return f"{cut(name)}: {_shown(value)} where a string, a 32-bit integer or a boolean should stand"
    return None


def build(attributes: Mapping[str, Any], data: bytes | None) -> Event:
    """The event of these attributes, as JSON values by name, and this payload.

    An attribute that is None counts as absent (JSON format 1.0, section 2.2). The caller answers for
    `data` being JSON where `datacontenttype` says so.

    Raises:
        EventError: an attribute is missing or illegal; the message begins with its name.
    """
    try:
        known = msgspec.convert(attributes, Known)
    except msgspec.ValidationError:
        known = None
    if (known is None or not is_plain(known)) and (wrong := _first_complaint(attributes)):
        raise EventError(wrong)
    assert known is not None
    return assemble(known, {} if _SPEC_NAMES.issuperset(attributes) else _extensions(attributes), data)


def assemble(known: Known, extensions: dict[str, Attribute], data: bytes | None) -> Event:
    """The event of attributes that have been checked."""
    return Event(
        known.id,
        known.source,
        known.type,
        known.specversion,
        known.subject,
        known.time,
        known.datacontenttype,
        known.dataschema,
        extensions,
        data,
    )


def is_plain(known: Known, *, is_bare: bool = False) -> bool:
    """Whether it is certain that nothing is wrong with them. It is with by far the most.

    Args:
        known: attributes, none of them empty.
        is_bare: whether they are known to be of printable ASCII.
    """
    time, content_type = known.time, known.datacontenttype
    return (
        known.specversion == "1.0"
        and (time is None or is_date_time(time))
        and (content_type in _USUAL or (len(content_type) <= SHOWN and _is_plain_media_type(content_type)))
        and (
            is_bare
            or (
                known.id.isprintable()
                and known.source.isprintable()
                and known.type.isprintable()
                and (known.subject is None or known.subject.isprintable())
                and (known.dataschema is None or known.dataschema.isprintable())
            )
        )
    )


def _extensions(attributes: Mapping[str, Any]) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for name, value in attributes.items():
        if name in _SPEC_NAMES or value is None:
            continue
        plain = type(value) is str and value.isprintable() and len(name) <= SHOWN and _is_plain_name(name)
        if not plain and (wrong := complaint(name, value)):
            raise EventError(wrong)
        found[name] = value
    return found


@lru_cache(1_000)  # all events of a sender have the same
def _is_plain_name(name: str) -> bool:
    return _may_be_named(name)


def _first_complaint(attributes: Mapping[str, Any]) -> str | None:
    for name, value in attributes.items():
        if value is not None and (wrong := complaint(name, value)):
            return wrong
    for name in _REQUIRED:
        if attributes.get(name) is None:
            return f"{name}: is missing; a CloudEvent needs specversion, id, source and type"
    return None


def is_json(attributes: Mapping[str, Any]) -> bool:
    """Whether attributes that are not checked yet declare a JSON payload."""
    declared = attributes.get("datacontenttype")
    return is_json_media_type(declared if type(declared) is str else None)


def _shown(value: Any) -> str:
    """A value in a message: on one line, and not more of it than a person needs."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return cut(ascii(value[:SHOWN] if isinstance(value, str) else value))
