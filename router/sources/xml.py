"""XML that clouds send, read into the same plain values as JSON: objects, lists and text.

A parser of what strangers send: no document type, so no entities but XML's own five; nothing outside is ever
fetched; bounded depth and number of elements. Attributes, comments, processing instructions and text beside
elements carry nothing in these documents, and are left out.

The parser is the standard library's expat, which forgets a document's names with the document. libxml2 keeps
every name that a thread has ever met, so that strangers could fill the process with new ones.
"""

from __future__ import annotations

import codecs
import re
from typing import Any
from xml.parsers import expat

from router.events import EventError, TooMuchError
from router.events.model import cut

MAX_DEPTH = 64
"""How deep elements may nest; the documents reach ten."""

MAX_NODES = 20_000
"""How many elements there may be: those of a page of a thousand words, each with its corners."""

_ENCODINGS = frozenset(
    ("utf-8", "us-ascii", "ascii", "iso-8859-1", "gb2312", "gbk", "gb18030", "big5", "utf-16le", "utf-16be")
)
"""What a document may say that it is written in, where no mark at its beginning tells."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", ("utf-8",)),
    (codecs.BOM_UTF16_LE, "utf-16", ("utf-16", "utf-16le")),
    (codecs.BOM_UTF16_BE, "utf-16", ("utf-16", "utf-16be")),
    (b"<\0", "utf-16-le", ("utf-16", "utf-16le")),
    (b"\0<", "utf-16-be", ("utf-16", "utf-16be")),
)
"""What a document may begin with, the encoding that it tells, and how this may be declared besides."""

_DECLARED = re.compile(r"\ufeff?<\?xml\s[^>]*?\bencoding\s*=\s*[\"']([^\"'>]*)", re.ASCII)
_DECLARATION = 400
"""Bytes in which it must stand."""

_DOCTYPE = re.compile(r"(?:\s++|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE\s*+([^\s\[>]*+)", re.DOTALL)
"""A document type, and all that may stand before it (XML 1.0, production 22)."""

_PREFIXED = re.compile(r"[^:]+:([^:]+)")
"""A colon that divides nothing is a letter like others: `:a`."""

_PIECE = 0x10000
"""Characters that the parser gets at a time: it finishes a piece even if a handler objects."""


def read(body: bytes) -> tuple[str, Any]:
    """The root element's name and its content.

    An element with children is an object, whose repeated children are lists; any other is its text.

    Raises:
        EventError: it is no XML (with line and column), has a document type, or nests too deep.
        TooMuchError: it has more than `MAX_NODES` elements.
    """
    text = _decoded(body)
    if found := _DOCTYPE.match(text):
        # expat must not even begin with it: no handler can stop it at once.
        raise EventError(f"XML with a document type (<!DOCTYPE {cut(found[1])}>), which is not read")
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = _PIECE
    parser.ordered_attributes = True  # a list, which is quicker to make; nobody looks at it
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        for begin in range(0, max(len(text), 1), _PIECE):
            end = begin + _PIECE
            parser.Parse(text[begin:end], end >= len(text))
    except expat.ExpatError as error:
        raise EventError(_at(error.lineno, error.offset, expat.ErrorString(error.code))) from None
    return builder.root


def _decoded(body: bytes) -> str:
    """The text of a document in the encoding that it declares.

    Raises:
        EventError: it is in another one, or in one that is not read.
    """
    mark = next((mark for mark in _MARKS if body.startswith(mark[0])), None)
    found = _DECLARED.match(body[:_DECLARATION].decode(mark[1] if mark else "latin-1", "replace"))
    declared = found[1].lower() if found else None
    encoding = mark[1] if mark else declared or "utf-8"
    allowed = mark[2] if mark else _ENCODINGS
    if found and declared not in allowed:
        what = f"declared to be in {cut(found[1])}, which it is not in, or which is not read"
        raise EventError(_at(1, found.start(1), what))
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        before = body[: error.start].decode(encoding, "replace").split("\n")
        raise EventError(_at(len(before), len(before[-1]), f"not in {encoding}: {error.reason}")) from None


def _at(line: int, column: int, what: str) -> str:
    """A complaint with its place; expat counts columns from 0."""
    return f"line {line}, column {column + 1}: {what}"


class _Builder:
    """What expat calls while it parses.

    Of each open element there are its text, and its children: None, most have none.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._children: list[dict[str, Any] | None] = []
        self._nodes = 0
        self.root: tuple[str, Any] = ("", "")

    def start(self, name: str, attributes: object) -> None:  # noqa: ARG002 (expat's)
        if len(self._texts) == MAX_DEPTH:
            raise EventError(f"XML nested more than {MAX_DEPTH} deep")
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise too_many()
        self._texts.append("")
        self._children.append(None)

    def data(self, text: str) -> None:
        if self._children[-1] is None:  # else it stands beside elements
            self._texts[-1] += text

    def end(self, name: str) -> None:
        if ":" in name and (prefixed := _PREFIXED.fullmatch(name)):
            name = prefixed[1]
        text, children = self._texts.pop(), self._children.pop()
        content = text if children is None else children
        if not self._children:
            self.root = (name, content)
            return
        siblings = self._children[-1]
        if siblings is None:
            self._children[-1] = {name: content}
        elif name not in siblings:
            siblings[name] = content
        elif type(former := siblings[name]) is list:
            former.append(content)
        else:
            siblings[name] = [former, content]


def too_many() -> TooMuchError:
    """The refusal of a document with more than `MAX_NODES` nodes."""
    return TooMuchError(f"more than {MAX_NODES} nodes in one document, which is more than is read")
