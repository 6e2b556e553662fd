"""Strict JSON (RFC 8259) with what decoding usually loses: number spelling, duplicate keys, places.

`read` is for events: fast, no places. `nodes` is for patterns: every value knows where it stands.
Neither accepts NaN, leading zeros, raw control characters, a byte-order mark or text after the root;
both accept lone surrogate escapes. Objects are tuples of pairs (`Object`), arrays are lists.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any, NoReturn, TypeVar

from router.patterns.values import Number, Value, number

DEEPEST = 1_000
"""Levels of nesting (EventBridge's limit, and its parser's)."""

T = TypeVar("T")
_Make = Callable[[Any, int, int, int], T]

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[\w$.+-]+")
_LITERALS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


class JSONError(ValueError):
    """The text is not JSON.

    Attributes:
        reason: what is wrong, in the words of the parser that EventBridge uses where it has words for it.
        offset: where, in characters from the start.
    """

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


class Object(tuple[tuple[str, Any], ...]):
    """The members of a JSON object in their order, duplicate keys included."""

    __slots__ = ()


Members = Callable[[list[tuple[str, Any]]], Any]
"""What makes an object of its members."""


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value and its place.

    Attributes:
        value: a leaf, an `Object` of nodes, or a list of nodes.
        start: the offset of the value; like the next two None for a value that did not come from text.
        opened: the offset after its first token: a bracket, a quotation mark, a whole number or literal.
        end: the offset after it.
    """

    value: Value | Object | list[Node]
    start: int | None = None
    opened: int | None = None
    end: int | None = None


def read(document: str | bytes, members: Members = Object) -> Any:
    """A document's root: leaves, lists and `Object`s.

    Args:
        document: JSON text.
        members: what is made of an object's members; a document that is nested deeply may hold `Object`s
            in any case.

    Raises:
        JSONError: it is not strict JSON.
    """
    text = _decoded(document)
    try:
        return _decoder(members).decode(text)
    except (ValueError, RecursionError):  # not JSON: the scanner says why and where; or nested deeply
        return _scan(text, lambda value, *_places: value)


def nodes(document: str | bytes) -> Node:
    """A document's root with the places of all its values.

    Raises:
        JSONError: it is not strict JSON.
    """
    return _scan(_decoded(document), Node)


class NotJSONError(ValueError):
    """A Python value has no JSON text.

    Attributes:
        path: keys and indexes that lead to it.
    """

    def __init__(self, reason: str, path: tuple[str | int, ...]) -> None:
        super().__init__(reason)
        self.path = path


def from_python(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    """A Python value as `read` would give it: int, float and Decimal as `Number`, mappings as `Object`.

    Raises:
        NotJSONError: JSON has no such value.
    """
    if value is None or isinstance(value, bool | str):
        return value
    try:
        if isinstance(value, int | float | Decimal):
            return number(value)
        if isinstance(value, list | tuple):
            return [from_python(one, (*path, index)) for index, one in enumerate(value)]
        if isinstance(value, Mapping):
            return Object((_key(key, path), from_python(one, (*path, key))) for key, one in value.items())
    except NotJSONError:
        raise
    except ValueError as problem:
        raise NotJSONError(str(problem), path) from None
    except RecursionError:
        raise NotJSONError("it is nested too deeply", path[:1]) from None
    raise NotJSONError(f"{type(value).__name__} is not a JSON value", path)


def _key(key: Any, path: tuple[str | int, ...]) -> str:
    if not isinstance(key, str):
        raise NotJSONError(f"the key {key!r} is not a string", path)
    return key


def _decoded(document: str | bytes) -> str:
    """A document as text, which must be UTF-8."""
    if isinstance(document, bytes):
        try:
            document = document.decode()
        except UnicodeDecodeError as problem:
            raise JSONError(f"Invalid UTF-8 byte 0x{document[problem.start]:02x}", problem.start) from None
    if document.startswith("\ufeff"):
        raise JSONError(_unexpected(document, 0, "a byte-order mark is not JSON"), 0)
    return document


def _refuse(constant: str) -> NoReturn:
    """Python's decoder knows NaN and Infinity; JSON does not."""
    raise ValueError(constant)


@cache
def _decoder(members: Members) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=members, parse_float=Number, parse_int=Number, parse_constant=_refuse
    )


@dataclass(slots=True)
class _Open:
    """An object or array whose end has not been reached."""

    close: str
    opened: int
    items: list[Any] = field(default_factory=list)
    key: str = ""

    def add(self, value: Any) -> None:
        self.items.append((self.key, value) if self.close == "}" else value)

    def value(self) -> Object | list[Any]:
        return Object(self.items) if self.close == "}" else self.items

    @property
    def name(self) -> str:
        return "Object" if self.close == "}" else "Array"


