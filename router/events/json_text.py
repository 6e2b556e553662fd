"""JSON text (RFC 8259): read it whole, or say where and why it cannot be read.

Fast on what is right, thorough on what is wrong: `read` hands the text to msgspec, and only a text that
msgspec refuses is walked by the scanner below, which knows lines, columns and the usual mistakes.
"""

from __future__ import annotations

import codecs
import re
from typing import Any

import msgspec

from router.events.model import EventError, cut

MAX_DEPTH = 256
"""How deep arrays and objects may nest; RFC 8259, section 9, leaves the limit to the reader."""

AROUND = 2
"""Levels of a batch of events around a payload: the array, and the event."""

DEEP = MAX_DEPTH - AROUND
"""How deep a payload may nest, with what is around it."""
_OBJECT = len('{"":}')
"""Bytes of an object around another value, at least."""
_TOO_DEEP = f"nested more than {MAX_DEPTH} deep"

_decode = msgspec.json.Decoder().decode
REFUSALS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for a text that is no JSON, or not of the type that was asked for."""

_CONTAINERS = frozenset((dict, list))
"""The very types that msgspec makes of objects and arrays."""

_SPACE = re.compile(rb"[ \t\n\r]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_WORD = re.compile(rb"[A-Za-z0-9_+.-]+")
_LITERALS = frozenset((b"true", b"false", b"null"))
_TEXT = re.compile(
    rb"""(?:
        [^"\\\x00-\x1f]++
      | \\["\\/bfnrt]
      | \\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}
      | \\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}   # a surrogate pair: one character
    )*+""",
    re.VERBOSE,
)
"""The inside of a string, RFC 8259, section 7."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_OFFSET = re.compile(r" \(byte (\d+)\)")

_PATIENCE = 20_000
"""How many values, keys and marks the scanner looks at: some 20 ms, whatever a stranger sends."""

# What the scanner waits for, in the words of its messages.
_VALUE = "a value"
_FIRST_VALUE = "a value or ]"
_KEY = "a key in double quotes"
_FIRST_KEY = "a key in double quotes or }"
_COLON = "a colon"
_MORE_VALUES = "a comma or ]"
_MORE_KEYS = "a comma or }"
_END = "the end of the text"

# RFC 8259, sections 4 and 5, as the steps that a mark leads to.
_SEPARATORS = {(_MORE_VALUES, b","): _VALUE, (_MORE_KEYS, b","): _KEY, (_COLON, b":"): _VALUE}
_OPENERS = {
    (_VALUE, b"["): _FIRST_VALUE,
    (_FIRST_VALUE, b"["): _FIRST_VALUE,
    (_VALUE, b"{"): _FIRST_KEY,
    (_FIRST_VALUE, b"{"): _FIRST_KEY,
}
_CLOSERS = frozenset(
    ((_FIRST_VALUE, b"]"), (_MORE_VALUES, b"]"), (_FIRST_KEY, b"}"), (_MORE_KEYS, b"}")),
)


