"""Texts in UTF-8, or something like it, without the credentials of Baidu's that stand in them.

A name counts in any spelling (`secretAccessKey`, `SECRET_ACCESS_KEY`), with JSON's escapes for letters, as a
part of a longer one, and in text inside of text.
"""

from __future__ import annotations

import bisect
import hashlib
import re

from router.events import EventError
from router.sources import baidu_json

REDACTED = b'"[redacted]"'
"""What stands in place of a value in JSON."""

MAX_TOKENS = 25_000
"""How much of a JSON text is looked through for values; what stands behind that goes as one.

Some 18 are in one `credentials`, and there is one for each of a push's events, of which 1,000 are taken."""

MAX_ESCAPES = 20_000
"""How many letters may be written as `\\u0041`. No sender writes any; a text of more of them goes as one."""

_STEMS = (b"credentials", b"access", b"session")
"""One of them is in each name: to look for these is what costs least."""

_NAME = re.compile(
    rb"credentials|(?:access[ _.-]?key[ _.-]?id|secret[ _.-]?access[ _.-]?key|session[ _.-]?token)"
)
"""In lower case."""

_KEPT = re.compile(rb'"(?:%b|expiration)"' % _NAME.pattern)
"""Keys inside of `credentials` that say nothing. Any other could be a secret."""

_LETTER = re.compile(rb"\\u00(4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9a]|2d)", re.IGNORECASE)

_STRING_END = re.compile(rb'(?:[^"\\]|\\.)*+"', re.DOTALL)
_COLON = re.compile(rb"[ \t\r\n]*+:")
_NESTED = re.compile(
    rb"""(?:[ \t]|\\[nrt])*+(?:\\++(?:["']|u002[27])|'|%2[27]|&quot;|&\#3[49];|>)""", re.VERBOSE
)
_ASSIGNED = re.compile(rb"(?:[ \t]|\\[nrt])*+[:=]")

_TOKEN = re.compile(
    rb"""([ \t\r\n]*+)(?:
        (?P<key>"(?:[^"\\]|\\.)*+"(?=[ \t\r\n]*+:))
      | (?P<scalar>"(?:[^"\\]|\\.)*+"|[^ \t\r\n",:\[\]{}]++)
      | (?P<open>[\[{])
      | (?P<close>[\]}])
      | (?P<mark>[,:]))""",
    re.DOTALL | re.VERBOSE,
)

_BEHIND = re.compile(rb"[^A-Za-z0-9]{0,64}+[^\r\n]{0,4096}+[\x80-\xbf]{0,3}+")
"""What goes behind a name in what is no JSON: some punctuation, and the rest of the line or 4 kB of it."""


def redacted(text: bytes) -> bytes:
    """The text without values of such names; every other byte stays as it is.

    In JSON that is each value below such a member, and what follows such a name inside of a string that
    holds a text of its own. In anything else it is the rest of the line.
    """
    count, plain = _count(text), _unescaped(text)
    if plain is None:
        return mark(text)
    if plain is not text and (more := _count(plain)) > count:
        count, text = more, plain
    if not count:
        return text
    try:
        baidu_json.read(text)
    except EventError:
        return _of_anything(text)
    return _of_json(text)


def names(text: bytes) -> int:
    """How many such names are in it."""
    plain = _unescaped(text)
    return MAX_ESCAPES if plain is None else _count(plain)


def mark(secret: bytes) -> bytes:
    """What stands in place of something of which nobody knows where it ends. Two of them stay two."""
    return b"[redacted sha256:%b]" % hashlib.sha256(secret).hexdigest()[:16].encode()


def _unescaped(text: bytes) -> bytes | None:
    """The text with letters for their escapes; None where there are too many."""
    if b"\\u00" not in text and b"\\U00" not in text:
        return text
    plain, count = _LETTER.subn(lambda found: bytes((int(found[1], 16),)), text, MAX_ESCAPES)
    return None if count == MAX_ESCAPES else plain


def _count(text: bytes) -> int:
    lowered = text.lower()
    if not any(stem in lowered for stem in _STEMS):
        return 0
    return len(_NAME.findall(lowered))


def _of_anything(text: bytes) -> bytes:
    found = [name.span() for name in _NAME.finditer(text.lower())]
    starts = [start for start, _ in found]
    pieces: list[bytes] = []
    done = index = 0
    while index < len(found):
        begin = end = found[index][1]
        while (reach := _behind(text, found[index][1])) > end:
            end = reach
            # Of the names that begin in there, the last one reaches furthest.
            index = bisect.bisect_left(starts, end) - 1
        pieces += (text[done:begin], mark(text[begin:end]) if end > begin else b"")
        done, index = end, index + 1
    return b"".join((*pieces, text[done:]))


def _behind(text: bytes, start: int) -> int:
    found = _BEHIND.match(text, start)
    assert found is not None
    return found.end()


class _Json:
    """A JSON text on its way to one without secrets.

    Attributes:
        done: up to where it is.
        tokens: how many were looked at.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._pieces: list[bytes] = []
        self.done = self.tokens = 0

    def keep(self, end: int) -> None:
        self._pieces.append(self._text[self.done : end])
        self.done = end

    def replace(self, end: int, by: bytes) -> None:
        self._pieces.append(by)
        self.done = end

    def value(self) -> None:
        """Replace the leaves of the value that begins here, and keys that say something."""
        depth = 0
        while self.tokens <= MAX_TOKENS and (token := _TOKEN.match(self._text, self.done)):
            kind = str(token.lastgroup)
            depth += (kind == "open") - (kind == "close")
            text = token[kind]
            self.keep(token.end(1))
            says = (
                text != b"null" if kind == "scalar" else kind == "key" and not _KEPT.fullmatch(text.lower())
            )
            self.replace(token.end(), REDACTED if says else text)
            self.tokens += 1
            if depth == 0 and kind not in {"key", "mark"}:
                return

    def whole(self) -> bytes:
        rest = self._text[self.done :]
        return b"".join((*self._pieces, mark(rest) if self.tokens > MAX_TOKENS else rest))


def _of_json(text: bytes) -> bytes:
    """In JSON, every such name stands in a string."""
    lowered, made, start, end = text.lower(), _Json(text), 0, 0
    colon: re.Match[bytes] | None = None
    while made.tokens <= MAX_TOKENS and (name := _NAME.search(lowered, start)):
        if name.end() > end:
            closing = _STRING_END.match(text, name.end())
            assert closing is not None
            end = closing.end()
            colon = _COLON.match(text, end)
        start = name.end()
        if _is_nested(text, name, end):
            made.keep(name.end())
            made.replace(end - 1, mark(text[name.end() : end - 1]))
            start = end
        if colon is not None:
            made.keep(colon.end())
            made.value()
            start = end = made.done
    return made.whole()


def _is_nested(text: bytes, name: re.Match[bytes], end: int) -> bool:
    """Whether a text of its own follows a name inside of a string; else it is a word, or part of a path."""
    if _NESTED.match(text, name.end(), end - 1):
        return True
    return name[0] != b"credentials" and _ASSIGNED.match(text, name.end(), end - 1) is not None
