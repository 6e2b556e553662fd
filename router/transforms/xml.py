"""A structure as an XML document: an object's members are elements, a list repeats its element.

Written from a value, so nothing in the data can open or close an element. Without a declaration: UTF-8 is
what a document without one is (XML 1.0, section 4.3.3). No attributes and no namespaces: the clouds' APIs
have none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from router.config.problems import Path
from router.errors import MessageError
from router.events.model import cut

_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAME = re.compile(rf"[{_START}][{_START}\-.0-9\u00b7\u0300-\u036f\u203f\u2040]*+")
"""XML 1.0, production 5, without the colon: that is for namespaces."""

_NO_CHARACTER = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What is not in XML 1.0, production 2; not even as `&#1;`."""

_REFERENCES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
"""Section 2.4; and a reader takes a carriage return of its own for a line's end (2.11)."""


class XmlError(MessageError):
    """XML cannot hold this."""


class Fault(NamedTuple):
    """What is wrong with a structure as it is written.

    Attributes:
        path: keys and indexes to the value at fault.
        offset: the character at fault in the text there; None for all of it, or for the key.
    """

    message: str
    path: Path
    offset: int | None = None
    hint: str = ""


def document(value: Any, text: Callable[[Any], str]) -> bytes:
    """A document.

    Args:
        value: an object with one member, the root element. Null makes no element, and in an element nothing.
        text: a leaf as text.

    Raises:
        XmlError: a name or a text in it cannot stand in XML, or there is more than one root.
    """
    ((name, content),) = value.items()
    if isinstance(content, list):
        raise XmlError(f"{name}: a document has one root element, and this is a list")
    return "".join(_elements(name, {} if content is None else content, text, (name,))).encode()


def faults(value: Any) -> Iterator[Fault]:
    """Everything that is wrong with a structure, whatever will be filled into it."""
    if not isinstance(value, dict) or len(value) != 1:
        yield Fault("xml wants a mapping with one key, which is the root element", ())
        return
    ((name, content),) = value.items()
    if isinstance(content, list):
        yield Fault("a document has one root element, and this is a list", (name,))
    yield from _faults(value, ())


def _faults(value: Any, path: Path) -> Iterator[Fault]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if "{{" not in name and (reason := _wrong_name(name)):
                yield Fault(reason, (*path, name), None, "letters, digits and -._ only, no digit first")
            yield from _faults(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if isinstance(inner, list):
                yield Fault("a list in a list: which element should that be?", (*path, index))
            yield from _faults(inner, (*path, index))
    elif isinstance(value, str) and (found := _NO_CHARACTER.search(value)):
        yield Fault(_wrong_character(found), path, found.start(), "leave it out")


def _elements(name: str, value: Any, text: Callable[[Any], str], place: tuple[str, ...]) -> Iterator[str]:
    """An element, or one for each item of a list."""
    if isinstance(value, list):
        for item in value:
            if isinstance(item, list):
                raise XmlError(f"{cut('.'.join(place))}: a list in a list: which element should that be?")
            yield from _elements(name, item, text, place)
    elif value is not None:
        content = _content(value, text, place)
        yield f"<{name}>{content}</{name}>" if content else f"<{name}/>"


def _content(value: Any, text: Callable[[Any], str], place: tuple[str, ...]) -> str:
    if isinstance(value, Mapping):
        return "".join(_children(value, text, place))
    found = text(value)
    if wrong := _NO_CHARACTER.search(found):
        raise XmlError(f"{cut('.'.join(place))}: {_wrong_character(wrong)}")
    return found.translate(_REFERENCES)


def _children(
    members: Mapping[str, Any], text: Callable[[Any], str], place: tuple[str, ...]
) -> Iterator[str]:
    for name, value in members.items():
        if reason := _wrong_name(name):
            raise XmlError(f"{cut('.'.join(place))}: {reason}")
        yield from _elements(name, value, text, (*place, name))


def _wrong_name(name: str) -> str:
    """Why an element cannot be called so; "" where it can."""
    if _NAME.fullmatch(name):
        return ""
    return f"no XML element can be called '{cut(name)}'"


def _wrong_character(found: re.Match[str]) -> str:
    return f"XML has no character {found[0]!a}, not even escaped"