class _Fault(Exception):  # noqa: N818 (it is the scanner's result, raised out of its depth)
    """Where the scanner stopped, and why."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(at, what)
        self.at = at
        self.what = what


def read(text: bytes) -> Any:
    """The value of a JSON text.

    Integers keep every digit. Of a key that an object holds twice the last value counts (RFC 8259,
    section 4, leaves it open).

    Raises:
        EventError: it is no JSON, no UTF-8, nested deeper than `MAX_DEPTH`, or holds a number beyond what
            a reader can represent. The message begins with line and column.
    """
    try:
        value = _decode(text)
    except REFUSALS as error:
        raise EventError(fault(text) or _near(text, str(error))) from None
    if _may_be_deep(text) and _deeper(value, MAX_DEPTH):
        raise EventError(fault(text) or _TOO_DEEP)
    return value


def glance(text: bytes) -> Any:
    """The value of a text that `read` accepts even `AROUND` levels down; None where `read` has to say."""
    try:
        value = _decode(text)
    except REFUSALS:
        return None
    return None if _may_be_deep(text) and _deeper(value, DEEP) else value


def is_json(text: bytes) -> bool:
    """Whether `read` accepts it."""
    try:
        read(text)
    except EventError:
        return False
    return True


def place(text: bytes, at: int) -> str:
    """`line 3, column 7` for the byte at offset `at`: both count from 1, columns count characters."""
    begin = text.rfind(b"\n", 0, at) + 1
    line = text.count(b"\n", 0, at) + 1
    return f"line {line}, column {len(text[begin:at].decode(errors='replace')) + 1}"


def fault(text: bytes) -> str | None:
    """Where and why a text is no JSON that `read` accepts; None if that is not in its first part."""
    try:
        _scan(text)
    except _Fault as found:
        return f"{place(text, found.at)}: {found.what}"
    return None


def _near(text: bytes, complaint: str) -> str:
    """What msgspec says of a long text, with its byte offset (about right) as a place."""
    offset = _OFFSET.search(complaint)
    at = min(int(offset[1]), len(text)) if offset else len(text)
    return f"near {place(text, at)}: {_OFFSET.sub('', complaint)}"


def _may_be_deep(text: bytes) -> bool:
    """Whether it has enough opening brackets to nest `DEEP` levels, those in strings too."""
    if len(text) < 2 * DEEP:
        return False
    # In a third of the time that `count` takes.
    rest = text.replace(b"[", b"", DEEP)
    if len(text) - len(rest) + len(rest) // _OBJECT + 1 < DEEP:  # no room for so many objects
        return False
    return len(text) - len(rest.replace(b"{", b"", DEEP)) >= DEEP


def _deeper(value: Any, limit: int) -> bool:
    """Whether containers nest deeper than `limit`; level by level, because recursion has a limit too."""
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(limit):
        if not level:
            return False
        level = [
            child
            for container in level
            if container  # a text of a megabyte has 300,000 empty lists
            for child in (container.values() if type(container) is dict else container)
            if type(child) in _CONTAINERS
        ]
    return bool(level)


def _scan(text: bytes) -> None:
    opened: list[bytes] = []
    wanted = _VALUE
    at = _skip(text, 0)
    for _ in range(_PATIENCE):
        if at == len(text):
            break
        step = wanted, text[at : at + 1]
        end = at + 1
        if step in _SEPARATORS:
            wanted = _SEPARATORS[step]
        elif step in _OPENERS:
            opened.append(step[1])
            wanted = _OPENERS[step]
            if len(opened) > MAX_DEPTH:
                raise _Fault(at, _TOO_DEEP)
        elif step in _CLOSERS:
            opened.pop()
            wanted = _after(opened)
        elif step[1] == b'"' and wanted in (_KEY, _FIRST_KEY):
            wanted, end = _COLON, _string(text, at)
        elif wanted in (_VALUE, _FIRST_VALUE):
            end = _scalar(text, at, wanted)
            wanted = _after(opened)
        else:
            raise _unexpected(text, at, wanted)
        at = _skip(text, end)
    if at == len(text) and wanted is not _END:
        raise _Fault(at, f"the text ends where {wanted} should stand")


def _skip(text: bytes, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _after(opened: list[bytes]) -> str:
    """What may follow a complete value."""
    if not opened:
        return _END
    return _MORE_VALUES if opened[-1] == b"[" else _MORE_KEYS


def _scalar(text: bytes, at: int, wanted: str) -> int:
    """The end of the string, number or literal at `at`."""
    if text[at : at + 1] == b'"':
        return _string(text, at)
    word = _WORD.match(text, at)
    if word is None:
        raise _unexpected(text, at, wanted)
    if word[0] not in _LITERALS:
        number = _NUMBER.fullmatch(word[0])
        if number is None:
            raise _unexpected(text, at, wanted)
        try:
            _decode(word[0])
        except msgspec.MsgspecError:
            raise _Fault(at, "a number too large to be read") from None
    return word.end()


def _string(text: bytes, at: int) -> int:
    """The end of the string whose opening quote is at `at`."""
    inside = _TEXT.match(text, at + 1)
    assert inside is not None
    try:
        inside[0].decode()
    except UnicodeDecodeError as error:
        raise _Fault(at + 1 + error.start, "bytes that are not UTF-8") from None
    end = inside.end()
    mark = text[end : end + 1]
    if mark == b'"':
        return end + 1
    if not mark:
        raise _Fault(at, "a string that is never closed")
    if mark != b"\\":
        raise _Fault(end, f"a control character (0x{mark[0]:02x}) inside a string; write it as an escape")
    if _SURROGATE.match(text, end):
        raise _Fault(end, "half a surrogate pair, which is no character")
    raise _Fault(end, "a backslash that begins no JSON escape")


def _unexpected(text: bytes, at: int, wanted: str) -> _Fault:
    mark = text[at : at + 1]
    before = text[:at].rstrip(b" \t\r\n")
    if mark in (b"]", b"}") and before.endswith(b","):
        return _Fault(len(before) - 1, f'a comma before "{mark.decode()}", where JSON allows none')
    if text.startswith(codecs.BOM_UTF8, at):
        return _Fault(at, "a byte order mark, which no JSON text begins with (RFC 8259, section 8.1)")
    word = _WORD.match(text, at)
    found = cut(word[0].decode()) if word else text[at : at + 4].decode(errors="replace")[:1]
    return _Fault(at, f"{found!r} where {wanted} should stand")
