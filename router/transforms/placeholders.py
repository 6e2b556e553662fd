"""A template of EventBridge's: JSON with `<placeholders>`, which stand for values or inside of texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from router.transforms.problems import TransformSyntaxError

_TOKEN = re.compile(r'\\.|"|<([A-Za-z0-9_.-]+)>', re.DOTALL)
_COLON = re.compile(r"\s*:")
_BLANK = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A `<name>` of a template.

    Attributes:
        quoted: whether it stands inside a text.
        key: whether that text, or the placeholder itself, is an object's key.
    """

    name: str
    start: int
    end: int
    quoted: bool
    key: bool


def placeholders(template: str) -> Iterator[Placeholder]:
    """The placeholders of a template, in order."""
    held: list[re.Match[str]] = []
    inside = False
    for token in _TOKEN.finditer(template):
        if token[1] and not inside:
            yield _placeholder(token, quoted=False, key=_is_key(template, token.end()))
        elif token[1]:
            held.append(token)
        elif token[0] == '"':
            inside = not inside
            for one in held:
                yield _placeholder(one, quoted=True, key=_is_key(template, token.end()))
            held.clear()


def _placeholder(token: re.Match[str], *, quoted: bool, key: bool) -> Placeholder:
    return Placeholder(token[1], token.start(), token.end(), quoted, key)


def _is_key(template: str, end: int) -> bool:
    return _COLON.match(template, end) is not None


def is_one_value(template: str) -> bool:
    """Whether a template is one JSON value; else it is several texts.

    Raises:
        TransformSyntaxError: it is neither; with the character where it goes wrong.
    """
    disguised = template
    for one in placeholders(template):
        width = one.end - one.start
        shown = "x" * width if one.quoted else f'"{"x" * (width - 2)}"'
        disguised = disguised[: one.start] + shown + disguised[one.end :]
    ends = values(disguised)
    if len(ends) > 1 and not all(_is_text(template, start) for start, _ in ends):
        _refuse("EventBridge's templates are one JSON value, or several texts", ends[1][0])
    return len(ends) == 1


def _is_text(template: str, start: int) -> bool:
    return template.startswith('"', start)


def values(text: str) -> list[tuple[int, int]]:
    """Where the JSON values of a text begin and end: one at least.

    Raises:
        TransformSyntaxError: it is no JSON, with the character where it goes wrong.
    """
    ends: list[tuple[int, int]] = []
    at = _blank(text, 0)
    while at < len(text) or not ends:
        try:
            _, end = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            _refuse(f"this is no JSON: {error.msg[:1].lower()}{error.msg[1:]}", error.pos)
        except (ValueError, RecursionError) as error:
            _refuse(f"this is no JSON: {error}", at)
        ends.append((at, end))
        at = _blank(text, end)
    return ends


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _refuse(message: str, offset: int) -> NoReturn:
    hint = "a text in it stands in double quotes, a <placeholder> within them or alone"
    raise TransformSyntaxError(message, (), offset, hint)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"JSON has no {word}")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
