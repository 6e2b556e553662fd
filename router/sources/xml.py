"""XML that clouds send, read into the same plain values as JSON: objects, lists and text.

A parser of what strangers send: no document type, so no entities but XML's own five; no network; bounded
depth and size of text (libxml2's limits, `huge_tree` off). Attributes, comments, processing instructions
and text beside elements carry nothing in these documents, and are left out.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from router.events import EventError
from router.events.model import cut

MAX_DEPTH = 64
"""How deep elements may nest; the documents reach ten."""

_COMPLAINT = re.compile(r"(.*?)(?:, line \d+, column \d+)?(?:\n|\Z)")
"""The sentence of libxml2's message; place and, on further lines, the sender's text may follow."""


def read(body: bytes) -> tuple[str, Any]:
    """The root element's name and its content.

    An element with children is an object, whose repeated children are lists; any other is its text.

    Raises:
        EventError: it is no XML (with line and column), has a document type, or nests too deep.
    """
    builder = _Builder()
    parser = etree.XMLParser(
        target=builder,
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
    )
    try:
        etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        complaint = _COMPLAINT.match(str(error.msg))
        assert complaint is not None
        raise EventError(f"line {line}, column {column}: {cut(complaint[1])}") from None
    return builder.root


class _Element:
    """An element that is still open."""

    __slots__ = ("children", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text: list[str] = []
        self.children: dict[str, list[Any]] = {}

    def content(self) -> Any:
        if not self.children:
            return "".join(self.text)
        return {name: found[0] if len(found) == 1 else found for name, found in self.children.items()}


class _Builder:
    """What lxml calls while it parses (its "target parser interface")."""

    def __init__(self) -> None:
        self._open: list[_Element] = []
        self.root: tuple[str, Any] = ("", "")

    def start(self, tag: str | bytes, attrib: object) -> None:  # noqa: ARG002 (the interface's)
        if len(self._open) == MAX_DEPTH:
            raise EventError(f"XML nested more than {MAX_DEPTH} deep")
        assert isinstance(tag, str)
        # lxml writes `{namespace}name`. Without a namespace a colon is a letter like others (`:a`).
        self._open.append(_Element(tag.rpartition("}")[2]))

    def data(self, data: str | bytes) -> None:
        assert isinstance(data, str)
        self._open[-1].text.append(data)

    def end(self, tag: str | bytes) -> None:  # noqa: ARG002
        element = self._open.pop()
        if self._open:
            self._open[-1].children.setdefault(element.name, []).append(element.content())
        else:
            self.root = (element.name, element.content())

    def comment(self, text: str | bytes) -> None:
        """Nothing: a comment is no content."""

    def doctype(self, name: str, pubid: object, system: object) -> None:  # noqa: ARG002
        raise EventError(f"XML with a document type (<!DOCTYPE {cut(name)}>), which is not read")

    def close(self) -> None:
        """Nothing: `root` holds the result."""