def _scan(text: str, make: _Make[T]) -> T:
    """Read a document without recursion, calling `make(value, start, opened, end)` for every value."""
    unfinished: list[_Open] = []
    at = _skip(text, 0)
    while True:
        if text.startswith(("{", "["), at):
            if len(unfinished) >= DEEPEST:
                raise JSONError(f"Nested deeper than {DEEPEST:,} levels", at)
            container = _Open("}" if text[at] == "{" else "]", at + 1)
            at = _skip(text, at + 1)
            if not text.startswith(container.close, at):
                unfinished.append(container)
                at = _member(text, at, container)
                continue
            at += 1
            value = make(container.value(), container.opened - 1, container.opened, at)
        else:
            start = at
            leaf, opened, at = _leaf(text, at, unfinished)
            value = make(leaf, start, opened, at)
        while unfinished:
            container = unfinished[-1]
            container.add(value)
            at = _skip(text, at)
            if text.startswith(",", at):
                at = _member(text, _skip(text, at + 1), container)
                break
            if not text.startswith(container.close, at):
                expected = f"was expecting comma to separate {container.name} entries"
                raise JSONError(_unexpected(text, at, expected, unfinished), at)
            unfinished.pop()
            at += 1
            value = make(container.value(), container.opened - 1, container.opened, at)
        else:
            if (rest := _skip(text, at)) != len(text):
                raise JSONError(_unexpected(text, rest, "was expecting the end of the text"), rest)
            return value


def _skip(text: str, at: int) -> int:
    """The offset after white space."""
    return _SPACE.match(text, at).end()  # type: ignore[union-attr] # matches the empty string too


def _member(text: str, at: int, container: _Open) -> int:
    """Where the container's next value begins; reads the key before it in an object."""
    if container.close == "]":
        return at
    if not text.startswith('"', at):
        expected = "was expecting double-quote to start field name"
        raise JSONError(_unexpected(text, at, expected, [container]), at)
    container.key, at = _string(text, at)
    at = _skip(text, at)
    if not text.startswith(":", at):
        expected = "was expecting a colon to separate field name and value"
        raise JSONError(_unexpected(text, at, expected, [container]), at)
    return _skip(text, at + 1)


def _leaf(text: str, at: int, unfinished: list[_Open]) -> tuple[Value, int, int]:
    """A string, number or literal, the offset after its first token, and the offset after it."""
    if text.startswith('"', at):
        string, end = _string(text, at)
        return string, at + 1, end
    word = _WORD.match(text, at)
    if word is None:
        raise JSONError(_unexpected(text, at, f"expected a valid value {_VALUES}", unfinished), at)
    if word[0] in _LITERALS:
        return _LITERALS[word[0]], word.end(), word.end()
    if _NUMBER.fullmatch(word[0]):
        return Number(word[0]), word.end(), word.end()
    if word[0][0] in "-+.0123456789":
        raise JSONError(f"Invalid numeric value: '{word[0]}'", at)
    raise JSONError(f"Unrecognized token '{word[0]}': was expecting {_VALUES}", word.end())


def _string(text: str, at: int) -> tuple[str, int]:
    """A string and the offset after its closing quotation mark."""
    if found := _STRING.match(text, at):
        string: str = json.loads(found[0]) if "\\" in found[0] else found[0][1:-1]
        return string, found.end()
    for place in re.compile(r"\\.?|[\x00-\x1f]", re.DOTALL).finditer(text, at):
        token, where = place[0], place.start()
        if token[0] < " ":
            raise JSONError(_control(token), where)
        if token[1:] == "u" and not re.compile(r"[0-9a-fA-F]{4}").match(text, place.end()):
            raise JSONError("Unexpected character: expected a hex-digit for character escape sequence", where)
        if token[1:] not in '"\\/bfnrtu':
            raise JSONError(f"Unrecognized character escape '{token[1:]}' (code {ord(token[1:])})", where)
    raise JSONError("Unexpected end-of-input: was expecting closing quote for a string value", len(text))


def _control(character: str) -> str:
    code = f"Illegal unquoted character ((CTRL-CHAR, code {ord(character)}))"
    return f"{code}: has to be escaped using backslash to be included in string value"


def _unexpected(text: str, at: int, expected: str, unfinished: list[_Open] | None = None) -> str:
    """What to say about the character at an offset, or about the end of the text."""
    if at < len(text):
        return f"Unexpected character ('{text[at]}' (code {ord(text[at])})): {expected}"
    if unfinished:
        return f"Unexpected end-of-input: expected close marker for {unfinished[-1].name}"
    return "Unexpected end-of-input: the text is empty"


def dumps(node: Node) -> str:
    """A node as JSON text on one line, numbers as they were written."""
    value = node.value
    if isinstance(value, Object):
        return "{" + ", ".join(f"{quoted(key)}: {dumps(member)}" for key, member in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(dumps(member) for member in value) + "]"
    return quoted(value)


def quoted(value: Value) -> str:
    """A leaf as JSON text that can be printed: only lone surrogates stay escaped."""
    if isinstance(value, Number):
        return value.text
    return printable(json.dumps(value, ensure_ascii=False))


def printable(text: str) -> str:
    """A text with its lone surrogates, which no encoding has, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
